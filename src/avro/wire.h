// The scalars of Avro's binary encoding ("Data Serialization and Deserialization").
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/buffer.h"

namespace push_cache::avro {

static_assert(std::endian::native == std::endian::little, "floats are read as they lie");

inline constexpr std::size_t kVarintBytesMax = 10;

inline std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

inline std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

struct Varint {
  const std::uint8_t* next;  // nullptr: not one, or not all of it is there
  std::uint64_t raw;         // still in zig-zag
};

template <typename T>
T load(const void* place) {
  T value;
  std::memcpy(&value, place, sizeof value);
  return value;
}

// Byte by byte: near the end of the datum, or longer than eight bytes.
inline Varint read_varint_bytes(const std::uint8_t* at, const std::uint8_t* end) {
  std::uint64_t raw = 0;
  for (unsigned shift = 0; at != end; shift += 7) {
    const std::uint64_t byte = *at++;
    if (shift == 63 && byte > 1) break;  // more than 64 bits, or more than 10 bytes
    raw |= (byte & 0x7F) << shift;
    if (byte < 0x80) return {at, raw};
  }
  return {nullptr, raw};
}

// Up to eight bytes at once: the groups of seven bits are pushed together pairwise.
inline Varint read_long_varint(const std::uint8_t* at, const std::uint8_t* end) {
  if (end - at >= 8) {
    std::uint64_t word = load<std::uint64_t>(at);
    const std::uint64_t stops = ~word & 0x8080'8080'8080'8080;
    if (stops != 0) {
      const int size = std::countr_zero(stops) / 8 + 1;
      word &= stops ^ (stops - 1);  // the bits up to the stop of the last byte
      word = (word & 0x007F'007F'007F'007F) | (word & 0x7F00'7F00'7F00'7F00) >> 1;
      word = (word & 0x0000'3FFF'0000'3FFF) | (word & 0x3FFF'0000'3FFF'0000) >> 2;
      word = (word & 0x0000'0000'0FFF'FFFF) | (word & 0x0FFF'FFFF'0000'0000) >> 4;
      return {at + size, word};
    }
  }
  return read_varint_bytes(at, end);
}

inline Varint read_varint(const std::uint8_t* at, const std::uint8_t* end) {
  if (at != end && *at < 0x80) return {at + 1, *at};
  return read_long_varint(at, end);
}

inline void append_varint(Buffer& out, std::int64_t value) {
  char* to = out.reserve(kVarintBytesMax);
  char* const start = to;
  std::uint64_t raw = zigzag(value);
  for (; raw >= 0x80; raw >>= 7) *to++ = static_cast<char>(raw | 0x80);
  *to++ = static_cast<char>(raw);
  out.commit(static_cast<std::size_t>(to - start));
}

}  // namespace push_cache::avro
