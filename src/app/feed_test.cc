// The feed against an embedded Kafka and registry: what happens when either is away.
#include "ingest/feed.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/feed_test_support.h"
#include "kafka/consumer.h"
#include "store/memory_store.h"

namespace push_cache::ingest {
namespace {

using namespace std::chrono_literals;

constexpr std::int16_t kFetch = 1;  // the request's number in Kafka's protocol

// Each with one lane and with several.
class FeedTest : public FeedTestBase, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void start_feed(const std::string& brokers, FeedOptions options = {}) {
    const std::string topic = "users";
    applier_ =
        std::make_unique<Applier>(*schemas_, std::vector<Target>{{"all", store_.get(), takes_}},
                                  std::vector<std::string>{topic});
    options.consumer = {
        .brokers = brokers, .group_id = "test", .topics = {topic}, .properties = {}};
    options.discovery_interval = 100ms;
    options.metadata_timeout = 1s;
    options.lanes = GetParam();
    options.cleanup_interval = 50ms;
    auto feed = Feed::start(options, *applier_, {store_.get()});
    ASSERT_TRUE(feed.ok()) << feed.error().describe();
    feed_ = *std::move(feed);
  }

  PartitionStatus partition() const {
    const FeedStatus status = feed_->status();
    return status.partitions.empty() ? PartitionStatus{} : status.partitions[0];
  }

  std::uint64_t records() const { return store_->counts().records; }

  // From here on the store takes Users alone; gives a schema that it does not take.
  SchemaId add_untaken_schema() {
    takes_ = [](std::string_view name) { return name == "User"; };
    return *registry_->add("pets-value", kOtherSchema);
  }

  std::function<bool(std::string_view)> takes_ = [](std::string_view) { return true; };
  std::unique_ptr<store::Store> store_ = store::make_memory_store();
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Feed> feed_;
};

TEST_P(FeedTest, ReadyMeansEverythingIsThere) {
  start_broker(4);
  for (int i = 0; i < 5000; ++i) {
    produce("k" + std::to_string(i), value(schema_, "v" + std::to_string(i)));
  }
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(records(), 5000u);
  EXPECT_TRUE(
      wait_for([this] { return feed_->status().ready && feed_->status().reasons.empty(); }));
  produce("k0", std::nullopt);
  produce("new", value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  EXPECT_TRUE(wait_for([this] { return applier_->totals().tombstones == 1 && records() == 5000; }));
}

TEST_P(FeedTest, AnEmptyTopicIsReady) {
  start_broker(2);
  start_feed(broker_->bootstrap());
  EXPECT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(records(), 0u);
}

TEST_P(FeedTest, NotReadyWhileNoBrokerAnswers) {
  start_broker(1);
  produce("a", value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  broker_->set_down();
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return !feed_->status().error.empty(); }));
  EXPECT_FALSE(feed_->ready());
  EXPECT_FALSE(feed_->status().reasons.empty());
  broker_->set_up();
  EXPECT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(records(), 1u);
}

TEST_P(FeedTest, ARegistryThatIsAwayHoldsBackAndLosesNothing) {
  start_broker(1);
  registry_->fail_with(503);
  for (int i = 0; i < 100; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  produce("k0", std::nullopt);
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return applier_->set_aside().counts().total == 100; }));
  ASSERT_TRUE(wait_for([this] { return applier_->totals().tombstones == 1; }));
  EXPECT_FALSE(feed_->ready());
  EXPECT_EQ(records(), 0u);
  EXPECT_EQ(applier_->set_aside().counts().records, 99u) << "the tombstone has taken one";
  registry_->fail_with(0);
  EXPECT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(records(), 99u) << "the tombstone came after its record";
}

