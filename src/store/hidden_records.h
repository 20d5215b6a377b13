// The records of a shard that are not shown, since a record of another topic has their key and is
// shown over them (is_shown_over). Only for memory_store, which keeps the shown ones in the shard's
// index: readers look there alone, and a store whose keys are each of one topic has none here.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "store/block.h"
#include "store/hash_index.h"
#include "store/store.h"

namespace push_cache::store {

// For one writer at a time, with the shard's lock; `empty` and `changes` from any thread. Room for
// an insertion is the caller's to make, by `index`.
class HiddenRecords {
 public:
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  // How often a record came or went. Whoever reads a shown record without the lock has met all
  // records of its key when there were none here, before and after, and this did not change.
  std::uint64_t changes() const { return changes_.load(std::memory_order_acquire); }

  // The one of this topic; none = a place that is false.
  HashIndex::Place find(const Origins& origins, std::uint64_t hash, std::string_view key,
                        std::uint32_t topic) const {
    return index_.locate(hash, [&](const Block& block) {
      return block.key() == key && block.origin(origins).topic == topic;
    });
  }
  // The one that is shown over the others.
  HashIndex::Place best(const Origins& origins, std::uint64_t hash, std::string_view key) const {
    const Block* best = nullptr;
    for_each_of(hash, key, [&](const Block& block) {
      if (best == nullptr || is_shown_over(block.view(origins), best->view(origins))) best = &block;
    });
    return index_.locate(hash, [best](const Block& block) { return &block == best; });
  }
  // Calls `take(block)` for each record of `key`.
  template <typename Take>
  void for_each_of(std::uint64_t hash, std::string_view key, const Take& take) const {
    (void)index_.locate(hash, [&](const Block& block) {
      if (block.key() == key) take(block);
      return false;
    });
  }

  void insert(std::uint64_t hash, const Block* block) {
    changed(1);
    index_.insert(hash, block);
  }
  template <typename HashOf>
  void remove(const HashIndex::Place& place, const HashOf& hash_of) {
    index_.remove(place, hash_of);
    changed(std::uint64_t{0} - 1);
  }

  HashIndex& index() { return index_; }

 private:
  void changed(std::uint64_t delta) {
    changes_.fetch_add(1, std::memory_order_acq_rel);
    count_.store(count_.load(std::memory_order_relaxed) + delta, std::memory_order_release);
  }

  HashIndex index_;
  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<std::uint64_t> changes_ = 0;
};

}  // namespace push_cache::store
