#include "http/date.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <limits>
#include <random>
#include <string>

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

}  // namespace
}  // namespace push_cache::http
