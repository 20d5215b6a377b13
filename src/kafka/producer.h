// A producer that accounts for every record it took.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "base/types.h"
#include "kafka/conf.h"
#include "kafka/consumer.h"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_message_s;

namespace push_cache::kafka {

struct ProducerOptions {
  std::string brokers;    // "host:port,host:port"
  Properties properties;  // the operator's, over this program's own; a consumer's are ignored
};

// What became of one record.
struct Delivery {
  Partition partition{-1};
  Offset offset{-1};
  std::optional<Error> error = {};
};

struct DeliveryCounts {
  std::uint64_t accepted = 0;   // by `produce`
  std::uint64_t delivered = 0;  // acknowledged by the brokers
  std::uint64_t failed = 0;     // given up
  std::string first_error = {};
};

// All of it is safe from any thread. By default idempotent, with acks from all replicas,
// compressed, and with the partitioner of Kafka's own (Java) client.
class Producer {
 public:
  // Fails only for properties that librdkafka refuses; connects later.
  static Result<std::unique_ptr<Producer>> create(const ProducerOptions& options);
  // Gives up what is not delivered: `flush` first.
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Waits until a broker has told of `topic` and gives its number of partitions. Asking may create
  // the topic, where brokers do that. kUnavailable, with what librdkafka complained of last, when
  // no broker answered within `timeout` or the credentials are refused; kNotFound when brokers
  // answer but there is no such topic.
  Result<int> wait_for_topic(std::string_view topic, std::chrono::milliseconds timeout);

  // Takes one record (copied) and returns; `value` is nothing for a tombstone. Waits while the
  // queue is full. `done`, if any, is called once, from a thread of the producer, and must not
  // block. kTooLarge for a record beyond message.max.bytes.
  Status produce(std::string_view topic, std::string_view key, std::optional<Bytes> value,
                 std::function<void(const Delivery&)> done = {});

  // Takes a record that was consumed, with its key, value, headers and timestamp as they came, and
  // `more` headers behind them. Otherwise as `produce`.
  Status forward(std::string_view topic, const RecordCopy& record, std::span<const Header> more,
                 std::function<void(const Delivery&)> done);

  // Waits until everything taken is delivered or has failed. kTimeout when some is still under way,
  // kUnavailable with the counts and the first cause when any record ever failed.
  Status flush(std::chrono::milliseconds timeout);

  DeliveryCounts counts() const;

 private:
  Producer() = default;
  static void on_delivery(rd_kafka_s*, const rd_kafka_message_s* message, void* self);
  static void on_error(rd_kafka_s*, int code, const char* reason, void* self);
  rd_kafka_topic_s* handle_of(std::string_view topic);
  std::string last_error() const;

  rd_kafka_s* handle_ = nullptr;
  std::shared_mutex topics_mutex_;
  std::map<std::string, rd_kafka_topic_s*, std::less<>> topics_;
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<bool> refused_{false};  // authentication failed since the last look
  mutable std::mutex error_mutex_;
  std::string first_failure_;  // of a delivery
  std::string last_error_;     // of librdkafka as a whole
  std::jthread poller_;
};

}  // namespace push_cache::kafka
