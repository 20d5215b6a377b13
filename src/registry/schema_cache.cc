#include "registry/schema_cache.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/log_limiter.h"

namespace push_cache::registry {

using Clock = std::chrono::steady_clock;

// Everything behind one mutex, which is held over no call to the source, compiler or listener.
struct SchemaCache::Worker {
  struct Pending {
    StateKind kind = StateKind::kWaiting;
    Error error;
    std::uint64_t attempts = 0;
    Retry retry;
    std::chrono::system_clock::time_point first_asked = std::chrono::system_clock::now();
    Clock::time_point due;  // next attempt; meaningless while one is under way
  };

  Worker(SchemaCache& cache, SchemaSource& the_source, SchemaCacheOptions the_options)
      : owner(cache),
        source(the_source),
        options(std::move(the_options)),
        random(std::random_device{}()) {}

  void start() {
    for (unsigned i = 0; i < std::max(1u, options.threads); ++i) {
      threads.emplace_back([this](std::stop_token stop) { run(stop); });
    }
  }

  void run(std::stop_token stop);
  Result<std::unique_ptr<const SchemaEntry>> make(SchemaId id, SchemaText text) const;
  Result<std::unique_ptr<const SchemaEntry>> ask(SchemaId id, std::stop_token stop) const;
  // Notes a failure; true when it turned the id to failed.
  bool postpone(SchemaId id, Pending& entry, const Error& error);
  void schedule(SchemaId id, Pending& entry, Clock::time_point due) {
    entry.due = due;
    queue.emplace(due, id);
    wake.notify_one();
  }

  SchemaCache& owner;
  SchemaSource& source;
  const SchemaCacheOptions options;

  mutable std::mutex mutex;
  std::condition_variable_any wake;
  std::map<SchemaId, Pending> pending;
  std::set<std::pair<Clock::time_point, SchemaId>> queue;  // those not under way, by due time
  std::size_t failed = 0;                                  // of `pending`
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;
  std::minstd_rand random;
  LogLimiter repeats{"registry"};
  std::vector<std::function<void(SchemaId)>> listeners;
  std::vector<std::jthread> threads;  // last: they end before the rest goes
};

SchemaCache::SchemaCache(SchemaSource& source, SchemaCacheOptions options)
    : worker_(std::make_unique<Worker>(*this, source, std::move(options))) {
  worker_->start();
}

SchemaCache::~SchemaCache() {
  for (std::jthread& thread : worker_->threads) thread.request_stop();
  worker_->threads.clear();
}

State SchemaCache::request(SchemaId id) {
  if (find(id) != nullptr) return {.kind = StateKind::kKnown};
  if (id.value < 0) return state(id);
  Worker& w = *worker_;
  std::lock_guard lock(w.mutex);
  // A worker may have published it since: pending and known change together under the lock.
  if (find(id) != nullptr) return {.kind = StateKind::kKnown};
  if (const auto found = w.pending.find(id); found != w.pending.end()) {
    return {found->second.kind, found->second.error, found->second.attempts};
  }
  if (w.pending.size() >= w.options.waiting_max) {
    return {StateKind::kFailed,
            Error{ErrorCode::kTooLarge, "schema " + std::to_string(id.value) + ": " +
                                            std::to_string(w.pending.size()) +
                                            " unknown schema ids are waiting already"}};
  }
  w.schedule(id, w.pending[id], Clock::now());
  return {};
}

State SchemaCache::state(SchemaId id) const {
  if (id.value < 0) {
    return {StateKind::kFailed, Error{ErrorCode::kInvalidArgument,
                                      "schema id " + std::to_string(id.value) + " is negative"}};
  }
  const Worker& w = *worker_;
  std::lock_guard lock(w.mutex);
  if (find(id) != nullptr) return {.kind = StateKind::kKnown};
  const auto found = w.pending.find(id);
  if (found == w.pending.end()) return {};
  return {found->second.kind, found->second.error, found->second.attempts};
}

Status SchemaCache::insert(SchemaId id, SchemaText text) {
  if (id.value < 0) return state(id).error;
  if (find(id) != nullptr) return {};
  Worker& w = *worker_;
  Result<std::unique_ptr<const SchemaEntry>> entry = w.make(id, std::move(text));
  if (!entry.ok()) return std::move(entry).error();
  std::lock_guard lock(w.mutex);
  if (find(id) == nullptr) table_.publish(std::move(*entry));
  // An id that was asked for is left to a worker, who finds the entry there and tells the
  // listeners.
  const auto found = w.pending.find(id);
  if (found != w.pending.end() && w.queue.erase({found->second.due, id}) > 0) {
    w.schedule(id, found->second, Clock::now());
  }
  return {};
}

void SchemaCache::on_resolved(std::function<void(SchemaId)> listener) {
  std::lock_guard lock(worker_->mutex);
  worker_->listeners.push_back(std::move(listener));
}

std::vector<Waiting> SchemaCache::waiting() const {
  std::lock_guard lock(worker_->mutex);
  std::vector<Waiting> all;
  all.reserve(worker_->pending.size());
  for (const auto& [id, pending] : worker_->pending) {
    all.push_back({.id = id,
                   .kind = pending.kind,
                   .attempts = pending.attempts,
                   .first_asked = pending.first_asked,
                   .last_error = pending.attempts == 0 ? "" : pending.error.describe()});
  }
  return all;
}

SchemaCacheCounts SchemaCache::counts() const {
  const Worker& w = *worker_;
  std::lock_guard lock(w.mutex);
  return {.requests_total = w.requests,
          .errors_total = w.errors,
          .known = table_.size(),
          .waiting = w.pending.size() - w.failed,
          .failed = w.failed};
}

void SchemaCache::Worker::run(std::stop_token stop) {
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (queue.empty()) {
      wake.wait(lock, stop, [this] { return !queue.empty(); });
      continue;
    }
    const auto [due, id] = *queue.begin();
    if (due > Clock::now()) {
      // Woken early by an id that is due before this one.
      wake.wait_until(lock, stop, due,
                      [this, due = due] { return !queue.empty() && queue.begin()->first < due; });
      continue;
    }
    queue.erase(queue.begin());
    if (!queue.empty()) wake.notify_one();

    Result<std::unique_ptr<const SchemaEntry>> entry = Error{};
    if (owner.find(id) == nullptr) {
      ++requests;
      lock.unlock();
      entry = ask(id, stop);
      lock.lock();
      if (stop.stop_requested()) return;
    }
    const auto found = pending.find(id);
    bool tell = true;
    std::uint64_t attempts = 0;
    if (owner.find(id) != nullptr || entry.ok()) {  // the first: `insert` was faster
      if (found->second.kind == StateKind::kFailed) --failed;
      pending.erase(found);
      if (owner.find(id) == nullptr) owner.table_.publish(std::move(*entry));
    } else {
      ++errors;
      tell = postpone(id, found->second, entry.error());
      attempts = found->second.attempts;
    }
    std::vector<std::function<void(SchemaId)>> to_tell;
    if (tell) to_tell = listeners;
    lock.unlock();
    if (attempts > 0) {
      // A registry that is away fails every id alike.
      const bool away = nobody_knows(entry.error().code);
      repeats.log(away ? "" : fmt::format("{} {}", id.value, to_string(entry.error().code)),
                  tell ? spdlog::level::err : spdlog::level::warn,
                  "no usable schema {} after attempt {}: {}", id.value, attempts,
                  entry.error().describe());
    }
    for (const auto& listener : to_tell) listener(id);
    lock.lock();
  }
}

