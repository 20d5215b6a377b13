#include "ingest/dead_letters.h"

#include <algorithm>
#include <array>
#include <utility>

namespace push_cache::ingest {

Result<std::unique_ptr<DeadLetters>> DeadLetters::create(const DeadLetterOptions& options) {
  kafka::ProducerOptions producer = {.brokers = options.brokers, .properties = options.properties};
  // What an operator has set goes before. A failure is told soon and tried again by the lane, for
  // ever; that may deliver a letter twice, where an idempotent producer would end for good on some
  // errors. The brokers' own limit is the one for size.
  producer.properties.emplace("enable.idempotence", "false");
  producer.properties.emplace("message.timeout.ms", "10000");
  producer.properties.emplace("topic.metadata.propagation.max.ms", "5000");
  producer.properties.emplace("message.max.bytes", "134217728");
  producer.properties.emplace("linger.ms", "5");
  std::unique_ptr<DeadLetters> letters(new DeadLetters(options.topic));
  auto made = kafka::Producer::create(producer);
  if (!made.ok()) return std::move(made).error();
  letters->producer_ = *std::move(made);
  return letters;
}

void DeadLetters::send(const kafka::RecordCopy& record, const Why& why,
                       std::function<void(bool)> done) {
  const std::array<kafka::Header, 6> headers = {{
      {"push-cache.cause", std::string(why.cause)},
      {"push-cache.error", std::string(why.detail)},
      {"push-cache.topic", std::string(why.topic)},
      {"push-cache.partition", std::to_string(record.at.partition.value)},
      {"push-cache.offset", std::to_string(record.offset.value)},
      {"push-cache.timestamp", std::to_string(record.timestamp_ms)},
  }};
  // Shared: a record that is not taken has its callback dropped, and is told of here.
  const auto shared = std::make_shared<std::function<void(bool)>>(std::move(done));
  const Status taken =
      producer_->forward(topic_, record, headers, [this, shared](const kafka::Delivery& delivery) {
        delivery.error ? failed(*delivery.error) : acknowledged();
        (*shared)(!delivery.error);
      });
  if (taken.ok()) return;
  failed(taken.error());
  (*shared)(false);
}

void DeadLetters::failed(const Error& error) {
  std::string text = error.describe();
  const std::lock_guard lock(mutex_);
  repeats_.log(text, spdlog::level::warn,
               "dead letters to '{}': {}; tried again until it takes them", topic_, text);
  error_ = std::move(text);
}

void DeadLetters::acknowledged() {
  ++acknowledged_;
  const std::lock_guard lock(mutex_);
  error_.clear();
}

DeadLetterStatus DeadLetters::status() const {
  DeadLetterStatus out{.topic = topic_,
                       .acknowledged = acknowledged_,
                       .waiting = static_cast<std::uint64_t>(std::max<std::int64_t>(waiting_, 0))};
  const std::lock_guard lock(mutex_);
  out.error = error_;
  return out;
}

}  // namespace push_cache::ingest
