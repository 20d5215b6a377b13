#include "http/wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <vector>

namespace push_cache::http {
namespace {

struct Entry : WheelEntry {
  int number = 0;
};

TEST(Wheel, HandsOutWhatHasExpiredAndNothingElse) {
  Wheel wheel(10, 0);
  Entry a, b, never;
  a.number = 1;
  b.number = 2;
  wheel.add(a, 25);
  wheel.add(b, 100);
  wheel.add(never, kNoDeadline);
  std::vector<int> out;
  const auto take = [&](WheelEntry& entry) { out.push_back(static_cast<Entry&>(entry).number); };
  wheel.advance(24, take);
  EXPECT_TRUE(out.empty());
  wheel.advance(40, take);
  EXPECT_EQ(out, std::vector<int>{1});
  EXPECT_EQ(a.deadline_ms(), kNoDeadline);
  wheel.advance(110, take);
  EXPECT_EQ(out, (std::vector<int>{1, 2}));
  wheel.advance(1'000'000, take);
  EXPECT_EQ(out.size(), 2u);
}

TEST(Wheel, MovesDeadlinesLaterAndEarlier) {
  Wheel wheel(10, 0);
  Entry a;
  wheel.add(a, 50);
  wheel.set(a, 500);
  int count = 0;
  const auto take = [&](WheelEntry&) { ++count; };
  wheel.advance(400, take);
  EXPECT_EQ(count, 0);
  wheel.set(a, 420);
  wheel.advance(430, take);
  EXPECT_EQ(count, 1);
}

// Against a plain list of deadlines: each is handed out no earlier than due and at most a tick
// late.
TEST(Wheel, AgreesWithAPlainList) {
  std::mt19937 random(20261123);
  constexpr std::int64_t kTick = 7;
  Wheel wheel(kTick, 1000);
  std::vector<std::unique_ptr<Entry>> entries;
  for (int i = 0; i < 500; ++i) {
    entries.push_back(std::make_unique<Entry>());
    wheel.add(*entries.back(), kNoDeadline);
  }
  std::int64_t now = 1000;
  std::size_t handed_out = 0;
  for (int step = 0; step < 20'000; ++step) {
    Entry& entry = *entries[random() % entries.size()];
    switch (random() % 4) {
      case 0:
        wheel.set(entry, now + 1 + static_cast<std::int64_t>(random() % 5000));
        break;
      case 1:
        wheel.set(entry, now + 1 + static_cast<std::int64_t>(random() % 50));
        break;
      case 2:
        wheel.set(entry, kNoDeadline);
        break;
      default: {
        now += static_cast<std::int64_t>(random() % 40);
        wheel.advance(now, [&](WheelEntry&) { ++handed_out; });
        for (const auto& each : entries) {
          ASSERT_GT(each->deadline_ms(), now - kTick) << "step " << step;
        }
      }
    }
  }
  EXPECT_GT(handed_out, 1000u);
}

}  // namespace
}  // namespace push_cache::http
