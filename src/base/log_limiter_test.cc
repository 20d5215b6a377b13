#include "base/log_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace push_cache {
namespace {

using namespace std::chrono_literals;

struct TestClock {
  std::chrono::steady_clock::time_point now{};
  LogLimiter::Clock clock() {
    return [this] { return now; };
  }
};

TEST(LogLimiter, OneLineAnIntervalThatSaysHowManyWereLeftOut) {
  TestClock time;
  LogLimiter limiter("test", time.clock());
  EXPECT_EQ(limiter.pass("a"), "");
  for (int i = 0; i < 17; ++i) EXPECT_EQ(limiter.pass("a"), std::nullopt);
  time.now += LogLimiter::kInterval - 1ns;
  EXPECT_EQ(limiter.pass("a"), std::nullopt);
  time.now += 1ns;
  EXPECT_EQ(limiter.pass("a"), " (18 more like this in the last 10 s)");
  EXPECT_EQ(limiter.pass("a"), std::nullopt);
  time.now += 1h;
  EXPECT_EQ(limiter.pass("a"), " (1 more like this in the last 3600 s)");
  time.now += 10s;
  EXPECT_EQ(limiter.pass("a"), "") << "nothing was left out";
}

TEST(LogLimiter, KeysDoNotHideEachOther) {
  TestClock time;
  LogLimiter limiter("test", time.clock());
  EXPECT_EQ(limiter.pass("a"), "");
  EXPECT_EQ(limiter.pass("b"), "");
  EXPECT_EQ(limiter.pass("a"), std::nullopt);
  EXPECT_EQ(limiter.pass(), "");
  time.now += 10s;
  EXPECT_EQ(limiter.pass("b"), "");
  EXPECT_EQ(limiter.pass("a"), " (1 more like this in the last 10 s)");
}

TEST(LogLimiter, KeysBeyondTheCapShareALineUntilThereIsRoom) {
  TestClock time;
  LogLimiter limiter("test", time.clock());
  EXPECT_EQ(limiter.pass(), "");
  for (std::size_t i = 1; i < LogLimiter::kKeysMax; ++i) {
    ASSERT_EQ(limiter.pass(std::to_string(i)), "");
  }
  EXPECT_EQ(limiter.pass("one more"), std::nullopt);
  time.now += 10s;
  EXPECT_EQ(limiter.pass("one more"), "") << "old keys make room";
  EXPECT_EQ(limiter.pass("one more"), std::nullopt);
}

TEST(LogLimiter, WritesTheLineThatPasses) {
  TestClock time;
  LogLimiter limiter("test", time.clock());
  ASSERT_TRUE(set_log_levels("warn").ok());
  testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) limiter.log("", spdlog::level::info, "unseen {}", i);
  for (int i = 0; i < 3; ++i) limiter.log("", spdlog::level::warn, "attempt {}", i);
  time.now += 10s;
  limiter.log("", spdlog::level::warn, "attempt {}", 3);
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_NE(lines.find(" warning test: attempt 0\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find(" warning test: attempt 3 (2 more like this in the last 10 s)\n"),
            std::string::npos)
      << lines;
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
}

TEST(LogLimiter, ManyThreadsLoseNoCount) {
  std::atomic<std::int64_t> seconds = 0;
  LogLimiter limiter("test",
                     [&] { return std::chrono::steady_clock::time_point(seconds.load() * 1s); });
  constexpr int kThreads = 4;
  constexpr int kCalls = 5000;
  std::atomic<int> written = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        if (limiter.pass("a")) ++written;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(written, 1);
  seconds = 10;
  EXPECT_EQ(limiter.pass("a"),
            " (" + std::to_string(kThreads * kCalls - 1) + " more like this in the last 10 s)");
}

}  // namespace
}  // namespace push_cache
