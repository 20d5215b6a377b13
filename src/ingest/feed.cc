#include "ingest/feed.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// While brokers, topics or offsets are missing, discovery asks again this often.
constexpr milliseconds kDiscoveryRetry{500};
constexpr milliseconds kRateInterval{500};
// Between two questions for the partitions' ends, and how long one may take.
constexpr milliseconds kWatchInterval{1'000};
constexpr milliseconds kWatchTimeout{2'000};
// One broker's connection is one thread of librdkafka's: more lanes than this it cannot feed.
constexpr unsigned kLanesMax = 8;

// librdkafka's threads, which receive and decompress, need cores as well, and so does HTTP.
std::size_t lanes_for_this_machine() {
  return std::clamp(std::thread::hardware_concurrency() / 2, 1u, kLanesMax);
}

std::int64_t system_ms() {
  return std::chrono::system_clock::now().time_since_epoch() / milliseconds(1);
}

}  // namespace

Result<std::unique_ptr<Feed>> Feed::start(const FeedOptions& options, Applier& applier,
                                          std::vector<store::Store*> stores) {
  FeedOptions own = options;
  if (own.lanes == 0) own.lanes = lanes_for_this_machine();
  own.consumer.queues = own.lanes;
  auto consumer = kafka::Consumer::create(own.consumer);
  if (!consumer) return std::move(consumer).error();
  std::unique_ptr<Feed> feed(new Feed(own, applier));
  feed->consumer_ = *std::move(consumer);
  if (own.on_bad_record == OnBadRecord::kDeadLetter) {
    auto letters = DeadLetters::create({.topic = own.dead_letter_topic,
                                        .brokers = own.consumer.brokers,
                                        .properties = own.consumer.properties});
    if (!letters) return std::move(letters).error();
    feed->dead_letters_ = *std::move(letters);
  }
  feed->around_ = std::make_unique<LaneSurroundings>(LaneSurroundings{
      .consumer = *feed->consumer_,
      .applier = applier,
      .board = feed->board_,
      .stores = std::move(stores),
      .on_bad_record = own.on_bad_record,
      .dead_letters = feed->dead_letters_.get(),
      .ask_anew = [feed = feed.get()](PartitionState& partition) { feed->ask_anew(partition); },
      .look_again = [feed = feed.get()] { feed->look_again(); }});
  for (std::size_t i = 0; i < own.lanes; ++i) {
    feed->lanes_.push_back(std::make_unique<Lane>(*feed->around_, i));
  }
  feed->discovery_thread_ = std::thread([feed = feed.get()] { feed->discovery_loop(); });
  return feed;
}

Feed::Feed(const FeedOptions& options, Applier& applier)
    : options_(options),
      applier_(applier),
      board_(options.consumer.topics.size()),
      present_(options.consumer.topics.size()),
      topic_ids_(options.consumer.topics.size()) {}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_discovery_.notify_all();
  }
  if (discovery_thread_.joinable()) discovery_thread_.join();
  lanes_.clear();  // with the messages they hold, which go before the handle they came from
}

// --- a lane's thread ---

void Feed::ask_anew(const PartitionState& partition) {
  const std::lock_guard lock(mutex_);
  reload_wanted_.push_back(partition.at);
  look_signal_ = true;
  wake_discovery_.notify_all();
}

void Feed::look_again() {
  const std::lock_guard lock(mutex_);
  look_signal_ = true;
  wake_discovery_.notify_all();
}

// --- the discovery thread ---

void Feed::discovery_loop() {
  if (options_.restore) resume_ = options_.restore();
  if (resume_) {
    for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
      resume_open_.insert(topic);
    }
  }
  trusted_ = resume_open_.empty();
  auto next_look = steady_clock::now();
  while (!stopping_) {
    bool complete = answer_reloads();
    if (steady_clock::now() >= next_look) {
      complete = discover() && complete;
      next_look = steady_clock::now() + (complete ? options_.discovery_interval : kDiscoveryRetry);
    } else {
      (void)check_incarnations();
    }
    watch();
    const auto now = steady_clock::now();
    const auto next = std::min(next_look, now + watch_interval());
    std::unique_lock lock(mutex_);
    while (!stopping_ && !look_signal_ && steady_clock::now() < next) {
      wake_discovery_.wait_until(lock, std::min(next, rate_time_ + kRateInterval));
      update_rate();
    }
    if (look_signal_) {
      look_signal_ = false;
      // A complaint may be one of thousands: not more often than while something is missing.
      next_look =
          std::min(next_look, now + (reload_wanted_.empty() ? kDiscoveryRetry : milliseconds(0)));
    }
  }
}

