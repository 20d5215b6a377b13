// What the benchmarks of the store measure: a filled store, the map to compare it with, and keys to
// ask for.
#pragma once

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "bench/harness.h"
#include "bench/reference_map.h"
#include "embedded/samples.h"
#include "store/memory_store.h"

namespace push_cache::bench {

using Map = ReferenceMap<ReferenceRecord>;

// "ACC-000000042" without an allocation.
struct Key {
  char text[16] = "ACC-000000000";

  explicit Key(std::uint64_t number) {
    for (int i = 12; i > 3; --i, number /= 10) text[i] = static_cast<char>('0' + number % 10);
  }
  std::string_view view() const { return {text, 13}; }
};

// Datums of customers, in turn: making them is not measured.
class Datums {
 public:
  Datums() {
    for (std::uint64_t i = 0; i < kCount; ++i) {
      Buffer datum;
      embedded::append_sample(embedded::SampleType::kCustomer, 1, i, datum);
      datums_.emplace_back(datum.view());
    }
  }
  std::string_view at(std::uint64_t i) const { return datums_[i % kCount]; }

 private:
  static constexpr std::uint64_t kCount = 4096;
  std::vector<std::string> datums_;
};

inline void put(store::Store& store, std::uint64_t number, std::string_view datum) {
  const Key key(number);
  const auto done =
      store.put({.key = key.view(),
                 .datum = {reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()},
                 .schema = SchemaId(1),
                 .partition = Partition(static_cast<std::int32_t>(number % 4)),
                 .offset = Offset(static_cast<std::int64_t>(number)),
                 .timestamp_ms = 1'700'000'000'000});
  if (!done.ok()) fail(done.error().describe());
}

inline void put(Map& map, std::uint64_t number, std::string_view datum) {
  map.put(Key(number).view(), {std::string(datum), 1, static_cast<std::int32_t>(number % 4),
                               static_cast<std::int64_t>(number), 1'700'000'000'000});
}

// Where found records end: their first and last bytes are read, as a renderer would.
struct Touch final : store::GetSink {
  std::uint64_t sum = 0;
  std::uint64_t hits = 0;

  void found(const store::RecordView& record) override {
    sum += record.datum.front() + record.datum.back();
    ++hits;
  }
  void absent() override {}
  void failed(const Error& error) override { fail(error.describe()); }
};

// Numbers of keys in random order, walked in turn. At most `kMax` of them, far more than caches
// hold, so that the walk itself stays cheap.
class Order {
 public:
  Order(std::uint64_t records, bool hit) {
    std::mt19937_64 random(7);
    const std::uint64_t count = std::min(records, kMax);
    keys_.reserve(count);
    if (count == records) {
      std::vector<std::uint64_t> numbers(records);
      std::iota(numbers.begin(), numbers.end(), hit ? 0 : records);
      std::shuffle(numbers.begin(), numbers.end(), random);
      for (const std::uint64_t number : numbers) keys_.emplace_back(number);
    } else {
      for (std::uint64_t i = 0; i < count; ++i) {
        keys_.emplace_back(random() % records + (hit ? 0 : records));
      }
    }
    // Up to a power of two, so that walking costs no division.
    for (std::uint64_t i = 0; !std::has_single_bit(keys_.size()); ++i) keys_.push_back(keys_[i]);
  }
  std::string_view at(std::uint64_t i) const { return keys_[i & (keys_.size() - 1)].view(); }

 private:
  static constexpr std::uint64_t kMax = 4'000'000;
  std::vector<Key> keys_;
};

// A store and a map with the same `records` records. Filled when first asked for.
class Subjects {
 public:
  Subjects(std::uint64_t records, const Datums& datums) : records_(records), datums_(datums) {}

  store::Store& store() {
    if (store_ == nullptr) {
      store_ = store::make_memory_store({.ordered = false});
      for (std::uint64_t i = 0; i < records_; ++i) put(*store_, i, datums_.at(i));
    }
    return *store_;
  }
  Map& map() {
    if (map_ == nullptr) {
      map_ = std::make_unique<Map>();
      for (std::uint64_t i = 0; i < records_; ++i) put(*map_, i, datums_.at(i));
    }
    return *map_;
  }
  const Order& hits() {
    if (hits_ == nullptr) hits_ = std::make_unique<Order>(records_, true);
    return *hits_;
  }
  const Order& misses() {
    if (misses_ == nullptr) misses_ = std::make_unique<Order>(records_, false);
    return *misses_;
  }
  std::uint64_t records() const { return records_; }
  const Datums& datums() const { return datums_; }

 private:
  const std::uint64_t records_;
  const Datums& datums_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Map> map_;
  std::unique_ptr<Order> hits_;
  std::unique_ptr<Order> misses_;
};

// What the store and the map of so many records need together.
inline std::uint64_t subjects_bytes(std::uint64_t records) { return records * 420 + (256u << 20); }

// The parts of the program, each adding its rows.
void bench_lookups(Suite& suite, Subjects& subjects);
void bench_concurrent(Suite& suite, Subjects& subjects);
void bench_json(Suite& suite, Subjects& subjects);
void bench_writes(Suite& suite, Subjects& subjects);
void bench_readers_under_writer(Suite& suite, Subjects& subjects);
void bench_bytes(Suite& suite, std::uint64_t records, const Datums& datums);
void bench_order(Suite& suite, std::uint64_t records, const Datums& datums);

inline std::string sized(std::string_view name, std::uint64_t records) {
  return std::string(name) + "/" + std::to_string(records);
}

}  // namespace push_cache::bench
