// A number for which records of a partition are kept, so that replicas can be compared without
// comparing their records.
//
// The digest of a partition is the sum, modulo 2^64, of `digest_of` over its records that are kept:
// the order of writes does not matter, and a write costs one addition. Two replicas that have
// applied the same part of a partition have the same digest when they keep the same records, and
// otherwise a different one but for one case in 2^64.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/types.h"

namespace push_cache::store {

// Each bit of the outcome depends on each bit of `z`: the finaliser of SplitMix64 (Steele, Lea,
// Flood, "Fast splittable pseudorandom number generators", 2014; constants: Stafford's Mix13).
constexpr std::uint64_t mix64(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// What all records of one partition have in common of `digest_of`.
// Not 0 for the first partition of the first topic, or its record at offset 0 would count nothing:
// mix64(0) is 0.
constexpr std::uint64_t digest_base(std::uint32_t topic, Partition partition) {
  constexpr std::uint64_t kStart = 0x9E3779B97F4A7C15ULL;  // SplitMix64's
  return mix64(kStart + (std::uint64_t{topic} << 32 | static_cast<std::uint32_t>(partition.value)));
}
constexpr std::uint64_t digest_of(std::uint64_t base, Offset offset) {
  return mix64(base + static_cast<std::uint64_t>(offset.value));
}

// The digest of one partition. Those of different partitions share no cache line, since different
// threads write them.
class alignas(64) PartitionDigest {
 public:
  PartitionDigest(std::uint32_t topic, Partition partition)
      : topic_(topic), partition_(partition), base_(digest_base(topic, partition)) {}

  std::uint64_t of(Offset offset) const { return digest_of(base_, offset); }
  void add(std::uint64_t change) { sum_.fetch_add(change, std::memory_order_relaxed); }
  std::uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  friend class Digests;
  const std::uint32_t topic_;
  const Partition partition_;
  const std::uint64_t base_;
  std::atomic<std::uint64_t> sum_ = 0;
  const PartitionDigest* next_ = nullptr;
};

// The digests of all partitions that were ever met. Safe from any thread.
class Digests {
 public:
  Digests() = default;
  Digests(const Digests&) = delete;
  Digests& operator=(const Digests&) = delete;

  // The one of this partition, made when it is not there yet; null for a negative number, since
  // what was written through HTTP does not count. It lives as long as this.
  PartitionDigest* at(std::uint32_t topic, Partition partition);
  // 0 when it is not there. Takes no lock.
  std::uint64_t sum(std::uint32_t topic, Partition partition) const;

 private:
  static constexpr std::size_t kBuckets = 256;
  const PartitionDigest* find(std::uint32_t topic, Partition partition) const;
  static std::size_t bucket_of(std::uint32_t topic, Partition partition) {
    return digest_base(topic, partition) % kBuckets;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<PartitionDigest>> owned_;
  std::array<std::atomic<const PartitionDigest*>, kBuckets> heads_ = {};  // lists that only grow
};

}  // namespace push_cache::store
