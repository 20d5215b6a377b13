#include "ingest/catch_up.h"

#include <gtest/gtest.h>

namespace push_cache::ingest {
namespace {

using kafka::TopicPartition;

constexpr TopicPartition kFirst{0, Partition(0)};
constexpr TopicPartition kSecond{0, Partition(1)};
constexpr TopicPartition kOther{1, Partition(0)};

TEST(CatchUp, NothingKnownIsNotCaughtUp) {
  CatchUp catch_up(1);
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.add(kFirst, Offset(0), Offset(0));
  EXPECT_FALSE(catch_up.caught_up()) << "the topic may have more partitions";
  catch_up.topic_complete(0);
  EXPECT_TRUE(catch_up.caught_up());
}

TEST(CatchUp, EveryPartitionOfEveryTopicCounts) {
  CatchUp catch_up(2);
  catch_up.add(kFirst, Offset(0), Offset(10));
  catch_up.add(kSecond, Offset(5), Offset(5));
  catch_up.topic_complete(0);
  catch_up.advance(kFirst, Offset(10));
  EXPECT_TRUE(catch_up.caught_up(kFirst));
  EXPECT_FALSE(catch_up.caught_up()) << "topic 1 is unknown";
  catch_up.add(kOther, Offset(0), Offset(1));
  catch_up.topic_complete(1);
  catch_up.topic_complete(1);
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.advance(kOther, Offset(1));
  EXPECT_TRUE(catch_up.caught_up());
}

TEST(CatchUp, ALogThatStartsLateAndEndsInAMarker) {
  CatchUp catch_up(1);
  catch_up.add(kFirst, Offset(500), Offset(503));
  catch_up.topic_complete(0);
  catch_up.advance(kFirst, Offset(502));  // the last record is 501, 502 is a commit marker
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.advance(kFirst, Offset(503));  // the end-of-partition event
  EXPECT_TRUE(catch_up.caught_up());
}

TEST(CatchUp, PositionsNeverMoveBackAndStrangersAreIgnored) {
  CatchUp catch_up(1);
  catch_up.add(kFirst, Offset(0), Offset(10));
  catch_up.topic_complete(0);
  catch_up.advance(kFirst, Offset(8));
  catch_up.advance(kFirst, Offset(3));
  catch_up.advance(kSecond, Offset(100));
  EXPECT_EQ(catch_up.partitions().at(kFirst).position, Offset(8));
  EXPECT_EQ(catch_up.partitions().size(), 1u);
  EXPECT_FALSE(catch_up.caught_up());
}

TEST(CatchUp, ARestartIsBehindUntilItsNewTarget) {
  CatchUp catch_up(1);
  catch_up.add(kFirst, Offset(0), Offset(10));
  catch_up.topic_complete(0);
  catch_up.advance(kFirst, Offset(10));
  ASSERT_TRUE(catch_up.caught_up());
  catch_up.restart(kFirst);
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.advance(kFirst, Offset(1'000'000));
  EXPECT_FALSE(catch_up.caught_up()) << "no target is known yet";
  catch_up.add(kFirst, Offset(0), Offset(3));
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.advance(kFirst, Offset(3));
  EXPECT_TRUE(catch_up.caught_up());
}

TEST(CatchUp, APartitionAddedLaterIsBehindOnItsOwnUntilItStartsAnew) {
  CatchUp catch_up(1);
  catch_up.add(kFirst, Offset(0), Offset(0));
  catch_up.topic_complete(0);
  ASSERT_TRUE(catch_up.caught_up());
  catch_up.add(kSecond, Offset(0), Offset(2));
  EXPECT_TRUE(catch_up.caught_up()) << "adding a partition must not make the service unready";
  EXPECT_FALSE(catch_up.caught_up(kSecond));
  catch_up.advance(kSecond, Offset(2));
  EXPECT_TRUE(catch_up.caught_up(kSecond));
  catch_up.restart(kSecond);
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.add(kSecond, Offset(0), Offset(1));
  catch_up.advance(kSecond, Offset(1));
  EXPECT_TRUE(catch_up.caught_up());
}

TEST(CatchUp, APartitionOfATopicNotYetCompleteCounts) {
  CatchUp catch_up(1);
  catch_up.add(kFirst, Offset(0), Offset(0));
  catch_up.add(kSecond, Offset(0), Offset(2));
  catch_up.topic_complete(0);
  EXPECT_FALSE(catch_up.caught_up());
}

TEST(CatchUp, MorePartitionsOfATopicThatWasReplaced) {
  CatchUp catch_up(1);
  catch_up.add({0, Partition(0)}, Offset(0), Offset(10));
  catch_up.topic_complete(0);
  catch_up.advance({0, Partition(0)}, Offset(10));
  ASSERT_TRUE(catch_up.caught_up());
  catch_up.topic_replaced(0);
  catch_up.restart({0, Partition(0)});
  catch_up.add({0, Partition(0)}, Offset(0), Offset(5));
  catch_up.advance({0, Partition(0)}, Offset(5));
  EXPECT_FALSE(catch_up.caught_up());  // nobody knows whether that is all of it
  catch_up.add({0, Partition(1)}, Offset(0), Offset(3));
  catch_up.topic_complete(0);
  EXPECT_FALSE(catch_up.caught_up());
  catch_up.advance({0, Partition(1)}, Offset(3));
  EXPECT_TRUE(catch_up.caught_up());
  // One that is added later does not count, as ever.
  catch_up.add({0, Partition(2)}, Offset(0), Offset(9));
  EXPECT_TRUE(catch_up.caught_up());
}

}  // namespace
}  // namespace push_cache::ingest
