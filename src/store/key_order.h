// The keys of a store in byte order, for lists: a tree of three levels whose leaves know a key by
// 12 bytes, whatever its length.
//
// A leaf holds up to 128 keys that begin alike. For each it has the 4 bytes that follow what is
// alike (zeros behind the key's end) and the key's 64-bit hash, by which the store finds the key
// itself. Most comparisons end within the 4 bytes. Since it refers to keys by hash, a record can be
// replaced without a change here.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "store/store.h"

namespace push_cache::store {

// Finds keys by their hash.
class KeySource {
 public:
  virtual ~KeySource() = default;
  // `keys[i]` becomes the key whose hash is `hashes[i]` and that `but_not` does not hold. Each is
  // there: a key enters the order after the source, and leaves it before. The views live as long as
  // the caller's epoch::Pin, which began before.
  virtual void find_keys(std::span<const std::uint64_t> hashes,
                         std::span<std::string_view> keys) const = 0;
};

// Thread safety: all calls from any thread; `insert` and `erase` of one key from one at a time.
class KeyOrder {
 public:
  // `source` must outlive it.
  explicit KeyOrder(const KeySource& source);
  ~KeyOrder();
  KeyOrder(const KeyOrder&) = delete;
  KeyOrder& operator=(const KeyOrder&) = delete;

  // `key` must not be in the order, and be in the source already. `twin`: another key of the source
  // has the same hash; such keys are kept whole, beside the tree.
  void insert(std::uint64_t hash, std::string_view key, bool twin);
  // As an `insert` of each, no twins among them; cheap for runs of ascending keys that are above
  // the others of their leaf. A key of them may be erased between its entering the source and this
  // call: it is left out.
  struct Entry {
    std::uint64_t hash;
    std::string_view key;
  };
  void insert_many(std::span<const Entry> entries);
  // `key` must be in the order (or be about to come with an `insert_many`), and still be in the
  // source.
  void erase(std::uint64_t hash, std::string_view key);
  // Whether `key` is kept beside the tree. For KeySource::find_keys only, which is called with a
  // lock held.
  bool is_twin(std::string_view key) const { return !twins_.empty() && twins_.contains(key); }

  // As Store::page. Holds a lock that writers wait for, for some hundred keys at a time.
  bool page(Store::PageStart start, std::size_t keys_max, KeySink& sink) const;

  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Leaf;
  struct LeafRef {
    std::string low;  // above all keys of the leaf before, and not above those of this one
    Leaf* leaf = nullptr;
  };
  struct Inner {
    std::vector<LeafRef> leaves;
    std::uint64_t keys = 0;
  };
  struct Position {
    std::size_t inner = 0;
    std::size_t leaf = 0;
    std::size_t entry = 0;
  };
  class Walk;

  Leaf* leaf_at(const Position& at) const { return inners_[at.inner]->leaves[at.leaf].leaf; }
  Position leaf_for(std::string_view key) const;
  // The first entry that is not less than `key`, or when `above` the first that is greater.
  std::size_t lower_bound(const Leaf& leaf, std::string_view key, bool above) const;
  std::string_view key_at(const Leaf& leaf, std::size_t entry) const;
  void insert_first(std::uint64_t hash, std::string_view key);
  // These two with the lock held.
  void insert_one(std::uint64_t hash, std::string_view key);
  // Inserts the first of `entries` and those after it that it can put beside it; how many.
  std::size_t insert_run(std::span<const Entry> entries);
  // Appends `entries`, which ascend and are above all others of the leaf; it has room for them.
  void append(Position at, std::span<const Entry> entries);
  // The `low` of the leaf behind this one; null for the last.
  const std::string* bound_of(Position at) const;
  // Makes room in a full leaf; where `key` belongs now.
  Position split(Position at, std::string_view key);
  void sharpen(Leaf& leaf) const;
  void insert_leaf(Position at, std::string low, Leaf* leaf);
  void remove_leaf(Position at);
  void merge_if_sparse(Position at);
  Leaf* make_leaf(std::size_t capacity);
  void set_capacity(LeafRef& ref, std::size_t capacity);
  void free_leaf(Leaf* leaf);

  const KeySource& source_;
  mutable std::shared_mutex mutex_;
  std::vector<std::unique_ptr<Inner>> inners_;  // never one without leaves, no leaf without keys
  std::set<std::string, std::less<>> twins_;
  // Erased before the `insert_many` that they were to come with: one for each time.
  std::multiset<std::string, std::less<>> erased_early_;
  std::atomic<std::uint64_t> bytes_ = 0;
};

}  // namespace push_cache::store
