// Counting on a hot path without sharing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace push_cache::metrics {

// One counter with a cache line of its own for each slot, such as an event loop. Safe from any
// thread; cheap while each slot has one writer.
class ShardedCounter {
 public:
  // With `slots` 0 there is one.
  explicit ShardedCounter(std::size_t slots) : slots_(slots == 0 ? 1 : slots) {}

  // Any `slot` is right; numbers beyond the last begin anew.
  void add(std::size_t slot, std::uint64_t n = 1) {
    slots_[slot % slots_.size()].count.fetch_add(n, std::memory_order_relaxed);
  }

  // What was added before; additions under way may be missing.
  std::uint64_t sum() const {
    std::uint64_t total = 0;
    for (const Slot& slot : slots_) total += slot.count.load(std::memory_order_relaxed);
    return total;
  }

 private:
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> count = 0;
  };
  std::vector<Slot> slots_;
};

}  // namespace push_cache::metrics
