// What every consumer can do, whoever tells it what to read: poll its queues, and ask brokers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "kafka/conf.h"
#include "kafka/message.h"

struct rd_kafka_s;
struct rd_kafka_queue_s;
struct rd_kafka_error_s;

namespace push_cache::kafka {

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

// How a topic loses records.
struct TopicCleanup {
  std::string policy = {};  // cleanup.policy: "compact", "delete" or "compact,delete"
  // Whether "compact" is among them. Then the last record of a key is its only one, whatever its
  // type, and compaction removes tombstones too. Otherwise all go with everything else of their
  // age, by a log start that moves.
  bool compacted = false;
  std::chrono::milliseconds tombstones_kept{0};  // surely so long: delete.retention.ms
};

struct ConsumerOptions {
  std::string brokers;              // "host:port,host:port"
  std::string group_id;             // a Consumer commits nothing under it, a GroupConsumer does
  std::vector<std::string> topics;  // names; their order gives TopicPartition::topic
  Properties properties;            // the operator's, over this program's own
  // How many threads poll, each its own queue with partitions of its own. What librdkafka may hold
  // in advance is shared out among them.
  std::size_t queues = 1;
  std::string key_header = {};    // name of the header that Message::key_header holds; "" = none
  std::string value_header = {};  // likewise
};

// Thread safety: `poll` of one queue from one thread; the rest from any thread.
class Client {
 public:
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Fills `batch` (what it held is gone) with what has come, at most `messages_max`. Waits up to
  // `timeout` for the first one, and not for more.
  void poll(std::size_t queue, std::chrono::milliseconds timeout, std::size_t messages_max,
            Batch& batch);
  // Ends the `poll` that waits at this queue, or the next one.
  void wake(std::size_t queue);

  // Whether any broker answers. Blocks up to `timeout`. kUnavailable with the latest cause: no
  // connection, wrong password.
  Status reach(std::chrono::milliseconds timeout);
  // Whether the brokers let this client read a topic, or be a member of the group. Blocks up to
  // `timeout`. kMethodNotAllowed when not; success too when the brokers do not tell (before Kafka
  // 2.3); kUnavailable when they do not answer.
  Status may_read(std::uint32_t topic, std::chrono::milliseconds timeout);
  Status may_join(const std::string& group, std::chrono::milliseconds timeout);
  // The partitions of one topic as its brokers give them now. Blocks up to `timeout`. kNotFound
  // when there is no such topic (yet), kMethodNotAllowed when this client may not see it,
  // kUnavailable (with the latest cause: no connection, wrong password) when no broker answers.
  Result<std::vector<PartitionInfo>> partitions(std::uint32_t topic,
                                                std::chrono::milliseconds timeout);
  // What tells each topic from another one of its name, made after it was deleted: Kafka's topic id
  // as text, in the order of the topics; "" where there is no such topic, or the brokers give none
  // (before Kafka 2.8). Blocks up to `timeout`; kUnavailable when a broker that leads
  // one of the partitions does not answer, and before `partitions` has found one.
  Result<std::vector<std::string>> topic_ids(std::chrono::milliseconds timeout);
  // Kafka's id of its cluster, as a broker told it last; "" when the brokers tell none (before
  // Kafka 0.10.1). Does not block. kUnavailable before `reach` or `partitions` has found a broker.
  Result<std::string> cluster_id() const;
  // From the topic's configuration as the brokers have it now. Blocks up to `timeout`.
  // kMethodNotAllowed when this client may not see it (it needs DescribeConfigs on the topic);
  // kUnsupported when the brokers cannot say (before Kafka 0.11); kUnavailable when they do not
  // answer now.
  Result<TopicCleanup> cleanup(std::uint32_t topic, std::chrono::milliseconds timeout);
  // The watermarks as the leaders give them now, in the order of `partitions`; all are asked for at
  // once. Blocks up to `timeout`.
  std::vector<PartitionWatermarks> watermarks(std::span<const TopicPartition> partitions,
                                              std::chrono::milliseconds timeout);
  // The end as of the latest fetch, nothing before the first. Does not block.
  std::optional<Offset> cached_end(TopicPartition partition) const;
  // The same of the first offset that is there.
  std::optional<Offset> cached_start(TopicPartition partition) const;

  const std::vector<std::string>& topics() const { return topics_; }
  // "topic/partition", for people.
  std::string name_of(TopicPartition at) const {
    return topics_[at.topic] + "/" + std::to_string(at.partition.value);
  }
  // What librdkafka last complained of, "" when nothing since the last `clear_last_error`.
  std::string last_error() const;
  void clear_last_error();

 protected:
  explicit Client(const ConsumerOptions& options)
      : topics_(options.topics),
        key_header_(options.key_header),
        value_header_(options.value_header) {}
  ~Client();

  // The settings of every consumer, with `more` defaults and `fixed` ones (see make_conf) of one
  // kind of them.
  static Result<ConfPtr> conf_of(const ConsumerOptions& options, const Properties& more,
                                 const Properties& fixed);
  // How `poll` takes messages from librdkafka. In batches is faster, but leaves librdkafka's own
  // position one behind an end-of-partition event. Whatever makes it go on from there (its pause
  // and resume, and so a rebalance of a group that leaves the partition here) loses a record.
  enum class Take { kBatches, kOneByOne };
  // Makes the handle and its queues; callbacks get this object, as a Client*.
  Status open(ConfPtr conf, std::size_t queues, Take take);
  // Sends what comes of a partition to a queue. Call it before and after it is assigned. Before: so
  // that nothing goes to the consumer's own queue. After: stopping a partition undoes its
  // forwarding, and has surely been done once the assignment answers; what has come meanwhile waits
  // in the partition's queue and moves along in its order.
  void forward(std::size_t queue, TopicPartition at);
  std::uint32_t topic_index(std::string_view name) const;
  static Status from_kafka(rd_kafka_error_s* error);

  // Sets the message's headers that were asked for.
  void read_headers(const rd_kafka_message_s& from, Message& to) const;

  const std::vector<std::string> topics_;
  const std::string key_header_;
  const std::string value_header_;
  rd_kafka_s* handle_ = nullptr;

 private:
  Watermarks cached(TopicPartition partition) const;
  Error no_broker(int code) const;
  void note_error(int code, std::string text);
  std::size_t take_batch(std::size_t queue, std::chrono::milliseconds timeout,
                         std::span<rd_kafka_message_s*> raw);
  std::size_t take_each(std::size_t queue, std::chrono::milliseconds timeout,
                        std::span<rd_kafka_message_s*> raw);
  void read(std::span<rd_kafka_message_s* const> raw, std::vector<Message>& out) const;

  Take take_ = Take::kBatches;
  std::vector<rd_kafka_queue_s*> queues_;        // the first is the consumer's own
  std::atomic<bool> answered_ = false;           // a broker has, with what it knows of the cluster
  std::atomic<std::int32_t> known_leader_ = -1;  // a broker that leads a partition, by `partitions`
  mutable std::mutex error_mutex_;
  std::string last_error_;
};

}  // namespace push_cache::kafka
