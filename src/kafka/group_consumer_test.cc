#include "kafka/group_consumer.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <functional>
#include <set>
#include <thread>

#include "kafka/producer.h"

namespace push_cache::kafka {
namespace {

using namespace std::chrono_literals;

constexpr std::int16_t kOffsetCommit = 8;  // the request's number in Kafka's protocol
constexpr std::int16_t kFetch = 1;

// A member of a group with its polling thread: what it has, what has come, what it commits.
class Member final : public GroupOwner {
 public:
  explicit Member(const std::string& brokers, Properties properties = {}) {
    // The mock coordinator waits for about as long when a member leaves.
    properties.emplace("session.timeout.ms", "3000");
    properties.emplace("heartbeat.interval.ms", "300");
    auto made = GroupConsumer::create({.brokers = brokers,
                                       .group_id = "group",
                                       .topics = {"t"},
                                       .properties = std::move(properties),
                                       .queues = 2},
                                      *this);
    EXPECT_TRUE(made.ok()) << made.error().describe();
    consumer_ = *std::move(made);
    EXPECT_TRUE(consumer_->join().ok());
  }

  // Polls both queues until `condition`; false after a minute without.
  bool poll_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      poll();
    }
    return true;
  }
  void poll() {
    for (std::size_t queue = 0; queue < 2; ++queue) {
      Batch batch;
      consumer_->poll(queue, 5ms, 100, batch);
      for (const Message& message : batch.messages()) {
        if (message.kind == MessageKind::kRecord) {
          records_.push_back(message.offset);
          read_.insert({message.at, message.offset.value});
        }
        if (message.kind == MessageKind::kEnd) ends_.push_back(message.offset);
        EXPECT_EQ(queue, message.kind == MessageKind::kError ? queue : 1u);
      }
    }
  }

  std::vector<GroupStart> assigned(std::span<const TopicPartition> partitions) override {
    std::vector<GroupStart> out;
    const auto committed = consumer_->committed(partitions, 30s);
    EXPECT_TRUE(committed.ok());
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      owned_.insert(partitions[i]);
      const std::optional<Commit>& stored = (*committed)[i];
      out.push_back({partitions[i], stored ? stored->offset : GroupStart::kBeginning, /*queue=*/1});
    }
    return out;
  }
  void revoked(std::span<const TopicPartition> partitions) override {
    if (!at_revoke_.empty()) {
      EXPECT_TRUE(consumer_->commit_now(at_revoke_, 30s).ok());
    }
    for (const TopicPartition at : partitions) owned_.erase(at);
    ++revocations_;
  }
  void lost(std::span<const TopicPartition> partitions) override {
    for (const TopicPartition at : partitions) owned_.erase(at);
    ++losses_;
  }

  std::set<TopicPartition> owned_;
  std::vector<Offset> records_;
  std::set<std::pair<TopicPartition, std::int64_t>> read_;
  std::vector<Offset> ends_;
  std::vector<Commit> at_revoke_;
  int revocations_ = 0;
  int losses_ = 0;
  std::unique_ptr<GroupConsumer> consumer_;
};

class GroupConsumerTest : public testing::Test {
 protected:
  void SetUp() override {
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    ASSERT_NE(handle_, nullptr);
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    ASSERT_NE(cluster_, nullptr);
    rd_kafka_mock_group_initial_rebalance_delay_ms(cluster_, 0);
    brokers_ = rd_kafka_mock_cluster_bootstraps(cluster_);
    auto producer = Producer::create({.brokers = brokers_, .properties = {}});
    ASSERT_TRUE(producer.ok());
    producer_ = *std::move(producer);
  }
  void TearDown() override {
    producer_.reset();
    if (cluster_ != nullptr) rd_kafka_mock_cluster_destroy(cluster_);
    if (handle_ != nullptr) rd_kafka_destroy(handle_);
  }

  void make_topic(int partitions) {
    ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "t", partitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void produce(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(producer_->produce("t", "k" + std::to_string(i), Bytes()).ok());
    }
    ASSERT_TRUE(producer_->flush(30s).ok());
  }

  static constexpr TopicPartition kAt{0, Partition(0)};
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::string brokers_;
  std::unique_ptr<Producer> producer_;
};

