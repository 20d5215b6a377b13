// The small steps of the interpreter; no state, so that each can be read alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "avro/interpreter.h"
#include "avro/wire.h"

namespace push_cache::avro {

inline bool is_int32(std::int64_t value) {
  return value >= std::numeric_limits<std::int32_t>::min() &&
         value <= std::numeric_limits<std::int32_t>::max();
}

// Copies 32 bytes at least: both places have that much slack.
inline char* copy_text(char* to, const char* text, std::size_t size) {
  std::memcpy(to, text, 16);
  if (size > 16) {
    std::memcpy(to + 16, text + 16, 16);
    if (size > 32) std::memcpy(to + 32, text + 32, size - 32);
  }
  return to + size;
}

inline char* write_boolean(char* to, bool value) {
  std::memcpy(to, value ? "true\0" : "false", 5);
  return to + (value ? 4 : 5);
}

// A length and as many bytes. (An empty datum may lie at nullptr: `text` says nothing of success.)
struct Sized {
  const std::uint8_t* text;
  std::uint64_t size;
  std::uint64_t left;
  Fault fault;  // kNone: all of it is there
};

inline Sized read_sized(const std::uint8_t* at, const std::uint8_t* end) {
  const Varint varint = read_varint(at, end);
  if (varint.next == nullptr) return {nullptr, 0, 0, Fault::kVarint};
  const auto size =
      static_cast<std::uint64_t>(unzigzag(varint.raw));  // a negative one is too large
  const auto left = static_cast<std::uint64_t>(end - varint.next);
  return {varint.next, size, left, size <= left ? Fault::kNone : Fault::kLength};
}

inline Sized read_fixed(const std::uint8_t* at, const std::uint8_t* end, std::uint64_t size) {
  const auto left = static_cast<std::uint64_t>(end - at);
  return {at, size, left, size <= left ? Fault::kNone : Fault::kCut};
}

// Head of a block of an array or a map.
struct Block {
  const std::uint8_t* next;  // nullptr: `fault`, with `bytes` and `left`
  std::uint64_t count;
  std::uint64_t bytes;  // when sized
  bool sized;           // it said its length in bytes
  std::uint64_t left;
  Fault fault;
};

inline Block read_block(const std::uint8_t* at, const std::uint8_t* end) {
  const Varint head = read_varint(at, end);
  if (head.next == nullptr) return {nullptr, 0, 0, false, 0, Fault::kVarint};
  const std::int64_t count = unzigzag(head.raw);
  if (count >= 0) return {head.next, static_cast<std::uint64_t>(count), 0, false, 0, Fault::kNone};
  const Varint size = read_varint(head.next, end);
  if (size.next == nullptr) return {nullptr, 0, 0, true, 0, Fault::kVarint};
  const auto bytes = static_cast<std::uint64_t>(unzigzag(size.raw));  // a negative one is too large
  const auto left = static_cast<std::uint64_t>(end - size.next);
  if (bytes > left) return {nullptr, 0, bytes, true, left, Fault::kBlockLength};
  return {size.next, 0 - static_cast<std::uint64_t>(count), bytes, true, left, Fault::kNone};
}

// Non-zero when one of the eight bytes is not ASCII or needs an escape in a JSON string. Never
// misses one; may name a byte above it too.
inline std::uint64_t special_bytes(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  constexpr std::uint64_t kHighs = 0x8080'8080'8080'8080;
  const std::uint64_t control = word - kOnes * 0x20;
  const std::uint64_t quote = (word ^ (kOnes * '"')) - kOnes;
  const std::uint64_t backslash = (word ^ (kOnes * '\\')) - kOnes;
  return (control | quote | backslash | word) & kHighs;
}

#if defined(__SSE2__)
// A bit for each of 16 bytes that is not ASCII or needs an escape.
inline std::uint32_t special_bits(__m128i block) {
  const __m128i high_or_control = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));  // signed
  const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  return static_cast<std::uint32_t>(
      _mm_movemask_epi8(_mm_or_si128(high_or_control, _mm_or_si128(quote, backslash))));
}
#endif

// Copies `text` (of `size` bytes, within a datum that ends at `end`) up to some bytes before the
// first special one; gives how many were copied: all, when none is special. Writes up to 32 bytes
// beyond.
// Without `kStore` it only looks.
template <bool kStore>
std::size_t copy_plain([[maybe_unused]] char* to, const std::uint8_t* text, std::size_t size,
                       const std::uint8_t* end) {
  std::size_t done = 0;
#if defined(__SSE2__)
  // Most strings: 32 bytes whatever the length, so that no branch depends on it.
  if (size <= 32 && end - text >= 32) [[likely]] {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + 16));
    if constexpr (kStore) _mm_storeu_si128(reinterpret_cast<__m128i*>(to), low);
    if constexpr (kStore) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16), high);
    const std::uint64_t special = special_bits(low) | std::uint64_t{special_bits(high)} << 16;
    const bool plain = (special & ((std::uint64_t{1} << size) - 1)) == 0;
    return plain ? size : 0;
  }
  if (size >= 16) {
    for (; size - done >= 16; done += 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + done));
      if (special_bits(block) != 0) return done;
      if constexpr (kStore) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + done), block);
    }
    // The last 16 bytes, some of them once more.
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + size - 16));
    if (special_bits(block) != 0) return done;
    if constexpr (kStore) _mm_storeu_si128(reinterpret_cast<__m128i*>(to + size - 16), block);
    return size;
  }
  if (end - text >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
    if constexpr (kStore) _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    return (special_bits(block) & ((std::uint32_t{1} << size) - 1)) == 0 ? size : 0;
  }
#endif
  for (; size - done >= 8; done += 8) {
    const auto word = load<std::uint64_t>(text + done);
    if (special_bytes(word) != 0) return done;
    if constexpr (kStore) std::memcpy(to + done, &word, sizeof word);
  }
  const std::size_t rest = size - done;
  if (rest == 0) return size;
  std::uint64_t word = 0;
  if (end - (text + done) >= 8) {
    word = load<std::uint64_t>(text + done);
  } else {
    std::memcpy(&word, text + done, rest);
  }
  const std::uint64_t beyond = ~std::uint64_t{0} << (8 * rest);
  word = (word & ~beyond) | (0x2020'2020'2020'2020 & beyond);
  if (special_bytes(word) != 0) return done;
  if constexpr (kStore) std::memcpy(to + done, &word, sizeof word);
  return size;
}

}  // namespace push_cache::avro
