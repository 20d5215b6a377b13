// Values as text for JSON. Internal to this folder. Each function writes at `to`, where at least
// kTextBytesMax bytes are free, and gives the place behind what it wrote.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"

namespace push_cache::avro {

inline constexpr std::size_t kTextBytesMax = 64;
// The longest decimal that is shown as a number: its conversion is quadratic. Longer ones stay
// base64.
inline constexpr std::size_t kDecimalBytesMax = 128;
inline constexpr std::size_t kDecimalTextMax = 2 * kDecimalBytesMax + kDecimalBytesMax + 1100;

char* write_long(char* to, std::int64_t value);
// The shortest text that reads back to the same number, with a fraction or an exponent; null for
// NaN and the infinities.
char* write_double(char* to, double value);
char* write_float(char* to, float value);

// With quotes: "2024-02-29" from days since 1970-01-01; the number itself outside the years 0 to
// 9999.
char* write_date(char* to, std::int64_t days);
// "13:37:00.123" from units of 10^-digits s since midnight; the number itself outside one day.
char* write_time(char* to, std::int64_t value, unsigned digits);
// RFC 3339, "2024-02-29T13:37:00.123Z" (or without Z) from units of 10^-digits s since 1970; a
// fraction of zero is left out; the number itself outside the years 0 to 9999.
char* write_timestamp(char* to, std::int64_t value, unsigned digits, bool utc);
// ISO 8601, "P1M2DT3.004S" from three little-endian 32-bit numbers: months, days, milliseconds.
char* write_duration(char* to, Bytes twelve);
// "c0a80000-0000-..." from 16 bytes.
char* write_uuid(char* to, Bytes sixteen);
// "-123.45" from a big-endian two's complement of at most kDecimalBytesMax bytes; needs
// kDecimalTextMax bytes at `to`. `scale` is at most 1000.
char* write_decimal(char* to, Bytes bytes, unsigned scale);

}  // namespace push_cache::avro