TEST_F(GroupConsumerTest, LeavesTheGroupAndJoinsItAgain) {
  make_topic(2);
  produce(10);
  Member member(brokers_);
  ASSERT_TRUE(member.poll_until([&] { return member.read_.size() == 10; }));
  EXPECT_EQ(member.owned_.size(), 2u);
  ASSERT_TRUE(member.consumer_->leave().ok());
  ASSERT_TRUE(member.poll_until([&] { return member.owned_.empty(); }));
  EXPECT_GT(member.revocations_, 0);
  // Another one has all of it meanwhile.
  {
    Member other(brokers_);
    ASSERT_TRUE(other.poll_until([&] {
      member.poll();
      return other.owned_.size() == 2;
    }));
    EXPECT_TRUE(member.owned_.empty());
  }
  member.records_.clear();
  ASSERT_TRUE(member.consumer_->join().ok());
  ASSERT_TRUE(member.poll_until([&] { return member.owned_.size() == 2; }));
  EXPECT_TRUE(member.poll_until([&] { return member.records_.size() == 10; }));
}

TEST_F(GroupConsumerTest, ReadsFromTheBeginningAndGoesOnFromWhatItCommitted) {
  make_topic(1);
  produce(10);
  {
    Member member(brokers_);
    ASSERT_TRUE(member.poll_until([&] { return member.records_.size() == 10; }));
    ASSERT_TRUE(member.poll_until([&] { return !member.ends_.empty(); }));
    EXPECT_EQ(member.ends_[0], Offset(10));
    EXPECT_FALSE((*member.consumer_->committed({&kAt, 1}, 30s))[0].has_value());
    const Commit position{kAt, Offset(7), "incarnation"};
    member.consumer_->commit({&position, 1});
    ASSERT_TRUE(member.poll_until([&] {
      member.consumer_->commit({});
      const auto stored = member.consumer_->committed({&kAt, 1}, 30s);
      return stored.ok() && (*stored)[0] && (*stored)[0]->offset == Offset(7);
    }));
    EXPECT_EQ((*member.consumer_->committed({&kAt, 1}, 30s))[0]->note, "incarnation");
    member.consumer_->close();
    EXPECT_EQ(member.revocations_, 1);
    EXPECT_TRUE(member.owned_.empty());
  }
  Member next(brokers_);
  ASSERT_TRUE(next.poll_until([&] { return next.records_.size() == 3; }));
  EXPECT_EQ(next.records_[0], Offset(7));
}

TEST_F(GroupConsumerTest, LeavesTheGroupHoweverOftenItIsWoken) {
  make_topic(1);
  Member member(brokers_);
  ASSERT_TRUE(member.poll_until([&] { return member.owned_.size() == 1; }));
  std::jthread waking([&member](const std::stop_token& stop) {
    while (!stop.stop_requested()) member.consumer_->wake(0);
  });
  member.consumer_->close();
  EXPECT_EQ(member.revocations_, 1);
}

TEST_F(GroupConsumerTest, CommitsAtRevocationWhatItIsTold) {
  make_topic(1);
  produce(5);
  {
    Member member(brokers_);
    ASSERT_TRUE(member.poll_until([&] { return member.records_.size() == 5; }));
    member.at_revoke_ = {{kAt, Offset(4)}};
  }
  Member next(brokers_);
  ASSERT_TRUE(next.poll_until([&] { return !next.records_.empty(); }));
  EXPECT_EQ(next.records_[0], Offset(4));
}

TEST_F(GroupConsumerTest, MembersShareAndTakeOver) {
  make_topic(4);
  Member first(brokers_);
  ASSERT_TRUE(first.poll_until([&] { return first.owned_.size() == 4; }));
  {
    Member second(brokers_);
    ASSERT_TRUE(first.poll_until([&] {
      second.poll();
      return first.owned_.size() == 2 && second.owned_.size() == 2;
    }));
    EXPECT_EQ(first.losses_, 0);
    for (const TopicPartition at : second.owned_) EXPECT_FALSE(first.owned_.contains(at));
    // Closing waits for the group, and the group for the first one.
    std::jthread polling([&first](const std::stop_token& stop) {
      while (!stop.stop_requested()) first.poll();
    });
    second.consumer_->close();
  }
  EXPECT_TRUE(first.poll_until([&] { return first.owned_.size() == 4; }));
}

// A rebalance makes librdkafka pause what stays where it is, also at its end.
TEST_F(GroupConsumerTest, ARebalanceSkipsNoRecordOfWhatStays) {
  make_topic(4);
  int produced = 100;
  produce(produced);
  Member first(brokers_);
  ASSERT_TRUE(first.poll_until([&] { return first.ends_.size() == 4; }));
  Member second(brokers_);
  ASSERT_TRUE(first.poll_until([&] {
    produce(4);
    produced += 4;
    second.poll();
    return first.owned_.size() == 2 && second.owned_.size() == 2;
  }));
  EXPECT_TRUE(first.poll_until([&] {
    second.poll();
    auto read = first.read_;
    read.insert(second.read_.begin(), second.read_.end());
    return read.size() == static_cast<std::size_t>(produced);
  }));
  EXPECT_EQ(first.records_.size(), first.read_.size()) << "nor has it been behind the log's end";
}

