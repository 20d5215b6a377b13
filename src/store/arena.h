// Pages for records and index tables, from large mappings that the kernel is asked to back with
// huge pages.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>

namespace push_cache::store {

// Safe from any thread. Gives all of it back to the system when it is destroyed, and each mapping
// when its last page is released.
class Arena {
 public:
  static constexpr std::size_t kPageBytes = 16 * 1024;

  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` rounded up to whole pages, aligned to `align` (a power of two, at most kMappingBytes).
  // Zeroed only when the system has just given it. Throws std::bad_alloc when there is none.
  void* allocate(std::size_t bytes, std::size_t align = kPageBytes);
  // `bytes` as they were asked for.
  void release(void* place, std::size_t bytes);

  // Handed out now, whole pages.
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kMappingBytes = 4 * 1024 * 1024;
  static constexpr std::size_t kPages = kMappingBytes / kPageBytes;
  struct Mapping {
    std::bitset<kPages> used;
    std::size_t used_pages = 0;
  };

  static std::size_t pages_of(std::size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes; }
  static void* find_run(std::uintptr_t base, Mapping& mapping, std::size_t pages,
                        std::size_t align);

  std::mutex mutex_;
  std::map<std::uintptr_t, Mapping> mappings_;
  // Below it every mapping is full.
  std::uintptr_t first_with_space_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
};

}  // namespace push_cache::store
