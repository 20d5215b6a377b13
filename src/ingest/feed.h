// The way from Kafka's topics into stores in memory: every partition, from its beginning.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "ingest/applier.h"
#include "ingest/catch_up.h"
#include "kafka/consumer.h"
#include "store/store.h"

namespace push_cache::ingest {

enum class PartitionStage : std::uint8_t {
  kLoading,  // behind the end that was captured when it was found
  kCaughtUp,
  kWaitingForSchema,  // its next record waits for a schema; other partitions go on
  kWaitingForStore,   // its next record waits for a store
  kReloading,         // its offsets were not in the log any more: emptied, to be read anew
};
std::string_view to_string(PartitionStage stage);

struct PartitionStatus {
  std::string topic;
  Partition partition{0};
  Offset position{0};  // of the next record to apply
  Offset target{0};    // to be reached before this partition is caught up
  Offset end{0};       // as of the latest fetch
  PartitionStage stage = PartitionStage::kLoading;
  std::int64_t lag_records() const { return std::max<std::int64_t>(end.value - position.value, 0); }
};

struct FeedStatus {
  bool ready = false;
  bool connected = false;
  std::string error;                 // why not connected, "" otherwise; holds no secret
  std::vector<std::string> reasons;  // why not ready, for people; empty when ready
  std::vector<PartitionStatus> partitions;
  double records_per_second = 0;              // lately
  std::optional<double> first_ready_seconds;  // from the start of the feed; nothing before
  std::optional<double> eta_seconds;          // until caught up; nothing when unknown or ready
};

struct FeedOptions {
  kafka::ConsumerOptions consumer;
  std::chrono::milliseconds metadata_timeout{5'000};    // of one question to a broker
  std::chrono::milliseconds discovery_interval{5'000};  // between two looks for new partitions
};

// Two threads of its own: one reads and applies, one asks brokers for topics, partitions and
// offsets (questions that block). Brokers, topics or the registry may be away at the start or at
// any time: the feed waits and goes on by itself. Public calls are safe from any thread.
//
// A partition whose position is no longer in the log (retention overtook it, or the topic was
// recreated) is emptied and read anew; `ready` is false meanwhile.
class Feed {
 public:
  // `applier` must outlive the feed; nothing else may call `applier.apply`. `stores` are those that
  // the applier writes to. Fails for properties that librdkafka refuses.
  static Result<std::unique_ptr<Feed>> start(const FeedOptions& options, Applier& applier,
                                             std::vector<store::Store*> stores);
  ~Feed();

  // True once everything that was in the topics at the start is in the stores. May turn false again
  // (see above); it does so before anything is taken out of a store.
  bool ready() const { return ready_.load(std::memory_order_seq_cst); }
  FeedStatus status() const;

 private:
  struct PartitionState {
    std::deque<kafka::Message> held;  // what came while the first of them waits
    bool waits_for_schema = false;
    bool reloading = false;
    std::chrono::steady_clock::time_point retry_at{};
  };
  struct Found {
    kafka::TopicPartition at;
    kafka::Watermarks marks;
  };

  Feed(const FeedOptions& options, Applier& applier, std::vector<store::Store*> stores);

  void ingest_loop();
  void take_found();
  void handle(kafka::Message message);
  bool settle(kafka::TopicPartition at, PartitionState& state, const kafka::Message& message);
  void retry_held();
  void reload(kafka::TopicPartition at, PartitionState& state);
  void publish();
  void update_rate(std::chrono::steady_clock::time_point now);

  void discovery_loop();
  bool discover_topic(std::uint32_t topic);
  bool answer_reloads();
  void set_connection(const Status& status);

  FeedOptions options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  Applier& applier_;
  std::vector<store::Store*> stores_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::atomic<bool> ready_ = false;
  std::atomic<bool> stopping_ = false;

  // The ingest thread's own.
  CatchUp catch_up_;
  std::map<kafka::TopicPartition, PartitionState> states_;
  std::size_t held_partitions_ = 0;
  std::vector<kafka::Message> batch_;
  std::uint64_t rate_records_ = 0;
  std::chrono::steady_clock::time_point rate_time_;
  std::chrono::steady_clock::time_point next_publish_;

  // The discovery thread's own.
  std::map<std::uint32_t, std::vector<Partition>> known_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_discovery_;
  std::vector<Found> found_;
  std::vector<std::uint32_t> complete_topics_;
  std::vector<kafka::TopicPartition> reload_wanted_;
  bool reload_signal_ = false;
  std::map<std::uint32_t, std::string> topic_problems_;
  std::optional<double> first_ready_seconds_;
  bool connected_ = false;
  std::string connection_error_;
  std::vector<PartitionStatus> partitions_;
  double records_per_second_ = 0;

  std::thread ingest_thread_;
  std::thread discovery_thread_;
};

}  // namespace push_cache::ingest
