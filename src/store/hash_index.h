// One shard's way from a key's hash to its block: open addressing over buckets of one cache line.
//
// A bucket is 8 words, a word is a 16-bit tag of the hash, the 48-bit address of a block and in the
// address' two low bits how many buckets the word lies behind its home (3 = three or more). A key
// is in its home bucket or, when all buckets between are full, in the first one with room. Removal
// moves words back towards their homes, so nothing is left behind by deletes.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "store/arena.h"
#include "store/block.h"

namespace push_cache::store {

// Which bits of a key's 64-bit hash mean what: the top 6 the shard, 32 below them the bucket, the
// lowest 16 the tag.
inline constexpr unsigned kShardBits = 6;

// `find` may be called from any thread at any time within an epoch::Pin that began before; the rest
// is for one writer at a time. Whoever removes or replaces a block, or grows the table, has to keep
// the old one until no reader can see it (base/epoch.h).
class HashIndex {
 public:
  struct Table;  // opaque but for its size

  HashIndex() = default;
  ~HashIndex();
  HashIndex(const HashIndex&) = delete;
  HashIndex& operator=(const HashIndex&) = delete;

  // The block for which `matches(block)` is true among those with this hash's tag; null when there
  // is none.
  template <typename Matches>
  const Block* find(std::uint64_t hash, const Matches& matches) const;
  void prefetch(std::uint64_t hash) const;
  // The first part of a `find`, for several at once: which block it may be, asked from memory but
  // not yet looked at. When that one does not match, and none is `absent`, `find` has to look.
  struct Probe {
    const Block* block = nullptr;
    bool absent = false;
  };
  Probe probe(std::uint64_t hash) const;

  // The writer's: where a block was found. Dies with the next change.
  struct Place {
    std::atomic<std::uint64_t>* word = nullptr;
    const Block* block = nullptr;
    std::size_t bucket = 0;
    explicit operator bool() const { return word != nullptr; }
  };
  template <typename Matches>
  Place locate(std::uint64_t hash, const Matches& matches) const;

  // Whether there is no room for `more` keys.
  bool needs_growth(std::size_t more = 1) const;
  // What `grow` would ask the arena for.
  std::size_t grown_bytes(std::size_t keys = 0) const;
  // Makes room for more, and for at least `keys` in all; returns the table that readers may still
  // look at, to be released with `release`, or null for the first. `hash_of(block)` gives the hash
  // of its key.
  Table* grow(Arena& arena, const std::function<std::uint64_t(const Block&)>& hash_of,
              std::size_t keys = 0);
  static void release(Arena& arena, Table* table);

  // Room must be there (`needs_growth`).
  void insert(std::uint64_t hash, const Block* block);
  static void replace(const Place& place, const Block* block);
  void remove(const Place& place, const std::function<std::uint64_t(const Block&)>& hash_of);

  std::size_t size() const { return size_; }
  std::size_t bytes() const;  // of the table now in use; safe from any thread within a Pin

  // Calls `take(block)` for each block, in no order.
  template <typename Take>
  void for_each(const Take& take) const;
  // Where a key stands among all of a shard, whatever the size of its table.
  static std::uint64_t position(std::uint64_t hash) {
    return (hash >> (32 - kShardBits)) & 0xFFFF'FFFF;
  }
  static constexpr std::uint64_t kEnd = std::uint64_t{1} << 32;  // above all positions
  // Calls `take(block)` for each block whose key stands at or above `from` (as `position` has it)
  // and below what it returns, and for some more around them; goes through about `buckets` buckets.
  template <typename Take>
  std::uint64_t collect(std::uint64_t from, std::size_t buckets, const Take& take) const;

  // The table, to be released by the owner; the index is empty afterwards.
  Table* detach();

 private:
  static constexpr std::size_t kWords = 8;
  static constexpr std::memory_order kAcquire = std::memory_order_acquire;
  static constexpr std::uint64_t kAddressMask = 0x0000'FFFF'FFFF'FFFCULL;
  static constexpr std::uint64_t kDistanceMask = 3;
  static constexpr std::uint64_t kFar = 3;
  struct alignas(64) Bucket {
    std::atomic<std::uint64_t> words[kWords];
  };

  // A bit for each word of a bucket that has the tag, and for each that is empty.
  struct Seen {
    unsigned tagged = 0;
    unsigned empty = 0;
  };
  static Seen look(const Bucket& bucket, std::uint64_t tag);

  static const Block* block_of(std::uint64_t word) {
    return reinterpret_cast<const Block*>(word & kAddressMask);
  }
  static std::uint64_t word_of(std::uint64_t tag, const Block* block, std::size_t distance) {
    return tag << 48 | reinterpret_cast<std::uint64_t>(block) | (distance < kFar ? distance : kFar);
  }
  static std::size_t distance(const Table& table, std::uint64_t word, std::size_t bucket,
                              const std::function<std::uint64_t(const Block&)>& hash_of);

  std::atomic<Table*> table_ = nullptr;
  // Counts words that were moved, for readers that found nothing: the word they look for may have
  // been moved behind their back.
  std::atomic<std::uint64_t> moves_ = 0;
  std::size_t size_ = 0;
};

struct alignas(64) HashIndex::Table {
  std::size_t buckets = 0;

