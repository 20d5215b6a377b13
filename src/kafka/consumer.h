// A consumer that reads partitions it was told to, from offsets it was told to: no group, no
// committed offsets, no rebalance.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "kafka/conf.h"

struct rd_kafka_message_s;
struct rd_kafka_s;
struct rd_kafka_queue_s;

namespace push_cache::kafka {

struct TopicPartition {
  std::uint32_t topic = 0;  // index into ConsumerOptions::topics
  Partition partition{0};
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

struct TopicPartitionOffset {
  TopicPartition at;
  Offset offset{0};  // of the next record to read
};

enum class MessageKind {
  kRecord,
  kEnd,         // the partition's end is reached: `offset` is the next one that will be written
  kOutOfRange,  // the position is not in the log (any more): nothing more comes from this partition
  kError,       // for the whole consumer or one partition; librdkafka goes on by itself
};

// One message. `key` and `value` are nothing when null; they live as long as the batch (or the
// KeptMessage) that it came in.
struct Message {
  MessageKind kind = MessageKind::kRecord;
  TopicPartition at;
  Offset offset{0};
  std::int64_t timestamp_ms = -1;  // -1 = none
  std::optional<Bytes> key;
  std::optional<Bytes> value;
};

struct RawMessageDelete {
  void operator()(rd_kafka_message_s* message) const;
};

// One message that outlives its batch, with its memory (that of all it was fetched with: keep few).
struct KeptMessage {
  Message message;
  std::unique_ptr<rd_kafka_message_s, RawMessageDelete> memory;
};

// What one poll has given, with its memory. Used again and again, so that no poll allocates. It
// must be cleared or destroyed before the consumer is.
class Batch {
 public:
  Batch() = default;
  ~Batch() { clear(); }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Those of one partition are in its order. Valid until `clear` or the next poll.
  std::span<const Message> messages() const { return messages_; }
  // For one of kOutOfRange or kError.
  std::string error_text(std::size_t index) const;
  // Takes one out, so that it survives `clear`. `messages()[index]` stays as it is.
  KeptMessage keep(std::size_t index);
  void clear();

 private:
  friend class Consumer;
  std::vector<rd_kafka_message_s*> raw_;  // may be longer than `messages_`; null = taken out
  std::vector<Message> messages_;
};

// `low` is the first offset that is there, `high` the one after the last that a reader of committed
// records can see (the last stable offset).
struct Watermarks {
  Offset low{0};
  Offset high{0};
};

struct PartitionWatermarks {
  TopicPartition at;
  Result<Watermarks> marks;
};

struct PartitionInfo {
  Partition id{0};
  bool has_leader = false;  // nothing can be asked of one that has none
};

// How long a topic surely keeps what says that a key was deleted.
struct TombstoneRetention {
  // Whether compaction removes tombstones at all ("compact" in cleanup.policy); otherwise they go
  // with everything else of their age, by a log start that moves.
  bool compacted = false;
  std::chrono::milliseconds duration{0};  // delete.retention.ms
};

struct ConsumerOptions {
  std::string brokers;              // "host:port,host:port"
  std::string group_id;             // librdkafka wants one; nothing is ever committed under it
  std::vector<std::string> topics;  // names; their order gives TopicPartition::topic
  Properties properties;            // the operator's, over this program's own
  // How many threads poll, each its own queue with partitions of its own. What librdkafka may hold
  // in advance is shared out among them.
  std::size_t queues = 1;
};

// Thread safety: `poll` of one queue from one thread; the rest from any thread.
class Consumer {
 public:
  // Fails only for properties that librdkafka refuses: brokers that are away are tried for ever.
  static Result<std::unique_ptr<Consumer>> create(const ConsumerOptions& options);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Reads these partitions as well, from these offsets; `poll(queue)` gives what comes. One that
  // was assigned before (always to the same queue) starts anew there.
  Status assign(std::size_t queue, std::span<const TopicPartitionOffset> partitions);
  // Stops reading a partition and drops what librdkafka holds of it. What `poll` has handed out
  // stays with the caller. `assign` reads it again, from an offset of the caller's: librdkafka's
  // own pause and resume cannot be used, since reading in batches moves its position one too far
  // behind an end-of-partition event, and the record there would be lost.
  Status unassign(TopicPartition partition);

  // Fills `batch` (what it held is gone) with what has come, at most `messages_max`. Waits up to
  // `timeout` for the first one, and not for more.
  void poll(std::size_t queue, std::chrono::milliseconds timeout, std::size_t messages_max,
            Batch& batch);
  // Ends the `poll` that waits at this queue, or the next one.
  void wake(std::size_t queue);

  // The partitions of one topic as its brokers give them now. Blocks up to `timeout`. kNotFound
  // when there is no such topic (yet), kUnavailable (with the latest cause: no connection, wrong
  // password) when no broker answers.
  Result<std::vector<PartitionInfo>> partitions(std::uint32_t topic,
                                                std::chrono::milliseconds timeout);
  // What tells each topic from another one of its name, made after it was deleted: Kafka's topic id
  // as text, in the order of the topics; "" where there is no such topic, or the brokers give none
  // (before Kafka 2.8). Blocks up to `timeout`; kUnavailable when a broker that leads
  // one of the partitions does not answer, and before `partitions` has found one.
  Result<std::vector<std::string>> topic_ids(std::chrono::milliseconds timeout);
  // From the topic's configuration as the brokers have it now. Blocks up to `timeout`.
  // kMethodNotAllowed when this client may not see it (it needs DescribeConfigs on the topic), or
  // the brokers cannot say (before Kafka 0.11).
  Result<TombstoneRetention> tombstone_retention(std::uint32_t topic,
                                                 std::chrono::milliseconds timeout);
  // The watermarks as the leaders give them now, in the order of `partitions`; all are asked for at
  // once. Blocks up to `timeout`.
  std::vector<PartitionWatermarks> watermarks(std::span<const TopicPartition> partitions,
                                              std::chrono::milliseconds timeout);
  // The end as of the latest fetch, nothing before the first. Does not block.
  std::optional<Offset> cached_end(TopicPartition partition) const;

  const std::vector<std::string>& topics() const { return topics_; }
  // "topic/partition", for people.
  std::string name_of(TopicPartition at) const {
    return topics_[at.topic] + "/" + std::to_string(at.partition.value);
  }
  // What librdkafka last complained of, "" when nothing since the last `clear_last_error`.
  std::string last_error() const;
  void clear_last_error();

 private:
  explicit Consumer(const ConsumerOptions& options) : topics_(options.topics) {}
  void note_error(int code, std::string text);
  void read(std::span<rd_kafka_message_s* const> raw, std::vector<Message>& out) const;
  void forward(std::size_t queue, std::span<const TopicPartitionOffset> partitions);
  std::uint32_t topic_index(const rd_kafka_message_s* raw) const;

  std::vector<std::string> topics_;
  rd_kafka_s* handle_ = nullptr;
  std::vector<rd_kafka_queue_s*> queues_;        // the first is the consumer's own
  std::atomic<std::int32_t> known_leader_ = -1;  // a broker that leads a partition, by `partitions`
  std::mutex assignment_mutex_;
  mutable std::mutex error_mutex_;
  std::string last_error_;
};

}  // namespace push_cache::kafka
