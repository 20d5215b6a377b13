// The way from Kafka's topics into stores in memory: every partition, from its beginning.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "ingest/applier.h"
#include "ingest/board.h"
#include "ingest/lane.h"
#include "kafka/consumer.h"
#include "store/store.h"

namespace push_cache::ingest {

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
  std::size_t lanes = 0;  // threads that apply; 0 = by the machine's cores
};

// Has lanes that read and apply, each its own partitions, and one thread that asks brokers for
// topics, partitions and offsets (questions that block). Brokers, topics or the registry may be
// away at the start or at any time: the feed waits and goes on by itself. Public calls are safe
// from any thread.
//
// A partition whose position is no longer in the log (retention overtook it, or the topic was
// recreated) is emptied and read anew; `ready` is false meanwhile.
class Feed {
 public:
  // `applier` must outlive the feed. `stores` are those that the applier writes to. Fails for
  // properties that librdkafka refuses.
  static Result<std::unique_ptr<Feed>> start(const FeedOptions& options, Applier& applier,
                                             std::vector<store::Store*> stores);
  ~Feed();

  // True once everything that was in the topics at the start is in the stores. May turn false again
  // (see above); it does so before anything is taken out of a store.
  bool ready() const { return board_.ready(); }
  FeedStatus status() const;
  // The end of each partition read so far, as its leader gives it now; blocks up to the time-out of
  // one question. Whoever waits until every position is there has seen all that was written before
  // the call. An error when one could not be asked.
  struct PartitionEnd {
    std::string topic;
    Partition partition{0};
    Offset end{0};
  };
  Result<std::vector<PartitionEnd>> ends() const;

 private:
  Feed(const FeedOptions& options, Applier& applier);

  void ask_anew(const PartitionState& partition);
  void discovery_loop();
  bool discover();
  bool list_partitions(std::uint32_t topic, std::vector<kafka::TopicPartition>& fresh);
  void begin(std::span<const kafka::PartitionWatermarks> found);
  bool answer_reloads();
  void update_rate();
  void set_connection(const Status& status);
  bool set_problem(std::uint32_t topic, const std::string& problem);
  std::string name_of(kafka::TopicPartition at) const;
  PartitionStatus status_of(const PartitionState& partition) const;

  FeedOptions options_;
  Applier& applier_;
  std::unique_ptr<kafka::Consumer> consumer_;
  Board board_;
  std::atomic<bool> stopping_ = false;

  // The discovery thread's own.
  struct Known {
    PartitionState* state;
    std::size_t lane;
  };
  std::map<kafka::TopicPartition, Known> known_;
  std::uint64_t rate_records_ = 0;
  std::chrono::steady_clock::time_point rate_time_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_discovery_;
  std::vector<kafka::TopicPartition> reload_wanted_;
  bool reload_signal_ = false;
  std::map<std::uint32_t, std::string> topic_problems_;
  bool connected_ = false;
  std::string connection_error_;
  double records_per_second_ = 0;

  std::unique_ptr<LaneSurroundings> around_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::thread discovery_thread_;
};

}  // namespace push_cache::ingest
