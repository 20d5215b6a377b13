// Numbers, dates and decimals as text, against the standard library and against slow arithmetic.
#include "avro/format.h"

#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace push_cache::avro {
namespace {

template <typename Write>
std::string text_of(Write write) {
  char place[128];
  return {place, write(place)};
}

std::string long_text(std::int64_t value) {
  return text_of([=](char* to) { return write_long(to, value); });
}
std::string double_text(double value) {
  return text_of([=](char* to) { return write_double(to, value); });
}
std::string float_text(float value) {
  return text_of([=](char* to) { return write_float(to, value); });
}

TEST(Format, IntegersOfEveryLength) {
  std::vector<std::int64_t> values = {0, std::numeric_limits<std::int64_t>::max(),
                                      std::numeric_limits<std::int64_t>::min()};
  for (std::int64_t power = 1; power <= 1'000'000'000'000'000'000 / 10; power *= 10) {
    for (const std::int64_t near : {power * 10 - 1, power * 10, power * 10 + 1}) {
      values.push_back(near);
      values.push_back(-near);
    }
  }
  for (std::int64_t value = 0; value < 100'000; ++value) values.push_back(value * 10'007);
  for (const std::int64_t value : values) EXPECT_EQ(long_text(value), std::to_string(value));
}

TEST(Format, EveryGroupOfFourDigits) {
  for (std::int64_t value = 0; value < 10'000; ++value) {
    const std::int64_t both = 1'0000'0000 + value * 10'000 + (9'999 - value);
    EXPECT_EQ(long_text(both), std::to_string(both));
  }
}

