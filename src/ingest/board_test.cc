#include "ingest/board.h"

#include <gtest/gtest.h>

#include <thread>

namespace push_cache::ingest {
namespace {

constexpr kafka::TopicPartition kFirst{0, Partition(0)};
constexpr kafka::TopicPartition kSecond{0, Partition(1)};

kafka::Watermarks marks(std::int64_t low, std::int64_t high) { return {Offset(low), Offset(high)}; }

TEST(Board, APartitionMayBeginWhereASnapshotEnds) {
  Board board(1);
  PartitionState& partition = board.add(kFirst, marks(0, 100), Offset(60));
  board.topic_complete(0, board.restarts());
  EXPECT_FALSE(board.ready());
  board.advance(partition, Offset(99));
  EXPECT_FALSE(board.ready());
  board.advance(partition, Offset(100));
  EXPECT_TRUE(board.ready());
  board.add(kSecond, marks(5, 9), Offset(9));
  EXPECT_TRUE(board.ready()) << "nothing was written since";
}

TEST(Board, IsNotReadyWhileAPartitionIsStopped) {
  Board board(1);
  PartitionState& partition = board.add(kFirst, marks(0, 1), Offset(0));
  board.topic_complete(0, board.restarts());
  board.advance(partition, Offset(1));
  ASSERT_TRUE(board.ready());
  board.wait(partition, PartitionStage::kWaitingForSchema);
  EXPECT_TRUE(board.ready()) << "what was there at the start is";
  board.wait(partition, PartitionStage::kStopped);
  EXPECT_FALSE(board.ready());
  board.wait(partition, PartitionStage::kStopped);
  board.go_on(partition);
  EXPECT_TRUE(board.ready());
  board.wait(partition, PartitionStage::kStopped);
  board.restart(partition, false);
  EXPECT_FALSE(board.ready());
  board.begin_anew(partition, marks(0, 0), Offset(0));
  EXPECT_TRUE(board.ready());
}

TEST(Board, ACondemnedPartitionIsNotReadyUntilItIsBegunAnew) {
  Board board(1);
  PartitionState& first = board.add(kFirst, marks(0, 1), Offset(0));
  PartitionState& second = board.add(kSecond, marks(0, 0), Offset(0));
  board.topic_complete(0, board.restarts());
  board.advance(first, Offset(1));
  ASSERT_TRUE(board.ready());
  const std::uint64_t restarts = board.restarts();
  board.condemn(first);
  board.condemn(second);
  EXPECT_EQ(board.restarts(), restarts + 2);
  board.advance(first, Offset(1'000'000));  // its lane still applies what it had fetched
  EXPECT_FALSE(board.ready());
  board.restart(first, false);
  board.begin_anew(first, marks(0, 3), Offset(0));
  board.advance(first, Offset(3));
  EXPECT_FALSE(board.ready()) << "the other one";
  board.remove(second);
  EXPECT_FALSE(board.ready()) << "it may have more partitions than before";
  board.topic_complete(0, board.restarts());
  EXPECT_TRUE(board.ready());
  ASSERT_EQ(board.partitions().size(), 1u);
  EXPECT_EQ(board.partitions()[0]->at, kFirst);
}

TEST(Board, AReplacedLogIsNotReadyBeforeItsPartitionsAreAskedForAnew) {
  Board board(1);
  PartitionState& first = board.add(kFirst, marks(0, 1), Offset(1));
  board.topic_complete(0, board.restarts());
  ASSERT_TRUE(board.ready());
  const std::uint64_t looked = board.restarts();
  board.restart(first, true);
  board.begin_anew(first, marks(0, 0), Offset(0));
  EXPECT_FALSE(board.ready()) << "the topic may be another one, with more partitions";
  EXPECT_FALSE(board.topic_complete(0, looked)) << "that was asked before";
  EXPECT_FALSE(board.ready());
  PartitionState& second = board.add(kSecond, marks(0, 5), Offset(0));
  EXPECT_TRUE(board.topic_complete(0, board.restarts()));
  EXPECT_FALSE(board.ready());
  board.advance(second, Offset(5));
  EXPECT_TRUE(board.ready());
}

TEST(Board, IsNotReadyAfterTheMomentThatItIsTold) {
  Board board(1);
  board.add(kFirst, marks(0, 0), Offset(0));
  board.topic_complete(0, board.restarts());
  board.stale_after(Board::now_ns() + 3'600'000'000'000);
  EXPECT_TRUE(board.ready());
  board.stale_after(Board::now_ns());
  EXPECT_FALSE(board.ready());
  EXPECT_TRUE(board.loaded());
  board.stale_after(Board::kNever);
  EXPECT_TRUE(board.ready());
}

TEST(PublishedDigest, NeverShowsAPositionWithTheValueOfAnother) {
  PublishedDigest digest;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const Digest seen = digest.get();
      ASSERT_EQ(seen.value, static_cast<std::uint64_t>(seen.position.value) * 7);
    }
  });
  for (std::int64_t i = 0; i < 200'000; ++i) {
    digest.set({Offset(i), static_cast<std::uint64_t>(i) * 7});
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace push_cache::ingest
