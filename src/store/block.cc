#include "store/block.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::store {

std::size_t Origins::Hash::operator()(const Origin& origin) const {
  return XXH3_64bits(&origin, sizeof origin);
}

std::uint32_t Origins::number(const Origin& origin) {
  const std::lock_guard lock(mutex_);
  if (const auto found = numbers_.find(origin); found != numbers_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(numbers_.size() + 1);
  if (number >= kMax) return 0;
  std::unique_ptr<NumberedOrigin[]>& chunk = owned_[number / kChunk];
  if (chunk == nullptr) chunk = std::make_unique<NumberedOrigin[]>(kChunk);
  chunk[number % kChunk] = {origin, digests_.at(origin.topic, Partition(origin.partition))};
  chunks_[number / kChunk].store(chunk.get(), std::memory_order_release);
  numbers_.emplace(origin, number);
  return number;
}

}  // namespace push_cache::store
