// A consumer that reads partitions it was told to, from offsets it was told to: no group, no
// committed offsets, no rebalance.
#pragma once

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

struct RawMessageDelete {
  void operator()(rd_kafka_message_s* message) const;
};

// One message with its memory. All views live as long as it. `key` and `value` are nothing when
// null.
class Message {
 public:
  Message(rd_kafka_message_s* raw, std::uint32_t topic) : raw_(raw), topic_(topic) {}

  MessageKind kind() const;
  TopicPartition at() const;
  Offset offset() const;
  std::int64_t timestamp_ms() const;  // -1 = none
  std::optional<Bytes> key() const;
  std::optional<Bytes> value() const;
  std::string error_text() const;  // for kOutOfRange and kError

 private:
  std::unique_ptr<rd_kafka_message_s, RawMessageDelete> raw_;
  std::uint32_t topic_;
};

// `low` is the first offset that is there, `high` the one after the last that a reader of committed
// records can see (the last stable offset).
struct Watermarks {
  Offset low{0};
  Offset high{0};
};

struct ConsumerOptions {
  std::string brokers;              // "host:port,host:port"
  std::string group_id;             // librdkafka wants one; nothing is ever committed under it
  std::vector<std::string> topics;  // names; their order gives TopicPartition::topic
  Properties properties;            // the operator's, over this program's own
};

// Thread safety: `poll`, `assign` and `unassign` from one thread; the rest from any thread.
class Consumer {
 public:
  // Fails only for properties that librdkafka refuses: brokers that are away are tried for ever.
  static Result<std::unique_ptr<Consumer>> create(const ConsumerOptions& options);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Reads these partitions as well, from these offsets. One that was assigned before starts anew
  // there.
  Status assign(std::span<const TopicPartitionOffset> partitions);
  // Stops reading a partition and drops what librdkafka holds of it. What `poll` has handed out
  // stays with the caller. `assign` reads it again, from an offset of the caller's: librdkafka's
  // own pause and resume cannot be used, since reading in batches moves its position one too far
  // behind an end-of-partition event, and the record there would be lost.
  Status unassign(TopicPartition partition);

  // Appends what has come to `batch`, at most `messages_max`, waiting up to `timeout` for the
  // first.
  void poll(std::chrono::milliseconds timeout, std::size_t messages_max,
            std::vector<Message>& batch);

  // The partitions of one topic as its brokers give them now. Blocks up to `timeout`. kNotFound
  // when there is no such topic (yet), kUnavailable (with the latest cause: no connection, wrong
  // password) when no broker answers.
  Result<std::vector<Partition>> partitions(std::uint32_t topic, std::chrono::milliseconds timeout);
  // The watermarks as the leader gives them now. Blocks up to `timeout`.
  Result<Watermarks> watermarks(TopicPartition partition, std::chrono::milliseconds timeout);
  // The end as of the latest fetch, nothing before the first. Does not block.
  std::optional<Offset> cached_end(TopicPartition partition) const;

  const std::vector<std::string>& topics() const { return topics_; }
  // What librdkafka last complained of, "" when nothing since the last `clear_last_error`.
  std::string last_error() const;
  void clear_last_error();

 private:
  explicit Consumer(const ConsumerOptions& options) : topics_(options.topics) {}
  void note_error(int code, std::string text);
  std::uint32_t topic_index(const rd_kafka_message_s* raw) const;

  std::vector<std::string> topics_;
  rd_kafka_s* handle_ = nullptr;
  rd_kafka_queue_s* queue_ = nullptr;
  std::vector<rd_kafka_message_s*> raw_;
  mutable std::mutex error_mutex_;
  std::string last_error_;
};

}  // namespace push_cache::kafka
