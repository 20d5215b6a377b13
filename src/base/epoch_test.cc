#include "base/epoch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace push_cache::epoch {
namespace {

TEST(Epoch, NothingIsSafeWhileAnOlderPinLives) {
  Advance unlinked{};
  {
    const Pin outer;
    {
      const Pin inner;  // nested: the outer one still counts
    }
    unlinked = advance();
    EXPECT_LT(unlinked.safe, unlinked.epoch);
    EXPECT_LT(advance().safe, unlinked.epoch);
  }
  EXPECT_GE(advance().safe, unlinked.epoch);
}

TEST(Epoch, APinThatBeganLaterHoldsNothingBack) {
  const Advance unlinked = advance();
  const Pin later;
  EXPECT_GE(advance().safe, unlinked.epoch);
}

TEST(Epoch, OtherThreadsPinsCountAndEndWithThem) {
  std::atomic<int> stage = 0;
  std::thread reader([&stage] {
    const Pin pin;
    stage = 1;
    stage.notify_all();
    stage.wait(1);
  });
  stage.wait(0);
  const Advance unlinked = advance();
  EXPECT_LT(unlinked.safe, unlinked.epoch);
  stage = 2;
  stage.notify_all();
  reader.join();
  EXPECT_GE(advance().safe, unlinked.epoch);
}

}  // namespace
}  // namespace push_cache::epoch