milliseconds Feed::watch_timeout() const {
  const milliseconds most = std::min(kWatchTimeout, options_.metadata_timeout);
  if (options_.max_staleness.count() == 0) return most;
  return std::clamp(options_.max_staleness / 2, milliseconds(100), most);
}

milliseconds Feed::watch_interval() const {
  if (options_.max_staleness.count() == 0) return kWatchInterval;
  return std::clamp(options_.max_staleness / 4, milliseconds(50), kWatchInterval);
}

// Finds partitions that are new, and has them read. False when something is still missing.
bool Feed::discover() {
  std::vector<kafka::TopicPartition> fresh;
  std::set<std::uint32_t> incomplete;
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (stopping_) return true;
    if (!list_partitions(topic, fresh)) incomplete.insert(topic);
  }
  const bool ids_known = check_incarnations();
  const auto found = consumer_->watermarks(fresh, options_.metadata_timeout);
  if (stopping_) return true;
  std::vector<kafka::PartitionWatermarks> good;
  for (const kafka::PartitionWatermarks& one : found) {
    if (!one.marks.ok()) {
      incomplete.insert(one.at.topic);
      set_problem(one.at.topic, one.marks.error().public_text);
    }
  }
  for (auto topic = resume_open_.begin(); topic != resume_open_.end();) {
    if (ids_known && !incomplete.contains(*topic) && settle_resume(*topic, found)) {
      topic = resume_open_.erase(topic);
    } else {
      incomplete.insert(*topic++);
    }
  }
  trusted_ = resume_open_.empty();
  for (const kafka::PartitionWatermarks& one : found) {
    // While it is open whether a snapshot is good nothing of the topic is read.
    if (!one.marks.ok() || resume_open_.contains(one.at.topic)) continue;
    log("ingest").info("{}: offsets {} to {}", consumer_->name_of(one.at), one.marks->low.value,
                       one.marks->high.value);
    good.push_back(one);
  }
  begin(good);
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (incomplete.contains(topic)) continue;
    set_problem(topic, "");
    board_.topic_complete(topic);
  }
  return incomplete.empty();
}

// Adds the topic's partitions that are not known yet to `fresh`. False when some may be missing.
bool Feed::list_partitions(std::uint32_t topic, std::vector<kafka::TopicPartition>& fresh) {
  const auto partitions = consumer_->partitions(topic, options_.metadata_timeout);
  if (stopping_) return true;
  if (!partitions.ok()) {
    const bool absent = partitions.error().code == ErrorCode::kNotFound;
    set_connection(absent ? Status() : Status(partitions.error()));
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
    if (has(at)) continue;
    if (partition.has_leader) {
      fresh.push_back(at);
    } else {
      complete = false;
      set_problem(topic, consumer_->name_of(at) + " has no leader");
    }
  }
  return complete;
}

bool Feed::has(kafka::TopicPartition at) const {
  const auto found = known_.find(at);
  return found != known_.end() && found->second.state->stage != PartitionStage::kGone;
}

// A topic that was deleted and made again under its name is another log: what came from the one
// that has gone is taken out, wherever its offsets were. False when no broker says the ids.
bool Feed::check_incarnations() {
  const auto ids = consumer_->topic_ids(watch_timeout());
  if (!ids.ok() || stopping_) return false;
  for (std::uint32_t topic = 0; topic < ids->size(); ++topic) {
    const std::string& now = (*ids)[topic];
    const std::string before = topic_id(topic);
    if (now.empty() || now == before) continue;
    if (before.empty()) {
      set_topic_id(topic, now);
      continue;
    }
    log("ingest").warn("topic '{}' was deleted and made again; it is emptied and read anew",
                       options_.consumer.topics[topic]);
    std::vector<std::vector<PartitionState*>> of_lanes(lanes_.size());
    for (const auto& [at, known] : known_) {
      if (at.topic != topic || !has(at)) continue;
      board_.condemn(*known.state);  // all of them, before the first one is emptied
      of_lanes[known.lane].push_back(known.state);
    }
    // Behind that: nobody sees the new id with positions of the log that has gone.
    set_topic_id(topic, now);
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (!of_lanes[i].empty()) lanes_[i]->restart(of_lanes[i]);
    }
  }
  return true;
}

