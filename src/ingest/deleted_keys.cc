#include "ingest/deleted_keys.h"

#include <algorithm>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::ingest {

DeletedKeys::DeletedKeys() {
  std::random_device random;
  seed_ = std::uint64_t{random()} << 32 | random();
}

void DeletedKeys::watch(bool on) {
  const std::lock_guard lock(mutex_);
  wanted_ = on;
  set_watching();
}

void DeletedKeys::hold(int delta) {
  const std::lock_guard lock(mutex_);
  holds_ += delta;
  held_ = holds_ > 0;
  set_watching();
}

void DeletedKeys::set_watching() {
  const bool on = wanted_ || holds_ > 0;
  if (watching_.exchange(on) == on || on) return;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    decltype(shard.deletions)().swap(shard.deletions);
  }
  any_ = false;
}

DeletedKeys::Hash DeletedKeys::hash_of(const store::RecordView& record) const {
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(record.key.data(), record.key.size(), seed_ + record.topic);
  return {hash.low64, hash.high64};
}

void DeletedKeys::remember(const store::RecordView& tombstone, const Stores* stores) {
  if (!watching_.load(std::memory_order_relaxed)) return;
  const Hash hash = hash_of(tombstone);
  Shard& shard = shards_[hash.high % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  if (!watching_) return;  // `watch` may have forgotten all in between
  const Deletion now = {
      tombstone.timestamp_ms, tombstone.offset, tombstone.partition,
      tombstone.topic,        stores,           generation_.load(std::memory_order_relaxed)};
  const auto [begin, end] = shard.deletions.equal_range(hash);
  for (auto one = begin; one != end; ++one) {
    Deletion& kept = one->second;
    const bool same_stores =
        kept.stores == stores ||
        (kept.stores != nullptr && stores != nullptr && *kept.stores == *stores);
    if (!same_stores) continue;
    // Within its partition a later one comes later.
    if (!store::is_outdated(tombstone, as_record(kept))) kept = now;
    return;
  }
  shard.deletions.emplace(hash, now);
  any_.store(true);
}

void DeletedKeys::outdates(const store::RecordView& record, const Stores& stores,
                           Stores& out) const {
  out.clear();
  if (!any_.load()) return;
  const Hash hash = hash_of(record);
  const Shard& shard = shards_[hash.high % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  const auto [begin, end] = shard.deletions.equal_range(hash);
  for (auto one = begin; one != end; ++one) {
    const Deletion& deletion = one->second;
    if (!store::is_outdated(record, as_record(deletion))) continue;
    for (store::Store* store : stores) {
      const bool concerns = deletion.stores == nullptr ||
                            std::find(deletion.stores->begin(), deletion.stores->end(), store) !=
                                deletion.stores->end();
      if (concerns && std::find(out.begin(), out.end(), store) == out.end()) out.push_back(store);
    }
  }
}

void DeletedKeys::forget_older() {
  if (held_) return;
  const std::uint64_t generation = generation_.fetch_add(1, std::memory_order_relaxed);
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.deletions,
                  [generation](const auto& one) { return one.second.generation < generation; });
  }
}

void DeletedKeys::forget(std::uint32_t topic) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.deletions, [topic](const auto& one) { return one.second.topic == topic; });
  }
}

}  // namespace push_cache::ingest
