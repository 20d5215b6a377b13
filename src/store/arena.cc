#include "store/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "store/poison.h"

namespace push_cache::store {
namespace {

// `bytes` is a multiple of the system's page, `align` a power of two.
std::uintptr_t map_aligned(std::size_t bytes, std::size_t align) {
  void* raw =
      ::mmap(nullptr, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(raw);
  const std::uintptr_t aligned = (start + align - 1) & ~(align - 1);
  if (aligned > start) ::munmap(raw, aligned - start);
  const std::size_t behind = start + align - aligned;
  if (behind > 0) ::munmap(reinterpret_cast<void*>(aligned + bytes), behind);
  // Advice only: without huge pages everything works, with more misses of the TLB.
  (void)::madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE);
  return aligned;
}

// The addresses may next be anything, such as a thread's stack.
void unmap(std::uintptr_t base, std::size_t bytes) {
  PUSH_CACHE_UNPOISON(reinterpret_cast<void*>(base), bytes);
  ::munmap(reinterpret_cast<void*>(base), bytes);
}

}  // namespace

Arena::~Arena() {
  for (const auto& [base, mapping] : mappings_) unmap(base, kMappingBytes);
}

void* Arena::find_run(std::uintptr_t base, Mapping& mapping, std::size_t pages, std::size_t align) {
  const std::size_t step = align <= kPageBytes ? 1 : align / kPageBytes;
  for (std::size_t from = 0; from + pages <= kPages; from += step) {
    std::size_t run = 0;
    while (run < pages && !mapping.used[from + run]) ++run;
    if (run < pages) {
      if (step == 1) from += run;
      continue;
    }
    for (std::size_t i = 0; i < pages; ++i) mapping.used[from + i] = true;
    mapping.used_pages += pages;
    return reinterpret_cast<void*>(base + from * kPageBytes);
  }
  return nullptr;
}

void* Arena::allocate(std::size_t bytes, std::size_t align) {
  const std::size_t pages = pages_of(bytes);
  void* place = nullptr;
  if (pages > kPages / 2) {
    place = reinterpret_cast<void*>(map_aligned(pages * kPageBytes, kMappingBytes));
  } else {
    const std::lock_guard lock(mutex_);
    auto at = mappings_.lower_bound(first_with_space_);
    bool all_full = true;
    for (; at != mappings_.end(); ++at) {
      if (at->second.used_pages < kPages) {
        if (all_full) first_with_space_ = at->first;
        all_full = false;
        if (at->second.used_pages + pages <= kPages) {
          place = find_run(at->first, at->second, pages, align);
          if (place != nullptr) break;
        }
      }
    }
    if (place == nullptr) {
      const std::uintptr_t base = map_aligned(kMappingBytes, kMappingBytes);
      if (all_full || base < first_with_space_) first_with_space_ = base;
      place = find_run(base, mappings_[base], pages, align);
    }
  }
  bytes_.fetch_add(pages * kPageBytes, std::memory_order_relaxed);
  return place;
}

void Arena::release(void* place, std::size_t bytes) {
  const std::size_t pages = pages_of(bytes);
  bytes_.fetch_sub(pages * kPageBytes, std::memory_order_relaxed);
  if (pages > kPages / 2) {
    unmap(reinterpret_cast<std::uintptr_t>(place), pages * kPageBytes);
    return;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(place);
  const std::uintptr_t base = address & ~(kMappingBytes - 1);
  const std::lock_guard lock(mutex_);
  const auto at = mappings_.find(base);
  for (std::size_t i = 0; i < pages; ++i) {
    at->second.used[(address - base) / kPageBytes + i] = false;
  }
  at->second.used_pages -= pages;
  if (at->second.used_pages == 0 && mappings_.size() > 1) {
    unmap(base, kMappingBytes);
    mappings_.erase(at);
  } else {
    first_with_space_ = std::min(first_with_space_, base);
  }
}

}  // namespace push_cache::store
