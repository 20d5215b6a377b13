#include "ingest/group_board.h"

#include <gtest/gtest.h>

namespace push_cache::ingest {
namespace {

constexpr kafka::TopicPartition kFirst{0, Partition(0)};
constexpr kafka::TopicPartition kSecond{0, Partition(1)};

kafka::Watermarks marks(std::int64_t low, std::int64_t high) { return {Offset(low), Offset(high)}; }

kafka::Commit commit(kafka::TopicPartition at, std::int64_t offset, const char* note = "id") {
  return {at, Offset(offset), note};
}

class GroupBoardTest : public ::testing::Test {
 protected:
  void make(OffsetReset reset = OffsetReset::kEarliest, bool ignore_commits = false) {
    group_.emplace(board_, 1, reset, ignore_commits);
    group_->set_topic_id(0, "id");
  }
  std::int64_t position(kafka::TopicPartition at) const {
    for (const PartitionState* one : board_.partitions()) {
      if (one->at == at) return one->position;
    }
    return -2;
  }

  Board board_{1};
  std::optional<GroupBoard> group_;
};

TEST_F(GroupBoardTest, ReadyByWhatWeAcknowledgedAndWhatOthersCommitted) {
  make();
  group_->found(kFirst, marks(0, 10), std::nullopt);
  group_->found(kSecond, marks(0, 20), commit(kSecond, 15));
  board_.topic_complete(0);
  const auto generation = group_->begin(kFirst, std::nullopt, "id");
  ASSERT_TRUE(generation.has_value());
  group_->acknowledged(kFirst, *generation, Offset(10));
  EXPECT_FALSE(board_.ready());
  group_->committed(kSecond, commit(kSecond, 20));
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, APartitionThatNobodyHasReadIsNotReadyAlsoWhenItIsEmpty) {
  make();
  group_->found(kFirst, marks(0, 0), std::nullopt);
  board_.topic_complete(0);
  EXPECT_FALSE(board_.ready());
  group_->committed(kFirst, commit(kFirst, 0));
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, WithLatestAPartitionWithoutCommitsCountsFromItsEnd) {
  make(OffsetReset::kLatest);
  group_->found(kFirst, marks(0, 10), std::nullopt);
  board_.topic_complete(0);
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, CommitsSayNothingWhileTheyAreIgnored) {
  make(OffsetReset::kEarliest, true);
  group_->found(kFirst, marks(0, 10), commit(kFirst, 10));
  board_.topic_complete(0);
  group_->committed(kFirst, commit(kFirst, 10));
  EXPECT_FALSE(board_.ready());
  const auto generation = group_->begin(kFirst, std::nullopt, "id");
  group_->count_commits();
  group_->committed(kFirst, commit(kFirst, 10));
  EXPECT_FALSE(board_.ready()) << "what we own is known by ourselves";
  group_->acknowledged(kFirst, *generation, Offset(10));
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, ACommitOfAnotherTopicOfTheNameIsNone) {
  make();
  group_->found(kFirst, marks(0, 10), commit(kFirst, 10, "other"));
  board_.topic_complete(0);
  EXPECT_FALSE(board_.ready());
  group_->committed(kFirst, commit(kFirst, 10, "other"));
  EXPECT_FALSE(board_.ready());
  group_->committed(kFirst, commit(kFirst, 10, ""));  // of a tool: believed
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, WhatAFormerOwnershipAcknowledgesIsNotCommitted) {
  make();
  group_->found(kFirst, marks(0, 10), std::nullopt);
  const auto former = group_->begin(kFirst, Offset(2), "id");
  group_->release(kFirst);
  group_->acknowledged(kFirst, *former, Offset(8));
  EXPECT_TRUE(group_->positions().empty());
  const auto generation = group_->begin(kFirst, Offset(3), "id");
  group_->acknowledged(kFirst, *former, Offset(9));
  ASSERT_EQ(group_->positions().size(), 1u);
  EXPECT_EQ(group_->positions()[0].offset, Offset(3));
  EXPECT_EQ(group_->positions()[0].note, "id");
  group_->acknowledged(kFirst, *generation, Offset(5));
  EXPECT_EQ(group_->positions()[0].offset, Offset(5));
}

TEST_F(GroupBoardTest, ATopicMadeAgainIsReadyOnceItIsReadAnew) {
  make();
  group_->found(kFirst, marks(0, 10), commit(kFirst, 10));
  group_->found(kSecond, marks(0, 10), commit(kSecond, 10));
  board_.topic_complete(0);
  const auto former = group_->begin(kFirst, Offset(10), "id");
  ASSERT_TRUE(board_.ready());
  const auto owned = group_->remade(0, "new id");
  EXPECT_FALSE(board_.ready());
  ASSERT_EQ(owned.size(), 1u);
  EXPECT_EQ(owned[0].first, kFirst);
  EXPECT_TRUE(group_->positions().empty()) << "nothing of the new one is acknowledged";
  group_->acknowledged(kFirst, *former, Offset(12));
  EXPECT_TRUE(group_->positions().empty());
  EXPECT_FALSE(group_->begin(kSecond, Offset(10), "id").has_value()) << "asked for too early";

  EXPECT_EQ(group_->reloading().size(), 2u);
  group_->begin_anew(kFirst, marks(0, 3));
  group_->begin_anew(kSecond, marks(0, 4));
  EXPECT_TRUE(group_->reloading().empty());
  group_->committed(kSecond, commit(kSecond, 10));
  EXPECT_EQ(position(kSecond), -1) << "the brokers have not forgotten yet";
  group_->acknowledged(kFirst, owned[0].second, Offset(3));
  EXPECT_FALSE(board_.ready());
  group_->committed(kSecond, commit(kSecond, 4, "new id"));
  EXPECT_TRUE(board_.ready());
  EXPECT_EQ(group_->positions()[0].note, "new id");
}

TEST_F(GroupBoardTest, WhatWasOwnedBeforeItWasFoundCounts) {
  make();
  const auto generation = group_->begin(kFirst, Offset(2), "id");
  group_->acknowledged(kFirst, *generation, Offset(10));
  group_->wait(kFirst, *generation, PartitionStage::kWaitingForStore);
  const PartitionState& state = group_->found(kFirst, marks(0, 10), std::nullopt);
  board_.topic_complete(0);
  EXPECT_TRUE(board_.ready());
  EXPECT_EQ(state.stage, PartitionStage::kWaitingForStore);
  group_->go_on(kFirst, *generation);
  EXPECT_EQ(state.stage, PartitionStage::kCaughtUp);
}

TEST_F(GroupBoardTest, AStoppedPartitionIsOnlyItsOwnersConcern) {
  make();
  group_->found(kFirst, marks(0, 10), commit(kFirst, 10));
  board_.topic_complete(0);
  const auto generation = group_->begin(kFirst, Offset(10), "id");
  group_->wait(kFirst, *generation, PartitionStage::kStopped);
  EXPECT_FALSE(board_.ready());
  group_->release(kFirst);
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, TellsSinceWhenAStoreTakesNothing) {
  make();
  group_->store_failed(1, "away");
  GroupStatus status;
  group_->fill(status);
  EXPECT_EQ(status.store_error, "away");
  EXPECT_GE(status.store_error_seconds, 0);
  group_->store_works(1);
  status = {};
  group_->fill(status);
  EXPECT_TRUE(status.store_error.empty());
}

}  // namespace
}  // namespace push_cache::ingest
