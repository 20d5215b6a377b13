#include "store/hash_index.h"

#include <algorithm>
#include <new>
#include <vector>

namespace push_cache::store {
namespace {

constexpr std::size_t kFirstBuckets = 2;
// Words in use of each 8 at most; beyond it, runs of full buckets become long.
constexpr std::size_t kLoadNumerator = 7;
// Small steps keep what is unused small: each costs one pass over the shard's records.
constexpr std::size_t kGrowthNumerator = 4;
constexpr std::size_t kGrowthDenominator = 3;
// Blocks whose keys are waited for together while a table is rebuilt.
constexpr std::size_t kAhead = 32;

std::size_t table_bytes(std::size_t buckets) { return 64 + buckets * 64; }

bool from_arena(std::size_t bytes) { return bytes >= Arena::kPageBytes; }

// Room for `keys` at least. Whole pages where tables come from the arena.
std::size_t next_buckets(std::size_t buckets, std::size_t keys) {
  const std::size_t least = (keys + kLoadNumerator - 1) / kLoadNumerator;
  if (buckets == 0 && least <= kFirstBuckets) return kFirstBuckets;
  if (least <= buckets * 2 && !from_arena(table_bytes(buckets * 2))) return buckets * 2;
  const std::size_t wanted = std::max(buckets * kGrowthNumerator / kGrowthDenominator, least);
  if (!from_arena(table_bytes(std::max(wanted, buckets * 2)))) return wanted;
  const std::size_t pages = (table_bytes(wanted) + Arena::kPageBytes - 1) / Arena::kPageBytes;
  return pages * Arena::kPageBytes / 64 - 1;
}

}  // namespace

HashIndex::~HashIndex() = default;

bool HashIndex::needs_growth(std::size_t more) const {
  const Table* table = table_.load(std::memory_order_relaxed);
  return table == nullptr || size_ + more > table->buckets * kLoadNumerator;
}

std::size_t HashIndex::grown_bytes(std::size_t keys) const {
  const Table* table = table_.load(std::memory_order_relaxed);
  return table_bytes(next_buckets(table == nullptr ? 0 : table->buckets, keys));
}

std::size_t HashIndex::bytes() const {
  const Table* table = table_.load(std::memory_order_acquire);
  return table == nullptr ? 0 : table_bytes(table->buckets);
}

HashIndex::Table* HashIndex::grow(Arena& arena,
                                  const std::function<std::uint64_t(const Block&)>& hash_of,
                                  std::size_t keys) {
  Table* old = table_.load(std::memory_order_relaxed);
  const std::size_t buckets = next_buckets(old == nullptr ? 0 : old->buckets, keys);
  const std::size_t bytes = table_bytes(buckets);
  void* place =
      from_arena(bytes) ? arena.allocate(bytes) : ::operator new(bytes, std::align_val_t(64));
  auto* table = new (place) Table{buckets};
  std::fill_n(reinterpret_cast<std::uint64_t*>(table->first()), buckets * kWords, 0);

  const auto add = [table](std::uint64_t hash, const Block* block) {
    std::size_t at = table->home(hash);
    for (std::size_t away = 0;; ++away) {
      for (auto& slot : table->first()[at].words) {
        if (slot.load(std::memory_order_relaxed) != 0) continue;
        slot.store(word_of(hash & 0xFFFF, block, away), std::memory_order_relaxed);
        return;
      }
      if (++at == table->buckets) at = 0;
    }
  };
  // The keys lie anywhere in memory: several are fetched at once.
  const Block* waiting[kAhead];
  std::size_t count = 0;
  const auto flush = [&] {
    for (std::size_t i = 0; i < count; ++i) add(hash_of(*waiting[i]), waiting[i]);
    count = 0;
  };
  for_each([&](const Block& block) {
    const auto* bytes_at = reinterpret_cast<const char*>(&block);
    __builtin_prefetch(bytes_at);
    __builtin_prefetch(bytes_at + 32);
    waiting[count++] = &block;
    if (count == kAhead) flush();
  });
  flush();
  table_.store(table, std::memory_order_release);
  return old;
}

void HashIndex::release(Arena& arena, Table* table) {
  const std::size_t bytes = table_bytes(table->buckets);
  if (from_arena(bytes)) {
    arena.release(table, bytes);
  } else {
    ::operator delete(table, std::align_val_t(64));
  }
}

void HashIndex::insert(std::uint64_t hash, const Block* block) {
  Table* table = table_.load(std::memory_order_relaxed);
  std::size_t at = table->home(hash);
  for (std::size_t away = 0;; ++away) {
    for (auto& slot : table->first()[at].words) {
      if (slot.load(std::memory_order_relaxed) != 0) continue;
      slot.store(word_of(hash & 0xFFFF, block, away), std::memory_order_release);
      ++size_;
      return;
    }
    if (++at == table->buckets) at = 0;
  }
}

void HashIndex::replace(const Place& place, const Block* block) {
  const std::uint64_t old = place.word->load(std::memory_order_relaxed);
  place.word->store((old & ~kAddressMask) | reinterpret_cast<std::uint64_t>(block),
                    std::memory_order_release);
}

std::size_t HashIndex::distance(const Table& table, std::uint64_t word, std::size_t bucket,
                                const std::function<std::uint64_t(const Block&)>& hash_of) {
  const std::uint64_t known = word & kDistanceMask;
  if (known != kFar) return known;
  const std::size_t home = table.home(hash_of(*block_of(word)));
  return bucket >= home ? bucket - home : bucket + table.buckets - home;
}

void HashIndex::remove(const Place& place,
                       const std::function<std::uint64_t(const Block&)>& hash_of) {
  Table* table = table_.load(std::memory_order_relaxed);
  std::atomic<std::uint64_t>* hole = place.word;
  std::size_t hole_bucket = place.bucket;
  const auto is_full = [table](std::size_t bucket) {
    return std::all_of(std::begin(table->first()[bucket].words),
                       std::end(table->first()[bucket].words),
                       [](const auto& word) { return word.load(std::memory_order_relaxed) != 0; });
  };
  // While the hole's bucket was full, words behind it may have passed it: the hole is filled with
  // one of them before it can be seen, and where that one was is the next hole.
  while (is_full(hole_bucket)) {
    std::atomic<std::uint64_t>* moved = nullptr;
    std::size_t from = hole_bucket;
    std::size_t closer = 0;
    for (std::size_t gap = 1; moved == nullptr && gap < table->buckets; ++gap) {
      if (++from == table->buckets) from = 0;
      for (auto& slot : table->first()[from].words) {
        const std::uint64_t word = slot.load(std::memory_order_relaxed);
        if (word == 0) continue;
        const std::size_t away = distance(*table, word, from, hash_of);
        if (away < gap) continue;
        moved = &slot;
        closer = away - gap;
        break;
      }
      if (moved == nullptr && !is_full(from)) break;
    }
    if (moved == nullptr) break;
    const std::uint64_t word = moved->load(std::memory_order_relaxed);
    hole->store(word_of(word >> 48, block_of(word), closer), std::memory_order_release);
    moves_.fetch_add(1, std::memory_order_acq_rel);
    hole = moved;
    hole_bucket = from;
  }
  hole->store(0, std::memory_order_release);
  --size_;
}

HashIndex::Table* HashIndex::detach() {
  size_ = 0;
  return table_.exchange(nullptr, std::memory_order_acq_rel);
}

}  // namespace push_cache::store
