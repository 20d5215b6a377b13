#include "metrics/durations.h"

#include <gtest/gtest.h>

#include <chrono>

namespace push_cache::metrics {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::int64_t, 3> kBoundsUs{10, 100, 1'000};

TEST(Durations, FallIntoTheirBuckets) {
  DurationCounter<kBoundsUs> counter;
  for (const auto duration : {0ns, 10'000ns, 10'001ns, 100'000ns, 1'000'000ns, 1'000'001ns}) {
    counter.add(duration);
  }
  const auto durations = counter.read();
  EXPECT_EQ(durations.counts, (std::array<std::uint64_t, 4>{2, 2, 1, 1}));
  EXPECT_EQ(durations.total(), 6u);
  EXPECT_EQ(durations.sum, 2'120'002ns);
}

TEST(Durations, AddUpAndHaveDifferences) {
  DurationCounter<kBoundsUs> counter;
  counter.add(5us);
  const auto before = counter.read();
  counter.add(50us);
  counter.add(5s);
  auto after = counter.read();
  EXPECT_EQ(after.since(before).counts, (std::array<std::uint64_t, 4>{0, 1, 0, 1}));
  EXPECT_EQ(after.since(before).sum, 5s + 50us);
  after += before;
  EXPECT_EQ(after.counts, (std::array<std::uint64_t, 4>{2, 1, 0, 1}));
  EXPECT_EQ(after.sum, 5s + 60us);
}

TEST(Durations, HaveTheQuantilesThatPrometheusWouldHave) {
  DurationCounter<kBoundsUs> counter;
  EXPECT_EQ(counter.read().quantile_us(0.5), std::nullopt);
  for (int i = 0; i < 10; ++i) counter.add(20us);
  EXPECT_DOUBLE_EQ(*counter.read().quantile_us(0.5), 55);
  EXPECT_DOUBLE_EQ(*counter.read().quantile_us(1), 100);
  for (int i = 0; i < 10; ++i) counter.add(1us);
  EXPECT_DOUBLE_EQ(*counter.read().quantile_us(0.25), 5);
  EXPECT_DOUBLE_EQ(*counter.read().quantile_us(0.75), 55);
  counter.add(1h);
  EXPECT_DOUBLE_EQ(*counter.read().quantile_us(0.999), 1'000) << "the last bound";
}

}  // namespace
}  // namespace push_cache::metrics
