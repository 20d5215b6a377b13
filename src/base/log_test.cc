#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace push_cache {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;

// What `write` puts on stderr in this format.
template <typename Write>
std::string written(LogFormat format, const Write& write) {
  set_log_format(format);
  testing::internal::CaptureStderr();
  write();
  set_log_format(LogFormat::kText);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, LevelsPerComponent) {
  ASSERT_TRUE(set_log_levels("error,kafka=debug,http=OFF").ok());
  EXPECT_EQ(log("kafka").level(), spdlog::level::debug);
  EXPECT_EQ(log("http").level(), spdlog::level::off);
  EXPECT_EQ(log("other").level(), spdlog::level::err);
  ASSERT_TRUE(set_log_levels("").ok());
  EXPECT_EQ(log("kafka").level(), spdlog::level::warn) << "loggers made earlier follow";
}

TEST(Log, AnUnknownLevelIsRefusedByNameAndChangesNothing) {
  ASSERT_TRUE(set_log_levels("info").ok());
  const Status status = set_log_levels("kafka=loud");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().public_text.find("kafka=loud"), std::string::npos);
  EXPECT_EQ(log("kafka").level(), spdlog::level::info);
  ASSERT_TRUE(set_log_levels("").ok());
}

constexpr std::string_view kAwful =
    "a\nb\tc\"d\\e\x01\x1b[31m \xff\xc3 \xc2\x9bz\x7f \xe2\x82\xac=";

TEST(Log, TextIsOneReadableLineAnEvent) {
  const auto lines = [](std::string_view message, std::initializer_list<LogField> fields) {
    return written(LogFormat::kText,
                   [&] { log_event(log("test"), spdlog::level::warn, message, fields); });
  };
  EXPECT_THAT(lines("a message", {}),
              ContainsRegex("^[0-9-]+T[0-9:.]+[+-][0-9:]+ warning test: a message\n$"));
  EXPECT_THAT(lines("request", {{"status", 200},
                                {"seconds", 0.25},
                                {"path", "/api/users"},
                                {"agent", "a b"},
                                {"empty", ""},
                                {"minus", std::int64_t{-1}}}),
              EndsWith(" test: request status=200 seconds=0.25 path=/api/users agent=\"a b\" "
                       "empty=\"\" minus=-1\n"));
  EXPECT_THAT(
      lines(kAwful, {{"value", kAwful}, {"new_line", "a\nb"}, {"accent", "\xc3\xa9"}}),
      EndsWith(" test: a\\nb\\tc\"d\\e\\u0001\\u001b[31m \uFFFD\uFFFD \uFFFDz\uFFFD \u20AC= "
               "value=\"a\\nb\\tc\\\"d\\\\e\\u0001\\u001b[31m \uFFFD\uFFFD "
               "\uFFFDz\uFFFD \u20AC=\" new_line=\"a\\nb\" accent=\u00E9\n"));
}

TEST(Log, JsonIsOneObjectALine) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  const std::string line = written(LogFormat::kJson, [] {
    log_event(log("test"), spdlog::level::err, kAwful,
              {{"status", 200}, {"seconds", 0.25}, {"odd", kInfinite}, {"value", kAwful}});
  });
  const std::string awful =
      "\"a\\nb\\tc\\\"d\\\\e\\u0001\\u001b[31m \uFFFD\uFFFD \uFFFDz\uFFFD \u20AC=\"";
  EXPECT_THAT(line, ContainsRegex("^\\{\"time\":\"[0-9-]+T[0-9:.]+[+-][0-9:]+\",\"level\":"));
  EXPECT_THAT(line,
              EndsWith(",\"level\":\"error\",\"component\":\"test\",\"message\":" + awful +
                       ",\"status\":200,\"seconds\":0.25,\"odd\":null,\"value\":" + awful + "}\n"));
}

TEST(Log, OrdinaryCallsAreWrittenAlike) {
  const std::string line =
      written(LogFormat::kJson, [] { log("test").warn("{} and {}", "a\nb", 1); });
  EXPECT_THAT(line, EndsWith("\"message\":\"a\\nb and 1\"}\n"));
}

TEST(Log, NothingIsWrittenBelowTheLevel) {
  const std::string none = written(LogFormat::kText, [] {
    log_event(log("test"), spdlog::level::info, "no", {{"a", 1}});
  });
  EXPECT_EQ(none, "");
}

}  // namespace
}  // namespace push_cache
