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
#include "ingest/topic_watch.h"
#include "kafka/group_consumer.h"
#include "store/store.h"

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
  // Where to begin with a partition of which the group has committed nothing.
  OffsetReset offset_reset = OffsetReset::kEarliest;
  // The first partitions that this process gets are read from their beginning, whatever is
  // committed: for a store that has lost what it had. Those that it gets later are not.
  bool from_beginning = false;
  // Threads that write, each one batch at a time to one partition's records; 0 = as many as keep a
  // store busy.
  std::size_t lanes = 0;
};

// Reads the partitions that the group gives to this process, and commits how far once the stores
// have acknowledged what is before. The stores must take a record again, and refuse one that is
// older than what they have of its partition (WriteOutcome::kOutdated), since after a rebalance a
// record may come twice, from two processes. Brokers, topics, the registry or a store may be away
// at the start or at any time: the feed waits and goes on by itself.
//
// It is ready once everything that was in the topics at its start is in the stores, whoever has
// written it: for each partition our own acknowledged position or the group's committed offset has
// reached the end that was captured. A partition of which nothing is committed, and which nobody
// reads, is not.
//
// Before a partition of which nothing is committed is read from its beginning, what the stores have
// of it is taken out (its topic may have been made again, or its commits have expired). The same of
// a topic that is made again meanwhile, and of what a log has lost that starts behind the committed
// offset. With OffsetReset::kLatest a partition of which nothing is committed is left as it is.
class GroupFeed : private kafka::GroupOwner {
 public:
  // `applier` must outlive the feed; `stores` are those that it writes to. Fails for properties
  // that librdkafka refuses.
  static Result<std::unique_ptr<GroupFeed>> start(const GroupFeedOptions& options, Applier& applier,
                                                  std::vector<store::Store*> stores);
  // Finishes the writes that are under way (for some seconds at most, but a write that blocks holds
  // up the end), commits, and leaves the group.
  ~GroupFeed();

  // See above. May turn false again: while a partition is stopped at a bad record here, a topic was
  // made again and is not read yet, or what is held is older than `max_staleness`.
  bool ready() const { return board_.ready(); }
  FeedStatus status() const;

 private:
  explicit GroupFeed(const GroupFeedOptions& options);

  // --- the member's thread ---
  void member_loop();
  std::vector<kafka::GroupStart> assigned(
      std::span<const kafka::TopicPartition> partitions) override;
  void revoked(std::span<const kafka::TopicPartition> partitions) override;
  void lost(std::span<const kafka::TopicPartition> partitions) override;
  struct Found {
    std::vector<std::optional<kafka::Commit>> committed;
    std::vector<Offset> ends;  // with OffsetReset::kLatest, of those without a commit
    std::vector<std::string> topic_ids;
  };
  std::optional<Found> ask(std::span<const kafka::TopicPartition> partitions);
  bool ask_topic_ids();
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
  bool add(std::span<const kafka::TopicPartition> fresh);
  bool look_for_remade();
  bool answer_reloads();
  void ask_commits();
  void look_again();

  const GroupFeedOptions options_;
  Board board_;
  GroupBoard group_;
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<kafka::GroupConsumer> consumer_;
  std::unique_ptr<TopicWatch> watch_;
  std::unique_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<GroupSurroundings> around_;
  std::vector<std::unique_ptr<GroupLane>> lanes_;
  bool ignore_committed_ = false;  // the member's own
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
