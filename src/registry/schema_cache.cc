#include "registry/schema_cache.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/log_limiter.h"

namespace push_cache::registry {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kManyIds = 100;
// Whoever waits for an id requests it more often.
constexpr std::chrono::seconds kWanted{1};
constexpr SchemaId kFirstId(std::numeric_limits<std::int32_t>::min());
// What `id_of` gives when no more may wait.
constexpr SchemaId kNoRoom(-1);

State no_such_id(SchemaId id) {
  return {StateKind::kFailed,
          Error{ErrorCode::kInvalidArgument,
                "schema id " + std::to_string(id.value) + " is none that a registry gives"}};
}

}  // namespace

// Everything behind one mutex, which is held over no call to the source, compiler or listener.
struct SchemaCache::Worker {
  struct Pending {
    StateKind kind = StateKind::kWaiting;
    Error error;
    std::uint64_t attempts = 0;
    Retry retry;
    std::optional<Clock::time_point> not_found_since;
    Clock::time_point requested = Clock::now();  // last
    std::chrono::system_clock::time_point first_asked = std::chrono::system_clock::now();
    State state() const { return {kind, error, attempts, not_found_since.has_value()}; }
    Clock::time_point due;  // next attempt; meaningless while one is under way
  };

  Worker(SchemaCache& cache, SchemaSource& the_source, SchemaCacheOptions the_options)
      : owner(cache),
        source(the_source),
        options(std::move(the_options)),
        random(std::random_device{}()) {}

  void start() {
    for (unsigned i = 0; i < std::max(1u, options.threads); ++i) {
      // Garbage may name thousands of ids before or after one that is good.
      const Order order = i % 2 == 0 ? Order::kOldestFirst : Order::kNewestFirst;
      threads.emplace_back([this, order](std::stop_token stop) { run(order, stop); });
    }
  }

  enum class Order { kOldestFirst, kNewestFirst };
  void run(Order order, std::stop_token stop);
  Result<std::unique_ptr<const SchemaEntry>> make(SchemaId id, SchemaText text) const;
  Result<std::unique_ptr<const SchemaEntry>> ask(SchemaId id, std::stop_token stop) const;
  // Asks for what `id` stands for. Gives the registry's id of a provisional one, and the entry
  // unless that is there already.
  struct Answer {
    SchemaId id;
    std::unique_ptr<const SchemaEntry> entry;
  };
  Result<Answer> answer(SchemaId id, const std::optional<Guid>& guid, std::stop_token stop) const;
  // With `mutex`, as the two that follow.
  void publish(SchemaId asked, Answer answer);
  std::string name(SchemaId id) const;
  bool may_wait_for(SchemaId id) const { return id.value > 0 || guids.contains(id); }
  // Notes a failure; true when it turned the id to failed.
  bool postpone(SchemaId id, Pending& entry, const Error& error);
  Error not_found_too_long() const;
  // Whether there is room for one more that is not known.
  bool make_room();
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
  std::map<Guid, SchemaId> ids;    // the registry's, or else a provisional one
  std::map<SchemaId, Guid> guids;  // of every provisional id
  std::int32_t last_provisional = kNoRoom.value;
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
  Worker& w = *worker_;
  std::lock_guard lock(w.mutex);
  // A worker may have published it since: pending and known change together under the lock.
  if (find(id) != nullptr) return {.kind = StateKind::kKnown};
  if (const auto found = w.pending.find(id); found != w.pending.end()) {
    found->second.requested = Clock::now();
    return found->second.state();
  }
  if (id != kNoRoom && !w.may_wait_for(id)) return no_such_id(id);
  if (id == kNoRoom || !w.make_room()) {
    return {.error = Error{ErrorCode::kTooLarge, std::to_string(w.pending.size()) +
                                                     " unknown schema ids are waiting already"}};
  }
  w.schedule(id, w.pending[id], Clock::now());
  return {};
}

State SchemaCache::state(SchemaId id) const {
  const Worker& w = *worker_;
  std::lock_guard lock(w.mutex);
  if (find(id) != nullptr) return {.kind = StateKind::kKnown};
  if (!w.may_wait_for(id)) return no_such_id(id);
  const auto found = w.pending.find(id);
  return found == w.pending.end() ? State{} : found->second.state();
}

