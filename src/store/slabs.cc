#include "store/slabs.h"

#include <bit>
#include <cstring>
#include <new>
#include <vector>

#include "store/poison.h"

namespace push_cache::store {
namespace {

constexpr std::size_t kSpanHeadBytes = 64;

char* at_offset(void* base, std::size_t offset) { return static_cast<char*>(base) + offset; }

}  // namespace

std::size_t Slabs::class_of(std::size_t bytes) {
  if (bytes <= kFineMax) return (bytes + kFineStep - 1) / kFineStep;
  // The power of two below, and which sixteenth of it, counted from 512.
  const std::size_t power = std::bit_width(bytes - 1) - 1;
  const std::size_t step = ((bytes - 1) >> (power - 4)) - 16;
  return kFineMax / kFineStep + 1 + (power - 9) * 16 + step;
}

std::size_t Slabs::class_bytes(std::size_t size_class) {
  if (size_class <= kFineMax / kFineStep) return size_class * kFineStep;
  const std::size_t coarse = size_class - kFineMax / kFineStep - 1;
  return (coarse % 16 + 17) << (coarse / 16 + 5);
}

// At least 15 blocks a span, so that little is lost at its end.
std::size_t Slabs::span_bytes(std::size_t block_bytes) {
  if (block_bytes <= 1024) return Arena::kPageBytes;
  return block_bytes <= 4096 ? 4 * Arena::kPageBytes : 16 * Arena::kPageBytes;
}

void Slabs::link(Class& at, Span* span) {
  span->next = at.partial;
  span->before = nullptr;
  if (at.partial != nullptr) at.partial->before = span;
  at.partial = span;
  span->linked = 1;
}

void Slabs::unlink(Class& at, Span* span) {
  (span->before != nullptr ? span->before->next : at.partial) = span->next;
  if (span->next != nullptr) span->next->before = span->before;
  span->linked = 0;
}

void* Slabs::allocate(std::size_t bytes, Grow grow) {
  if (is_large(bytes)) {
    if (grow == Grow::kMustNot) return nullptr;
    void* place = ::operator new(bytes);
    large_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    return place;
  }
  const std::size_t size_class = class_of(bytes);
  Class& from = classes_[size_class];
  const std::lock_guard lock(from.mutex);
  return take(from, class_bytes(size_class), bytes, grow);
}

void Slabs::allocate_many(std::span<const std::uint32_t> bytes, std::span<void*> places) {
  // Sorted by class, by counting; large ones are a class behind all others.
  std::array<std::uint32_t, kClasses + 2> ends = {};
  std::vector<std::uint16_t> class_at(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    class_at[i] = static_cast<std::uint16_t>(is_large(bytes[i]) ? kClasses : class_of(bytes[i]));
    ++ends[class_at[i] + 1U];
  }
  for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
  std::vector<std::uint32_t> sorted(bytes.size());
  for (std::uint32_t i = 0; i < bytes.size(); ++i) sorted[ends[class_at[i]]++] = i;
  // Now `ends[c]` is the end of class c, and the beginning of the next.
  std::uint32_t at = 0;
  for (std::size_t size_class = 0; size_class < kClasses; ++size_class) {
    if (at == ends[size_class]) continue;
    const std::size_t block = class_bytes(size_class);
    Class& from = classes_[size_class];
    const std::lock_guard lock(from.mutex);
    for (; at < ends[size_class]; ++at) {
      places[sorted[at]] = take(from, block, bytes[sorted[at]], Grow::kMay);
    }
  }
  for (; at < sorted.size(); ++at) places[sorted[at]] = allocate(bytes[sorted[at]]);
}

void* Slabs::take(Class& from, std::size_t block, [[maybe_unused]] std::size_t bytes, Grow grow) {
  const std::size_t span_size = span_bytes(block);
  Span* span = from.partial;
  if (span == nullptr) {
    if (grow == Grow::kMustNot) return nullptr;
    span = new (arena_.allocate(span_size, span_size)) Span{};
    span->fresh = kSpanHeadBytes;
    PUSH_CACHE_POISON(at_offset(span, kSpanHeadBytes), span_size - kSpanHeadBytes);
    link(from, span);
  }
  char* place = nullptr;
  if (span->free_first != 0) {
    place = at_offset(span, span->free_first);
    PUSH_CACHE_UNPOISON(place, bytes);
    std::memcpy(&span->free_first, place, sizeof span->free_first);
  } else {
    place = at_offset(span, span->fresh);
    PUSH_CACHE_UNPOISON(place, bytes);
    span->fresh += static_cast<std::uint32_t>(block);
  }
  ++span->used;
  if (span->free_first == 0 && span->fresh + block > span_size) unlink(from, span);
  return place;
}

void Slabs::release(void* place, std::size_t bytes) {
  if (is_large(bytes)) {
    large_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    ::operator delete(place);
    return;
  }
  const std::size_t size_class = class_of(bytes);
  const std::size_t block = class_bytes(size_class);
  const std::size_t span_size = span_bytes(block);
  const auto address = reinterpret_cast<std::uintptr_t>(place);
  auto* span = reinterpret_cast<Span*>(address & ~(span_size - 1));
  Class& to = classes_[size_class];
  const std::lock_guard lock(to.mutex);
  std::memcpy(place, &span->free_first, sizeof span->free_first);
  span->free_first = static_cast<std::uint32_t>(address - reinterpret_cast<std::uintptr_t>(span));
  PUSH_CACHE_POISON(place, block);
  if (span->linked == 0) link(to, span);
  // The last span with space stays, so that one record coming and going does not map and unmap.
  if (--span->used == 0 && (span->next != nullptr || span->before != nullptr)) {
    unlink(to, span);
    PUSH_CACHE_UNPOISON(span, span_size);
    arena_.release(span, span_size);
  }
}

}  // namespace push_cache::store
