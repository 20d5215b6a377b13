#include "ingest/freshness.h"

#include <gtest/gtest.h>

namespace push_cache::ingest {
namespace {

using namespace std::chrono_literals;
using Time = Freshness::Time;

constexpr Time at(std::chrono::seconds seconds) { return Time(seconds); }

TEST(Freshness, AnIdlePartitionIsAsFreshAsTheLatestAnswer) {
  Freshness freshness(at(0s));
  EXPECT_EQ(freshness.as_of(Offset(10)), at(0s));
  freshness.heard(at(1s), Offset(10));
  EXPECT_EQ(freshness.as_of(Offset(10)), at(1s));
  freshness.heard(at(2s), Offset(10));
  EXPECT_EQ(freshness.as_of(Offset(10)), at(2s));
}

TEST(Freshness, ALeaderThatDoesNotAnswerMakesNothingFresher) {
  Freshness freshness(at(0s));
  freshness.heard(at(1s), Offset(10));
  EXPECT_EQ(freshness.as_of(Offset(10)), at(1s));
  EXPECT_EQ(freshness.as_of(Offset(500)), at(1s));
}

TEST(Freshness, AReaderThatLagsIsAsFreshAsTheLastEndThatItReached) {
  Freshness freshness(at(0s));
  for (int second = 1; second <= 10; ++second) {
    freshness.heard(at(std::chrono::seconds(second)), Offset(second * 100));
  }
  EXPECT_EQ(freshness.as_of(Offset(99)), at(0s));
  EXPECT_EQ(freshness.as_of(Offset(100)), at(1s));
  EXPECT_EQ(freshness.as_of(Offset(799)), at(7s));
  EXPECT_EQ(freshness.as_of(Offset(5000)), at(10s));
}

TEST(Freshness, AnEndThatStaysIsTheSameEndLater) {
  Freshness freshness(at(0s));
  freshness.heard(at(1s), Offset(100));
  freshness.heard(at(5s), Offset(100));
  EXPECT_EQ(freshness.as_of(Offset(99)), at(0s));
  EXPECT_EQ(freshness.as_of(Offset(100)), at(5s));
}

TEST(Freshness, NeverClaimsMoreThanItKnowsHoweverLongItLags) {
  Freshness freshness(at(0s));
  for (int second = 1; second <= 10'000; ++second) {
    freshness.heard(at(std::chrono::seconds(second)), Offset(second));
  }
  for (int position = 0; position <= 10'000; position += 7) {
    EXPECT_LE(freshness.as_of(Offset(position)), at(std::chrono::seconds(position)));
  }
  EXPECT_EQ(freshness.as_of(Offset(10'000)), at(10'000s));
}

}  // namespace
}  // namespace push_cache::ingest