SchemaId SchemaCache::id_of(const Guid& guid) {
  Worker& w = *worker_;
  std::lock_guard lock(w.mutex);
  if (const auto known = w.ids.find(guid); known != w.ids.end()) return known->second;
  // Each waits from now on, so that there are never more of them than may wait.
  if (!w.make_room()) return kNoRoom;
  const SchemaId id(--w.last_provisional);
  w.ids.emplace(guid, id);
  w.guids.emplace(id, guid);
  w.schedule(id, w.pending[id], Clock::now());
  return id;
}

std::string SchemaCache::name(SchemaId id) const {
  std::lock_guard lock(worker_->mutex);
  return worker_->name(id);
}

Status SchemaCache::insert(SchemaId id, SchemaText text) {
  if (id.value <= 0) return no_such_id(id).error;
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
    const auto guid = worker_->guids.find(id);
    all.push_back({.id = id,
                   .guid = guid == worker_->guids.end() ? "" : to_string(guid->second),
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

void SchemaCache::Worker::run(Order order, std::stop_token stop) {
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (queue.empty()) {
      wake.wait(lock, stop, [this] { return !queue.empty(); });
      continue;
    }
    const auto now = Clock::now();
    const auto due = queue.begin()->first;
    if (due > now) {
      // Woken early by an id that is due before this one.
      wake.wait_until(lock, stop, due,
                      [this, due] { return !queue.empty() && queue.begin()->first < due; });
      continue;
    }
    const auto next =
        order == Order::kOldestFirst
            ? queue.begin()
            : std::prev(queue.lower_bound({now + std::chrono::nanoseconds(1), kFirstId}));
    const SchemaId id = next->second;
    queue.erase(next);
    if (!queue.empty()) wake.notify_one();

    Result<Answer> made = Error{};
    if (owner.find(id) == nullptr) {
      ++requests;
      const auto named = guids.find(id);
      const std::optional<Guid> guid =
          named == guids.end() ? std::nullopt : std::optional(named->second);
      lock.unlock();
      made = answer(id, guid, stop);
      lock.lock();
      if (stop.stop_requested()) return;
    }
    const auto found = pending.find(id);
    bool tell = true;
    std::uint64_t attempts = 0;
    if (owner.find(id) != nullptr || made.ok()) {  // the first: `insert` was faster
      if (found->second.kind == StateKind::kFailed) --failed;
      pending.erase(found);
      if (owner.find(id) == nullptr) publish(id, *std::move(made));
    } else {
      ++errors;
      tell = postpone(id, found->second, made.error());
      attempts = found->second.attempts;
    }
    const std::string about = name(id);
    std::vector<std::function<void(SchemaId)>> to_tell;
    if (tell) to_tell = listeners;
    lock.unlock();
    if (attempts > 0) {
      // A registry that is away fails every id alike.
      const bool away = nobody_knows(made.error().code);
      repeats.log(away ? "" : fmt::format("{} {}", id.value, to_string(made.error().code)),
                  tell ? spdlog::level::err : spdlog::level::warn,
                  "{} is not usable after attempt {}: {}", about, attempts,
                  made.error().describe());
    }
    for (const auto& listener : to_tell) listener(id);
    lock.lock();
  }
}

std::string SchemaCache::Worker::name(SchemaId id) const {
  if (id == kNoRoom) return "a schema whose GUID is new";
  const auto guid = guids.find(id);
  return guid == guids.end() ? "schema " + std::to_string(id.value)
                             : "the schema with GUID " + to_string(guid->second);
}

Result<SchemaCache::Worker::Answer> SchemaCache::Worker::answer(SchemaId id,
                                                                const std::optional<Guid>& guid,
                                                                std::stop_token stop) const {
  Answer out{.id = id, .entry = nullptr};
  if (guid) {
    const Result<SchemaId> found = source.find_id(*guid, stop);
    if (!found.ok()) return found.error();
    out.id = *found;
  }
  if (out.id != id && owner.find(out.id) != nullptr) return out;
  Result<std::unique_ptr<const SchemaEntry>> entry = ask(out.id, stop);
  if (!entry.ok()) return std::move(entry).error();
  out.entry = *std::move(entry);
  return out;
}

void SchemaCache::Worker::publish(SchemaId asked, Answer answer) {
  const SchemaEntry* entry = owner.find(answer.id);  // another may have been faster
  if (entry == nullptr) entry = owner.table_.publish(std::move(answer.entry));
  if (asked == answer.id) return;
  owner.resolved_.publish(std::make_unique<const Resolved>(Resolved{asked, entry}));
  ids[guids.at(asked)] = answer.id;
  // Who waits for the registry's id need not wait for its own request.
  const auto waits = pending.find(answer.id);
  if (waits != pending.end() && queue.erase({waits->second.due, answer.id}) > 0) {
    schedule(answer.id, waits->second, Clock::now());
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
  Result<avro::Schema> schema = avro::Schema::parse(text.schema, text.references);
  if (!schema.ok()) return std::move(schema).error();
  Result<std::shared_ptr<const avro::Plan>> plan = avro::Plan::compile(*schema, options.plan);
  if (!plan.ok()) return std::move(plan).error();
  std::string full_name(schema->full_name());
  std::vector<std::string> branches = schema->branch_names();
  return std::unique_ptr<const SchemaEntry>(new SchemaEntry{id, *std::move(schema),
                                                            std::move(full_name), *std::move(plan),
                                                            std::move(text), std::move(branches)});
}

bool SchemaCache::Worker::make_room() {
  if (pending.size() < options.waiting_max) return true;
  // Of those that are not asked for now the one that nobody has wanted for the longest time.
  auto oldest = pending.end();
  for (auto one = pending.begin(); one != pending.end(); ++one) {
    if (!queue.contains({one->second.due, one->first})) continue;
    if (oldest == pending.end() || one->second.requested < oldest->second.requested) oldest = one;
  }
  if (oldest == pending.end() || Clock::now() - oldest->second.requested < kWanted) return false;
  queue.erase({oldest->second.due, oldest->first});
  if (const auto guid = guids.find(oldest->first); guid != guids.end()) {
    ids.erase(guid->second);
    guids.erase(guid);
  }
  if (oldest->second.kind == StateKind::kFailed) --failed;
  pending.erase(oldest);
  return true;
}

Error SchemaCache::Worker::not_found_too_long() const {
  return {ErrorCode::kNotFound,
          fmt::format("the registry has not known it for {:g} s (kafka.unknown_schema_wait)",
                      std::chrono::duration<double>(options.not_found_wait).count())};
}

bool SchemaCache::Worker::postpone(SchemaId id, Pending& entry, const Error& error) {
  ++entry.attempts;
  const auto now = Clock::now();
  const bool was_failed = entry.kind == StateKind::kFailed;
  const bool not_found = error.code == ErrorCode::kNotFound;
  if (not_found && !entry.not_found_since) entry.not_found_since = now;
  const bool has_end = options.not_found_wait.count() > 0 && entry.not_found_since;
  const auto end = has_end ? *entry.not_found_since + options.not_found_wait : now;
  // A registry that is down takes nothing back that it said about a schema before.
  if (!was_failed || !nobody_knows(error.code)) {
    const bool too_long = not_found && has_end && now >= end;
    const bool may_come = nobody_knows(error.code) || (not_found && !too_long);
    entry.kind = may_come ? StateKind::kWaiting : StateKind::kFailed;
    entry.error = too_long ? not_found_too_long() : error;
  }
  const bool is_failed = entry.kind == StateKind::kFailed;
  if (is_failed && !was_failed) ++failed;
  if (!is_failed && was_failed) --failed;
  Clock::duration wait = entry.retry.next_wait(options.retry, error.code, random);
  // Ids that garbage names by the thousand do not become as many requests a second.
  if (not_found) wait *= 1 + static_cast<int>(pending.size() / kManyIds);
  if (!is_failed && has_end && end > now) wait = std::min(wait, end - now);
  schedule(id, entry, now + wait);
  return is_failed && !was_failed;
}

}  // namespace push_cache::registry
