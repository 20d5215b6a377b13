#include "ingest/topic_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Between two questions for the partitions' ends, and how long one may take.
constexpr milliseconds kWatchInterval{1'000};
constexpr milliseconds kWatchTimeout{2'000};
// After a question for a cleanup policy that was not answered.
constexpr std::chrono::seconds kCleanupRetry{5};

}  // namespace

TopicWatch::TopicWatch(kafka::Client& client, Board& board, const Applier& applier,
                       const TopicWatchOptions& options, const std::atomic<bool>& stopping)
    : client_(client),
      board_(board),
      applier_(applier),
      options_(options),
      stopping_(stopping),
      present_(client.topics().size()),
      topic_ids_(client.topics().size()),
      cleanups_(client.topics().size()) {}

milliseconds TopicWatch::timeout() const {
  const milliseconds most = std::min(kWatchTimeout, options_.metadata_timeout);
  if (options_.max_staleness.count() == 0) return most;
  return std::clamp(options_.max_staleness / 2, milliseconds(100), most);
}

milliseconds TopicWatch::interval() const {
  if (options_.max_staleness.count() == 0) return kWatchInterval;
  return std::clamp(options_.max_staleness / 4, milliseconds(50), kWatchInterval);
}

bool TopicWatch::list_partitions(std::uint32_t topic, std::vector<kafka::TopicPartition>& fresh) {
  const auto partitions = client_.partitions(topic, options_.metadata_timeout);
  if (stopping_) return true;
  if (!partitions.ok()) {
    const ErrorCode code = partitions.error().code;
    const bool absent = code == ErrorCode::kNotFound;
    const bool answered = absent || code == ErrorCode::kMethodNotAllowed;
    set_connection(answered ? Status() : Status(partitions.error()));
    if (set_problem(topic, partitions.error().public_text)) {
      log("ingest").warn("{}{}", partitions.error().public_text, absent ? "; waiting for it" : "");
    }
    return false;
  }
  set_connection({});
  bool complete = true;
  present_[topic].clear();
  for (const kafka::PartitionInfo& partition : *partitions) {
    const kafka::TopicPartition at{topic, partition.id};
    present_[topic].push_back(partition.id);
    if (find(at) != nullptr) continue;
    if (partition.has_leader) {
      fresh.push_back(at);
    } else {
      complete = false;
      set_problem(topic, client_.name_of(at) + " has no leader");
    }
  }
  return complete;
}

bool TopicWatch::is_present(kafka::TopicPartition at) const {
  const auto& present = present_[at.topic];
  return std::find(present.begin(), present.end(), at.partition) != present.end();
}

PartitionState* TopicWatch::known(kafka::TopicPartition at) const {
  const auto found = known_.find(at);
  return found == known_.end() ? nullptr : found->second.state;
}

PartitionState* TopicWatch::find(kafka::TopicPartition at) const {
  PartitionState* const state = known(at);
  return state == nullptr || state->stage == PartitionStage::kGone ? nullptr : state;
}

void TopicWatch::add(PartitionState& partition) {
  known_.insert_or_assign(partition.at, Known{&partition, Freshness(steady_clock::now())});
}

std::vector<kafka::TopicPartition> TopicWatch::partitions() const {
  std::vector<kafka::TopicPartition> out;
  for (const auto& [at, known] : known_) {
    if (find(at) != nullptr) out.push_back(at);
  }
  return out;
}

std::optional<std::vector<std::pair<std::uint32_t, std::string>>> TopicWatch::remade() {
  const auto ids = client_.topic_ids(timeout());
  if (!ids.ok() || stopping_) return std::nullopt;
  std::vector<std::pair<std::uint32_t, std::string>> out;
  for (std::uint32_t topic = 0; topic < ids->size(); ++topic) {
    const std::string& now = (*ids)[topic];
    const std::string before = topic_id(topic);
    if (now.empty() || now == before) continue;
    if (before.empty()) {
      set_topic_id(topic, now);
      continue;
    }
    log("ingest").warn("topic '{}' was deleted and made again; it is emptied and read anew",
                       client_.topics()[topic]);
    const std::lock_guard lock(mutex_);
    cleanups_[topic].due = {};
    out.emplace_back(topic, now);
  }
  return out;
}

// --- cleanup policies ---

void TopicWatch::ask_cleanups() {
  for (std::uint32_t topic = 0; topic < present_.size(); ++topic) {
    if (present_[topic].empty() || stopping_) continue;
    {
      const std::lock_guard lock(mutex_);
      if (steady_clock::now() < cleanups_[topic].due) continue;
    }
    (void)ask_cleanup(topic);
  }
}

void TopicWatch::learn_cleanups(std::vector<kafka::TopicPartition>& fresh,
                                std::set<std::uint32_t>& incomplete) {
  std::set<std::uint32_t> topics;
  for (const kafka::TopicPartition at : fresh) topics.insert(at.topic);
  for (const std::uint32_t topic : topics) {
    const Status known = stopping_ ? Status() : learn_cleanup(topic);
    if (known.ok()) continue;
    set_problem(topic, known.error().public_text);
    incomplete.insert(topic);
    std::erase_if(fresh, [topic](kafka::TopicPartition at) { return at.topic == topic; });
  }
}

Status TopicWatch::learn_cleanup(std::uint32_t topic) {
  return cleanup(topic) ? Status() : ask_cleanup(topic);
}

Status TopicWatch::ask_cleanup(std::uint32_t topic) {
  auto said =
      options_.ask_cleanup ? options_.ask_cleanup(topic) : client_.cleanup(topic, timeout());
  const auto now = steady_clock::now();
  const std::lock_guard lock(mutex_);
  Cleanup& cleanup = cleanups_[topic];
  if (!said.ok() && said.error().code == ErrorCode::kUnavailable) {
    if (cleanup.said)
      cleanup.due = now + std::min<milliseconds>(kCleanupRetry, options_.cleanup_interval);
    return std::move(said).error();
  }
  cleanup.due = now + options_.cleanup_interval;
  if (!said.ok() && !std::exchange(cleanup.refusal_logged, true) && applier_.types_matter(topic)) {
    log("ingest").log(
        said.error().code == ErrorCode::kMethodNotAllowed ? spdlog::level::warn
                                                          : spdlog::level::info,
        "{}; it counts as not compacted: stores with cache.stores[].schemas keep keys whose type "
        "changes",
        said.error().public_text);
  }
  // A right that was taken away says nothing of the topic: what was known of it stays.
  if (said.ok() || !cleanup.said) cleanup.said = std::move(said);
  return {};
}

std::optional<Result<kafka::TopicCleanup>> TopicWatch::cleanup(std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  return cleanups_[topic].said;
}

std::optional<bool> TopicWatch::compacted(std::uint32_t topic) const {
  const auto said = cleanup(topic);
  if (!said) return std::nullopt;
  return said->ok() && (*said)->compacted && applier_.types_matter(topic);
}

void TopicWatch::ask_cleanups_again() {
  const std::lock_guard lock(mutex_);
  for (Cleanup& cleanup : cleanups_) cleanup.due = {};
}

void TopicWatch::say_cleanup_changed(std::uint32_t topic, bool compacted) const {
  log("ingest").warn(
      "topic '{}' {} compacted (cleanup.policy), so that stores keep other keys of it; it is "
      "emptied "
      "and read anew",
      client_.topics()[topic], compacted ? "has become" : "is no longer");
}

// --- ids ---

std::string TopicWatch::topic_id(std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  return topic_ids_[topic];
}

void TopicWatch::set_topic_id(std::uint32_t topic, const std::string& id) {
  const std::lock_guard lock(mutex_);
  topic_ids_[topic] = id;
  if (options_.logs != nullptr) options_.logs->set(topic, id);
}

std::vector<std::string> TopicWatch::topic_ids() const {
  const std::lock_guard lock(mutex_);
  return topic_ids_;
}

void TopicWatch::ask_ends() {
  const std::vector<kafka::TopicPartition> asked = partitions();
  if (asked.empty() || stopping_) return;
  const auto now = steady_clock::now();
  for (const kafka::PartitionWatermarks& one : client_.watermarks(asked, timeout())) {
    Known& known = known_.at(one.at);
    if (!one.marks.ok()) continue;
    known.state->log_start = one.marks->low.value;
    known.state->end = one.marks->high.value;
    known.freshness.heard(now, one.marks->high);
  }
  judge_age();
}

void TopicWatch::judge_age() {
  std::int64_t oldest = Board::kNever;
  for (auto& [at, known] : known_) {
    if (find(at) == nullptr) continue;
    PartitionState& state = *known.state;
    // What waits to be emptied is as old as it was.
    if (state.stage != PartitionStage::kReloading) {
      const auto as_of = known.freshness.as_of(Offset(state.position.load()));
      state.fresh_ns = as_of.time_since_epoch() / std::chrono::nanoseconds(1);
    }
    oldest = std::min(oldest, state.fresh_ns.load());
  }
  if (options_.max_staleness.count() == 0 || oldest == Board::kNever) return;
  board_.stale_after(oldest + options_.max_staleness / std::chrono::nanoseconds(1));
}

void TopicWatch::update_rate() {
  const auto now = steady_clock::now();
  if (now - rate_time_ < kRateInterval) return;
  const std::uint64_t records = applier_.totals().records;
  const double rate = static_cast<double>(records - rate_records_) /
                      std::chrono::duration<double>(now - rate_time_).count();
  rate_records_ = records;
  rate_time_ = now;
  const std::lock_guard lock(mutex_);
  // Half of it new: calm enough for an estimate, quick enough to follow.
  records_per_second_ = records_per_second_ == 0 ? rate : (records_per_second_ + rate) / 2;
  if (records_per_second_ < 0.05) records_per_second_ = 0;
}

bool TopicWatch::set_problem(std::uint32_t topic, const std::string& problem) {
  const std::lock_guard lock(mutex_);
  if (problem.empty()) {
    topic_problems_.erase(topic);
    return false;
  }
  std::string& known = topic_problems_[topic];
  if (known == problem) return false;
  known = problem;
  return true;
}

void TopicWatch::set_connection(const Status& status) {
  if (status.ok()) client_.clear_last_error();
  const std::lock_guard lock(mutex_);
  if (connected_ != status.ok()) {
    if (status.ok()) {
      log("ingest").info("connected to Kafka");
    } else if (!status.ok()) {
      log("ingest").warn("{}", status.error().public_text);
    }
  }
  connected_ = status.ok();
  connection_error_ = status.ok() ? "" : status.error().public_text;
}

// --- any thread ---

PartitionStatus TopicWatch::status_of(const PartitionState& partition) const {
  PartitionStatus status;
  status.topic = client_.topics()[partition.at.topic];
  status.partition = partition.at.partition;
  status.stage = partition.stage;
  status.position = Offset(std::max<std::int64_t>(partition.position, 0));  // in a group: not known
  status.target = Offset(partition.target.load());
  const bool reloading = status.stage == PartitionStage::kReloading;
  // librdkafka learns of an end with each fetch, so sooner than we ask, but never for a partition
  // that it does not fetch.
  const Offset heard(partition.end.load());
  const Offset end =
      reloading ? Offset(0) : std::max(heard, client_.cached_end(partition.at).value_or(heard));
  status.end = std::max(end, status.position);
  status.unanswered = partition.unanswered;
  status.digest = partition.digest.get();
  status.mark = partition.mark.get();
  status.log_start = Offset(partition.log_start.load());
  status.lag_seconds = static_cast<double>(Board::now_ns() - partition.fresh_ns.load()) / 1e9;
  if (reloading) status.target = status.end;
  return status;
}

void TopicWatch::fill(FeedStatus& out, const std::vector<std::string>& more) const {
  out.ready = board_.ready();
  out.first_ready_seconds = board_.first_ready_seconds();
  for (const PartitionState* one : board_.partitions()) out.partitions.push_back(status_of(*one));
  const std::lock_guard lock(mutex_);
  out.topic_ids = topic_ids_;
  for (std::uint32_t topic = 0; topic < cleanups_.size(); ++topic) {
    TopicStatus& one = out.topics.emplace_back();
    one.topic = client_.topics()[topic];
    one.id = topic_ids_[topic];
    const auto& said = cleanups_[topic].said;
    if (said && said->ok()) one.cleanup_policy = (*said)->policy;
  }
  out.connected = connected_;
  out.error = connection_error_;
  out.records_per_second = records_per_second_;
  if (out.ready) return;
  std::int64_t left = 0;
  for (const PartitionStatus& one : out.partitions) {
    left += std::max<std::int64_t>(one.target.value - one.position.value, 0);
  }
  if (!out.partitions.empty() && topic_problems_.empty() && records_per_second_ > 0) {
    out.eta_seconds = static_cast<double>(left) / records_per_second_;
  }
  give_reasons(out, more);
}

void TopicWatch::give_reasons(FeedStatus& out, const std::vector<std::string>& more) const {
  if (!connected_) {
    out.reasons.push_back(connection_error_.empty() ? "Kafka was not reached yet"
                                                    : connection_error_);
  }
  for (const auto& [topic, problem] : topic_problems_) {
    if (problem != connection_error_) out.reasons.push_back(problem);
  }
  out.reasons.insert(out.reasons.end(), more.begin(), more.end());
  for (const PartitionStatus& one : out.partitions) {
    if (auto text = reason(one)) out.reasons.push_back(*std::move(text));
  }
  if (out.dead_letters && out.dead_letters->waiting > 0 && !out.dead_letters->error.empty()) {
    out.reasons.push_back(fmt::format("{} dead letters wait for topic '{}': {}",
                                      out.dead_letters->waiting, out.dead_letters->topic,
                                      out.dead_letters->error));
  }
  if (out.reasons.empty()) out.reasons.push_back("the topics' partitions are not known yet");
}

std::optional<std::string> TopicWatch::reason(const PartitionStatus& one) const {
  if (one.stage == PartitionStage::kCaughtUp) {
    const double limit = std::chrono::duration<double>(options_.max_staleness).count();
    if (limit <= 0 || one.lag_seconds <= limit) return std::nullopt;
    return fmt::format("{}/{}: what is held is {:.1f} s old, and readiness.max_staleness is {:g} s",
                       one.topic, one.partition.value, one.lag_seconds, limit);
  }
  std::string text = one.topic + "/" + std::to_string(one.partition.value) + ": ";
  switch (one.stage) {
    case PartitionStage::kReloading:
      text +=
          "it is read anew: its offsets have gone from the log, or its cleanup.policy has changed";
      break;
    case PartitionStage::kWaitingForSchema:
      text += "waits for a schema at offset " + std::to_string(one.position.value) +
              ", and it cannot be set aside";
      break;
    case PartitionStage::kStopped:
      text += "stopped at a bad record, offset " + std::to_string(one.position.value) +
              " (kafka.on_bad_record)";
      break;
    case PartitionStage::kWaitingForDeadLetters:
      text += "waits for its dead letters to be acknowledged, offset " +
              std::to_string(one.position.value);
      break;
    case PartitionStage::kWaitingForStore:
      text += "waits for a store at offset " + std::to_string(one.position.value);
      break;
    case PartitionStage::kLoading:
      if (one.unanswered > 0 && one.position >= one.target) {
        text += std::to_string(one.unanswered) +
                " records are set aside until the registry tells whether it has their schemas";
        break;
      }
      [[fallthrough]];
    default:
      text += "loading, offset " + std::to_string(one.position.value) + " of " +
              std::to_string(one.target.value);
  }
  return text;
}

}  // namespace push_cache::ingest
