#include "ingest/deleted_keys.h"

#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::ingest {

DeletedKeys::DeletedKeys() {
  std::random_device random;
  seed_ = std::uint64_t{random()} << 32 | random();
}

void DeletedKeys::watch(bool on) {
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

void DeletedKeys::remember(const store::RecordView& tombstone) {
  if (!watching_.load(std::memory_order_relaxed)) return;
  const Hash hash = hash_of(tombstone);
  Shard& shard = shards_[hash.high % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  if (!watching_) return;  // `watch` may have forgotten all in between
  const Deletion now = {tombstone.timestamp_ms, tombstone.partition};
  const auto [place, added] = shard.deletions.try_emplace(hash, now);
  Deletion& kept = place->second;
  // Within its partition a later one comes later.
  if (!added && !store::is_outdated(tombstone, as_record(kept, tombstone.topic))) kept = now;
  any_.store(true);
}

bool DeletedKeys::outdates(const store::RecordView& record) const {
  if (!any_.load()) return false;
  const Hash hash = hash_of(record);
  const Shard& shard = shards_[hash.high % shards_.size()];
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.deletions.find(hash);
  if (found == shard.deletions.end()) return false;
  return store::is_outdated(record, as_record(found->second, record.topic));
}

}  // namespace push_cache::ingest
