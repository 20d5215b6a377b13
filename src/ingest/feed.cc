#include "ingest/feed.h"

#include <algorithm>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kBatchMax = 10'000;
// How long a quiet topic keeps the loop waiting. A schema that has come wakes it earlier.
constexpr milliseconds kPollTimeout{100};
// While brokers, topics or offsets are missing, discovery asks again this often.
constexpr milliseconds kDiscoveryRetry{500};
constexpr milliseconds kStoreRetry{200};
constexpr milliseconds kRateInterval{500};
constexpr milliseconds kPublishInterval{50};
// librdkafka's name for "from the first record there is" (RD_KAFKA_OFFSET_BEGINNING). The low
// watermark itself may have moved on by the time the fetch starts.
constexpr Offset kBeginning{-2};

std::string name_of(const std::string& topic, Partition partition) {
  return topic + "/" + std::to_string(partition.value);
}

}  // namespace

std::string_view to_string(PartitionStage stage) {
  switch (stage) {
    case PartitionStage::kLoading:
      return "loading";
    case PartitionStage::kCaughtUp:
      return "caught_up";
    case PartitionStage::kWaitingForSchema:
      return "waiting_for_schema";
    case PartitionStage::kWaitingForStore:
      return "waiting_for_store";
    case PartitionStage::kReloading:
      return "reloading";
  }
  return "loading";
}

Result<std::unique_ptr<Feed>> Feed::start(const FeedOptions& options, Applier& applier,
                                          std::vector<store::Store*> stores) {
  auto consumer = kafka::Consumer::create(options.consumer);
  if (!consumer) return std::move(consumer).error();
  std::unique_ptr<Feed> feed(new Feed(options, applier, std::move(stores)));
  feed->consumer_ = *std::move(consumer);
  feed->ingest_thread_ = std::thread([feed = feed.get()] { feed->ingest_loop(); });
  feed->discovery_thread_ = std::thread([feed = feed.get()] { feed->discovery_loop(); });
  return feed;
}

Feed::Feed(const FeedOptions& options, Applier& applier, std::vector<store::Store*> stores)
    : options_(options),
      applier_(applier),
      stores_(std::move(stores)),
      catch_up_(options.consumer.topics.size()),
      rate_time_(steady_clock::now()) {}

Feed::~Feed() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    wake_discovery_.notify_all();
  }
  if (ingest_thread_.joinable()) ingest_thread_.join();
  if (discovery_thread_.joinable()) discovery_thread_.join();
  states_.clear();  // held messages go before the handle they came from
  batch_.clear();
}

// --- the ingest thread ---

void Feed::ingest_loop() {
  while (!stopping_) {
    take_found();
    if (held_partitions_ > 0) retry_held();
    // A held partition may go on at any moment: look often. Nothing held: wait in librdkafka.
    const milliseconds timeout = held_partitions_ > 0 ? milliseconds(10) : kPollTimeout;
    consumer_->poll(timeout, kBatchMax, batch_);
    for (kafka::Message& message : batch_) handle(std::move(message));
    batch_.clear();
    publish();
  }
}

void Feed::take_found() {
  std::vector<Found> found;
  std::vector<std::uint32_t> complete;
  {
    const std::lock_guard lock(mutex_);
    found.swap(found_);
    complete.swap(complete_topics_);
  }
  std::vector<kafka::TopicPartitionOffset> assignment;
  for (const Found& one : found) {
    PartitionState& state = states_[one.at];
    state.reloading = false;
    catch_up_.add(one.at, one.marks.low, one.marks.high);
    assignment.push_back({one.at, kBeginning});
  }
  for (const std::uint32_t topic : complete) catch_up_.topic_complete(topic);
  if (assignment.empty()) return;
  if (const Status done = consumer_->assign(assignment); !done.ok()) {
    log("ingest").error("partitions could not be assigned: {}", done.error().public_text);
  }
}

void Feed::handle(kafka::Message message) {
  const kafka::TopicPartition at = message.at();
  const auto found = states_.find(at);
  if (found == states_.end()) {
    if (message.kind() == kafka::MessageKind::kError) {
      log("ingest").warn("Kafka: {}", message.error_text());
    }
    return;
  }
  PartitionState& state = found->second;
  // What librdkafka had handed out before a reload began is of the log that has gone.
  if (state.reloading) return;
  if (!state.held.empty()) {
    state.held.push_back(std::move(message));
    return;
  }
  if (settle(at, state, message)) return;
  if (const Status stopped = consumer_->unassign(at); !stopped.ok()) {
    log("ingest").warn("{} goes on being fetched while it waits: {}",
                       name_of(consumer_->topics()[at.topic], at.partition),
                       stopped.error().public_text);
  }
  state.held.push_back(std::move(message));
  ++held_partitions_;
}

