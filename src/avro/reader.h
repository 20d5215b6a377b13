// Avro's binary encoding, read with every length checked ("Binary Encoding" of the specification).
// Internal to this folder.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "base/types.h"

namespace push_cache::avro {

// A place within a datum. Each read is whole or fails; after a failure the position is where the
// failing value began.
class Reader {
 public:
  explicit Reader(Bytes datum)
      : start_(datum.data()), at_(datum.data()), end_(datum.data() + datum.size()) {}

  std::size_t position() const { return static_cast<std::size_t>(at_ - start_); }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  bool at_end() const { return at_ == end_; }
  void seek(std::size_t position) { at_ = start_ + position; }

  // A zigzag varint of at most 10 bytes whose value fits 64 bits.
  bool read_long(std::int64_t& value) {
    if (at_ != end_ && *at_ < 0x80) [[likely]] {
      value = zigzag(*at_++);
      return true;
    }
    return read_long_slow(value);
  }

  // The same, for a value that must fit 32 bits.
  bool read_int(std::int64_t& value) {
    const std::uint8_t* const before = at_;
    if (!read_long(value)) return false;
    if (value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max()) {
      at_ = before;
      return false;
    }
    return true;
  }

  bool read_bytes(Bytes& bytes) {
    const std::uint8_t* const before = at_;
    std::int64_t size = 0;
    if (!read_long(size)) return false;
    if (size < 0 || static_cast<std::uint64_t>(size) > left()) {
      at_ = before;
      return false;
    }
    bytes = Bytes(at_, static_cast<std::size_t>(size));
    at_ += size;
    return true;
  }

  bool read_fixed(std::size_t size, Bytes& bytes) {
    if (size > left()) return false;
    bytes = Bytes(at_, size);
    at_ += size;
    return true;
  }

  bool skip(std::size_t size) {
    if (size > left()) return false;
    at_ += size;
    return true;
  }

  // Little-endian, as the number lies in memory here; Debian's ports of this program are all so.
  template <typename Number>
  bool read_number(Number& value) {
    if (sizeof value > left()) return false;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return true;
  }

 private:
  static std::int64_t zigzag(std::uint64_t raw) {
    return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
  }

  bool read_long_slow(std::int64_t& value) {
    std::uint64_t raw = 0;
    const std::uint8_t* at = at_;
    for (unsigned shift = 0; at != end_; shift += 7) {
      const std::uint8_t byte = *at++;
      if (shift == 63 && byte > 1) return false;  // more than 64 bits, or an eleventh byte
      raw |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        value = zigzag(raw);
        at_ = at;
        return true;
      }
    }
    return false;
  }

  const std::uint8_t* start_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace push_cache::avro