std::string Feed::topic_id(std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  return topic_ids_[topic];
}

void Feed::set_topic_id(std::uint32_t topic, const std::string& id) {
  const std::lock_guard lock(mutex_);
  topic_ids_[topic] = id;
}

bool Feed::settle_resume(std::uint32_t topic, std::span<const kafka::PartitionWatermarks> found) {
  TopicNow now{.name = options_.consumer.topics[topic], .id = topic_id(topic)};
  for (const kafka::PartitionWatermarks& one : found) {
    if (one.at.topic == topic) now.marks.emplace(one.at.partition, *one.marks);
  }
  Status good;
  const auto retention = consumer_->tombstone_retention(topic, options_.metadata_timeout);
  if (stopping_) return false;
  if (retention.ok()) {
    now.retention = *retention;
    good = may_resume(*resume_, topic, now, system_ms());
  } else if (retention.error().code == ErrorCode::kMethodNotAllowed) {
    good = retention.error();
  } else {
    set_problem(topic, retention.error().public_text);
    return false;
  }
  if (!good.ok()) {
    log("ingest").warn(
        "the snapshot is not used for topic '{}', which is read from its beginning: {}", now.name,
        good.error().public_text);
    empty(topic);
    const std::lock_guard lock(mutex_);
    resume_refusals_.push_back(now.name + ": " + good.error().public_text);
    return true;
  }
  for (const ResumePoint::Position& one : resume_->partitions) {
    if (one.at.topic != topic) continue;
    const kafka::Watermarks& marks = now.marks.at(one.at.partition);
    // Retention has taken these from the topic since: a replay would not find them either.
    if (marks.low > one.log_start) around_->erase(one.at, marks.low);
  }
  return true;
}

// Takes out what the snapshot brought of a topic, and forgets its positions.
void Feed::empty(std::uint32_t topic) {
  std::erase_if(resume_->partitions, [&](const ResumePoint::Position& one) {
    if (one.at.topic != topic) return false;
    around_->erase(one.at);
    return true;
  });
}

void Feed::begin(std::span<const kafka::PartitionWatermarks> found) {
  const auto now = steady_clock::now();
  std::vector<std::vector<Lane::Beginning>> of_lanes(lanes_.size());
  for (const kafka::PartitionWatermarks& one : found) {
    const auto place = known_.find(one.at);
    Lane::Beginning beginning{.marks = *one.marks};
    if (place == known_.end()) {
      beginning.from = resumed_position(one.at);
      beginning.partition =
          &board_.add(one.at, *one.marks, beginning.from.value_or(one.marks->low));
      known_.emplace(one.at,
                     Known{beginning.partition, known_.size() % lanes_.size(), Freshness(now)});
    } else {
      place->second.freshness = Freshness(now);
      beginning.partition = place->second.state;
      beginning.anew = true;
    }
    of_lanes[known_.at(one.at).lane].push_back(beginning);
  }
  watch_moves();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!of_lanes[i].empty()) lanes_[i]->begin(of_lanes[i]);
  }
}

// Keys can have moved between partitions of a topic that has several.
void Feed::watch_moves() {
  std::vector<std::size_t> partitions(options_.consumer.topics.size());
  for (const auto& [at, known] : known_) ++partitions[at.topic];
  const bool can_move = std::any_of(partitions.begin(), partitions.end(),
                                    [](std::size_t count) { return count > 1; });
  applier_.deleted_keys().watch(can_move && !board_.loaded());
}