// Applies one message. False when it has to wait; nothing has changed then.
bool Feed::settle(kafka::TopicPartition at, PartitionState& state, const kafka::Message& message) {
  switch (message.kind()) {
    case kafka::MessageKind::kRecord: {
      const Outcome outcome = applier_.apply({.topic = at.topic,
                                              .partition = at.partition,
                                              .offset = message.offset(),
                                              .timestamp_ms = message.timestamp_ms(),
                                              .key = message.key(),
                                              .value = message.value()});
      if (outcome == Outcome::kDone) {
        catch_up_.advance(at, Offset(message.offset().value + 1));
        return true;
      }
      state.waits_for_schema = outcome == Outcome::kWaitsForSchema;
      state.retry_at = steady_clock::now() + kStoreRetry;
      if (!state.waits_for_schema) {
        log("ingest").warn("{} waits, a store does not take a record: {}",
                           name_of(consumer_->topics()[at.topic], at.partition),
                           applier_.store_error().describe());
      }
      return false;
    }
    case kafka::MessageKind::kEnd:
      catch_up_.advance(at, message.offset());
      return true;
    case kafka::MessageKind::kOutOfRange:
      log("ingest").warn("{}: {}; it is emptied and read anew",
                         name_of(consumer_->topics()[at.topic], at.partition),
                         message.error_text());
      reload(at, state);
      return true;
    case kafka::MessageKind::kError:
      log("ingest").warn("{}: {}", name_of(consumer_->topics()[at.topic], at.partition),
                         message.error_text());
      return true;
  }
  return true;
}

void Feed::retry_held() {
  const auto now = steady_clock::now();
  for (auto& [at, state] : states_) {
    if (state.held.empty()) continue;
    if (!state.waits_for_schema && now < state.retry_at) continue;
    while (!state.held.empty() && settle(at, state, state.held.front())) {
      if (state.reloading) break;  // `settle` has dropped what was held
      state.held.pop_front();
    }
    if (!state.held.empty()) continue;
    --held_partitions_;
    state.waits_for_schema = false;
    if (state.reloading) continue;  // `take_found` assigns it
    const kafka::TopicPartitionOffset next{at, catch_up_.partitions().at(at).position};
    if (const Status resumed = consumer_->assign({&next, 1}); !resumed.ok()) {
      log("ingest").error("{} could not be read on: {}",
                          name_of(consumer_->topics()[at.topic], at.partition),
                          resumed.error().public_text);
    }
  }
}

void Feed::reload(kafka::TopicPartition at, PartitionState& state) {
  catch_up_.restart(at);
  ready_.store(false, std::memory_order_seq_cst);  // before anything is taken out
  state.reloading = true;
  state.held.clear();
  for (store::Store* store : stores_) {
    if (const auto erased = store->erase_partition(at.topic, at.partition); !erased.ok()) {
      log("ingest").error("{} could not be emptied: {}",
                          name_of(consumer_->topics()[at.topic], at.partition),
                          erased.error().public_text);
    }
  }
  const std::lock_guard lock(mutex_);
  reload_wanted_.push_back(at);
  reload_signal_ = true;
  wake_discovery_.notify_all();
}

void Feed::publish() {
  const bool ready = catch_up_.caught_up();
  const auto now = steady_clock::now();
  if (ready == ready_ && now < next_publish_) return;
  next_publish_ = now + kPublishInterval;
  update_rate(now);
  ready_.store(ready, std::memory_order_seq_cst);
  std::vector<PartitionStatus> partitions;
  partitions.reserve(states_.size());
  for (const auto& [at, progress] : catch_up_.partitions()) {
    const PartitionState& state = states_[at];
    PartitionStatus status;
    status.topic = consumer_->topics()[at.topic];
    status.partition = at.partition;
    status.position = progress.position;
    status.target = progress.target;
    const Offset end =
        consumer_->cached_end(at).value_or(state.reloading ? Offset(0) : progress.target);
    status.end = std::max(end, progress.position);
    status.stage = state.reloading ? PartitionStage::kReloading
                   : !state.held.empty()
                       ? (state.waits_for_schema ? PartitionStage::kWaitingForSchema
                                                 : PartitionStage::kWaitingForStore)
                   : progress.behind ? PartitionStage::kLoading
                                     : PartitionStage::kCaughtUp;
    if (state.reloading) status.target = status.end;
    partitions.push_back(std::move(status));
  }
  const std::lock_guard lock(mutex_);
  partitions_ = std::move(partitions);
  if (ready && !first_ready_seconds_) {
    first_ready_seconds_ = std::chrono::duration<double>(now - started_).count();
  }
}

