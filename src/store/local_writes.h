// What POST and DELETE have changed in one store: it then holds something that its topics do not,
// or lacks something that they hold.
#pragma once

#include <atomic>
#include <cstdint>

namespace push_cache::store {

// One for each store, shared by all of its routes. Safe from any thread; reads of the store do not
// touch it.
class LocalWrites {
 public:
  struct Counts {
    std::uint64_t added = 0;    // records added since the start
    std::uint64_t removed = 0;  // records removed since the start
  };
  enum class Outcome : std::uint8_t {
    kNothing,  // also of a remote store that failed, and perhaps has done it
    kAdded,
    kRemoved,
  };

  // Around each call of the store that may change it.
  void begin() { under_way_.fetch_add(1, std::memory_order_acq_rel); }
  void end(Outcome outcome) {
    if (outcome == Outcome::kAdded) added_.fetch_add(1, std::memory_order_relaxed);
    if (outcome == Outcome::kRemoved) removed_.fetch_add(1, std::memory_order_relaxed);
    under_way_.fetch_sub(1, std::memory_order_release);
  }
  // The store was filled from a snapshot of one that they had changed.
  void restored() { restored_.store(true, std::memory_order_release); }

  Counts counts() const {
    return {added_.load(std::memory_order_relaxed), removed_.load(std::memory_order_relaxed)};
  }
  bool in_snapshot() const { return restored_.load(std::memory_order_acquire); }
  // Whether the store may differ from its topics by such a write: one since the start, one that a
  // snapshot brought, or one that is under way. Whoever has read what a write has changed, and asks
  // afterwards, is answered true.
  bool any() const {
    if (under_way_.load(std::memory_order_acquire) != 0) return true;  // before its outcome
    const Counts now = counts();
    return now.added != 0 || now.removed != 0 || in_snapshot();
  }

 private:
  std::atomic<std::uint64_t> under_way_ = 0;
  std::atomic<std::uint64_t> added_ = 0;
  std::atomic<std::uint64_t> removed_ = 0;
  std::atomic<bool> restored_ = false;
};

}  // namespace push_cache::store
