#include "http/date.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <limits>
#include <random>
#include <string>

#include "base/civil_date.h"

namespace push_cache::http {
namespace {

// By the C library.
std::string expected(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b ", &parts);
  const int rest = std::snprintf(text + size, sizeof text - size, "%04d %02d:%02d:%02d GMT",
                                 parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return std::string(text, size + static_cast<std::size_t>(rest));
}

TEST(HttpDate, TheExampleOfTheStandard) {
  EXPECT_EQ(HttpDate(784'111'777).view(), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(HttpDate, EveryDayOfEightHundredYears) {
  for (std::int64_t day = -146'097; day < 146'097; ++day) {
    const std::int64_t second = day * 86'400 + (day & 0xffff);
    ASSERT_EQ(HttpDate(second).view(), expected(second)) << second;
  }
}

TEST(HttpDate, AnySecond) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::int64_t> seconds(-62'167'219'200, 253'402'300'799);
  for (int i = 0; i < 100'000; ++i) {
    const std::int64_t second = seconds(random);
    ASSERT_EQ(HttpDate(second).view(), expected(second)) << second;
  }
}

TEST(HttpDate, WhatNoDateCanSayIsTheNearest) {
  using Limits = std::numeric_limits<std::int64_t>;
  EXPECT_EQ(HttpDate(Limits::min()).view(), "Sat, 01 Jan 0000 00:00:00 GMT");
  EXPECT_EQ(HttpDate(Limits::max()).view(), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(ParseHttpDate, TheThreeFormsOfTheStandard) {
  constexpr std::int64_t kNow = 1'700'000'000;
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(text, kNow), 784'111'777) << text;
  }
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 23:59:60 GMT", kNow), 1'709'251'200);
  EXPECT_EQ(parse_http_date("Sat Nov 16 00:00:00 2024", kNow), 1'731'715'200);
}

TEST(ParseHttpDate, AYearOfTwoDigitsIsAtMostFiftyYearsAhead) {
  const auto year = [](const std::string& two, std::int64_t now) {
    const auto found = parse_http_date("Sunday, 01-Jan-" + two + " 00:00:00 GMT", now);
    return found ? std::string(HttpDate(*found).view().substr(12, 4)) : "none";
  };
  constexpr std::int64_t kIn2023 = 1'700'000'000;
  EXPECT_EQ(year("73", kIn2023), "2073");
  EXPECT_EQ(year("74", kIn2023), "1974");
  EXPECT_EQ(year("00", kIn2023), "2000");
  EXPECT_EQ(year("99", std::numeric_limits<std::int64_t>::min()), "0000") << "a clock at no time";
}

TEST(ParseHttpDate, WhatIsNoDate) {
  for (const char* text : {"",
                           "now",
                           "0",
                           "1994-11-06T08:49:37Z",
                           "Sun, 06 Nov 1994 08:49:37",
                           "Sun, 06 Nov 1994",
                           "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 06 Nov 1994 08:49:37 GMT ",
                           "sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sun, 06 anF 1994 08:49:37 GMT",
                           "Sun, 00 Nov 1994 08:49:37 GMT",
                           "Sun, 31 Nov 1994 08:49:37 GMT",
                           "Wed, 29 Feb 2023 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:49:37 GMT",
                           "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 06 Nov 1994 08:49:61 GMT",
                           "Sun, 06 Nov -994 08:49:37 GMT",
                           "Sunday, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06-Nov-94 08:49:37 GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT",
                           "Sun Nov 6 08:49:37 1994",
                           "Sun Nov  6 08:49:37 94",
                           "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parse_http_date(text, 1'700'000'000), std::nullopt) << text;
  }
}

TEST(ParseHttpDate, ReadsWhatIsWritten) {
  for (std::int64_t day = kFirstCivilDay; day <= kLastCivilDay; day += 7) {
    const std::int64_t second = day * 86'400 + (day & 0xffff);
    ASSERT_EQ(parse_http_date(HttpDate(second).view(), 0), second) << second;
  }
}

}  // namespace
}  // namespace push_cache::http
