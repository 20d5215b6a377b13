// The store in this process's memory.
#pragma once

#include <cstdint>
#include <memory>

#include "store/store.h"

namespace push_cache::store {

struct MemoryStoreOptions {
  bool ordered = true;          // false: no `page`, and no memory for the keys' order
  std::uint64_t bytes_max = 0;  // beyond this in MemoryUse::total new keys are refused; 0 = no cap
};

// An empty store. Everything is kept until it is erased: no TTL, no eviction. All calls finish
// before they return, `get` and `take` included; `get` calls its sink under a shard's shared lock.
// `put` and `insert` fail with kTooLarge beyond limits::kKeyBytesMax and limits::kValueBytesMax.
std::unique_ptr<Store> make_memory_store(const MemoryStoreOptions& options = {});

}  // namespace push_cache::store
