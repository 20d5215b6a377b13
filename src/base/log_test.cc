#include "base/log.h"

#include <gtest/gtest.h>

namespace push_cache {
namespace {

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

}  // namespace
}  // namespace push_cache
