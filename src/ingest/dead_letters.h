// Where records that cannot be applied go when the operator wants to keep them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log_limiter.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"

namespace push_cache::ingest {

struct DeadLetterOptions {
  std::string topic;
  std::string brokers;
  kafka::Properties properties;  // the operator's
};

struct DeadLetterStatus {
  std::string topic;
  std::uint64_t acknowledged = 0;
  std::uint64_t waiting = 0;  // produced, or to be produced again, and not acknowledged
  std::string error;          // why the latest attempt failed; "" when it did not
};

// Produces dead letters. Safe from any thread.
class DeadLetters {
 public:
  // Fails for properties that librdkafka refuses; connects later.
  static Result<std::unique_ptr<DeadLetters>> create(const DeadLetterOptions& options);

  // Why a record is there, and where it came from.
  struct Why {
    std::string_view cause;
    std::string_view detail;
    std::string_view topic;
  };
  // Produces `record` with its key, value, headers and timestamp as they came and with the headers
  // push-cache.cause, .error, .topic, .partition, .offset and .timestamp behind its own. `done` is
  // called once, from another thread: true when the brokers have acknowledged it.
  void send(const kafka::RecordCopy& record, const Why& why, std::function<void(bool)> done);

  // Letters that a lane has in its hands.
  void add_waiting(std::int64_t count) { waiting_ += count; }
  DeadLetterStatus status() const;

 private:
  explicit DeadLetters(std::string topic) : topic_(std::move(topic)) {}
  void failed(const Error& error);
  void acknowledged();

  const std::string topic_;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::atomic<std::int64_t> waiting_ = 0;
  mutable std::mutex mutex_;
  std::string error_;
  LogLimiter repeats_{"ingest"};
  std::unique_ptr<kafka::Producer> producer_;  // last: what it calls back is above
};

}  // namespace push_cache::ingest
