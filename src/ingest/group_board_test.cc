#include "ingest/group_board.h"

#include <gtest/gtest.h>

namespace push_cache::ingest {
namespace {

constexpr kafka::TopicPartition kFirst{0, Partition(0)};
constexpr kafka::TopicPartition kSecond{0, Partition(1)};

kafka::Watermarks marks(std::int64_t low, std::int64_t high) { return {Offset(low), Offset(high)}; }

class GroupBoardTest : public ::testing::Test {
 protected:
  void make(OffsetReset reset = OffsetReset::kEarliest, bool ignore_kept = false) {
    group_.emplace(board_, 1, reset, ignore_kept);
    group_->set_topic_id(0, "id");
  }
  // The stores have told their positions.
  std::vector<GroupBoard::Loss> answer(kafka::TopicPartition at, std::optional<Offset> position,
                                       bool went_back = false) {
    std::vector<GroupBoard::Question> questions = group_->questions();
    std::erase_if(questions, [at](const auto& one) { return one.at != at; });
    const GroupBoard::Answer one{position, went_back};
    return group_->take(questions, {&one, 1});
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

TEST_F(GroupBoardTest, ReadyByWhatWeAcknowledgedAndWhatTheStoresKeep) {
  make();
  group_->found(kFirst, marks(0, 10), std::nullopt);
  group_->found(kSecond, marks(0, 20), Offset(15));
  board_.topic_complete(0, board_.restarts());
  const auto generation = group_->begin(kFirst, std::nullopt, "id");
  ASSERT_TRUE(generation.has_value());
  group_->acknowledged(kFirst, *generation, Offset(10));
  EXPECT_FALSE(board_.ready());
  answer(kSecond, Offset(20));
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, APartitionThatNobodyHasReadIsNotReadyAlsoWhenItIsEmpty) {
  make();
  group_->found(kFirst, marks(0, 0), std::nullopt);
  board_.topic_complete(0, board_.restarts());
  EXPECT_FALSE(board_.ready());
  answer(kFirst, Offset(0));
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, WithLatestAPartitionWithoutAPositionCountsFromItsEnd) {
  make(OffsetReset::kLatest);
  group_->found(kFirst, marks(0, 10), std::nullopt);
  board_.topic_complete(0, board_.restarts());
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, WhatIsKeptSaysNothingWhileItIsIgnored) {
  make(OffsetReset::kEarliest, true);
  group_->found(kFirst, marks(0, 10), Offset(10));
  board_.topic_complete(0, board_.restarts());
  answer(kFirst, Offset(10));
  EXPECT_FALSE(board_.ready());
  const auto generation = group_->begin(kFirst, std::nullopt, "id");
  group_->count_kept();
  answer(kFirst, Offset(10));
  EXPECT_FALSE(board_.ready()) << "what we own is known by ourselves";
  group_->acknowledged(kFirst, *generation, Offset(10));
  EXPECT_TRUE(board_.ready());
}

TEST_F(GroupBoardTest, WhatWasLostIsReadAgain) {
  make();
  group_->found(kFirst, marks(0, 10), Offset(10));
  group_->found(kSecond, marks(0, 10), Offset(10));
  board_.topic_complete(0, board_.restarts());
  const auto former = group_->begin(kFirst, Offset(10), "id");
  answer(kFirst, Offset(10));
  ASSERT_TRUE(board_.ready());
  EXPECT_TRUE(answer(kSecond, Offset(4), true).empty()) << "its owner reads it";
  EXPECT_FALSE(board_.ready());
  group_->begin_anew(kSecond, marks(0, 10));
  EXPECT_EQ(position(kSecond), 4);
  answer(kSecond, Offset(10));
  ASSERT_TRUE(board_.ready());

  const auto lost = answer(kFirst, Offset(7), true);
  EXPECT_FALSE(board_.ready());
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].from, Offset(7));
  group_->acknowledged(kFirst, *former, Offset(11));
  group_->begin_anew(kFirst, marks(0, 10));
  EXPECT_EQ(position(kFirst), 7) << "what the former reading acknowledged says nothing";
  group_->acknowledged(kFirst, lost[0].generation, Offset(10));
  EXPECT_TRUE(board_.ready());
  GroupStatus status;
  group_->fill(status);
  EXPECT_EQ(status.losses, 2u);
}

TEST_F(GroupBoardTest, ALoadHasNothingToLose) {
  make();
  group_->found(kFirst, marks(0, 10), std::nullopt);
  board_.topic_complete(0, board_.restarts());
  (void)group_->begin(kFirst, std::nullopt, "id");
  EXPECT_TRUE(answer(kFirst, std::nullopt, true).empty());
}

TEST_F(GroupBoardTest, AnAnswerToAFormerQuestionSaysNothing) {
  make();
  group_->found(kFirst, marks(0, 10), std::nullopt);
  board_.topic_complete(0, board_.restarts());
  const std::vector<GroupBoard::Question> questions = group_->questions();
  (void)group_->begin(kFirst, Offset(2), "id");
  const GroupBoard::Answer old{Offset(10), false};
  EXPECT_TRUE(group_->take(questions, {&old, 1}).empty());
  EXPECT_FALSE(board_.ready());
  EXPECT_TRUE(group_->positions().empty());
}

TEST_F(GroupBoardTest, OnlyWhatIsKeptIsCommitted) {
  make();
  group_->found(kFirst, marks(0, 10), std::nullopt);
  const auto former = group_->begin(kFirst, Offset(2), "id");
  group_->release(kFirst);
  group_->acknowledged(kFirst, *former, Offset(8));
  EXPECT_TRUE(group_->positions().empty());
  const auto generation = group_->begin(kFirst, Offset(3), "id");
  group_->acknowledged(kFirst, *former, Offset(9));
  EXPECT_TRUE(group_->positions().empty());
  answer(kFirst, Offset(3));
  ASSERT_EQ(group_->positions().size(), 1u);
  EXPECT_EQ(group_->positions()[0].offset, Offset(3));
  EXPECT_EQ(group_->positions()[0].note, "id");
  group_->acknowledged(kFirst, *generation, Offset(5));
  EXPECT_EQ(group_->positions()[0].offset, Offset(3));
  answer(kFirst, Offset(5));
  EXPECT_EQ(group_->positions()[0].offset, Offset(5));
}

TEST_F(GroupBoardTest, ATopicMadeAgainIsReadyOnceItIsReadAnew) {
  make();
  group_->found(kFirst, marks(0, 10), Offset(10));
  group_->found(kSecond, marks(0, 10), Offset(10));
  board_.topic_complete(0, board_.restarts());
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
  group_->acknowledged(kFirst, owned[0].second, Offset(3));
  EXPECT_FALSE(board_.ready());
  answer(kSecond, Offset(4));
  board_.topic_complete(0, board_.restarts());  // has no more partitions than before
  EXPECT_TRUE(board_.ready());
  answer(kFirst, Offset(3));
  EXPECT_EQ(group_->positions()[0].note, "new id");
}

TEST_F(GroupBoardTest, WhatWasOwnedBeforeItWasFoundCounts) {
  make();
  const auto generation = group_->begin(kFirst, Offset(2), "id");
  group_->acknowledged(kFirst, *generation, Offset(10));
  group_->wait(kFirst, *generation, PartitionStage::kWaitingForStore);
  const PartitionState& state = group_->found(kFirst, marks(0, 10), std::nullopt);
  board_.topic_complete(0, board_.restarts());
  EXPECT_TRUE(board_.ready());
  EXPECT_EQ(state.stage, PartitionStage::kWaitingForStore);
  group_->go_on(kFirst, *generation);
  EXPECT_EQ(state.stage, PartitionStage::kCaughtUp);
}

TEST_F(GroupBoardTest, AStoppedPartitionIsOnlyItsOwnersConcern) {
  make();
  group_->found(kFirst, marks(0, 10), Offset(10));
  board_.topic_complete(0, board_.restarts());
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
