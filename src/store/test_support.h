// What tests of stores share.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/digest.h"
#include "store/store.h"

namespace push_cache::store {

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Later than all before.
inline std::int64_t next_offset() {
  static std::atomic<std::int64_t> last{0};
  return ++last;
}

inline RecordView record(std::string_view key, std::string_view datum,
                         std::int64_t offset = next_offset()) {
  return {.key = key,
          .datum = as_bytes(datum),
          .schema = SchemaId(7),
          .partition = Partition(3),
          .offset = Offset(offset),
          .timestamp_ms = 1'700'000'000'000 + offset,
          .topic = 1};
}

inline RecordView of_topic(std::uint32_t topic, std::string_view datum, std::int64_t timestamp_ms,
                           std::string_view key = "a") {
  RecordView out = record(key, datum);
  out.topic = topic;
  out.timestamp_ms = timestamp_ms;
  return out;
}

struct CopySink final : GetSink {
  std::optional<std::string> datum;
  std::string key;
  RecordView last;  // its views are dead after the call; the numbers stay
  int calls = 0;

  void found(const RecordView& record) override {
    ++calls;
    datum = std::string(reinterpret_cast<const char*>(record.datum.data()), record.datum.size());
    key = std::string(record.key);
    last = record;
  }
  void absent() override { ++calls; }
  void failed(const Error& error) override { ADD_FAILURE() << error.describe(); }
};

inline std::optional<std::string> get(Store& store, std::string_view key) {
  CopySink sink;
  store.get(key, sink);
  EXPECT_EQ(sink.calls, 1);
  return sink.datum;
}

// True when an insert found no record of its key.
inline Result<bool> insert(Store& store, const RecordView& record) {
  struct Sink final : InsertSink {
    Result<bool> outcome = Error{ErrorCode::kInternal, "no outcome"};
    int calls = 0;
    void inserted() override { ++calls, outcome = true; }
    void exists() override { ++calls, outcome = false; }
    void failed(const Error& error) override { ++calls, outcome = error; }
  } sink;
  store.insert(record, sink);
  EXPECT_EQ(sink.calls, 1);
  return sink.outcome;
}

struct ListSink final : KeySink {
  std::vector<std::string> keys;
  std::size_t stop_after = SIZE_MAX;

  bool key(std::string_view text) override {
    keys.emplace_back(text);
    return keys.size() < stop_after;
  }
};

// Keeps copies of what a scan hands out.
struct ScanSink final : RecordSink {
  struct Kept {
    std::string key;
    std::string datum;
    RecordView numbers;  // its views are dead
  };
  std::vector<Kept> records;
  std::size_t stop_after = SIZE_MAX;
  std::function<bool()> at_pause = [] { return true; };

  bool record(const RecordView& one) override {
    records.push_back({std::string(one.key),
                       {reinterpret_cast<const char*>(one.datum.data()), one.datum.size()},
                       one});
    return records.size() < stop_after;
  }
  bool pause() override { return at_pause(); }
};

// What the digest must be: by its definition, over all records.
inline std::uint64_t expected_digest(Store& store, std::uint32_t topic, Partition partition) {
  ScanSink all;
  EXPECT_TRUE(store.scan(all).ok());
  std::uint64_t sum = 0;
  for (const ScanSink::Kept& one : all.records) {
    if (one.numbers.topic == topic && one.numbers.partition == partition) {
      sum += digest_of(digest_base(topic, partition), one.numbers.offset);
    }
  }
  return sum;
}

}  // namespace push_cache::store
