#include "redis/calls.h"

#include <utility>

#include "redis/key_error.h"
#include "redis/scripts.h"

namespace push_cache::redis {
namespace {

constexpr std::string_view kNoRecord = "an answer of Redis is no record";

// Objects that are used again, all of them owned by their thread.
template <typename T>
struct Pool {
  std::vector<std::unique_ptr<T>> all;
  std::vector<T*> free;

  static Pool& here() {
    thread_local Pool pool;
    return pool;
  }
  T& take() {
    if (free.empty()) {
      all.push_back(std::make_unique<T>());
      free.reserve(all.size());
      free.push_back(all.back().get());
    }
    T* out = free.back();
    free.pop_back();
    return *out;
  }
};

bool is_wrong_type(const Reply& reply) {
  return reply.type == Reply::Type::kError && reply.text.starts_with("WRONGTYPE");
}

}  // namespace

Error error_of(const Reply& reply) {
  const std::string_view text = reply.text;
  // Redis' own words go to the log: they may name keys.
  const std::string detail(text);
  if (reply.type != Reply::Type::kError) return {ErrorCode::kInternal, std::string(kNoRecord)};
  if (text.find("OOM") != std::string_view::npos) {
    return {ErrorCode::kUnavailable, "Redis takes no writes: it has reached its maxmemory", detail};
  }
  if (text.find("NOPERM") != std::string_view::npos) {
    return {ErrorCode::kUnavailable, "Redis does not let this user do what is needed", detail};
  }
  if (text.find(kForeign) != std::string_view::npos) return foreign();
  if (text.find(kOtherTopic) != std::string_view::npos) {
    return {ErrorCode::kOtherTopic, std::string(store::kOfOtherTopic)};
  }
  if (text.find(kOtherRecord) != std::string_view::npos) {
    return {ErrorCode::kConflict, std::string(store::kOfOtherRecord)};
  }
  if (text.find("WRONGTYPE") != std::string_view::npos) {
    return {ErrorCode::kUnavailable, "Redis holds something else under this key", detail};
  }
  if (text.find("MISCONF") != std::string_view::npos) {
    return {ErrorCode::kUnavailable, "Redis takes no writes: it cannot write its snapshots",
            detail};
  }
  if (text.find("NOREPLICAS") != std::string_view::npos) {
    return {ErrorCode::kUnavailable, "Redis takes no writes: it has too few replicas", detail};
  }
  return {ErrorCode::kUnavailable, "Redis refuses a command", detail};
}

// --- LookUp ---

LookUp& LookUp::take(std::string_view key, store::GetSink& sink, const TopicOf& topic_of,
                     Trust::Ticket ticket) {
  LookUp& out = Pool<LookUp>::here().take();
  out.key_.assign(key);
  out.sink_ = &sink;
  out.topic_of_ = &topic_of;
  out.ticket_ = ticket;
  out.client_ = nullptr;
  out.step_ = Step::kGet;
  out.rounds_ = 0;
  return out;
}

void LookUp::look_closer(Client& client, const std::string& key_start, Layout layout) {
  client_ = &client;
  layout_ = layout;
  key_start_ = &key_start;
}

store::GetSink& LookUp::done() {
  Pool<LookUp>::here().free.push_back(this);
  return *sink_;
}

void LookUp::reply(const Reply& reply) {
  if (!ticket_->holds()) return done().failed(Trust::in_doubt());
  if (step_ == Step::kFence) return take_fence(reply);
  switch (reply.type) {
    case Reply::Type::kNil:
      return done().absent();
    case Reply::Type::kString: {
      std::optional<Value> value = parse_value(reply.text);
      if (!value) return fail(foreign());
      const auto topic = (*topic_of_)(value->topic_name, value->layout);
      if (!topic) return fail(foreign());
      value->record.key = key_;
      value->record.topic = *topic;
      sink_->found(value->record);  // while key_ is still ours
      (void)done();
      return;
    }
    case Reply::Type::kError:
      if (client_ != nullptr && is_wrong_type(reply)) {
        return ++rounds_ < kRoundsMax ? ask(Step::kFence) : fail(foreign());
      }
      [[fallthrough]];
    default:
      return fail(error_of(reply));
  }
}

// What deleted the key, or something else; a hash without a position answers as no key at all does,
// and what was no record a moment ago may be one now: GET once more tells.
void LookUp::take_fence(const Reply& reply) {
  if (reply.type == Reply::Type::kString) {
    return is_fence(reply.text, layout_) ? done().absent() : fail(foreign());
  }
  if (reply.type == Reply::Type::kNil || is_wrong_type(reply)) return ask(Step::kGetAgain);
  fail(error_of(reply));
}

void LookUp::ask(Step step) {
  step_ = step;
  const std::string full = *key_start_ + key_;
  const std::string_view get[] = {"GET", full};
  const std::string_view fence[] = {"HGET", full, fence_field(layout_)};
  const auto args = step == Step::kFence ? std::span<const std::string_view>(fence) : get;
  client_->send(full, args, *this);
}

void LookUp::fail(Error error) {
  const Error named = with_key(std::move(error), key_);  // while key_ is still ours
  done().failed(named);
}

void LookUp::failed(const Error& error) { done().failed(error); }

// --- Insert ---

Insert& Insert::take(std::string_view key, store::InsertSink& sink, Trust::Ticket ticket) {
  Insert& out = Pool<Insert>::here().take();
  out.key_.assign(key);
  out.ticket_ = ticket;
  out.sink_ = &sink;
  return out;
}

store::InsertSink& Insert::done() {
  Pool<Insert>::here().free.push_back(this);
  return *sink_;
}

void Insert::reply(const Reply& reply) {
  if (!ticket_->holds()) return done().failed(Trust::in_doubt());
  if (reply.type != Reply::Type::kInteger) {
    const Error error = with_key(error_of(reply), key_);  // while key_ is still ours
    return done().failed(error);
  }
  reply.integer == 1 ? done().inserted() : done().exists();
}

void Insert::failed(const Error& error) { done().failed(error); }

// --- Batch ---

Batch::Batch(std::span<const store::Write> writes, std::span<store::WriteOutcome> outcomes)
    : writes_(writes), outcomes_(outcomes), left_(writes.size()) {}

ReplySink& Batch::expect(std::span<const std::uint32_t> numbers) {
  Part& part = parts_.emplace_back();
  part.batch = this;
  part.numbers.assign(numbers.begin(), numbers.end());
  return part;
}

void Batch::pass(std::uint32_t number) {
  outcomes_[number] =
      writes_[number].tombstone ? store::WriteOutcome::kErased : store::WriteOutcome::kReplaced;
  --left_;
}

void Batch::Part::reply(const Reply& reply) {
  using store::WriteOutcome;
  if (reply.type != Reply::Type::kString || reply.text.size() != numbers.size()) {
    if (numbers.size() > 1 && is_of_one_key(reply)) return batch->send_alone_(numbers);
    Error error = error_of(reply);
    if (numbers.size() > 1) return failed(error);
    return failed(with_key(std::move(error), batch->writes_[numbers.front()].record.key));
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const bool was_there = reply.text[i] == '1';
    WriteOutcome outcome = batch->writes_[numbers[i]].tombstone
                               ? (was_there ? WriteOutcome::kErased : WriteOutcome::kAbsent)
                               : (was_there ? WriteOutcome::kReplaced : WriteOutcome::kInserted);
    if (reply.text[i] == '2') outcome = WriteOutcome::kOutdated;
    batch->outcomes_[numbers[i]] = outcome;
  }
  batch->settle(numbers.size());
}

void Batch::Part::failed(const Error& error) {
  if (numbers.front() < batch->first_failed_) {
    batch->first_failed_ = numbers.front();
    batch->status_ = error;
  }
  for (const std::uint32_t number : numbers) {
    batch->outcomes_[number] = store::WriteOutcome::kFailed;
  }
  batch->settle(numbers.size());
}

void Batch::settle(std::size_t writes) {
  left_ -= writes;
  if (left_ > 0) return;
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
}

Status Batch::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
  return std::move(status_);
}

}  // namespace push_cache::redis
