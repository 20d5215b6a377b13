// Values as JSON text, written to a place that has room for them. Internal to avro/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/buffer.h"
#include "base/types.h"

namespace push_cache::avro {

// Most bytes that each of these writes, the slack of wide stores included.
inline constexpr std::size_t kLongTextMax = 32;
inline constexpr std::size_t kDoubleTextMax = 40;
inline constexpr std::size_t kTimeTextMax = 48;
inline constexpr std::size_t kUuidTextMax = 40;
inline constexpr std::size_t kDurationTextMax = 64;

// Longest decimal rendered as a number: time grows with the square of the length. Longer ones stay
// base64, as with LogicalTypes::kNumbers.
inline constexpr std::size_t kDecimalBytesMax = 2048;

char* write_unsigned(char* to, std::uint64_t value);

inline char* write_long(char* to, std::int64_t value) {
  auto magnitude = static_cast<std::uint64_t>(value);
  if (value < 0) {
    *to++ = '-';
    magnitude = 0 - magnitude;
  }
  return write_unsigned(to, magnitude);
}

// Shortest text that reads back to the same number of the same type, with a fraction or an
// exponent; null for what JSON has no number for.
char* write_double(char* to, double value);
char* write_float(char* to, float value);

// Strings with their quotes. Outside of the years 0000 to 9999 (and outside of one day, for a time)
// the number itself, without quotes.
char* write_date(char* to, std::int64_t days);
char* write_time(char* to, std::int64_t value, std::uint32_t units_per_second);
char* write_timestamp(char* to, std::int64_t value, std::uint32_t units_per_second, bool local);

// 16 bytes as 8-4-4-4-12 hexadecimal digits, in quotes.
char* write_uuid(char* to, const std::uint8_t* bytes);

// 12 bytes (months, days, milliseconds) as an ISO 8601 duration in quotes: "P1M2DT3.004S", "PT0S".
char* write_duration(char* to, const std::uint8_t* bytes);

// A two's-complement big-endian number with `scale` digits after the point, in quotes: "-12.30".
// No bytes are 0.
void append_decimal(Buffer& out, Bytes bytes, std::uint32_t scale);

}  // namespace push_cache::avro
