// The way from Kafka's topics into stores in memory: every partition, from its beginning.
#pragma once

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
#include "ingest/feed_status.h"
#include "ingest/lane.h"
#include "ingest/resume.h"
#include "ingest/topic_watch.h"
#include "kafka/consumer.h"
#include "store/store.h"

namespace push_cache::ingest {

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
  AskCleanup ask_cleanup = {};
  std::chrono::milliseconds cleanup_interval{60'000};  // between two questions for a topic's policy
  std::size_t lanes = 0;  // threads that apply; 0 = by the machine's cores
  // Null, or what tells readers of the stores which log records are of. Must outlive the feed.
  store::LogIdentities* logs = nullptr;
};

// Has lanes that read and apply, each its own partitions, and one thread that asks brokers for
// topics, partitions and offsets (questions that block). Brokers, topics or the registry may be
// away at the start or at any time: the feed waits and goes on by itself. Public calls are safe
// from any thread.
//
// A partition whose position is no longer in the log (retention overtook it), and every partition
// of a topic that was deleted and made again, or that has become compacted or is no longer, is
// emptied and read anew; `ready` is false meanwhile.
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
  // open whether a snapshot is good, and while records of a log that has gone are taken out.
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
  void watch_moves();
  bool check_logs();
  void replace_log(std::uint32_t topic, const std::string& id, bool compacted);
  // Decides whether a topic goes on from the snapshot, and makes the stores fit. False when that
  // can't be known yet.
  bool settle_resume(std::uint32_t topic, std::span<const kafka::PartitionWatermarks> found);
  std::optional<Offset> resumed_position(kafka::TopicPartition at) const;
  void empty(std::uint32_t topic);
  void judge_trust();
  void begin(std::span<const kafka::PartitionWatermarks> found);
  bool answer_reloads();

  FeedOptions options_;
  Applier& applier_;
  std::unique_ptr<kafka::Consumer> consumer_;
  std::unique_ptr<DeadLetters> dead_letters_;
  Board board_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<TopicWatch> watch_;
  std::atomic<bool> trusted_ = false;
  std::atomic<bool> checks_snapshot_ = true;

  // The discovery thread's own.
  std::map<kafka::TopicPartition, std::size_t> lane_of_;
  std::optional<ResumePoint> resume_;
  std::set<std::uint32_t> resume_open_;                // topics not decided on yet
  std::set<kafka::TopicPartition> emptying_;           // of a log that has gone
  std::chrono::steady_clock::time_point forget_at_{};  // see watch_moves

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_discovery_;
  std::vector<kafka::TopicPartition> reload_wanted_;
  bool look_signal_ = false;
  std::vector<std::string> resume_refusals_;

  std::unique_ptr<LaneSurroundings> around_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::thread discovery_thread_;
};

}  // namespace push_cache::ingest
