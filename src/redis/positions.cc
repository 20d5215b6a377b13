#include "redis/positions.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "redis/key_error.h"

namespace push_cache::redis {
namespace {

// Of a field that is not there -1, and of one that is no offset, as Scripts::advance has it.
std::int64_t number_of(const Reply& reply) {
  constexpr std::size_t kDigitsMax = 15;
  if (reply.type == Reply::Type::kInteger) return reply.integer;
  const char* const end = reply.text.data() + reply.text.size();
  std::int64_t number = -1;
  const auto read = std::from_chars(reply.text.data(), end, number);
  const bool is_offset = read.ec == std::errc() && read.ptr == end && number >= 0;
  return is_offset && reply.text.size() <= kDigitsMax ? number : -1;
}

}  // namespace

// One question to every position key. Deletes itself when all have answered.
class Positions::Call {
 public:
  Call(const std::vector<std::string>& keys, std::function<void(Call&)> done)
      : parts_(keys.size()), done_(std::move(done)) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      parts_[i].call = this;
      parts_[i].key = &keys[i];
    }
  }
  ReplySink& sink(std::size_t key) { return parts_[key]; }
  std::int64_t number(std::size_t key, std::size_t i) const { return parts_[key].numbers[i]; }
  // The least of all keys; nothing when one has none.
  std::optional<Offset> lowest(std::size_t i) const {
    std::int64_t out = number(0, i);
    for (const Part& part : parts_) out = std::min(out, part.numbers[i]);
    return out < 0 ? std::nullopt : std::optional(Offset(out));
  }
  const Status& status() const { return status_; }
  // The first answer of a server that was an error.
  const Status& refused() const { return refused_; }
  void expect(std::size_t numbers) { expected_ = numbers; }

 private:
  struct Part final : ReplySink {
    Call* call = nullptr;
    const std::string* key = nullptr;
    std::vector<std::int64_t> numbers;
    void reply(const Reply& reply) override {
      for (const Reply& one : reply.elements) numbers.push_back(number_of(one));
      const bool is_error = reply.type == Reply::Type::kError;
      if (!is_error && numbers.size() == call->expected_) return call->end({});
      Status status = own_key_error(reply, *key, "a hash");
      if (call->refused_.ok()) call->refused_ = status;
      call->end(std::move(status));
    }
    void failed(const Error& error) override { call->end(error); }
  };

  void end(Status status) {
    if (status_.ok() && !status.ok()) status_ = std::move(status);
    if (++ended_ < parts_.size()) return;
    const std::unique_ptr<Call> self(this);
    done_(*this);
  }

  std::vector<Part> parts_;
  const std::function<void(Call&)> done_;
  std::size_t expected_ = 0;
  std::size_t ended_ = 0;
  Status status_;
  Status refused_;
};

Positions::Positions(Client& client, const Scripts& scripts, std::vector<std::string> keys)
    : client_(client), scripts_(scripts), keys_(std::move(keys)) {}

void Positions::read(std::vector<std::string> fields,
                     std::function<void(Result<std::vector<Kept>>)> done) {
  if (fields.empty()) return done(std::vector<Kept>());
  auto shared = std::make_shared<std::vector<std::string>>(std::move(fields));
  auto* call = new Call(keys_, [this, shared, done = std::move(done)](Call& ended) {
    // Of a server that does not answer nothing new is known.
    if (ended.status().ok() || !ended.refused().ok()) refused_ = ended.refused();
    if (!ended.status().ok()) return done(ended.status().error());
    std::vector<Kept> out;
    for (std::size_t i = 0; i < shared->size(); ++i) {
      std::vector<std::int64_t>& seen = seen_of((*shared)[i]);
      Kept& kept = out.emplace_back(Kept{.position = ended.lowest(i)});
      for (std::size_t key = 0; key < keys_.size(); ++key) {
        const std::int64_t now = ended.number(key, i);
        kept.went_back = kept.went_back || now < seen[key];
        seen[key] = now;
      }
    }
    done(std::move(out));
  });
  call->expect(shared->size());
  for (std::size_t key = 0; key < keys_.size(); ++key) {
    std::vector<std::string_view> args = {"HMGET", keys_[key]};
    args.insert(args.end(), shared->begin(), shared->end());
    client_.send(keys_[key], args, call->sink(key));
  }
}

void Positions::advance(std::vector<Step> steps, std::function<void(Reached)> done) {
  if (steps.empty()) return done(std::vector<std::optional<Offset>>());
  auto shared = std::make_shared<std::vector<Step>>(std::move(steps));
  auto* call = new Call(keys_, [this, shared, done = std::move(done)](Call& ended) {
    if (!ended.status().ok()) return done(ended.status().error());
    std::vector<std::optional<Offset>> out;
    for (std::size_t i = 0; i < shared->size(); ++i) {
      std::vector<std::int64_t>& seen = seen_of((*shared)[i].field);
      for (std::size_t key = 0; key < keys_.size(); ++key) {
        seen[key] = std::max(seen[key], ended.number(key, i));
      }
      out.push_back(ended.lowest(i));
    }
    done(std::move(out));
  });
  call->expect(shared->size());
  for (std::size_t key = 0; key < keys_.size(); ++key) {
    std::vector<std::string> args;
    for (const Step& step : *shared) {
      args.push_back(step.field);
      args.push_back(std::to_string(seen_of(step.field)[key]));
      args.push_back(std::to_string(step.reached.value));
    }
    const std::vector<std::string_view> views(args.begin(), args.end());
    client_.eval(scripts_.advance, keys_[key], views, call->sink(key));
  }
}

std::vector<std::int64_t>& Positions::seen_of(const std::string& field) {
  std::vector<std::int64_t>& seen = seen_[field];
  seen.resize(keys_.size(), -1);
  return seen;
}

void Positions::forget(const std::string& field, std::function<void(Status)> done) {
  auto* call = new Call(keys_, [this, field, done = std::move(done)](Call& ended) {
    if (ended.status().ok()) seen_.erase(field);
    done(ended.status());
  });
  for (std::size_t key = 0; key < keys_.size(); ++key) {
    const std::string_view args[] = {"HDEL", keys_[key], field};
    client_.send(keys_[key], args, call->sink(key));
  }
}

}  // namespace push_cache::redis