TEST_F(GroupConsumerTest, ACommitThatFailsIsToldAndTriedAgain) {
  make_topic(1);
  Member member(brokers_);
  ASSERT_TRUE(member.poll_until([&] { return !member.ends_.empty(); }));
  rd_kafka_mock_push_request_errors(cluster_, kOffsetCommit, 1,
                                    RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE);
  const Commit position{kAt, Offset(0)};
  member.consumer_->commit({&position, 1});
  ASSERT_TRUE(member.poll_until([&] {
    member.consumer_->commit({});
    return member.consumer_->commit_counts().failed == 1;
  }));
  EXPECT_TRUE(member.consumer_->commit_now({}, 30s).ok());
  EXPECT_EQ((*member.consumer_->committed({&kAt, 1}, 30s))[0]->offset, Offset(0));
  EXPECT_TRUE(member.consumer_->commit_counts().last_error.empty());
}

TEST_F(GroupConsumerTest, GoesOnAfterAPauseAtTheEndWithoutSkippingARecord) {
  make_topic(1);
  produce(1);
  Member member(brokers_);
  ASSERT_TRUE(member.poll_until([&] { return !member.ends_.empty(); }));
  ASSERT_TRUE(member.consumer_->pause(kAt).ok());
  produce(2);
  for (int i = 0; i < 20; ++i) member.poll();
  EXPECT_EQ(member.records_.size(), 1u);
  ASSERT_TRUE(member.consumer_->go_on(kAt, Offset(1)).ok());
  ASSERT_TRUE(member.poll_until([&] { return member.records_.size() == 3; }));
  EXPECT_EQ(member.records_[1], Offset(1));
  // Also back, and without a pause.
  member.records_.clear();
  ASSERT_TRUE(member.consumer_->go_on(kAt, GroupStart::kBeginning).ok());
  ASSERT_TRUE(member.poll_until([&] { return member.records_.size() == 3; }));
  EXPECT_EQ(member.records_[0], Offset(0));
}

TEST_F(GroupConsumerTest, APositionOutOfTheLogIsReadFromTheFirstRecord) {
  make_topic(1);
  produce(3);
  Member member(brokers_);
  ASSERT_TRUE(member.poll_until([&] { return !member.ends_.empty(); }));
  rd_kafka_mock_push_request_errors(cluster_, kFetch, 1, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
  ASSERT_TRUE(member.poll_until([&] { return member.records_.size() == 6; }));
  EXPECT_EQ(member.records_[3], Offset(0));
  EXPECT_EQ(member.consumer_->cached_start(kAt), Offset(0));
}

TEST_F(GroupConsumerTest, AMemberThatWasNotHeardHasLostItsPartitions) {
  make_topic(1);
  Member member(brokers_, {{"session.timeout.ms", "2000"},
                           {"heartbeat.interval.ms", "500"},
                           {"max.poll.interval.ms", "2000"}});
  ASSERT_TRUE(member.poll_until([&] { return !member.ends_.empty(); }));
  // Its polls are what it is judged by.
  std::this_thread::sleep_for(2500ms);
  ASSERT_TRUE(member.poll_until([&] { return member.losses_ == 1; }));
  EXPECT_TRUE(member.poll_until([&] { return member.owned_.size() == 1; })) << "it joins again";
  EXPECT_EQ(member.revocations_, 0);
}

TEST_F(GroupConsumerTest, AnEagerStrategyOfTheOperatorsWorksToo) {
  make_topic(2);
  produce(4);
  Member member(brokers_, {{"partition.assignment.strategy", "range"}});
  ASSERT_TRUE(member.poll_until([&] { return member.records_.size() == 4; }));
  EXPECT_EQ(member.owned_.size(), 2u);
  member.consumer_->close();
  EXPECT_TRUE(member.owned_.empty());
}

TEST_F(GroupConsumerTest, WhatTheGroupRestsOnCannotBeSet) {
  struct Nobody final : GroupOwner {
    std::vector<GroupStart> assigned(std::span<const TopicPartition>) override { return {}; }
    void revoked(std::span<const TopicPartition>) override {}
    void lost(std::span<const TopicPartition>) override {}
  } nobody;
  const auto made = GroupConsumer::create({.brokers = "127.0.0.1:1",
                                           .group_id = "group",
                                           .topics = {"t"},
                                           .properties = {{"enable.auto.commit", "true"}}},
                                          nobody);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace push_cache::kafka
