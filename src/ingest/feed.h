// The way from Kafka's topics into stores in memory: every partition, from its beginning.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
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
#include "ingest/dead_letters.h"
#include "ingest/freshness.h"
#include "ingest/lane.h"
#include "ingest/resume.h"
#include "kafka/consumer.h"
#include "store/store.h"

namespace push_cache::ingest {

struct PartitionStatus {
  std::string topic;
  Partition partition{0};
  Offset position{0};  // of the next record to apply
  Offset target{0};    // to be reached before this partition is caught up
  Offset end{0};       // as its leader said last
  Offset log_start{0};
  double lag_seconds = 0;  // the age of the latest moment of which all that was in the log then is
                           // applied; grows while Kafka is not heard
  PartitionStage stage = PartitionStage::kLoading;
  Digest digest;
  Digest mark;  // position 0 before there is one
  std::int64_t lag_records() const { return std::max<std::int64_t>(end.value - position.value, 0); }
};

struct FeedStatus {
  bool ready = false;
  bool connected = false;
  std::string error;                 // why not connected, "" otherwise; holds no secret
  std::vector<std::string> reasons;  // why not ready, for people; empty when ready
  std::vector<PartitionStatus> partitions;
  std::vector<std::string> topic_ids;  // in the order of the topics; "" = not known
  // Why topics are read from their beginning although a snapshot of them was there.
  std::vector<std::string> resume_refusals;
  std::optional<DeadLetterStatus> dead_letters;
  double records_per_second = 0;              // lately
  std::optional<double> first_ready_seconds;  // from the start of the feed; nothing before
  std::optional<double> eta_seconds;          // until caught up; nothing when unknown or ready
};

struct FeedOptions {
  kafka::ConsumerOptions consumer;
  std::chrono::milliseconds metadata_timeout{5'000};    // of one question to a broker
  std::chrono::milliseconds discovery_interval{5'000};  // between two looks for new partitions
  // Beyond this age (PartitionStatus::lag_seconds) of any partition `ready` is false; 0 = never.
  std::chrono::milliseconds max_staleness{0};
  OnBadRecord on_bad_record = OnBadRecord::kSkip;
  std::string dead_letter_topic;  // for kDeadLetter
  // Puts a snapshot's records into the stores and says where it ends; nothing when there is none.
  // Called once, from a thread of the feed, before anything is read.
  std::function<std::optional<ResumePoint>()> restore;
  std::size_t lanes = 0;  // threads that apply; 0 = by the machine's cores
};

// Has lanes that read and apply, each its own partitions, and one thread that asks brokers for
// topics, partitions and offsets (questions that block). Brokers, topics or the registry may be
// away at the start or at any time: the feed waits and goes on by itself. Public calls are safe
// from any thread.
//
// A partition whose position is no longer in the log (retention overtook it), and every partition
// of a topic that was deleted and made again, is emptied and read anew; `ready` is false meanwhile.
// A topic of a snapshot from which it must not go on (see may_resume) is emptied and read from its
// beginning.
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
  // Whether what is in the stores is of the topics as they are now, if older: not so while it is
  // open whether a snapshot is good.
  bool trusted() const { return trusted_; }
  FeedStatus status() const;
  // Where a snapshot begun now would end; nothing while not all is loaded. `taken_ms` is now.
  std::optional<ResumePoint> resume_point() const;
  // How often a partition was begun anew. What is read of the stores after `resume_point` belongs
  // to it only while this stays ResumePoint::restarts.
  std::uint64_t restarts() const { return board_.restarts(); }
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
  void look_again();
  void discovery_loop();
  bool discover();
  void watch();
  void judge_age();
  void watch_moves();
  bool check_incarnations();
  std::string topic_id(std::uint32_t topic) const;
  void set_topic_id(std::uint32_t topic, const std::string& id);
  std::chrono::milliseconds watch_interval() const;
  std::chrono::milliseconds watch_timeout() const;
  // Decides whether a topic goes on from the snapshot, and makes the stores fit. False when that
  // can't be known yet.
  bool settle_resume(std::uint32_t topic, std::span<const kafka::PartitionWatermarks> found);
  std::optional<Offset> resumed_position(kafka::TopicPartition at) const;
  void empty(std::uint32_t topic);
  bool list_partitions(std::uint32_t topic, std::vector<kafka::TopicPartition>& fresh);
  void begin(std::span<const kafka::PartitionWatermarks> found);
  bool has(kafka::TopicPartition at) const;
  bool answer_reloads();
  void update_rate();
  void set_connection(const Status& status);
  bool set_problem(std::uint32_t topic, const std::string& problem);
  PartitionStatus status_of(const PartitionState& partition) const;

  FeedOptions options_;
  Applier& applier_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::unique_ptr<DeadLetters> dead_letters_;
  Board board_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> trusted_ = false;

  // The discovery thread's own.
  struct Known {
    PartitionState* state;
    std::size_t lane;
    Freshness freshness;
  };
  std::map<kafka::TopicPartition, Known> known_;
  std::vector<std::vector<Partition>> present_;  // of each topic, as the brokers said last
  std::optional<ResumePoint> resume_;
  std::set<std::uint32_t> resume_open_;  // topics of which it is not decided
  std::uint64_t rate_records_ = 0;
  std::chrono::steady_clock::time_point rate_time_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_discovery_;
  std::vector<kafka::TopicPartition> reload_wanted_;
  bool look_signal_ = false;
  std::vector<std::string> topic_ids_;
  std::vector<std::string> resume_refusals_;
  std::map<std::uint32_t, std::string> topic_problems_;
  bool connected_ = false;
  std::string connection_error_;
  double records_per_second_ = 0;

  std::unique_ptr<LaneSurroundings> around_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::thread discovery_thread_;
};

}  // namespace push_cache::ingest
