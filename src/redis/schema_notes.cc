#include "redis/schema_notes.h"

#include <charconv>
#include <memory>
#include <utility>

#include "redis/calls.h"

namespace push_cache::redis {

void SchemaNotes::note(SchemaId id) {
  Note& note = notes_[id.value];
  if (std::exchange(note.sent, true)) return;
  const std::string text = std::to_string(id.value);
  const std::string_view args[] = {"SADD", key_, text};
  client_.send(key_, args, note);
}

struct SchemaNotes::Reading final : ReplySink {
  std::function<void(Result<std::vector<SchemaId>>)> done;

  void reply(const Reply& reply) override {
    const std::unique_ptr<Reading> self(this);
    if (reply.type != Reply::Type::kArray) return done(error_of(reply));
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
  reading->done = std::move(done);
  const std::string_view args[] = {"SMEMBERS", key_};
  client_.send(key_, args, *reading);
}

}  // namespace push_cache::redis
