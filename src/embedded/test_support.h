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
  for (const kafka::PartitionInfo& partition : must(consumer->partitions(0, 30s))) {
    from.push_back({.at = {.topic = 0, .partition = partition.id}, .offset = Offset(0)});
  }
  EXPECT_TRUE(consumer->assign(0, from).ok());
  std::vector<Record> records;
  kafka::Batch batch;
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (records.size() < count && std::chrono::steady_clock::now() < end) {
    consumer->poll(0, 100ms, 10'000, batch);
    for (std::size_t i = 0; i < batch.messages().size(); ++i) {
      const kafka::Message& message = batch.messages()[i];
      if (message.kind == kafka::MessageKind::kOutOfRange) {
        ADD_FAILURE() << "records were dropped: " << batch.error_text(i);
        return records;
      }
      if (message.kind != kafka::MessageKind::kRecord) continue;
      Record record{.key = to_text(message.key.value_or(Bytes())),
                    .value = {},
                    .at = {message.at, message.offset}};
      if (message.value) record.value = to_text(*message.value);
      records.push_back(std::move(record));
    }
  }
  return records;
}

}  // namespace push_cache::embedded
