#include "store/digest.h"

namespace push_cache::store {

const PartitionDigest* Digests::find(std::uint32_t topic, Partition partition) const {
  const PartitionDigest* one = heads_[bucket_of(topic, partition)].load(std::memory_order_acquire);
  while (one != nullptr && (one->topic_ != topic || one->partition_ != partition)) {
    one = one->next_;
  }
  return one;
}

PartitionDigest* Digests::at(std::uint32_t topic, Partition partition) {
  if (partition.value < 0) return nullptr;
  if (const PartitionDigest* known = find(topic, partition)) {
    return const_cast<PartitionDigest*>(known);
  }
  const std::lock_guard lock(mutex_);
  if (const PartitionDigest* known = find(topic, partition)) {
    return const_cast<PartitionDigest*>(known);
  }
  auto& head = heads_[bucket_of(topic, partition)];
  PartitionDigest* made =
      owned_.emplace_back(std::make_unique<PartitionDigest>(topic, partition)).get();
  made->next_ = head.load(std::memory_order_relaxed);
  head.store(made, std::memory_order_release);
  return made;
}

std::uint64_t Digests::sum(std::uint32_t topic, Partition partition) const {
  const PartitionDigest* known = partition.value < 0 ? nullptr : find(topic, partition);
  return known == nullptr ? 0 : known->sum();
}

}  // namespace push_cache::store
