// The store in this process's memory.
#pragma once

#include <memory>

#include "store/store.h"

namespace push_cache::store {

// An empty store. Everything is kept until it is erased: no TTL, no eviction. All calls finish
// before they return, `get` and `take` included; `get` calls its sink under a shard's shared lock.
// `put` and `insert` fail with kTooLarge beyond limits::kKeyBytesMax and limits::kValueBytesMax.
std::unique_ptr<Store> make_memory_store();

}  // namespace push_cache::store