// Each text is JSON, reads back to the same number, and is no longer than the shortest but for a
// fraction that tells it from an integer.
TEST(Format, DoublesReadBack) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<double> values = {0.0,    -0.0,   0.1,    100.0,  1e5,     1e13,    99999999999.9999,
                                1e11,   1e15,   1e16,   1e21,   1e22,    1e-4,    1e-5,
                                0.0001, 1.0005, 5e-324, 2.5e-5, 123.456, 0.00005, 1e300};
  for (int i = 0; i < 50'000; ++i) {
    std::uint64_t bits = random();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    values.push_back(value);
    values.push_back(static_cast<double>(random() % 100'000'000) / 10'000);
    values.push_back(std::nextafter(static_cast<double>(random() % 1'000'000) / 100, 1e9));
    values.push_back(-static_cast<double>(random() >> (random() % 64)));
  }
  for (const double value : values) {
    const std::string text = double_text(value);
    if (!std::isfinite(value)) {
      EXPECT_EQ(text, "null");
      continue;
    }
    const double back = std::strtod(text.c_str(), nullptr);
    EXPECT_EQ(std::memcmp(&back, &value, sizeof value), 0) << text;
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text;
    char shortest[64];
    const auto digits = [](std::string number) {
      number = number.substr(0, number.find('e'));
      std::erase_if(number, [](char c) { return c < '0' || c > '9'; });
      number.erase(0, std::min(number.find_first_not_of('0'), number.size()));
      number.erase(number.find_last_not_of('0') + 1);
      return number;
    };
    const std::string scientific(shortest, std::to_chars(shortest, shortest + sizeof shortest,
                                                         value, std::chars_format::scientific)
                                               .ptr);
    if (std::fabs(value) < 1e15) {
      EXPECT_EQ(digits(text), digits(scientific)) << text;
    }
  }
  EXPECT_EQ(double_text(100), "100.0");
  EXPECT_EQ(double_text(100'000), "100000.0");
  EXPECT_EQ(double_text(-0.5), "-0.5");
  EXPECT_EQ(double_text(1.05), "1.05");
  EXPECT_EQ(double_text(0.0001), "0.0001");
}

TEST(Format, FloatsReadBack) {
  for (std::uint64_t step = 0; step < (std::uint64_t{1} << 32); step += 40'009) {
    const auto bits = static_cast<std::uint32_t>(step);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    const std::string text = float_text(value);
    if (!std::isfinite(value)) {
      EXPECT_EQ(text, "null");
      continue;
    }
    const float back = std::strtof(text.c_str(), nullptr);
    EXPECT_EQ(std::memcmp(&back, &value, sizeof value), 0) << text;
  }
  EXPECT_EQ(float_text(16'777'215), "16777215.0");
  EXPECT_EQ(float_text(-2.5F), "-2.5");
}

TEST(Format, EveryDayOfTenThousandYears) {
  using namespace std::chrono;  // NOLINT
  const sys_days first = year{0} / January / 1;
  const sys_days last = year{9999} / December / 31;
  for (sys_days day = first; day <= last; day += days{1}) {
    const year_month_day date(day);
    char expected[48];
    std::snprintf(expected, sizeof expected, "\"%04d-%02u-%02u\"", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    const auto number = day.time_since_epoch().count();
    ASSERT_EQ(text_of([=](char* to) { return write_date(to, number); }), expected);
  }
  const auto outside = [](std::int64_t number) {
    return text_of([=](char* to) { return write_date(to, number); });
  };
  EXPECT_EQ(outside(first.time_since_epoch().count() - 1), "-719529");
  EXPECT_EQ(outside(last.time_since_epoch().count() + 1), "2932897");
}

TEST(Format, TimestampsAtTheirEnds) {
  const auto timestamp = [](std::int64_t value, std::uint32_t units) {
    return text_of([=](char* to) { return write_timestamp(to, value, units, false); });
  };
  EXPECT_EQ(timestamp(1'708'000'000'500, 1000), R"("2024-02-15T12:26:40.5Z")");
  EXPECT_EQ(timestamp(253'402'300'799'999, 1000), R"("9999-12-31T23:59:59.999Z")");
  EXPECT_EQ(timestamp(253'402'300'800'000, 1000), "253402300800000");
  EXPECT_EQ(timestamp(-62'167'219'200'000, 1000), R"("0000-01-01T00:00:00Z")");
  EXPECT_EQ(timestamp(-62'167'219'200'001, 1000), "-62167219200001");
  EXPECT_EQ(timestamp(std::numeric_limits<std::int64_t>::min(), 1'000'000'000),
            R"("1677-09-21T00:12:43.145224192Z")");
  EXPECT_EQ(timestamp(std::numeric_limits<std::int64_t>::max(), 1'000'000'000),
            R"("2262-04-11T23:47:16.854775807Z")");
  const auto time = [](std::int64_t value) {
    return text_of([=](char* to) { return write_time(to, value, 1000); });
  };
  EXPECT_EQ(time(86'399'999), R"("23:59:59.999")");
  EXPECT_EQ(time(86'400'000), "86400000");
}

// Digit by digit from the bytes: times 256, plus the next.
std::string slow_decimal(std::vector<std::uint8_t> bytes, std::size_t scale) {
  const bool negative = !bytes.empty() && bytes[0] >= 0x80;
  if (negative) {
    int carry = 1;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      const int sum = (bytes[i] ^ 0xFF) + carry;
      bytes[i] = static_cast<std::uint8_t>(sum);
      carry = sum >> 8;
    }
  }
  std::string digits = "0";
  for (const std::uint8_t byte : bytes) {
    int carry = byte;
    for (std::size_t i = digits.size(); i-- > 0;) {
      carry += (digits[i] - '0') * 256;
      digits[i] = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
    for (; carry > 0; carry /= 10) digits.insert(0, 1, static_cast<char>('0' + carry % 10));
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.size() < scale + 1) digits.insert(0, scale + 1 - digits.size(), '0');
  if (scale != 0) digits.insert(digits.size() - scale, 1, '.');
  return "\"" + std::string(negative ? "-" : "") + digits + "\"";
}

TEST(Format, DecimalsOfEveryLength) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (std::size_t size = 0; size < 70; ++size) {
    for (int round = 0; round < 20; ++round) {
      std::vector<std::uint8_t> bytes(size);
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
      if (round == 0) std::fill(bytes.begin(), bytes.end(), 0);
      if (round == 1) std::fill(bytes.begin(), bytes.end(), 0xFF);
      if (round == 2 && size != 0) std::fill(bytes.begin() + 1, bytes.end(), 0), bytes[0] = 0x80;
      const auto scale = static_cast<std::uint32_t>(random() % 30);
      Buffer out;
      append_decimal(out, bytes, scale);
      EXPECT_EQ(out.view(), slow_decimal(bytes, scale));
    }
  }
  std::vector<std::uint8_t> longest(kDecimalBytesMax, 0x7F);
  Buffer out;
  append_decimal(out, longest, 4096);
  EXPECT_EQ(out.view(), slow_decimal(longest, 4096));
  longest.push_back(0);
  out.clear();
  append_decimal(out, longest, 0);
  EXPECT_EQ(out.view().substr(0, 5), "\"f39/");  // base64
}

}  // namespace
}  // namespace push_cache::avro
