// What the tests of this folder share. Not part of the program.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kafka/consumer.h"

namespace push_cache::embedded {

// The value of a result that a test can't go on without.
template <typename T>
T must(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.error().describe();
    std::abort();
  }
  return *std::move(result);
}

struct Record {
  std::string key;
  std::optional<std::string> value;
  kafka::TopicPartitionOffset at;
};

inline std::string to_text(Bytes bytes) { return std::string(bytes.begin(), bytes.end()); }

// Reads the first `count` records of a topic from the beginning; fewer when no more come for long.
inline std::vector<Record> consume(const std::string& brokers, const std::string& topic,
                                   std::uint64_t count) {
  using namespace std::chrono_literals;
  auto consumer = must(kafka::Consumer::create(
      {.brokers = brokers, .group_id = "test", .topics = {topic}, .properties = {}}));
  std::vector<kafka::TopicPartitionOffset> from;
  for (const Partition partition : must(consumer->partitions(0, 30s))) {
    from.push_back({.at = {.topic = 0, .partition = partition}, .offset = Offset(0)});
  }
  EXPECT_TRUE(consumer->assign(from).ok());
  std::vector<Record> records;
  std::vector<kafka::Message> batch;
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (records.size() < count && std::chrono::steady_clock::now() < end) {
    batch.clear();
    consumer->poll(100ms, 10'000, batch);
    for (const kafka::Message& message : batch) {
      if (message.kind() == kafka::MessageKind::kOutOfRange) {
        ADD_FAILURE() << "records were dropped: " << message.error_text();
        return records;
      }
      if (message.kind() != kafka::MessageKind::kRecord) continue;
      Record record{.key = to_text(message.key().value_or(Bytes())),
                    .value = {},
                    .at = {message.at(), message.offset()}};
      if (const auto value = message.value()) record.value = to_text(*value);
      records.push_back(std::move(record));
    }
  }
  return records;
}

}  // namespace push_cache::embedded