Result<std::unique_ptr<const SchemaEntry>> SchemaCache::Worker::ask(SchemaId id,
                                                                    std::stop_token stop) const {
  Result<SchemaText> text = source.fetch(id, stop);
  if (!text.ok()) return std::move(text).error();
  Result<std::unique_ptr<const SchemaEntry>> entry = make(id, std::move(*text));
  if (!entry.ok()) {
    // The registry's answer arrived whole, so another will not differ soon, whatever the code.
    entry.error().code = ErrorCode::kInvalidArgument;
  }
  return entry;
}

Result<std::unique_ptr<const SchemaEntry>> SchemaCache::Worker::make(SchemaId id,
                                                                     SchemaText text) const {
  const auto at_fault = [id](Error error) {
    error.public_text = "schema " + std::to_string(id.value) + ": " + error.public_text;
    return error;
  };
  Result<avro::Schema> schema = avro::Schema::parse(text.schema, text.references);
  if (!schema.ok()) return at_fault(std::move(schema).error());
  Result<std::shared_ptr<const avro::Plan>> plan = avro::Plan::compile(*schema, options.plan);
  if (!plan.ok()) return at_fault(std::move(plan).error());
  std::string full_name(schema->full_name());
  return std::unique_ptr<const SchemaEntry>(new SchemaEntry{
      id, *std::move(schema), std::move(full_name), *std::move(plan), std::move(text)});
}

bool SchemaCache::Worker::postpone(SchemaId id, Pending& entry, const Error& error) {
  ++entry.attempts;
  const bool was_failed = entry.kind == StateKind::kFailed;
  // A registry that is down takes nothing back that it said about a schema before.
  if (!was_failed || !nobody_knows(error.code)) {
    const bool may_come = nobody_knows(error.code) || error.code == ErrorCode::kNotFound;
    entry.kind = may_come ? StateKind::kWaiting : StateKind::kFailed;
    entry.error = error;
  }
  const bool is_failed = entry.kind == StateKind::kFailed;
  if (is_failed && !was_failed) ++failed;
  if (!is_failed && was_failed) --failed;
  schedule(id, entry, Clock::now() + entry.retry.next_wait(options.retry, error.code, random));
  return is_failed && !was_failed;
}

}  // namespace push_cache::registry
