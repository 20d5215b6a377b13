// The way from Kafka's topics into stores that several processes share: as a member of a consumer
// group.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
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
#include "ingest/group_board.h"
#include "ingest/group_lane.h"
#include "ingest/store_watch.h"
#include "ingest/topic_watch.h"
#include "kafka/group_consumer.h"
#include "store/shared_store.h"

namespace push_cache::ingest {

struct GroupFeedOptions {
  kafka::ConsumerOptions consumer;
  std::chrono::milliseconds metadata_timeout{5'000};    // of one question to a broker
  std::chrono::milliseconds discovery_interval{5'000};  // between two looks for new partitions
  // Beyond this age (PartitionStatus::lag_seconds) of any partition `ready` is false; 0 = never.
  // What other processes own is known by their commits, which makes it some 3 s older.
  std::chrono::milliseconds max_staleness{0};
  std::chrono::milliseconds commit_interval{1'000};
  OnBadRecord on_bad_record = OnBadRecord::kSkip;
  std::string dead_letter_topic;  // for kDeadLetter
  // Where to begin with a partition of which nothing is known: the stores keep no position, and the
  // group has committed none.
  OffsetReset offset_reset = OffsetReset::kEarliest;
  // The first partitions that this process gets are loaded from their beginning, whatever position
  // is kept. Those that it gets later are not.
  bool from_beginning = false;
  AskCleanup ask_cleanup = {};
  std::chrono::milliseconds cleanup_interval{60'000};  // between two questions for a topic's policy
  // Threads that write, each one batch at a time to one partition's records; 0 = as many as keep a
  // store busy.
  std::size_t lanes = 0;
};

// Reads the partitions that the group gives to this process. How far is kept by the stores
// themselves (store/shared_store.h), once they have acknowledged what is before, and then committed
// to the group, for those who watch that. So it goes on where the stores are, also as a member of a
// new group, with a store that is new among several, or that has lost what it had. The stores must
// take a record again, and refuse one that is older than what they have of its partition
// (WriteOutcome::kOutdated), since after a rebalance a record may come twice, from two processes.
// Brokers, topics, the registry or a store may be away at the start or at any time: the feed waits
// and goes on by itself.
//
// It is ready once everything that was in the topics at its start is in the stores, whoever has
// written it: for each partition our own acknowledged position, or the one that the stores keep,
// has reached the end that was captured. A partition of which none is kept, and which nobody reads,
// is not.
//
// A store that processes with another configuration fill (SharedStore::claim) is left alone: the
// feed is not ready, and no member of the group, until it is free.
//
// A partition of which no position is kept is loaded: read from its beginning, and then what the
// stores have of it beside that is taken out. The same when its topic is made again, has become
// compacted or is no longer, and when its
// log now starts behind the position. With OffsetReset::kLatest one of which the group has
// committed nothing either is read from its end instead, and left as it is.
class GroupFeed : private kafka::GroupOwner, private StoreWatch::Owner {
 public:
  // `applier` must outlive the feed; `stores` are those that it writes to. Fails for properties
  // that librdkafka refuses.
  static Result<std::unique_ptr<GroupFeed>> start(const GroupFeedOptions& options, Applier& applier,
                                                  std::vector<store::SharedStore*> stores);
  // Finishes the writes that are under way (for some seconds at most, but a write that blocks holds
  // up the end), commits, and leaves the group.
  ~GroupFeed();

  // See above. May turn false again: while a partition is stopped at a bad record here, a topic was
  // made again and is not read yet, a store has lost what it had or is filled by others, or what is
  // held is older than `max_staleness`.
  bool ready() const { return store_watch_->claimed() && board_.ready(); }
  FeedStatus status() const;

 private:
  GroupFeed(const GroupFeedOptions& options, std::vector<store::SharedStore*> stores);

  // --- the member's thread ---
  void member_loop();
  void look_at_membership();
  std::vector<kafka::GroupStart> assigned(
      std::span<const kafka::TopicPartition> partitions) override;
  void revoked(std::span<const kafka::TopicPartition> partitions) override;
  void lost(std::span<const kafka::TopicPartition> partitions) override;
  struct Found {
    std::vector<std::optional<Offset>> kept;
    std::vector<std::optional<kafka::Commit>> committed;  // with OffsetReset::kLatest
    std::vector<Offset> ends;  // with OffsetReset::kLatest, of those without a commit
    std::vector<std::string> topic_ids;
  };
  Result<Found> ask(std::span<const kafka::TopicPartition> partitions);
  Status name_topics(std::span<const kafka::TopicPartition> partitions);
  void name_topic(std::uint32_t topic, const std::string& id);
  kafka::GroupStart begin(kafka::TopicPartition at, Found& found, std::size_t index);
  std::optional<GroupLane::Beginning> beginning(kafka::TopicPartition at, const Found& found,
                                                std::size_t index);
  void give_up(std::span<const kafka::TopicPartition> partitions,
               std::chrono::steady_clock::time_point deadline);
  std::size_t lane_of(kafka::TopicPartition at);

  // --- the watching thread ---
  void watch_loop();
  bool discover();
  void learn_schemas();
  bool add(std::span<const kafka::TopicPartition> fresh);
  bool look_at_logs();
  void look_at_log(std::uint32_t topic, const std::string& id, bool compacted);
  bool answer_reloads();
  void look_again();

  // --- who asks the stores ---
  Result<std::string> cluster_id() override;
  void on_answers(std::span<const GroupBoard::Question> questions,
                  std::span<const GroupBoard::Answer> answers) override;
  void on_load_ended(kafka::TopicPartition at, std::uint64_t generation) override;

  const GroupFeedOptions options_;
  Board board_;
  GroupBoard group_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<kafka::GroupConsumer> consumer_;
  const std::vector<store::SharedStore*> stores_;
  std::unique_ptr<TopicWatch> watch_;
  std::unique_ptr<StoreWatch> store_watch_;
  std::unique_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<GroupSurroundings> around_;
  std::vector<std::unique_ptr<GroupLane>> lanes_;
  std::set<SchemaId> schemas_;  // asked for, by the watching thread
  bool ignore_kept_ = false;    // the member's own, as what follows
  bool is_member_ = false;
  // Held while a partition is given to a lane: what `group_` says of it and the lane's orders come
  // in one order.
  std::mutex hand_over_mutex_;
  std::map<kafka::TopicPartition, std::size_t> lane_of_;  // with hand_over_mutex_
  std::mutex mutex_;                                      // guards what follows
  std::condition_variable wake_watch_;
  bool look_signal_ = false;
  std::thread watch_thread_;
  std::thread member_thread_;
};

}  // namespace push_cache::ingest
