// Memory for blocks of few bytes up to 16 KiB: one free list a size class, so that the space of a
// replaced record serves the next one of its size. Larger blocks come from the system's allocator.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "store/arena.h"

namespace push_cache::store {

// Safe from any thread. Size classes are 4 bytes apart up to 512 bytes, then 16 between two powers
// of two (at most 6 % lost). A span whose blocks are all free goes back to the arena.
class Slabs {
 public:
  enum class Grow { kMay, kMustNot };

  explicit Slabs(Arena& arena) : arena_(arena) {}
  Slabs(const Slabs&) = delete;
  Slabs& operator=(const Slabs&) = delete;

  // `bytes` of memory (at least 16), aligned to 4. Null when it would take more from the system and
  // `grow` says that it must not. Throws std::bad_alloc when the system has none.
  void* allocate(std::size_t bytes, Grow grow = Grow::kMay);
  // As an `allocate` of each of `bytes`, into `places`; both have the same size. Takes the lock of
  // each size class once.
  void allocate_many(std::span<const std::uint32_t> bytes, std::span<void*> places);
  // `bytes` as they were asked for.
  void release(void* place, std::size_t bytes);

  static bool is_large(std::size_t bytes) { return bytes > kSlabBytesMax; }
  // Of large blocks; those of the others are in Arena::bytes.
  std::uint64_t large_bytes() const { return large_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kSlabBytesMax = 16 * 1024;
  static constexpr std::size_t kFineMax = 512;  // classes 4 bytes apart up to here
  static constexpr std::size_t kFineStep = 4;
  static constexpr std::size_t kClasses = kFineMax / kFineStep + 1 + 5 * 16;

  // A run of pages cut into blocks of one class, aligned to its own size: its head is found from a
  // block's address.
  struct Span {
    Span* next;
    Span* before;
    std::uint32_t free_first;  // offset of the first block of its free list; 0 = none
    std::uint32_t fresh;       // offset of the blocks never used so far
    std::uint32_t used;        // blocks handed out
    std::uint32_t linked;      // whether it is in its class' list
  };
  struct alignas(64) Class {
    std::mutex mutex;
    Span* partial = nullptr;  // spans with a free block
  };

  static std::size_t class_of(std::size_t bytes);
  static std::size_t class_bytes(std::size_t size_class);
  static std::size_t span_bytes(std::size_t block_bytes);
  // With the class' lock held.
  void* take(Class& from, std::size_t block, std::size_t bytes, Grow grow);
  static void link(Class& at, Span* span);
  static void unlink(Class& at, Span* span);

  Arena& arena_;
  std::array<Class, kClasses> classes_;
  std::atomic<std::uint64_t> large_bytes_ = 0;
};

}  // namespace push_cache::store
