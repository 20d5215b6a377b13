// What a service written by hand would use for the store: a std::unordered_map of strings in each
// of 64 shards, each with a std::shared_mutex.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace push_cache::bench {

template <typename Value>
class ReferenceMap {
 public:
  void put(std::string_view key, Value value) {
    Shard& shard = shard_of(key);
    const std::unique_lock lock(shard.mutex);
    if (const auto found = shard.map.find(key); found != shard.map.end()) {
      found->second = std::move(value);
    } else {
      shard.map.emplace(key, std::move(value));
    }
  }
  // `use` is called with the value under the shard's shared lock; false when there is none.
  template <typename Use>
  bool get(std::string_view key, const Use& use) {
    Shard& shard = shard_of(key);
    const std::shared_lock lock(shard.mutex);
    const auto found = shard.map.find(key);
    if (found == shard.map.end()) return false;
    use(found->second);
    return true;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct alignas(64) Shard {
    std::shared_mutex mutex;
    std::unordered_map<std::string, Value, Hash, std::equal_to<>> map;
  };
  Shard& shard_of(std::string_view key) {
    return shards_[(Hash{}(key)*0x9E3779B97F4A7C15ULL) >> 58];
  }

  std::array<Shard, 64> shards_;
};

// The same as a record of the store holds.
struct ReferenceRecord {
  std::string datum;
  std::int32_t schema;
  std::int32_t partition;
  std::int64_t offset;
  std::int64_t timestamp_ms;
};

}  // namespace push_cache::bench
