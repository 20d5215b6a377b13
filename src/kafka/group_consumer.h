// A consumer of a group: the brokers share the partitions out among its members, and keep for each
// partition how far it was read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kafka/client.h"

struct rd_kafka_topic_partition_list_s;

namespace push_cache::kafka {

// A committed offset (of the next record to read), with a note that the brokers keep beside it.
struct Commit {
  TopicPartition at;
  Offset offset{0};
  std::string note = {};
};

// Where to begin with a partition that has come to this member.
struct GroupStart {
  TopicPartition at;
  // From the first record there is. (Its offset itself may have moved on by the time of the fetch.)
  static constexpr Offset kBeginning{-2};
  Offset from = kBeginning;
  std::size_t queue = 0;  // `poll` of this queue gives its records
};

struct CommitCounts {
  std::uint64_t sent = 0;
  std::uint64_t failed = 0;     // each is tried again by the next commit
  std::string last_error = {};  // "" since one has succeeded
};

// Who reads as a member of the group. Called by the thread that polls queue 0, within `poll` or
// `close`; no call of `poll` gives records of a partition before `assigned` has returned with it.
class GroupOwner {
 public:
  virtual ~GroupOwner() = default;
  // These are this member's from now on: where each begins. It may ask `committed`, and block for
  // some seconds (max.poll.interval.ms is the limit). One that it leaves out is read by nobody.
  virtual std::vector<GroupStart> assigned(std::span<const TopicPartition> partitions) = 0;
  // They go to another member when this returns: the last moment to `commit_now`. What `poll` has
  // handed out stays with the caller, and nothing more comes.
  virtual void revoked(std::span<const TopicPartition> partitions) = 0;
  // They have gone already (this member was not heard for too long): nothing can be committed.
  virtual void lost(std::span<const TopicPartition> partitions) = 0;
};

// A member of the group ConsumerOptions::group_id. It never commits by itself.
//
// The strategy is "cooperative-sticky", unless the operator's partition.assignment.strategy says
// otherwise: members that come and go one by one, as in a rolling upgrade, take only those
// partitions from the others that move, and all others are read on meanwhile; an eager strategy
// stops all of them each time. A group must agree: while members with an eager strategy ("range")
// are there, one with this cannot join.
//
// A position that is not in the log (any more) is not told: reading goes on with the first record
// there is. Who keeps positions sees it by the next offset.
//
// Thread safety: `join`, `leave`, `commit`, `commit_now`, `close` and `poll` of queue 0 from one
// thread, `poll` of another queue from one thread; the rest from any thread. Queue 0 has to be
// polled all the time.
class GroupConsumer : public Client {
 public:
  // Is in no group yet. `owner` must outlive it. Fails only for properties that librdkafka refuses.
  static Result<std::unique_ptr<GroupConsumer>> create(const ConsumerOptions& options,
                                                       GroupOwner& owner);
  ~GroupConsumer();  // closes

  // Is a member of the group from now on.
  Status join();
  // No member any more: `revoked` is called for what this one has, by a later `poll`. `join` makes
  // it one again.
  Status leave();

  // Sends these positions of partitions of this member's to the brokers, and those of former calls
  // that have failed; does not wait. While an answer is under way nothing is sent.
  void commit(std::span<const Commit> positions);
  // Sends them and waits for the answer, at most `timeout`.
  Status commit_now(std::span<const Commit> positions, std::chrono::milliseconds timeout);
  CommitCounts commit_counts() const;

  // What the group has committed, of any partitions, whoever reads them; nothing for those of which
  // it has nothing. In the order of `partitions`. Blocks up to `timeout`.
  Result<std::vector<std::optional<Commit>>> committed(std::span<const TopicPartition> partitions,
                                                       std::chrono::milliseconds timeout);

  // Stops fetching a partition that is this member's, and drops what librdkafka holds of it.
  Status pause(TopicPartition at);
  // Goes on with it from `from`, also when it was not paused. kUnavailable when librdkafka cannot
  // yet, such as during a rebalance: try again.
  Status go_on(TopicPartition at, Offset from);

  // Leaves the group for good: `revoked` is called for what this member has. `poll` gives nothing
  // after it.
  void close();

 private:
  GroupConsumer(const ConsumerOptions& options, GroupOwner& owner)
      : Client(options), owner_(owner) {}
  static void on_rebalance(rd_kafka_s*, int code, rd_kafka_topic_partition_list_s* list,
                           void* self);
  void take(rd_kafka_topic_partition_list_s* list);
  void give(rd_kafka_topic_partition_list_s* list);
  std::vector<TopicPartition> places(const rd_kafka_topic_partition_list_s* list) const;
  void send_commits();
  void committed(int code, const rd_kafka_topic_partition_list_s* list);

  struct Wanted {
    Offset offset{-1};
    std::string note;
    std::optional<Offset> done;  // nothing while it is not known to be committed
  };

  GroupOwner& owner_;
  bool closed_ = false;
  std::map<TopicPartition, Wanted> wanted_;  // the polling thread's own
  bool under_way_ = false;                   // a commit
  Status answer_;                            // of the latest one
  mutable std::mutex counts_mutex_;
  CommitCounts counts_;
  rd_kafka_queue_s* commits_ = nullptr;  // answers
};

}  // namespace push_cache::kafka
