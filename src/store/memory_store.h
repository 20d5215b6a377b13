// The store in this process's memory.
#pragma once

#include <cstdint>
#include <memory>

#include "store/store.h"

namespace push_cache::store {

struct MemoryStoreOptions {
  bool ordered = true;          // false: no `page`, and no memory for the keys' order
  std::uint64_t bytes_max = 0;  // beyond this in MemoryUse::total new keys are refused; 0 = no cap
  // Tests: how many bits of a key's hash count, so that keys can have the same hash.
  unsigned hash_bits = 64;
};

// An empty store. Everything is kept until it is erased: no TTL, no eviction. All calls finish
// before they return, `get` and `take` included.
//
// Readers take no lock and never wait. A write locks one of 64 shards; when that shard's index
// grows, so do its writers wait for it (some ms for a million records), and nobody else. Space of
// replaced and erased records is used again. `bytes_max` is held but for what the growth of one
// shard's index needs while it goes on, and for updates, which are always taken.
std::unique_ptr<Store> make_memory_store(const MemoryStoreOptions& options = {});

}  // namespace push_cache::store
