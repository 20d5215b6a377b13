#include "avro/format.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <string_view>

#include "avro/wire.h"
#include "base/civil_date.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

constexpr std::array<char, 200> kPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

constexpr std::string_view kHex = "0123456789abcdef";

char* write_pair(char* to, std::uint32_t below_100) {
  std::memcpy(to, &kPairs[2 * below_100], 2);
  return to + 2;
}

char* write_four(char* to, std::uint32_t below_10000) {
  return write_pair(write_pair(to, below_10000 / 100), below_10000 % 100);
}

// The eight digits of a number as bytes 0 to 9, the first one lowest: halves, quarters and eighths
// are parted in all lanes at once.
[[gnu::always_inline]] inline std::uint64_t eight_digits(std::uint32_t below_100_000_000) {
  const std::uint64_t high = below_100_000_000 / 10'000;
  const std::uint64_t fours = high | (below_100_000_000 - high * 10'000) << 32;
  // x / 100 for x < 10,000, and x / 10 for x < 100, by multiplication.
  const std::uint64_t hundreds = (fours * 10'486 >> 20) & 0x0000'007F'0000'007F;
  const std::uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
  const std::uint64_t tens = (twos * 103 >> 10) & 0x000F'000F'000F'000F;
  return tens | (twos - tens * 10) << 8;
}

constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030;

char* write_eight(char* to, std::uint32_t below_100_000_000) {
  const std::uint64_t text = eight_digits(below_100_000_000) | kZeros;
  std::memcpy(to, &text, sizeof text);
  return to + 8;
}

// 1 to 8 digits; stores eight bytes.
[[gnu::always_inline]] inline char* write_up_to_eight(char* to, std::uint32_t value) {
  const std::uint64_t digits = eight_digits(value);
  // Leading zeros are the low zero bytes; the last digit always stays.
  const int zeros = std::countr_zero(digits | std::uint64_t{1} << 56) & ~7;
  const std::uint64_t text = (digits | kZeros) >> zeros;
  std::memcpy(to, &text, sizeof text);
  return to + (8 - zeros / 8);
}

// Numbers of up to four decimals and 15 digits, which most amounts are: the nearest number of
// ten-thousandths stands for `value` when dividing gives it back, and no other text of so few
// digits does. nullptr for all else.
char* write_short_decimal(char* to, double value) {
  constexpr double kUnit = 10'000;
  constexpr double kUnitsMax = 1e15;
  const double magnitude = std::fabs(value);
  const double units = magnitude * kUnit + 0.5;
  if (!(units < kUnitsMax)) return nullptr;
  const auto whole_units = static_cast<std::uint64_t>(units);
  if (static_cast<double>(whole_units) / kUnit != magnitude) return nullptr;
  if (std::signbit(value)) *to++ = '-';
  to = write_unsigned(to, whole_units / 10'000);
  *to++ = '.';
  to = write_four(to, static_cast<std::uint32_t>(whole_units % 10'000));
  for (int i = 0; i < 3 && to[-1] == '0'; ++i) --to;
  return to;
}

// Whole numbers below 2^24, where floats lie one apart: nothing shorter than the integer is one.
char* write_short_decimal(char* to, float value) {
  constexpr float kExactMax = 16'777'216;
  if (!(std::fabs(value) < kExactMax) || value != std::trunc(value)) return nullptr;
  return write_short_decimal(to, static_cast<double>(value));
}

template <typename T>
char* write_floating(char* to, T value) {
  if (char* const end = write_short_decimal(to, value)) return end;
  if (!std::isfinite(value)) {
    std::memcpy(to, "null", 4);
    return to + 4;
  }
  char* const end = std::to_chars(to, to + kDoubleTextMax, value).ptr;
  for (const char* at = to; at != end; ++at) {
    if (*at == '.' || *at == 'e') return end;
  }
  std::memcpy(end, ".0", 2);  // a whole number: keep it told from an integer
  return end + 2;
}

constexpr std::int64_t kSecondsPerDay = 86'400;

char* write_civil_date(char* to, std::int64_t days) {
  const CivilDate date = civil_date(days);
  to = write_four(to, static_cast<std::uint32_t>(date.year));
  *to++ = '-';
  to = write_pair(to, date.month);
  *to++ = '-';
  return write_pair(to, date.day);
}

// ".5" of 500 thousandths; nothing of none. Trailing zeros are left out.
char* write_fraction(char* to, std::uint32_t fraction, std::uint32_t units_per_second) {
  if (fraction == 0) return to;
  *to++ = '.';
  for (std::uint32_t unit = units_per_second / 10; fraction != 0; unit /= 10) {
    *to++ = static_cast<char>('0' + fraction / unit);
    fraction %= unit;
  }
  return to;
}

char* write_time_of_day(char* to, std::uint32_t seconds, std::uint32_t fraction,
                        std::uint32_t units_per_second) {
  to = write_pair(to, seconds / 3600);
  *to++ = ':';
  to = write_pair(to, seconds / 60 % 60);
  *to++ = ':';
  to = write_pair(to, seconds % 60);
  return write_fraction(to, fraction, units_per_second);
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace

char* write_unsigned(char* to, std::uint64_t value) {
  constexpr std::uint64_t kEight = 100'000'000;
  if (value < kEight) return write_up_to_eight(to, static_cast<std::uint32_t>(value));
  const std::uint64_t high = value / kEight;
  const std::uint64_t low =
      eight_digits(static_cast<std::uint32_t>(value - high * kEight)) | kZeros;
  if (high >= kEight) {
    to = write_up_to_eight(to, static_cast<std::uint32_t>(high / kEight));
    to = write_eight(to, static_cast<std::uint32_t>(high % kEight));
  } else {
    to = write_up_to_eight(to, static_cast<std::uint32_t>(high));
  }
  std::memcpy(to, &low, sizeof low);
  return to + 8;
}

char* write_double(char* to, double value) { return write_floating(to, value); }
char* write_float(char* to, float value) { return write_floating(to, value); }

char* write_date(char* to, std::int64_t days) {
  if (days < kFirstCivilDay || days > kLastCivilDay) return write_long(to, days);
  *to++ = '"';
  to = write_civil_date(to, days);
  *to++ = '"';
  return to;
}

char* write_time(char* to, std::int64_t value, std::uint32_t units_per_second) {
  if (value < 0 || value >= kSecondsPerDay * units_per_second) return write_long(to, value);
  *to++ = '"';
  to = write_time_of_day(to, static_cast<std::uint32_t>(value / units_per_second),
                         static_cast<std::uint32_t>(value % units_per_second), units_per_second);
  *to++ = '"';
  return to;
}

char* write_timestamp(char* to, std::int64_t value, std::uint32_t units_per_second, bool local) {
  const std::int64_t seconds = floor_div(value, units_per_second);
  const std::int64_t days = floor_div(seconds, kSecondsPerDay);
  if (days < kFirstCivilDay || days > kLastCivilDay) return write_long(to, value);
  const auto fraction =
      static_cast<std::uint32_t>((value % units_per_second + units_per_second) % units_per_second);
  *to++ = '"';
  to = write_civil_date(to, days);
  *to++ = 'T';
  to = write_time_of_day(to, static_cast<std::uint32_t>(seconds - days * kSecondsPerDay), fraction,
                         units_per_second);
  if (!local) *to++ = 'Z';
  *to++ = '"';
  return to;
}

char* write_uuid(char* to, const std::uint8_t* bytes) {
  *to++ = '"';
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
    *to++ = kHex[bytes[i] >> 4];
    *to++ = kHex[bytes[i] & 15];
  }
  *to++ = '"';
  return to;
}

char* write_duration(char* to, const std::uint8_t* bytes) {
  const auto months = load<std::uint32_t>(bytes);
  const auto days = load<std::uint32_t>(bytes + 4);
  const auto milliseconds = load<std::uint32_t>(bytes + 8);
  *to++ = '"';
  *to++ = 'P';
  if (months != 0) {
    to = write_unsigned(to, months);
    *to++ = 'M';
  }
  if (days != 0) {
    to = write_unsigned(to, days);
    *to++ = 'D';
  }
  if (milliseconds != 0 || (months == 0 && days == 0)) {
    *to++ = 'T';
    to = write_unsigned(to, milliseconds / 1000);
    to = write_fraction(to, milliseconds % 1000, 1000);
    *to++ = 'S';
  }
  *to++ = '"';
  return to;
}

void append_decimal(Buffer& out, Bytes bytes, std::uint32_t scale) {
  if (bytes.size() > kDecimalBytesMax) {
    out.append('"');
    append_base64(out, bytes);
    out.append('"');
    return;
  }
  // The magnitude in 32-bit limbs, lowest first.
  std::array<std::uint32_t, kDecimalBytesMax / 4 + 1> limbs;  // NOLINT: filled below
  const bool negative = !bytes.empty() && (bytes.front() & 0x80) != 0;
  std::size_t size = (bytes.size() + 3) / 4;
  for (std::size_t i = 0; i < size; ++i) limbs[i] = negative ? 0xFFFF'FFFF : 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint32_t byte = bytes[bytes.size() - 1 - i];
    const std::uint32_t shift = 8 * (i % 4);
    limbs[i / 4] = (limbs[i / 4] & ~(std::uint32_t{0xFF} << shift)) | byte << shift;
  }
  if (negative) {
    std::uint64_t carry = 1;
    for (std::size_t i = 0; i < size; ++i) {
      carry += static_cast<std::uint32_t>(~limbs[i]);
      limbs[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32;
    }
  }
  // Digits from the last: nine at a time by division, 9.64 for each limb.
  std::array<char, (kDecimalBytesMax / 4 + 1) * 10 + 9> digits;  // NOLINT: filled below
  std::size_t first = digits.size();
  constexpr std::uint32_t kNine = 1'000'000'000;
  while (size > 0) {
    std::uint64_t rest = 0;
    for (std::size_t i = size; i-- > 0;) {
      rest = rest << 32 | limbs[i];
      limbs[i] = static_cast<std::uint32_t>(rest / kNine);
      rest %= kNine;
    }
    while (size > 0 && limbs[size - 1] == 0) --size;
    for (int i = 0; i < 9; ++i, rest /= 10) {
      digits[--first] = static_cast<char>('0' + rest % 10);
    }
  }
  while (first < digits.size() && digits[first] == '0') ++first;
  const std::string_view number(digits.data() + first, digits.size() - first);

  const std::size_t whole = number.size() > scale ? number.size() - scale : 0;
  char* to = out.reserve(number.size() + scale + 8);
  char* const start = to;
  *to++ = '"';
  if (negative) *to++ = '-';
  if (whole == 0) *to++ = '0';
  std::memcpy(to, number.data(), whole);
  to += whole;
  if (scale != 0) {
    *to++ = '.';
    const std::size_t zeros = scale - (number.size() - whole);
    std::memset(to, '0', zeros);
    to += zeros;
    std::memcpy(to, number.data() + whole, number.size() - whole);
    to += number.size() - whole;
  }
  *to++ = '"';
  out.commit(static_cast<std::size_t>(to - start));
}

}  // namespace push_cache::avro
