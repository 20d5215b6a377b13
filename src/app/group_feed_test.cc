// The feed of a group against an embedded Kafka and registry, and a store that fails as told.
#include "ingest/group_feed.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "app/fake_remote_store.h"
#include "app/feed_test_support.h"
#include "kafka/consumer.h"

namespace push_cache::ingest {
namespace {

using namespace std::chrono_literals;

// The requests' numbers in Kafka's protocol.
constexpr std::int16_t kFetch = 1;
constexpr std::int16_t kOffsetCommit = 8;

// One process of the service: its own way to the backend that all share.
struct Process {
  // `type`: the only one that the store takes; "" = all.
  Process(RemoteBackend& backend, registry::SchemaCache& schemas, const std::string& type)
      : store(backend),
        applier(schemas,
                {{"all", &store,
                  [type](std::string_view name) { return type.empty() || name == type; }}},
                {"users"}) {}
  ~Process() { store.block(false); }

  bool ready() const { return feed->ready(); }
  std::size_t owned() const {
    std::size_t count = 0;
    for (const PartitionStatus& one : feed->status().partitions) count += one.owned ? 1 : 0;
    return count;
  }
  PartitionStatus partition() const {
    const FeedStatus status = feed->status();
    return status.partitions.empty() ? PartitionStatus{} : status.partitions[0];
  }
  std::uint64_t records() const { return applier.totals().records; }
  std::uint64_t bad(BadCause cause) const {
    return applier.totals().bad[static_cast<std::size_t>(cause)];
  }

  FakeRemoteStore store;
  Applier applier;
  std::unique_ptr<GroupFeed> feed;
};

// Each with one lane and with several.
class GroupFeedTest : public FeedTestBase, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void start_broker(int partitions) {
    FeedTestBase::start_broker(partitions);
    rd_kafka_mock_group_initial_rebalance_delay_ms(broker_->raw(), 0);
  }

  std::unique_ptr<Process> make(const std::string& type = "") {
    return std::make_unique<Process>(backend_, *schemas_, type);
  }

  void start(Process& process, GroupFeedOptions options = {}) {
    // The mock coordinator waits for about a session's time when a member leaves.
    options.consumer = {
        .brokers = broker_->bootstrap(),
        .group_id = "group",
        .topics = {"users"},
        .properties = {{"session.timeout.ms", "4000"}, {"heartbeat.interval.ms", "300"}}};
    options.discovery_interval = 100ms;
    options.metadata_timeout = 2s;
    options.commit_interval = 100ms;
    options.lanes = GetParam();
    options.cleanup_interval = 50ms;
    auto feed = GroupFeed::start(options, process.applier, {&process.store});
    ASSERT_TRUE(feed.ok()) << feed.error().describe();
    process.feed = *std::move(feed);
  }
  std::unique_ptr<Process> started(const GroupFeedOptions& options = {}) {
    auto process = make();
    start(*process, options);
    return process;
  }

  void produce_many(int from, int to, const std::string& text = "x") {
    for (int i = from; i < to; ++i) produce("k" + std::to_string(i), value(schema_, text));
    flush();
  }
  std::uint64_t held() { return backend_.records->counts().records; }
  std::size_t loads() {
    const std::lock_guard lock(backend_.mutex);
    return backend_.loads;
  }

  // The topic's id, as the broker gives it and the store gets it.
  std::string broker_id() {
    const std::unique_ptr<kafka::Consumer> asking = *kafka::Consumer::create(
        {.brokers = broker_->bootstrap(), .group_id = "asks", .topics = {"users"}});
    EXPECT_TRUE(asking->reach(30s).ok());
    const auto id = asking->cluster_id();
    EXPECT_TRUE(id.ok() && !id->empty());
    return *id;
  }

  void forget_everything() {
    const std::lock_guard lock(backend_.mutex);
    for (const auto& [key, offsets] : backend_.latest) (void)backend_.records->erase(key);
    backend_.latest.clear();
    backend_.positions.clear();
  }