std::optional<Offset> Feed::resumed_position(kafka::TopicPartition at) const {
  if (!resume_) return std::nullopt;
  for (const ResumePoint::Position& one : resume_->partitions) {
    if (one.at == at) return one.position;
  }
  return std::nullopt;
}

// Gets new watermarks for partitions that start anew. False when one is still missing.
bool Feed::answer_reloads() {
  std::vector<kafka::TopicPartition> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted.swap(reload_wanted_);
  }
  if (wanted.empty()) return true;
  // The topic may have been made again with fewer of them.
  std::erase_if(wanted, [this](kafka::TopicPartition at) {
    const auto& present = present_[at.topic];
    if (std::find(present.begin(), present.end(), at.partition) != present.end()) return false;
    board_.remove(*known_.at(at).state);
    return true;
  });
  auto found = consumer_->watermarks(wanted, options_.metadata_timeout);
  const auto missing =
      std::stable_partition(found.begin(), found.end(),
                            [](const kafka::PartitionWatermarks& one) { return one.marks.ok(); });
  begin({found.begin(), missing});
  const std::lock_guard lock(mutex_);
  for (auto one = missing; one != found.end(); ++one) reload_wanted_.push_back(one->at);
  return missing == found.end();
}

// Asks where the partitions end now: the moment of a question that we have caught up with is the
// moment of which our records are.
void Feed::watch() {
  std::vector<kafka::TopicPartition> asked;
  for (const auto& [at, known] : known_) {
    if (has(at)) asked.push_back(at);
  }
  if (asked.empty() || stopping_) return;
  const auto now = steady_clock::now();
  for (const kafka::PartitionWatermarks& one : consumer_->watermarks(asked, watch_timeout())) {
    Known& known = known_.at(one.at);
    if (!one.marks.ok()) continue;
    known.state->log_start = one.marks->low.value;
    known.state->end = one.marks->high.value;
    known.freshness.heard(now, one.marks->high);
  }
  judge_age();
  watch_moves();
}