  Bucket* first() { return reinterpret_cast<Bucket*>(this + 1); }
  const Bucket* first() const { return reinterpret_cast<const Bucket*>(this + 1); }
  std::size_t home(std::uint64_t hash) const { return position(hash) * buckets >> 32; }
};

// Without branches, since which word it is cannot be foretold.
inline HashIndex::Seen HashIndex::look(const Bucket& bucket, std::uint64_t tag) {
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
  // Two words a register. Each aligned 8-byte lane is read whole (Intel SDM vol. 3A, 9.1.1, holds
  // for every such access that does not cross a cache line), and loads stay in order.
  const auto load = [&bucket](std::size_t i) {
    return _mm_load_ps(reinterpret_cast<const float*>(&bucket.words[i]));
  };
  const __m128 a = load(0), b = load(2), c = load(4), d = load(6);
  std::atomic_signal_fence(std::memory_order_acquire);
  const __m128i low_ab = _mm_castps_si128(_mm_shuffle_ps(a, b, 0x88));
  const __m128i low_cd = _mm_castps_si128(_mm_shuffle_ps(c, d, 0x88));
  const __m128i high_ab = _mm_castps_si128(_mm_shuffle_ps(a, b, 0xDD));
  const __m128i high_cd = _mm_castps_si128(_mm_shuffle_ps(c, d, 0xDD));
  const __m128i zero = _mm_setzero_si128();
  const __m128i empty = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_or_si128(low_ab, high_ab), zero),
                                        _mm_cmpeq_epi32(_mm_or_si128(low_cd, high_cd), zero));
  const __m128i tags = _mm_packs_epi32(_mm_srai_epi32(high_ab, 16), _mm_srai_epi32(high_cd, 16));
  const __m128i tagged = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<std::int16_t>(tag)));
  const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(tagged, empty)));
  return {mask & 0xFF & ~(mask >> 8), mask >> 8};
#else
  Seen seen;
  for (unsigned i = 0; i < kWords; ++i) {
    const std::uint64_t word = bucket.words[i].load(std::memory_order_acquire);
    seen.tagged |= unsigned{word >> 48 == tag && word != 0} << i;
    seen.empty |= unsigned{word == 0} << i;
  }
  return seen;
#endif
}

template <typename Matches>
const Block* HashIndex::find(std::uint64_t hash, const Matches& matches) const {
  for (;;) {
    const std::uint64_t moves = moves_.load(std::memory_order_acquire);
    const Table* table = table_.load(std::memory_order_acquire);
    if (table == nullptr) return nullptr;
    for (std::size_t at = table->home(hash);;) {
      const Bucket& bucket = table->first()[at];
      const Seen seen = look(bucket, hash & 0xFFFF);
      for (unsigned left = seen.tagged; left != 0; left &= left - 1) {
        // The word may have changed since; if it held the key, `moves_` or this one tells.
        const Block* block = block_of(bucket.words[std::countr_zero(left)].load(kAcquire));
        if (block != nullptr && matches(*block)) return block;
      }
      if (seen.empty != 0) break;
      if (++at == table->buckets) at = 0;
    }
    if (moves_.load(std::memory_order_acquire) == moves) return nullptr;
  }
}

inline HashIndex::Probe HashIndex::probe(std::uint64_t hash) const {
  const std::uint64_t moves = moves_.load(std::memory_order_acquire);
  const Table* table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return {.absent = true};
  const Bucket& bucket = table->first()[table->home(hash)];
  const Seen seen = look(bucket, hash & 0xFFFF);
  if (seen.tagged == 0) {
    return {.absent = seen.empty != 0 && moves_.load(std::memory_order_acquire) == moves};
  }
  const Block* block = block_of(bucket.words[std::countr_zero(seen.tagged)].load(kAcquire));
  __builtin_prefetch(block);
  __builtin_prefetch(reinterpret_cast<const char*>(block) + 64);
  return {.block = block};
}

template <typename Matches>
HashIndex::Place HashIndex::locate(std::uint64_t hash, const Matches& matches) const {
  Table* table = table_.load(std::memory_order_relaxed);
  if (table == nullptr) return {};
  for (std::size_t at = table->home(hash);;) {
    Bucket& bucket = table->first()[at];
    const Seen seen = look(bucket, hash & 0xFFFF);
    for (unsigned left = seen.tagged; left != 0; left &= left - 1) {
      auto& word = bucket.words[std::countr_zero(left)];
      const Block* block = block_of(word.load(std::memory_order_relaxed));
      if (matches(*block)) return {&word, block, at};
    }
    if (seen.empty != 0) return {};
    if (++at == table->buckets) at = 0;
  }
}

inline void HashIndex::prefetch(std::uint64_t hash) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table != nullptr) __builtin_prefetch(&table->first()[table->home(hash)]);
}

template <typename Take>
void HashIndex::for_each(const Take& take) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return;
  for (std::size_t at = 0; at < table->buckets; ++at) {
    for (const auto& slot : table->first()[at].words) {
      const std::uint64_t word = slot.load(std::memory_order_acquire);
      if (word != 0) take(*block_of(word));
    }
  }
}

// A block is in its home bucket or behind it, with only full buckets between: so those of some
// homes end with the first bucket behind them that has room.
template <typename Take>
std::uint64_t HashIndex::collect(std::uint64_t from, std::size_t buckets, const Take& take) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return kEnd;
  const std::size_t first = from * table->buckets >> 32;
  const std::size_t end = std::min(first + std::max<std::size_t>(buckets, 1), table->buckets);
  bool has_room = false;
  for (std::size_t i = 0; i < table->buckets && (first + i < end || !has_room); ++i) {
    has_room = false;
    for (const auto& slot : table->first()[(first + i) % table->buckets].words) {
      const std::uint64_t word = slot.load(std::memory_order_acquire);
      if (word != 0) take(*block_of(word));
      has_room |= word == 0;
    }
  }
  // The least position whose home is `end`.
  return ((std::uint64_t{end} << 32) + table->buckets - 1) / table->buckets;
}

}  // namespace push_cache::store