TEST_P(FeedTest, ARecordOfUnknownSchemaHoldsUpNoOther) {
  start_broker(8);
  for (int i = 0; i < 800; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  // An id that the registry does not know yet, in one partition, with good records behind it.
  const SchemaId unknown(schema_.value + 1);
  produce("stuck", value(unknown, "y", "\x02"));
  produce("stuck", value(unknown, "z", "\x04"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return records() == 800; }));
  EXPECT_TRUE(wait_for([this] { return feed_->ready(); })) << "the registry has answered";
  for (int i = 0; i < 800; ++i) produce("more" + std::to_string(i), value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  ASSERT_TRUE(wait_for([this] { return records() == 1600; })) << records();
  EXPECT_EQ(applier_->set_aside().counts().records, 1u) << "the later one of the key";
  ASSERT_EQ(*registry_->add("users-value", kNewSchema), unknown);
  EXPECT_TRUE(wait_for([this] { return feed_->ready() && records() == 1601; })) << records();
  for (const auto& partition : feed_->status().partitions) {
    EXPECT_TRUE(wait_for([this] {
      for (const auto& one : feed_->status().partitions) {
        if (one.stage != PartitionStage::kCaughtUp) return false;
      }
      return true;
    })) << partition.partition.value;
  }
}

TEST_P(FeedTest, EveryKeyEndsWithItsLastRecord) {
  start_broker(7);
  constexpr int kKeys = 200;
  constexpr int kRounds = 40;
  const auto produce_round = [this](int round) {
    for (int key = 0; key < kKeys; ++key) {
      const bool remove = (key + round) % 5 == 0;
      std::optional<std::string> text;
      if (!remove) text = value(schema_, "round" + std::to_string(round));
      produce("k" + std::to_string(key), text);
    }
  };
  for (int round = 0; round < kRounds / 2; ++round) produce_round(round);
  start_feed(broker_->bootstrap());
  for (int round = kRounds / 2; round < kRounds; ++round) produce_round(round);
  ASSERT_TRUE(producer_->flush(30s).ok());
  ASSERT_TRUE(wait_for([this] { return applier_->totals().records == kKeys * kRounds; }))
      << applier_->totals().records;
  for (int key = 0; key < kKeys; ++key) {
    const bool removed = (key + kRounds - 1) % 5 == 0;
    const auto text = text_of(*store_, "k" + std::to_string(key));
    EXPECT_EQ(text.has_value(), !removed) << key;
    if (text) {
      EXPECT_EQ(*text, "round" + std::to_string(kRounds - 1)) << key;
    }
  }
}

TEST_P(FeedTest, APartitionWhoseOffsetsHaveGoneIsReadAnewWhileOthersGoOn) {
  start_broker(6, 2);
  for (int partition = 0; partition < 6; ++partition) {
    rd_kafka_mock_partition_set_leader(broker_->raw(), "users", partition, 1 + partition % 2);
  }
  for (int i = 0; i < 3000; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  ASSERT_EQ(records(), 3000u);
  ASSERT_EQ(applier_->totals().records, 3000u);

  rd_kafka_mock_broker_push_request_error_rtts(broker_->raw(), 2, kFetch, 1,
                                               RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, 0);
  for (int i = 0; i < 3000; ++i) produce("more" + std::to_string(i), value(schema_, "y"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  // Applied again: what the partitions of the second broker had. The others: once.
  ASSERT_TRUE(wait_for([this] { return feed_->ready() && applier_->totals().records > 6000; }));
  EXPECT_TRUE(wait_for([this] { return records() == 6000; })) << records();
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(text_of(*store_, "k" + std::to_string(i)), "x") << i;
    ASSERT_EQ(text_of(*store_, "more" + std::to_string(i)), "y") << i;
  }
  for (const PartitionStatus& one : feed_->status().partitions) {
    EXPECT_EQ(one.stage, PartitionStage::kCaughtUp) << one.partition.value;
  }
}

TEST_P(FeedTest, EndsWhileARecordIsSetAside) {
  start_broker(1);
  produce("stuck", value(SchemaId(999'999), "y"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return applier_->set_aside().any(); }));
  feed_.reset();
  EXPECT_TRUE(applier_->set_aside().any()) << "it needs nothing of the consumer's";
}

TEST_P(FeedTest, ReadyFallsWhenKafkaIsNotHeardAndComesBack) {
  start_broker(2);
  produce("a", value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap(), {.max_staleness = 500ms});
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  broker_->set_down();
  ASSERT_TRUE(wait_for([this] { return !feed_->ready(); }));
  const FeedStatus status = feed_->status();
  ASSERT_FALSE(status.reasons.empty());
  EXPECT_NE(status.reasons.back().find("readiness.max_staleness"), std::string::npos)
      << status.reasons.back();
  EXPECT_GT(status.partitions[0].lag_seconds, 0.5);
  EXPECT_EQ(records(), 1u) << "what is held is kept";
  broker_->set_up();
  EXPECT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_TRUE(wait_for([this] { return feed_->status().reasons.empty(); }));
}

TEST_P(FeedTest, AnIdleTopicIsNotStale) {
  start_broker(2);
  start_feed(broker_->bootstrap(), {.max_staleness = 60s});
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  // Older than a second only if nobody asked any more.
  const auto end = std::chrono::steady_clock::now() + 3s;
  double oldest = 0;
  ASSERT_TRUE(wait_for([&] {
    oldest = std::max(oldest, partition().lag_seconds);
    return std::chrono::steady_clock::now() > end;
  }));
  EXPECT_TRUE(wait_for([this] { return partition().lag_seconds < 1.5; }));
  EXPECT_TRUE(feed_->ready());
}

TEST_P(FeedTest, StopsAtABadRecordWhenItIsTold) {
  start_broker(1);
  produce("good", value(schema_, "x"));
  produce("bad", "garbage");
  produce("behind", value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap(), {.on_bad_record = OnBadRecord::kStop});
  ASSERT_TRUE(wait_for([this] { return partition().stage == PartitionStage::kStopped; }));
  EXPECT_EQ(partition().position, Offset(1));
  EXPECT_FALSE(feed_->ready());
  EXPECT_NE(feed_->status().reasons[0].find("bad record, offset 1"), std::string::npos);
  EXPECT_EQ(records(), 1u);
  EXPECT_EQ(applier_->totals().bad[static_cast<std::size_t>(BadCause::kBadMagic)], 1u);
}

TEST_P(FeedTest, AStopAfterTheLoadIsNotReadyEither) {
  start_broker(2);
  for (int i = 0; i < 100; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap(), {.on_bad_record = OnBadRecord::kStop});
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  produce("bad", "garbage");
  ASSERT_TRUE(producer_->flush(30s).ok());
  ASSERT_TRUE(wait_for([this] { return !feed_->ready(); }));
  EXPECT_NE(feed_->status().reasons[0].find("bad record"), std::string::npos);
  EXPECT_EQ(records(), 100u);
}

TEST_P(FeedTest, ADeadLetterHoldsThePositionUntilItIsAcknowledged) {
  start_broker(1);
  ASSERT_TRUE(broker_->create_topic({"dead", 1}).ok());
  rd_kafka_mock_topic_set_error(broker_->raw(), "dead", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  produce("good", value(schema_, "x"));
  produce("bad", "garbage");
  produce("bad too", "more garbage");
  produce("behind", value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap(),
             {.on_bad_record = OnBadRecord::kDeadLetter, .dead_letter_topic = "dead"});
  ASSERT_TRUE(wait_for([this] {
    const auto letters = feed_->status().dead_letters;
    return letters->waiting == 2 && !letters->error.empty();
  }));
  EXPECT_EQ(records(), 2u) << "what is behind is served";
  EXPECT_EQ(partition().position, Offset(1)) << "but the position stays";
  EXPECT_FALSE(feed_->ready());
  EXPECT_NE(feed_->status().reasons.back().find("'dead'"), std::string::npos);

  rd_kafka_mock_topic_set_error(broker_->raw(), "dead", RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(partition().position, Offset(4));
  EXPECT_EQ(feed_->status().dead_letters->waiting, 0u);
  EXPECT_EQ(feed_->status().dead_letters->acknowledged, 2u);
  EXPECT_EQ(applier_->totals().bad[static_cast<std::size_t>(BadCause::kBadMagic)], 2u);

  auto reader = kafka::Consumer::create(
      {.brokers = broker_->bootstrap(), .group_id = "read", .topics = {"dead"}, .properties = {}});
  ASSERT_TRUE(reader.ok());
  const kafka::TopicPartitionOffset from{{0, Partition(0)}, Offset(0)};
  ASSERT_TRUE((*reader)->assign(0, {&from, 1}).ok());
  std::set<std::string> keys;
  kafka::Batch batch;
  ASSERT_TRUE(wait_for([&] {
    (*reader)->poll(0, 50ms, 10, batch);
    for (const kafka::Message& message : batch.messages()) {
      if (message.key) keys.emplace(message.key->begin(), message.key->end());
    }
    return keys.size() == 2;
  }));
  EXPECT_EQ(keys, (std::set<std::string>{"bad", "bad too"}));
}

TEST_P(FeedTest, MoreDeadLettersThanAreKeptInMemoryLoseNone) {
  start_broker(1);
  ASSERT_TRUE(broker_->create_topic({"dead", 1}).ok());
  constexpr int kBad = 5000;
  for (int i = 0; i < kBad; ++i) produce("bad" + std::to_string(i), "garbage");
  produce("good", value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap(),
             {.on_bad_record = OnBadRecord::kDeadLetter, .dead_letter_topic = "dead"});
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(feed_->status().dead_letters->acknowledged, std::uint64_t{kBad});
  EXPECT_EQ(partition().position, Offset(kBad + 1));
  EXPECT_EQ(records(), 1u);
}

TEST_P(FeedTest, GoesOnFromWhereASnapshotEnds) {
  start_broker(2);
  for (int i = 0; i < 1000; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  start_feed(broker_->bootstrap());
  ASSERT_TRUE(wait_for([this] { return feed_->ready() && feed_->resume_point().has_value(); }));
  const ResumePoint point = *feed_->resume_point();
  ASSERT_EQ(point.partitions.size(), 2u);
  ASSERT_FALSE(point.logs[0].empty());
  feed_.reset();
  produce("k1", std::nullopt);
  produce("new", value(schema_, "y"));
  ASSERT_TRUE(producer_->flush(30s).ok());
  // The mock broker knows no DescribeConfigs: nobody can say how long tombstones stay.
  start_feed(broker_->bootstrap(), {.restore = [point] { return point; }});
  ASSERT_TRUE(wait_for([this] { return !feed_->status().reasons.empty(); }));
  EXPECT_FALSE(feed_->ready());
}

TEST_P(FeedTest, NothingIsReadBeforeItIsKnownWhetherATopicIsCompacted) {
  start_broker(2);
  const SchemaId other = add_untaken_schema();
  produce("k", value(schema_, "user"));
  produce("k", value(other, "pet"));
  produce("stays", value(schema_, "user"));
  flush();
  set_cleanup(Error{ErrorCode::kUnavailable, "nobody answers"});
  start_feed(broker_->bootstrap(), {.ask_cleanup = ask_cleanup()});
  ASSERT_TRUE(wait_for([this] { return cleanup_questions() > 3; }));
  EXPECT_FALSE(feed_->ready());
  EXPECT_EQ(applier_->totals().records, 0u);
  set_compacted(true);
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(text_of(*store_, "k"), std::nullopt);
  EXPECT_EQ(text_of(*store_, "stays"), "user");
  EXPECT_EQ(applier_->totals().type_changes, 1u);
  EXPECT_EQ(feed_->status().topics.at(0).cleanup_policy, "compact");
  // What is known stays when nobody answers any more, and when a right is taken away.
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kMethodNotAllowed}) {
    set_cleanup(Error{code, "no answer"});
    const int before = cleanup_questions();
    ASSERT_TRUE(wait_for([&] { return cleanup_questions() > before; }));
    EXPECT_EQ(feed_->status().topics.at(0).cleanup_policy, "compact");
  }
  EXPECT_TRUE(feed_->ready());
  EXPECT_EQ(feed_->restarts(), 0u);
}

TEST_P(FeedTest, ABrokerThatRefusesCountsAsNotCompacted) {
  start_broker(1);
  const SchemaId other = add_untaken_schema();
  produce("k", value(schema_, "user"));
  produce("k", value(other, "pet"));
  flush();
  set_cleanup(Error{ErrorCode::kMethodNotAllowed, "no right"});
  start_feed(broker_->bootstrap(), {.ask_cleanup = ask_cleanup()});
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(text_of(*store_, "k"), "user");
  EXPECT_EQ(feed_->status().topics.at(0).cleanup_policy, std::nullopt);
}

TEST_P(FeedTest, AChangedPolicyReadsTheTopicAnew) {
  start_broker(4);
  const SchemaId other = add_untaken_schema();
  for (int i = 0; i < 400; ++i) produce("k" + std::to_string(i), value(schema_, "user"));
  flush();
  for (int i = 0; i < 400; i += 2) produce("k" + std::to_string(i), value(other, "pet"));
  flush();
  set_compacted(false);
  start_feed(broker_->bootstrap(), {.ask_cleanup = ask_cleanup()});
  ASSERT_TRUE(wait_for([this] { return feed_->ready(); }));
  EXPECT_EQ(records(), 400u);
  const std::optional<ResumePoint> before = feed_->resume_point();
  for (const bool compacted : {true, false}) {
    const std::uint64_t restarts = feed_->restarts();
    set_compacted(compacted);
    ASSERT_TRUE(wait_for([&] { return feed_->restarts() > restarts && feed_->ready(); }));
    EXPECT_EQ(records(), compacted ? 200u : 400u);
    ASSERT_TRUE(before && feed_->resume_point());
    EXPECT_EQ(feed_->resume_point()->logs == before->logs, !compacted);
  }
}

// By a snapshot that was taken under another policy.
TEST_P(FeedTest, ASnapshotOfAnotherPolicyIsNotUsed) {
  start_broker(1);
  const SchemaId other = add_untaken_schema();
  produce("k", value(schema_, "user"));
  produce("k", value(other, "pet"));
  produce("stays", value(schema_, "user"));
  flush();
  std::optional<ResumePoint> point;
  for (const bool compacted : {false, false, true, true}) {
    set_compacted(compacted);
    const std::uint64_t taken = applier_ ? applier_->totals().records : 0;
    FeedOptions options{.ask_cleanup = ask_cleanup()};
    if (point) options.restore = [point] { return point; };
    start_feed(broker_->bootstrap(), options);
    ASSERT_TRUE(wait_for([this] { return feed_->ready() && feed_->resume_point(); }));
    EXPECT_EQ(text_of(*store_, "k").has_value(), !compacted) << taken;
    EXPECT_EQ(text_of(*store_, "stays"), "user");
    point = feed_->resume_point();
    feed_.reset();
  }
  EXPECT_EQ(applier_->totals().records, 0u) << "the last one went on from a snapshot";
}

INSTANTIATE_TEST_SUITE_P(Lanes, FeedTest, ::testing::Values(1, 3));

}  // namespace
}  // namespace push_cache::ingest