  RemoteBackend backend_;
};

TEST_P(GroupFeedTest, ReadyMeansEverythingIsThere) {
  start_broker(4);
  produce_many(0, 5000);
  const auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(held(), 5000u);
  EXPECT_EQ(process->owned(), 4u);
  EXPECT_GT(backend_.largest_batch, 1u);
  produce("k0", std::nullopt);
  produce("new", value(schema_, "y"));
  flush();
  EXPECT_TRUE(
      wait_for([&] { return process->applier.totals().tombstones == 1 && held() == 5000; }));
  EXPECT_EQ(text_of(process->store, "k0"), std::nullopt);
  EXPECT_EQ(text_of(process->store, "new"), "y");
  EXPECT_EQ(process->applier.totals().updates, 5001u);
  EXPECT_TRUE(wait_for([&] {
    for (const PartitionStatus& one : process->feed->status().partitions) {
      if (one.kept != one.end) return false;
    }
    return true;
  })) << "the ends are committed";
}

TEST_P(GroupFeedTest, AnEmptyTopicIsReady) {
  start_broker(2);
  const auto process = started();
  EXPECT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_TRUE(wait_for([&] { return process->partition().kept == Offset(0); }));
}

TEST_P(GroupFeedTest, EveryKeyEndsWithItsLastRecordAlsoWhenWritesFail) {
  start_broker(5);
  constexpr int kKeys = 100;
  constexpr int kRounds = 20;
  const auto process = make();
  process->store.fail_every(7);
  start(*process);
  for (int round = 0; round < kRounds; ++round) {
    for (int key = 0; key < kKeys; ++key) {
      std::optional<std::string> text;
      if ((key + round) % 5 != 0) text = value(schema_, "round" + std::to_string(round));
      produce("k" + std::to_string(key), text);
    }
  }
  flush();
  ASSERT_TRUE(wait_for([&] { return process->records() == kKeys * kRounds; }));
  for (int key = 0; key < kKeys; ++key) {
    const auto text = text_of(process->store, "k" + std::to_string(key));
    ASSERT_EQ(text.has_value(), (key + kRounds - 1) % 5 != 0) << key;
    const std::string last = "round" + std::to_string(kRounds - 1);
    EXPECT_EQ(text.value_or(last), last) << key;
  }
}

TEST_P(GroupFeedTest, AStoreThatIsAwayIsWaitedForAndNothingIsKept) {
  start_broker(2);
  produce_many(0, 1000);
  auto process = make();
  process->store.fail(true);
  start(*process);
  ASSERT_TRUE(wait_for([&] { return !process->feed->status().group->store_error.empty(); }));
  EXPECT_FALSE(process->ready());
  EXPECT_FALSE(process->feed->status().reasons.empty());
  process->store.fail(false);
  ASSERT_TRUE(wait_for([&] { return process->ready() && held() == 1000; }));
  ASSERT_TRUE(wait_for([&] { return process->partition().kept.has_value(); }));
  const std::optional<Offset> kept = process->partition().kept;
  process->store.fail(true);
  produce_many(1000, 1200);
  ASSERT_TRUE(wait_for([&] {
    const std::vector<PartitionStatus> all = process->feed->status().partitions;
    return std::any_of(all.begin(), all.end(), [](const PartitionStatus& one) {
      return one.stage == PartitionStage::kWaitingForStore;
    });
  }));
  EXPECT_EQ(process->partition().kept, kept);
  // Another one takes over what this one could not write.
  process.reset();
  const auto next = make();
  next->store.fail(true);
  start(*next);
  ASSERT_TRUE(wait_for([&] { return !next->feed->status().group->store_error.empty(); }));
  next->store.fail(false);
  EXPECT_TRUE(wait_for([&] { return next->ready(); }));
  EXPECT_EQ(held(), 1200u);
  EXPECT_TRUE(wait_for([&] { return next->feed->status().group->store_error.empty(); }));
}

TEST_P(GroupFeedTest, AStoreThatOthersFillIsLeftAloneUntilItIsFree) {
  start_broker(2);
  produce_many(0, 500);
  const auto first = started();
  ASSERT_TRUE(wait_for([&] { return first->ready() && first->owned() == 2; }));
  const auto rebalances = [&] { return first->feed->status().group->rebalances; };
  const std::uint64_t before = rebalances();
  const std::size_t loads_before = loads();
  const auto second = make();
  second->store.fill_with("some");
  start(*second);
  ASSERT_TRUE(wait_for([&] { return second->store.claims() > 5; }));
  EXPECT_FALSE(second->ready());
  EXPECT_FALSE(second->feed->status().ready);
  EXPECT_EQ(second->feed->status().group->store_error, "it is filled by another configuration");
  EXPECT_EQ(second->owned(), 0u);
  EXPECT_EQ(second->records(), 0u);
  produce_many(500, 600);
  ASSERT_TRUE(wait_for([&] { return held() == 600; }));
  EXPECT_TRUE(first->ready());
  EXPECT_EQ(rebalances(), before) << "a stranger takes no partition away";
  EXPECT_EQ(loads(), loads_before);
  // The store changes hands.
  {
    const std::lock_guard lock(backend_.mutex);
    backend_.fingerprint = "some of " + broker_id();
    backend_.positions.clear();
  }
  ASSERT_TRUE(wait_for([&] { return second->ready() && !first->ready(); }));
  EXPECT_TRUE(wait_for([&] { return second->owned() == 2 && first->owned() == 0; }));
  produce_many(600, 700);
  EXPECT_TRUE(wait_for([&] { return second->ready() && held() == 700; }));
  EXPECT_EQ(second->feed->status().group->store_error, "");
  // And back.
  {
    const std::lock_guard lock(backend_.mutex);
    backend_.fingerprint = "all of " + broker_id();
  }
  EXPECT_TRUE(wait_for([&] { return first->ready() && first->owned() == 2 && !second->ready(); }));
}

TEST_P(GroupFeedTest, AStoreIsClaimedBeforeAnythingIsDoneAndWhenItHasLostEverything) {
  start_broker(1);
  produce_many(0, 50);
  const auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(held(), 50u);
  const std::string own = "all of " + broker_id();
  {
    const std::lock_guard lock(backend_.mutex);
    EXPECT_EQ(backend_.fingerprint, own);
    backend_.fingerprint.clear();
  }
  EXPECT_TRUE(wait_for([&] {
    const std::lock_guard lock(backend_.mutex);
    return backend_.fingerprint == own;
  }));
  EXPECT_TRUE(process->ready());
}

TEST_P(GroupFeedTest, GoesOnWhereTheStoreIsWhateverIsCommitted) {
  start_broker(2);
  auto process = make();
  start(*process);
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  const std::vector<rd_kafka_resp_err_t> errors(1000, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
  rd_kafka_mock_push_request_errors_array(broker_->raw(), kOffsetCommit, errors.size(),
                                          errors.data());
  produce_many(0, 500);
  ASSERT_TRUE(wait_for([&] { return held() == 500; }));
  EXPECT_TRUE(wait_for([&] { return process->feed->status().group->commits.failed > 0; }));
  process.reset();
  rd_kafka_mock_clear_request_errors(broker_->raw(), kOffsetCommit);
  const auto next = started();
  ASSERT_TRUE(wait_for([&] { return next->ready() && next->owned() == 2; }));
  EXPECT_EQ(next->records(), 0u);
  EXPECT_EQ(held(), 500u);
}

TEST_P(GroupFeedTest, WhatAStoreHasLostIsReadAgain) {
  start_broker(2);
  produce_many(0, 500);
  const auto process = started();
  const auto other = started();
  ASSERT_TRUE(wait_for([&] { return process->ready() && other->ready(); }));
  ASSERT_TRUE(wait_for([&] { return process->owned() == 1 && other->owned() == 1; }));
  process->store.fail(true);  // nothing is read before both have seen it
  other->store.fail(true);
  forget_everything();
  process->store.fail(false);
  ASSERT_TRUE(wait_for([&] { return process->feed->status().group->losses > 0; }));
  EXPECT_FALSE(process->ready());
  other->store.fail(false);
  ASSERT_TRUE(wait_for([&] { return process->ready() && other->ready(); }));
  EXPECT_EQ(held(), 500u);
}

TEST_P(GroupFeedTest, AsksForSchemasOfWhatOthersWrote) {
  start_broker(1);
  backend_.schemas = {schema_};
  const auto process = started();
  EXPECT_TRUE(wait_for([&] { return schemas_->find(schema_) != nullptr; }));
}

TEST_P(GroupFeedTest, ADoubtIsSettledOnceTheStoreHasTold) {
  start_broker(1);
  produce_many(0, 10);
  const auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  process->store.fail(true);
  process->store.doubt();
  EXPECT_FALSE(process->store.trusted());
  process->store.fail(false);
  EXPECT_TRUE(wait_for([&] { return process->store.trusted(); }));
}

TEST_P(GroupFeedTest, ARestartGoesOnFromWhatIsKeptAndReadsNothingAgain) {
  start_broker(3);
  produce_many(0, 900);
  auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  process.reset();  // commits
  const auto next = started();
  ASSERT_TRUE(wait_for([&] { return next->ready() && next->owned() == 3; }));
  EXPECT_EQ(next->records(), 0u);
  produce_many(900, 1000);
  EXPECT_TRUE(wait_for([&] { return held() == 1000; }));
  EXPECT_EQ(next->records(), 100u);
}

TEST_P(GroupFeedTest, TwoProcessesShareAndOneTakesOver) {
  start_broker(4);
  produce_many(0, 1000);
  auto first = started();
  ASSERT_TRUE(wait_for([&] { return first->ready(); }));
  const auto second = started();
  ASSERT_TRUE(wait_for([&] { return first->owned() == 2 && second->owned() == 2; }));
  EXPECT_TRUE(wait_for([&] { return second->ready(); }));
  for (int i = 1000; i < 3000; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  first.reset();
  for (int i = 3000; i < 4000; ++i) produce("k" + std::to_string(i), value(schema_, "x"));
  flush();
  ASSERT_TRUE(wait_for([&] { return second->owned() == 4; }));
  EXPECT_TRUE(wait_for([&] { return held() == 4000; })) << held();
  EXPECT_TRUE(second->ready());
}

TEST_P(GroupFeedTest, PartitionsGoWhileAWriteIsBlocked) {
  start_broker(4);
  auto first = started();
  ASSERT_TRUE(wait_for([&] { return first->ready(); }));
  first->store.block(true);
  produce_many(0, 1000);
  ASSERT_TRUE(wait_for([&] { return first->store.is_in_blocked_write(); }));
  const auto second = started();
  ASSERT_TRUE(wait_for([&] { return second->owned() == 2; }));
  produce_many(1000, 2000);
  EXPECT_FALSE(second->ready());
  first->store.block(false);  // its late writes meet newer ones
  EXPECT_TRUE(wait_for([&] { return held() == 2000; })) << held();
  EXPECT_TRUE(wait_for([&] { return second->ready(); }));
  first.reset();
  EXPECT_TRUE(wait_for([&] { return second->owned() == 4; }));
  EXPECT_EQ(held(), 2000u);
}

TEST_P(GroupFeedTest, OnePartitionThatWaitsForASchemaDoesNotHoldUpTheOthers) {
  start_broker(8);
  produce_many(0, 800);
  const SchemaId unknown(schema_.value + 1);
  produce("stuck", value(unknown, "y", "\x02"));
  produce("stuck", value(unknown, "z", "\x04"));
  flush();
  auto process = started();
  ASSERT_TRUE(wait_for([&] { return held() == 800; })) << held();
  EXPECT_FALSE(process->ready());
  for (int i = 0; i < 800; ++i) produce("more" + std::to_string(i), value(schema_, "x"));
  flush();
  ASSERT_TRUE(wait_for([&] { return held() >= 1400; })) << held();
  EXPECT_LT(held(), 1600u) << "what comes behind the waiting record waits with it";
  // It goes, and waits elsewhere.
  process.reset();
  const auto next = started();
  ASSERT_TRUE(wait_for([&] { return next->owned() == 8; }));
  ASSERT_EQ(*registry_->add("users-value", kNewSchema), unknown);
  EXPECT_TRUE(wait_for([&] { return next->ready() && held() == 1601; })) << held();
}

TEST_P(GroupFeedTest, SkipsABadRecord) {
  start_broker(1);
  produce("good", value(schema_, "x"));
  produce("bad", "garbage");
  produce("behind", value(schema_, "x"));
  flush();
  const auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(held(), 2u);
  EXPECT_EQ(process->bad(BadCause::kBadMagic), 1u);
  EXPECT_TRUE(wait_for([&] { return process->partition().kept == Offset(3); }));
}

TEST_P(GroupFeedTest, StopsAtABadRecordWhenItIsTold) {
  start_broker(1);
  produce("good", value(schema_, "x"));
  produce("bad", "garbage");
  produce("behind", value(schema_, "x"));
  flush();
  const auto process = started({.on_bad_record = OnBadRecord::kStop});
  ASSERT_TRUE(wait_for([&] { return process->partition().stage == PartitionStage::kStopped; }));
  EXPECT_FALSE(process->ready());
  EXPECT_TRUE(wait_for([&] { return process->partition().kept == Offset(1); }));
  EXPECT_EQ(process->partition().position, Offset(1));
  EXPECT_EQ(held(), 1u);
  EXPECT_EQ(process->bad(BadCause::kBadMagic), 1u);
}

TEST_P(GroupFeedTest, ADeadLetterHoldsTheCommitUntilItIsAcknowledged) {
  start_broker(1);
  ASSERT_TRUE(broker_->create_topic({"dead", 1}).ok());
  rd_kafka_mock_topic_set_error(broker_->raw(), "dead", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  produce("good", value(schema_, "x"));
  produce("bad", "garbage");
  produce("behind", value(schema_, "x"));
  flush();
  const auto process =
      started({.on_bad_record = OnBadRecord::kDeadLetter, .dead_letter_topic = "dead"});
  ASSERT_TRUE(wait_for([&] {
    const auto letters = process->feed->status().dead_letters;
    return letters->waiting == 1 && !letters->error.empty();
  }));
  EXPECT_TRUE(wait_for([&] { return held() == 2; })) << "what is behind is served";
  EXPECT_TRUE(wait_for([&] { return process->partition().kept == Offset(1); }));
  EXPECT_FALSE(process->ready());
  rd_kafka_mock_topic_set_error(broker_->raw(), "dead", RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_TRUE(wait_for([&] { return process->partition().kept == Offset(3); }));
  EXPECT_EQ(process->feed->status().dead_letters->acknowledged, 1u);
}

TEST_P(GroupFeedTest, ARecordTooLargeForTheStoreIsBad) {
  start_broker(1);
  produce("good", value(schema_, "x"));
  produce("large", value(schema_, std::string(50, 'l')));
  produce("behind", value(schema_, "x"));
  flush();
  auto process = make();
  process->store.refuse_beyond(40);
  start(*process, {.on_bad_record = OnBadRecord::kStop});
  ASSERT_TRUE(wait_for([&] { return process->partition().stage == PartitionStage::kStopped; }));
  EXPECT_EQ(process->bad(BadCause::kTooLarge), 1u);
  EXPECT_TRUE(wait_for([&] { return process->partition().kept == Offset(1); }));
  process->store.refuse_beyond(100);  // the store's limit was raised
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(held(), 3u);

  process->store.refuse_beyond(40);
  process.reset();
  produce("large", value(schema_, std::string(50, 'm')));
  produce("last", value(schema_, "x"));
  flush();
  process = make();
  process->store.refuse_beyond(40);
  start(*process);
  ASSERT_TRUE(wait_for([&] { return process->ready() && held() == 4; }));
  EXPECT_EQ(process->bad(BadCause::kTooLarge), 1u);
  EXPECT_EQ(text_of(process->store, "large"), std::string(50, 'l')) << "the last good value";
}

TEST_P(GroupFeedTest, WhatAStoreHasBesideTheLogIsTakenOutByALoad) {
  start_broker(1);
  produce("k0", value(schema_, "first"));
  produce("bad", "garbage");
  const std::string datum = value(schema_, "old").substr(5);
  const auto process = make();
  const store::Write old{
      .record = {.key = "old",
                 .datum = Bytes(reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()),
                 .schema = schema_,
                 .partition = Partition(0),
                 .offset = Offset(1)}};
  store::Write same = old;
  same.record.key = "k0";
  same.record.offset = Offset(0);
  const std::vector<store::Write> writes = {old, same};
  std::vector<store::WriteOutcome> outcomes(2);
  ASSERT_TRUE(process->store.claim(broker_id()).ok());
  ASSERT_TRUE(process->store.write(writes, outcomes).ok());
  produce_many(1, 10);
  process->store.fail(true);
  start(*process);
  ASSERT_TRUE(wait_for([&] { return !process->feed->status().reasons.empty(); }));
  EXPECT_EQ(held(), 2u);
  process->store.fail(false);
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(held(), 10u);
  EXPECT_EQ(text_of(process->store, "old"), std::nullopt);
}

TEST_P(GroupFeedTest, APositionThatIsNotInTheLogIsReadAnew) {
  start_broker(1);
  produce_many(0, 300);
  const auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  const std::size_t before = loads();
  rd_kafka_mock_push_request_errors(broker_->raw(), kFetch, 1,
                                    RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
  ASSERT_TRUE(wait_for([&] { return process->records() == 600; })) << process->records();
  EXPECT_EQ(loads(), before + 1);
  EXPECT_TRUE(wait_for([&] { return process->ready() && held() == 300; }));
  EXPECT_EQ(process->partition().stage, PartitionStage::kCaughtUp);
}

TEST_P(GroupFeedTest, WhatTheLogHasLostBehindThePositionIsTakenOut) {
  start_broker(1);
  produce_many(0, 300);
  auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  process.reset();
  const std::size_t before = loads();
  // More than the mock broker keeps of a partition, which nothing can compress.
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    std::string key;
    while (key.size() < 50'000) key.push_back(static_cast<char>('!' + random() % 90));
    produce(key, value(schema_, "y"));
  }
  flush();
  process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(loads(), before + 1);
  EXPECT_EQ(text_of(process->store, "k0"), std::nullopt);
  const PartitionStatus status = process->partition();
  EXPECT_GT(status.log_start, Offset(300));
  EXPECT_EQ(held(), static_cast<std::uint64_t>(500 - status.log_start.value));
}

TEST_P(GroupFeedTest, ReadsFromTheBeginningWhenItIsForced) {
  start_broker(2);
  produce_many(0, 400);
  auto process = started();
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  process.reset();
  // The store has lost everything, but for its positions.
  {
    const std::lock_guard lock(backend_.mutex);
    backend_.records = store::make_memory_store();
    backend_.latest.clear();
  }
  const auto next = started({.from_beginning = true});
  ASSERT_TRUE(wait_for([&] { return next->ready(); }));
  EXPECT_EQ(held(), 400u);
  EXPECT_EQ(next->records(), 400u);
}

TEST_P(GroupFeedTest, StartsAtTheEndWhenWhatWasBeforeIsNotWanted) {
  start_broker(2);
  produce_many(0, 400);
  const auto process = started({.offset_reset = OffsetReset::kLatest});
  ASSERT_TRUE(wait_for([&] { return process->ready() && process->owned() == 2; }));
  ASSERT_TRUE(wait_for([&] { return process->partition().kept.has_value(); }));
  EXPECT_EQ(held(), 0u);
  for (int i = 0; i < 100; ++i) produce("new" + std::to_string(i), value(schema_, "x"));
  flush();
  EXPECT_TRUE(wait_for([&] { return held() == 100; })) << held();
}

TEST_P(GroupFeedTest, IsNotReadyWhileNoBrokerAnswers) {
  start_broker(1);
  produce_many(0, 10);
  broker_->set_down();
  const auto process = started();
  ASSERT_TRUE(wait_for([&] { return !process->feed->status().error.empty(); }));
  EXPECT_FALSE(process->ready());
  EXPECT_FALSE(process->feed->status().reasons.empty());
  broker_->set_up();
  EXPECT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(held(), 10u);
}

TEST_P(GroupFeedTest, ReadyFallsWhenWhatIsHeldIsTooOldAndComesBack) {
  start_broker(2);
  produce_many(0, 10);
  const auto process = started({.max_staleness = 1s});
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  process->store.fail(true);
  produce_many(10, 20);
  ASSERT_TRUE(wait_for([&] { return !process->ready(); }));
  process->store.fail(false);
  EXPECT_TRUE(wait_for([&] { return process->ready(); }));
}

TEST_P(GroupFeedTest, NothingIsReadBeforeItIsKnownWhetherATopicIsCompacted) {
  start_broker(2);
  const SchemaId other = *registry_->add("pets-value", kOtherSchema);
  produce("k", value(schema_, "user"));
  produce("k", value(other, "pet"));
  produce("stays", value(schema_, "user"));
  flush();
  set_cleanup(Error{ErrorCode::kUnavailable, "nobody answers"});
  const auto process = make("User");
  start(*process, {.ask_cleanup = ask_cleanup()});
  ASSERT_TRUE(wait_for([this] { return cleanup_questions() > 3; }));
  EXPECT_FALSE(process->ready());
  EXPECT_EQ(process->records(), 0u);
  set_compacted(true);
  ASSERT_TRUE(wait_for([&] { return process->ready(); }));
  EXPECT_EQ(text_of(process->store, "k"), std::nullopt);
  EXPECT_EQ(text_of(process->store, "stays"), "user");
  EXPECT_EQ(process->applier.totals().type_changes, 1u);
  EXPECT_EQ(process->applier.totals().records, 3u) << "none twice";
}

TEST_P(GroupFeedTest, AChangedPolicyReadsTheTopicAnewAlsoWhenItChangedMeanwhile) {
  start_broker(4);
  const SchemaId other = *registry_->add("pets-value", kOtherSchema);
  produce_many(0, 400);
  for (int i = 0; i < 400; i += 2) produce("k" + std::to_string(i), value(other, "pet"));
  flush();
  set_compacted(false);
  auto process = make("User");
  start(*process, {.ask_cleanup = ask_cleanup()});
  ASSERT_TRUE(wait_for([&] { return process->ready() && held() == 400; })) << held();
  for (const bool compacted : {true, false}) {
    set_compacted(compacted);
    ASSERT_TRUE(wait_for([&] { return held() == (compacted ? 200u : 400u) && process->ready(); }))
        << held();
  }
  ASSERT_TRUE(wait_for([&] { return process->partition().kept.has_value(); }));
  process.reset();
  set_compacted(true);
  process = make("User");
  start(*process, {.ask_cleanup = ask_cleanup()});
  ASSERT_TRUE(wait_for([&] { return process->ready() && held() == 200; })) << held();
}

// One process knows of the new policy before the other one does.
TEST_P(GroupFeedTest, MembersMayLearnOfAPolicyOneAfterTheOther) {
  start_broker(4);
  const SchemaId other = *registry_->add("pets-value", kOtherSchema);
  produce_many(0, 400);
  for (int i = 0; i < 400; i += 2) produce("k" + std::to_string(i), value(other, "pet"));
  flush();
  set_compacted(false);
  std::atomic<bool> second_knows = false;
  std::atomic<int> second_asked = 0;
  const auto first = make("User");
  start(*first, {.ask_cleanup = ask_cleanup()});
  const auto second = make("User");
  start(*second, {.ask_cleanup = [&](std::uint32_t) -> Result<kafka::TopicCleanup> {
    ++second_asked;
    return kafka::TopicCleanup{.policy = "", .compacted = second_knows};
  }});
  ASSERT_TRUE(wait_for([&] {
    return first->ready() && second->ready() && first->owned() == 2 && second->owned() == 2;
  }));
  EXPECT_EQ(held(), 400u);
  set_compacted(true);
  ASSERT_TRUE(wait_for([&] { return !first->ready() && !second->ready(); }));
  const int before = second_asked;
  ASSERT_TRUE(wait_for([&] { return second_asked > before + 5; }));
  EXPECT_FALSE(first->ready()) << "what the second one reads is not what it has to be";
  EXPECT_FALSE(second->ready()) << "it has lost the partitions that the first one loads";
  second_knows = true;
  ASSERT_TRUE(wait_for([&] { return first->ready() && second->ready(); }));
  EXPECT_EQ(held(), 200u);
}

INSTANTIATE_TEST_SUITE_P(Lanes, GroupFeedTest, ::testing::Values(1, 3));

}  // namespace
}  // namespace push_cache::ingest
