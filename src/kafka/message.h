// What a consumer gives: records and what else happens in a partition.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"

struct rd_kafka_message_s;

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
                // until it is told another one; `offset` is it, below 0 = a group has none
                // committed
  kError,       // for the whole consumer or one partition; librdkafka goes on by itself
};

// One message. `key` and `value` are nothing when null; all bytes live as long as the batch (or the
// KeptMessage) that it came in.
struct Message {
  MessageKind kind = MessageKind::kRecord;
  TopicPartition at;
  Offset offset{0};
  std::int64_t timestamp_ms = -1;  // -1 = none
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  // The values of the last headers that ConsumerOptions names; `data()` null when there is none, or
  // its value is null.
  Bytes key_header = {};
  Bytes value_header = {};
};

struct RawMessageDelete {
  void operator()(rd_kafka_message_s* message) const;
};

// One message that outlives its batch, with its memory (that of all it was fetched with: keep few).
struct KeptMessage {
  Message message;
  std::unique_ptr<rd_kafka_message_s, RawMessageDelete> memory;
};

struct Header {
  std::string name;
  std::optional<std::string> value;  // nothing = null
  friend bool operator==(const Header&, const Header&) = default;
};

// One record with memory of its own.
struct RecordCopy {
  TopicPartition at;
  Offset offset{0};
  std::int64_t timestamp_ms = -1;  // -1 = none
  std::optional<std::string> key;  // nothing = null
  std::optional<std::string> value;
  std::optional<std::string> key_header;  // of Message
  std::optional<std::string> value_header;
  std::vector<Header> headers;

  // Borrows from it.
  Message message() const;
  // Of its texts.
  std::size_t bytes() const;
  friend bool operator==(const RecordCopy&, const RecordCopy&) = default;
};
RecordCopy copy_of(const KeptMessage& record);

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
  RecordCopy copy(std::size_t index) const;
  void clear();

 private:
  friend class Client;
  friend RecordCopy copy_of(const KeptMessage& record);
  static RecordCopy copy(const Message& message, const rd_kafka_message_s* raw);
  std::vector<rd_kafka_message_s*> raw_;  // may be longer than `messages_`; null = taken out
  std::vector<Message> messages_;
};

}  // namespace push_cache::kafka
