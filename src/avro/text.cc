#include "avro/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

namespace push_cache::avro {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

char* write_text(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

// `value` in exactly `digits` decimal digits.
char* write_digits(char* to, std::int64_t value, unsigned digits) {
  for (unsigned i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + digits;
}

std::int64_t power_of_ten(unsigned digits) {
  std::int64_t power = 1;
  while (digits-- > 0) power *= 10;
  return power;
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

struct Civil {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

// Days since 1970-01-01 to a date of the proleptic Gregorian calendar, counted in eras of 400 years
// that begin on 1 March. `days` must be far from the ends of its range.
Civil civil_from_days(std::int64_t days) {
  days += 719'468;
  const std::int64_t era = floor_div(days, 146'097);
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {era * 400 + year_of_era + (month <= 2 ? 1 : 0), month, day};
}

// 0000-01-01 and 9999-12-31.
constexpr std::int64_t kFirstDay = -719'528;
constexpr std::int64_t kLastDay = 2'932'896;

char* write_day(char* to, std::int64_t days) {
  const Civil civil = civil_from_days(days);
  to = write_digits(to, civil.year, 4);
  *to++ = '-';
  to = write_digits(to, civil.month, 2);
  *to++ = '-';
  return write_digits(to, civil.day, 2);
}

char* write_clock(char* to, std::int64_t seconds, std::int64_t fraction, unsigned digits,
                  bool always_fraction) {
  to = write_digits(to, seconds / 3'600, 2);
  *to++ = ':';
  to = write_digits(to, seconds / 60 % 60, 2);
  *to++ = ':';
  to = write_digits(to, seconds % 60, 2);
  if (fraction == 0 && !always_fraction) return to;
  *to++ = '.';
  return write_digits(to, fraction, digits);
}

template <typename Number>
char* write_floating(char* to, Number value) {
  if (!std::isfinite(value)) return write_text(to, "null");
  char* const end = std::to_chars(to, to + kTextBytesMax, value).ptr;
  const bool whole =
      std::all_of(to, end, [](char c) { return c == '-' || (c >= '0' && c <= '9'); });
  return whole ? write_text(end, ".0") : end;
}

std::uint32_t little_endian(Bytes bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} | std::uint32_t{bytes[at + 1]} << 8 |
         std::uint32_t{bytes[at + 2]} << 16 | std::uint32_t{bytes[at + 3]} << 24;
}

}  // namespace

char* write_long(char* to, std::int64_t value) {
  return std::to_chars(to, to + kTextBytesMax, value).ptr;
}

char* write_double(char* to, double value) { return write_floating(to, value); }

char* write_float(char* to, float value) { return write_floating(to, value); }

char* write_date(char* to, std::int64_t days) {
  if (days < kFirstDay || days > kLastDay) return write_long(to, days);
  *to++ = '"';
  to = write_day(to, days);
  *to++ = '"';
  return to;
}

char* write_time(char* to, std::int64_t value, unsigned digits) {
  const std::int64_t unit = power_of_ten(digits);
  if (value < 0 || value / unit >= kSecondsPerDay) return write_long(to, value);
  *to++ = '"';
  to = write_clock(to, value / unit, value % unit, digits, true);
  *to++ = '"';
  return to;
}

char* write_timestamp(char* to, std::int64_t value, unsigned digits, bool utc) {
  const std::int64_t unit = power_of_ten(digits);
  const std::int64_t seconds = floor_div(value, unit);
  const std::int64_t days = floor_div(seconds, kSecondsPerDay);
  if (days < kFirstDay || days > kLastDay) return write_long(to, value);
  *to++ = '"';
  to = write_day(to, days);
  *to++ = 'T';
  to = write_clock(to, seconds - days * kSecondsPerDay, value - seconds * unit, digits, false);
  if (utc) *to++ = 'Z';
  *to++ = '"';
  return to;
}

char* write_duration(char* to, Bytes twelve) {
  const std::uint32_t months = little_endian(twelve, 0);
  const std::uint32_t days = little_endian(twelve, 4);
  const std::uint32_t millis = little_endian(twelve, 8);
  to = write_text(to, "\"P");
  if (months != 0) to = write_text(write_long(to, months), "M");
  if (days != 0) to = write_text(write_long(to, days), "D");
  if (millis != 0 || (months == 0 && days == 0)) {
    to = write_text(to, "T");
    to = write_long(to, millis / 1'000);
    if (millis % 1'000 != 0) {
      *to++ = '.';
      to = write_digits(to, millis % 1'000, 3);
    }
    to = write_text(to, "S");
  }
  return write_text(to, "\"");
}

char* write_uuid(char* to, Bytes sixteen) {
  constexpr std::string_view kHex = "0123456789abcdef";
  *to++ = '"';
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = kHex[sixteen[i] >> 4];
    *to++ = kHex[sixteen[i] & 15];
  }
  *to++ = '"';
  return to;
}

char* write_decimal(char* to, Bytes bytes, unsigned scale) {
  // The absolute value, big-endian, divided by 10 again and again: the digits from the last one.
  std::array<std::uint8_t, kDecimalBytesMax> number{};
  const std::size_t size = bytes.size();
  std::copy(bytes.begin(), bytes.end(), number.begin());
  const bool negative = size > 0 && (number[0] & 0x80) != 0;
  if (negative) {
    unsigned carry = 1;
    for (std::size_t i = size; i-- > 0;) {
      const unsigned byte = (~number[i] & 0xFFu) + carry;
      number[i] = static_cast<std::uint8_t>(byte);
      carry = byte >> 8;
    }
  }
  std::array<char, kDecimalTextMax> reversed{};
  std::size_t digits = 0;
  std::size_t first = 0;
  while (first < size && number[first] == 0) ++first;
  while (first < size) {
    unsigned rest = 0;
    for (std::size_t i = first; i < size; ++i) {
      const unsigned value = rest << 8 | number[i];
      number[i] = static_cast<std::uint8_t>(value / 10);
      rest = value % 10;
    }
    reversed[digits++] = static_cast<char>('0' + rest);
    while (first < size && number[first] == 0) ++first;
  }
  while (digits < scale + 1) reversed[digits++] = '0';
  *to++ = '"';
  if (negative) *to++ = '-';
  for (std::size_t i = digits; i-- > 0;) {
    *to++ = reversed[i];
    if (i == scale && scale != 0) *to++ = '.';
  }
  *to++ = '"';
  return to;
}

}  // namespace push_cache::avro
