#include "ingest/feed.h"

#include <algorithm>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// While brokers, topics or offsets are missing, discovery asks again this often.
constexpr milliseconds kDiscoveryRetry{500};
constexpr milliseconds kRateInterval{500};
// One broker's connection is one thread of librdkafka's: more lanes than this it cannot feed.
constexpr unsigned kLanesMax = 8;

// librdkafka's threads, which receive and decompress, need cores as well, and so does HTTP.
std::size_t lanes_for_this_machine() {
  return std::clamp(std::thread::hardware_concurrency() / 2, 1u, kLanesMax);
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
  feed->around_ = std::make_unique<LaneSurroundings>(LaneSurroundings{
      .consumer = *feed->consumer_,
      .applier = applier,
      .board = feed->board_,
      .stores = std::move(stores),
      .ask_anew = [feed = feed.get()](PartitionState& partition) { feed->ask_anew(partition); }});
  for (std::size_t i = 0; i < own.lanes; ++i) {
    feed->lanes_.push_back(std::make_unique<Lane>(*feed->around_, i));
  }
  feed->discovery_thread_ = std::thread([feed = feed.get()] { feed->discovery_loop(); });
  return feed;
}

Feed::Feed(const FeedOptions& options, Applier& applier)
    : options_(options), applier_(applier), board_(options.consumer.topics.size()) {}

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
  reload_signal_ = true;
  wake_discovery_.notify_all();
}

// --- the discovery thread ---

void Feed::discovery_loop() {
  while (!stopping_) {
    bool complete = answer_reloads();
    complete = discover() && complete;
    const auto next =
        steady_clock::now() + (complete ? options_.discovery_interval : kDiscoveryRetry);
    std::unique_lock lock(mutex_);
    while (!stopping_ && !reload_signal_ && steady_clock::now() < next) {
      wake_discovery_.wait_until(lock, std::min(next, rate_time_ + kRateInterval));
      update_rate();
    }
    reload_signal_ = false;
  }
}

// Finds partitions that are new, and has them read. False when something is still missing.
bool Feed::discover() {
  std::vector<kafka::TopicPartition> fresh;
  std::set<std::uint32_t> incomplete;
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (stopping_) return true;
    if (!list_partitions(topic, fresh)) incomplete.insert(topic);
  }
  const auto found = consumer_->watermarks(fresh, options_.metadata_timeout);
  if (stopping_) return true;
  std::vector<kafka::PartitionWatermarks> good;
  for (const kafka::PartitionWatermarks& one : found) {
    if (one.marks.ok()) {
      log("ingest").info("{}: offsets {} to {}", name_of(one.at), one.marks->low.value,
                         one.marks->high.value);
      good.push_back(one);
    } else {
      incomplete.insert(one.at.topic);
      set_problem(one.at.topic, one.marks.error().public_text);
    }
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
  for (const kafka::PartitionInfo& partition : *partitions) {
    const kafka::TopicPartition at{topic, partition.id};
    if (known_.contains(at)) continue;
    if (partition.has_leader) {
      fresh.push_back(at);
    } else {
      complete = false;
      set_problem(topic, name_of(at) + " has no leader");
    }
  }
  return complete;
}

void Feed::begin(std::span<const kafka::PartitionWatermarks> found) {
  std::vector<std::vector<Lane::Beginning>> of_lanes(lanes_.size());
  for (const kafka::PartitionWatermarks& one : found) {
    auto [place, fresh] = known_.try_emplace(one.at);
    Known& known = place->second;
    if (fresh) known = {&board_.add(one.at, *one.marks), (known_.size() - 1) % lanes_.size()};
    of_lanes[known.lane].push_back({known.state, *one.marks, !fresh});
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!of_lanes[i].empty()) lanes_[i]->begin(of_lanes[i]);
  }
}

// Gets new watermarks for partitions that start anew. False when one is still missing.
bool Feed::answer_reloads() {
  std::vector<kafka::TopicPartition> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted.swap(reload_wanted_);
  }
  auto found = consumer_->watermarks(wanted, options_.metadata_timeout);
  const auto missing =
      std::stable_partition(found.begin(), found.end(),
                            [](const kafka::PartitionWatermarks& one) { return one.marks.ok(); });
  begin({found.begin(), missing});
  const std::lock_guard lock(mutex_);
  for (auto one = missing; one != found.end(); ++one) reload_wanted_.push_back(one->at);
  return missing == found.end();
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

std::string Feed::name_of(kafka::TopicPartition at) const {
  return options_.consumer.topics[at.topic] + "/" + std::to_string(at.partition.value);
}

PartitionStatus Feed::status_of(const PartitionState& partition) const {
  PartitionStatus status;
  status.topic = options_.consumer.topics[partition.at.topic];
  status.partition = partition.at.partition;
  status.stage = partition.stage;
  status.position = Offset(partition.position.load());
  status.target = Offset(partition.target.load());
  const bool reloading = status.stage == PartitionStage::kReloading;
  const Offset end =
      consumer_->cached_end(partition.at).value_or(reloading ? Offset(0) : status.target);
  status.end = std::max(end, status.position);
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
  for (const PartitionStatus& one : out.partitions) {
    if (one.stage == PartitionStage::kCaughtUp) continue;
    std::string reason = one.topic + "/" + std::to_string(one.partition.value) + ": ";
    switch (one.stage) {
      case PartitionStage::kReloading:
        reason += "its offsets have gone from the log, it is read anew";
        break;
      case PartitionStage::kWaitingForSchema:
        reason += "waits for a schema at offset " + std::to_string(one.position.value);
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
  if (out.reasons.empty()) out.reasons.push_back("the topics' partitions are not known yet");
  return out;
}

}  // namespace push_cache::ingest