void Feed::judge_age() {
  std::int64_t oldest = Board::kNever;
  for (auto& [at, known] : known_) {
    if (!has(at)) continue;
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

// With mutex_.
void Feed::update_rate() {
  const auto now = steady_clock::now();
  if (now - rate_time_ < kRateInterval) return;
  const std::uint64_t records = applier_.totals().records;
  const double rate = static_cast<double>(records - rate_records_) /
                      std::chrono::duration<double>(now - rate_time_).count();
  rate_records_ = records;
  rate_time_ = now;
  // Half of it new: calm enough for an estimate, quick enough to follow.
  records_per_second_ = records_per_second_ == 0 ? rate : (records_per_second_ + rate) / 2;
  if (records_per_second_ < 0.05) records_per_second_ = 0;
}

// Whether it is a new one. "" = none any more.
bool Feed::set_problem(std::uint32_t topic, const std::string& problem) {
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

void Feed::set_connection(const Status& status) {
  if (status.ok()) consumer_->clear_last_error();
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

PartitionStatus Feed::status_of(const PartitionState& partition) const {
  PartitionStatus status;
  status.topic = options_.consumer.topics[partition.at.topic];
  status.partition = partition.at.partition;
  status.stage = partition.stage;
  status.position = Offset(partition.position.load());
  status.target = Offset(partition.target.load());
  const bool reloading = status.stage == PartitionStage::kReloading;
  // librdkafka learns of an end with each fetch, so sooner than we ask, but never for a partition
  // that it does not fetch.
  const Offset heard(partition.end.load());
  const Offset end =
      reloading ? Offset(0) : std::max(heard, consumer_->cached_end(partition.at).value_or(heard));
  status.end = std::max(end, status.position);
  status.digest = partition.digest.get();
  status.mark = partition.mark.get();
  status.log_start = Offset(partition.log_start.load());
  status.lag_seconds = static_cast<double>(Board::now_ns() - partition.fresh_ns.load()) / 1e9;
  if (reloading) status.target = status.end;
  return status;
}

Result<std::vector<Feed::PartitionEnd>> Feed::ends() const {
  std::vector<kafka::TopicPartition> places;
  for (const PartitionState* one : board_.partitions()) places.push_back(one->at);
  std::vector<PartitionEnd> out;
  for (const auto& [at, marks] : consumer_->watermarks(places, options_.metadata_timeout)) {
    if (!marks.ok()) return marks.error();
    out.push_back({options_.consumer.topics[at.topic], at.partition, marks->high});
  }
  return out;
}

FeedStatus Feed::status() const {
  FeedStatus out;
  out.ready = ready();
  out.first_ready_seconds = board_.first_ready_seconds();
  for (const PartitionState* one : board_.partitions()) out.partitions.push_back(status_of(*one));
  const std::lock_guard lock(mutex_);
  out.topic_ids = topic_ids_;
  out.resume_refusals = resume_refusals_;
  if (dead_letters_) out.dead_letters = dead_letters_->status();
  out.connected = connected_;
  out.error = connection_error_;
  out.records_per_second = records_per_second_;
  std::int64_t left = 0;
  for (const PartitionStatus& one : out.partitions) {
    left += std::max<std::int64_t>(one.target.value - one.position.value, 0);
  }
  if (out.ready) return out;
  if (!out.partitions.empty() && topic_problems_.empty() && records_per_second_ > 0) {
    out.eta_seconds = static_cast<double>(left) / records_per_second_;
  }
  if (!connected_) {
    out.reasons.push_back(connection_error_.empty() ? "Kafka was not reached yet"
                                                    : connection_error_);
  }
  for (const auto& [topic, problem] : topic_problems_) {
    if (problem != connection_error_) out.reasons.push_back(problem);
  }
  if (!trusted_) out.reasons.push_back("a snapshot is loaded or checked");
  for (const PartitionStatus& one : out.partitions) {
    if (one.stage == PartitionStage::kCaughtUp) {
      const double limit = std::chrono::duration<double>(options_.max_staleness).count();
      if (limit > 0 && one.lag_seconds > limit) {
        out.reasons.push_back(fmt::format(
            "{}/{}: what is held is {:.1f} s old, and readiness.max_staleness is {:g} s", one.topic,
            one.partition.value, one.lag_seconds, limit));
      }
      continue;
    }
    std::string reason = one.topic + "/" + std::to_string(one.partition.value) + ": ";
    switch (one.stage) {
      case PartitionStage::kReloading:
        reason += "its offsets have gone from the log, it is read anew";
        break;
      case PartitionStage::kWaitingForSchema:
        reason += "waits for a schema at offset " + std::to_string(one.position.value);
        break;
      case PartitionStage::kStopped:
        reason += "stopped at a bad record, offset " + std::to_string(one.position.value) +
                  " (kafka.on_bad_record)";
        break;
      case PartitionStage::kWaitingForDeadLetters:
        reason += "waits for its dead letters to be acknowledged, offset " +
                  std::to_string(one.position.value);
        break;
      case PartitionStage::kWaitingForStore:
        reason += "waits for a store at offset " + std::to_string(one.position.value);
        break;
      default:
        reason += "loading, offset " + std::to_string(one.position.value) + " of " +
                  std::to_string(one.target.value);
    }
    out.reasons.push_back(std::move(reason));
  }
  if (out.dead_letters && out.dead_letters->waiting > 0 && !out.dead_letters->error.empty()) {
    out.reasons.push_back(fmt::format("{} dead letters wait for topic '{}': {}",
                                      out.dead_letters->waiting, out.dead_letters->topic,
                                      out.dead_letters->error));
  }
  if (out.reasons.empty()) out.reasons.push_back("the topics' partitions are not known yet");
  return out;
}

std::optional<ResumePoint> Feed::resume_point() const {
  if (!board_.loaded()) return std::nullopt;
  ResumePoint out;
  {
    const std::lock_guard lock(mutex_);
    out.topic_ids = topic_ids_;
  }
  out.restarts = board_.restarts();
  out.taken_ms = system_ms();
  for (const PartitionState* one : board_.partitions()) {
    out.partitions.push_back(
        {one->at, Offset(one->log_start.load()), Offset(one->position.load())});
  }
  // Nothing was emptied meanwhile, of which the positions would not say.
  if (!board_.loaded()) return std::nullopt;
  return out;
}

}  // namespace push_cache::ingest