void Feed::update_rate(steady_clock::time_point now) {
  if (now - rate_time_ < kRateInterval) return;
  const std::uint64_t records = applier_.totals().records.load(std::memory_order_relaxed);
  const double rate = static_cast<double>(records - rate_records_) /
                      std::chrono::duration<double>(now - rate_time_).count();
  rate_records_ = records;
  rate_time_ = now;
  const std::lock_guard lock(mutex_);
  // Half of it new: calm enough for an estimate, quick enough to follow.
  records_per_second_ = records_per_second_ == 0 ? rate : (records_per_second_ + rate) / 2;
  if (records_per_second_ < 0.05) records_per_second_ = 0;
}

// --- the discovery thread ---

void Feed::discovery_loop() {
  while (!stopping_) {
    bool complete = answer_reloads();
    for (std::uint32_t topic = 0; topic < options_.consumer.topics.size() && !stopping_; ++topic) {
      complete = discover_topic(topic) && complete;
    }
    std::unique_lock lock(mutex_);
    wake_discovery_.wait_for(lock, complete ? options_.discovery_interval : kDiscoveryRetry,
                             [this] { return stopping_ || reload_signal_; });
    reload_signal_ = false;
  }
}

// Finds partitions that are new, with their watermarks. False when something is still missing.
bool Feed::discover_topic(std::uint32_t topic) {
  const std::string& name = options_.consumer.topics[topic];
  auto partitions = consumer_->partitions(topic, options_.metadata_timeout);
  if (stopping_) return true;
  if (!partitions.ok()) {
    const bool absent = partitions.error().code == ErrorCode::kNotFound;
    set_connection(absent ? Status() : Status(partitions.error()));
    const std::lock_guard lock(mutex_);
    std::string& problem = topic_problems_[topic];
    if (problem != partitions.error().public_text) {
      problem = partitions.error().public_text;
      log("ingest").warn("{}{}", problem, absent ? "; waiting for it" : "");
    }
    return false;
  }
  set_connection({});
  std::vector<Partition>& known = known_[topic];
  for (const Partition partition : *partitions) {
    if (std::find(known.begin(), known.end(), partition) != known.end()) continue;
    const kafka::TopicPartition at{topic, partition};
    const auto marks = consumer_->watermarks(at, options_.metadata_timeout);
    if (stopping_) return true;
    if (!marks.ok()) {
      const std::lock_guard lock(mutex_);
      topic_problems_[topic] = marks.error().public_text;
      return false;
    }
    log("ingest").info("{}: offsets {} to {}", name_of(name, partition), marks->low.value,
                       marks->high.value);
    known.push_back(partition);
    const std::lock_guard lock(mutex_);
    found_.push_back({at, *marks});
  }
  const std::lock_guard lock(mutex_);
  topic_problems_.erase(topic);
  complete_topics_.push_back(topic);
  return true;
}

// Gets new watermarks for partitions that start anew. False when one is still missing.
bool Feed::answer_reloads() {
  std::vector<kafka::TopicPartition> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted.swap(reload_wanted_);
  }
  bool complete = true;
  for (const kafka::TopicPartition at : wanted) {
    const auto marks = consumer_->watermarks(at, options_.metadata_timeout);
    const std::lock_guard lock(mutex_);
    if (marks.ok()) {
      found_.push_back({at, *marks});
    } else {
      reload_wanted_.push_back(at);
      complete = false;
    }
  }
  return complete;
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

FeedStatus Feed::status() const {
  FeedStatus out;
  out.ready = ready();
  const std::lock_guard lock(mutex_);
  out.connected = connected_;
  out.error = connection_error_;
  out.partitions = partitions_;
  out.first_ready_seconds = first_ready_seconds_;
  out.records_per_second = records_per_second_;
  std::int64_t left = 0;
  for (const PartitionStatus& one : partitions_) {
    left += std::max<std::int64_t>(one.target.value - one.position.value, 0);
  }
  if (out.ready) return out;
  if (!partitions_.empty() && topic_problems_.empty() && records_per_second_ > 0) {
    out.eta_seconds = static_cast<double>(left) / records_per_second_;
  }
  if (!connected_) {
    out.reasons.push_back(connection_error_.empty() ? "Kafka was not reached yet"
                                                    : connection_error_);
  }
  for (const auto& [topic, problem] : topic_problems_) {
    if (problem != connection_error_) out.reasons.push_back(problem);
  }
  for (const PartitionStatus& one : partitions_) {
    if (one.stage == PartitionStage::kCaughtUp) continue;
    std::string reason = name_of(one.topic, one.partition) + ": ";
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
