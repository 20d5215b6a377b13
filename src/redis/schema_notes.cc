#include "redis/schema_notes.h"

#include <charconv>
#include <memory>
#include <utility>

#include "redis/key_error.h"

namespace push_cache::redis {

void SchemaNotes::note(SchemaId id) {
  Note& note = notes_[id.value];
  if (std::exchange(note.sent, true)) return;
  const std::string text = std::to_string(id.value);
  const std::string_view args[] = {"SADD", key_, text};
  client_.send(key_, args, note);
}

struct SchemaNotes::Reading final : ReplySink {
  SchemaNotes* notes = nullptr;
  std::function<void(Result<std::vector<SchemaId>>)> done;

  void reply(const Reply& reply) override {
    const std::unique_ptr<Reading> self(this);
    notes->refused_ = {};
    if (reply.type != Reply::Type::kArray) {
      notes->refused_ = own_key_error(reply, notes->key_, "a set");
      return done(notes->refused_.error());
    }
    std::vector<SchemaId> out;
    for (const Reply& one : reply.elements) {
      std::int32_t id = 0;
      const char* const end = one.text.data() + one.text.size();
      const auto read = std::from_chars(one.text.data(), end, id);
      if (read.ec == std::errc() && read.ptr == end) out.emplace_back(id);
    }
    done(std::move(out));
  }
  void failed(const Error& error) override {
    const std::unique_ptr<Reading> self(this);
    done(error);
  }
};

void SchemaNotes::read(std::function<void(Result<std::vector<SchemaId>>)> done) {
  auto* const reading = new Reading;
  reading->notes = this;
  reading->done = std::move(done);
  const std::string_view args[] = {"SMEMBERS", key_};
  client_.send(key_, args, *reading);
}

}  // namespace push_cache::redis
