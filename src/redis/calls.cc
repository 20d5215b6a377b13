#include "redis/calls.h"

#include <utility>

#include "redis/layout.h"

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

LookUp& LookUp::take(std::string_view key, store::GetSink& sink, const TopicOf& topic_of) {
  LookUp& out = Pool<LookUp>::here().take();
  out.key_.assign(key);
  out.sink_ = &sink;
  out.topic_of_ = &topic_of;
  return out;
}

store::GetSink& LookUp::done() {
  Pool<LookUp>::here().free.push_back(this);
  return *sink_;
}

void LookUp::reply(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kNil:
      return done().absent();
    case Reply::Type::kString: {
      std::optional<Value> value = parse_value(reply.text);
      if (!value) {
        return done().failed({ErrorCode::kMalformed,
                              "what Redis holds under this key was not written by Push Cache"});
      }
      value->record.key = key_;
      if (value->record.partition.value >= 0) value->record.topic = (*topic_of_)(value->topic_name);
      sink_->found(value->record);  // while key_ is still ours
      (void)done();
      return;
    }
    case Reply::Type::kError:
      // A deleted key is of another type than a record.
      if (reply.text.starts_with("WRONGTYPE")) return done().absent();
      [[fallthrough]];
    default:
      return done().failed(error_of(reply));
  }
}

void LookUp::failed(const Error& error) { done().failed(error); }

// --- Insert ---

Insert& Insert::take(store::InsertSink& sink) {
  Insert& out = Pool<Insert>::here().take();
  out.sink_ = &sink;
  return out;
}

store::InsertSink& Insert::done() {
  Pool<Insert>::here().free.push_back(this);
  return *sink_;
}

void Insert::reply(const Reply& reply) {
  if (reply.type != Reply::Type::kInteger) return done().failed(error_of(reply));
  reply.integer == 1 ? done().inserted() : done().exists();
}

void Insert::failed(const Error& error) { done().failed(error); }

// --- Batch ---

Batch::Batch(std::span<const store::Write> writes, std::span<store::WriteOutcome> outcomes)
    : writes_(writes), outcomes_(outcomes), parts_(writes.size()), left_(writes.size()) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    parts_[i].batch = this;
    parts_[i].number = i;
    outcomes_[i] = store::WriteOutcome::kFailed;
  }
}

void Batch::Part::reply(const Reply& reply) {
  using store::WriteOutcome;
  if (reply.type != Reply::Type::kInteger) return batch->fail(number, error_of(reply));
  if (reply.integer == 2) return batch->settle(number, WriteOutcome::kOutdated);
  const bool was_there = reply.integer == 1;
  batch->settle(number, batch->writes_[number].tombstone
                            ? (was_there ? WriteOutcome::kErased : WriteOutcome::kAbsent)
                            : (was_there ? WriteOutcome::kReplaced : WriteOutcome::kInserted));
}

void Batch::fail(std::size_t number, const Error& error) {
  if (number < first_failed_) {
    first_failed_ = number;
    status_ = error;
  }
  settle(number, store::WriteOutcome::kFailed);
}

void Batch::settle(std::size_t number, store::WriteOutcome outcome) {
  outcomes_[number] = outcome;
  if (--left_ > 0) return;
  const std::lock_guard lock(mutex_);
  done_ = true;
  changed_.notify_all();
}

Status Batch::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_ || parts_.empty(); });
  return std::move(status_);
}

}  // namespace push_cache::redis
