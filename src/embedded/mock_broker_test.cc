#include "embedded/mock_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "embedded/test_support.h"
#include "kafka/producer.h"

namespace push_cache::embedded {
namespace {

using namespace std::chrono_literals;

TEST(MockBroker, StartsWithBrokersAndTopics) {
  auto broker = must(MockBroker::start({.brokers = 3, .topics = {{"a", 4}, {"b", 1}}}));
  const std::string bootstrap = broker->bootstrap();
  EXPECT_EQ(std::count(bootstrap.begin(), bootstrap.end(), ','), 2);
  auto producer = must(kafka::Producer::create({.brokers = bootstrap, .properties = {}}));
  EXPECT_EQ(must(producer->wait_for_topic("a", 30s)), 4);
  EXPECT_EQ(must(producer->wait_for_topic("b", 30s)), 1);
  EXPECT_FALSE(broker->create_topic({"a", 1}).ok());
  ASSERT_TRUE(broker->create_topic({"c", 2}).ok());
  EXPECT_EQ(must(producer->wait_for_topic("c", 30s)), 2);
}

TEST(MockBroker, TellsHowManyRecordsItKeeps) {
  EXPECT_EQ(MockBroker::records_max(1, 5 * 1024 * 1024), 0u);
  EXPECT_GT(MockBroker::records_max(1, 100), 20'000u);
  EXPECT_LE(MockBroker::records_max(1, 0), 100'000u);
  for (const int partitions : {2, 10, 100}) {
    const auto whole = MockBroker::records_max(1, 200) * static_cast<std::uint64_t>(partitions);
    EXPECT_LT(MockBroker::records_max(partitions, 200), whole);
    EXPECT_GT(MockBroker::records_max(partitions, 200), whole * 9 / 10);
  }
}

TEST(MockBroker, RefusesACountBeyondIt) {
  const std::uint64_t max = MockBroker::records_max(4, 200);
  EXPECT_TRUE(MockBroker::check_fits(max, 4, 200).ok());
  const Status refused = MockBroker::check_fits(max + 1, 4, 200);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().public_text, testing::HasSubstr("it keeps " + std::to_string(max) +
                                                              " of this size in 4 partitions"));
}

// The proof of the bound: incompressible values, a batch a record, keys by hash, nothing dropped.
TEST(MockBroker, KeepsAsManyAsItSays) {
  constexpr int kPartitions = 3;
  constexpr std::size_t kValueBytes = 4000;
  auto broker = must(MockBroker::start({.topics = {{"t", kPartitions}}}));
  auto producer = must(kafka::Producer::create(
      {.brokers = broker->bootstrap(),
       .properties = {{"batch.num.messages", "1"}, {"compression.type", "none"}}}));
  const std::uint64_t count = MockBroker::records_max(kPartitions, kValueBytes + 8);
  ASSERT_GT(count, 3000u);
  std::mt19937 random(42);
  std::vector<std::uint8_t> value(kValueBytes);
  for (std::uint64_t i = 0; i < count; ++i) {
    for (auto& byte : value) byte = static_cast<std::uint8_t>(random());
    ASSERT_TRUE(producer->produce("t", std::to_string(i), Bytes(value)).ok());
  }
  const Status done = producer->flush(60s);
  ASSERT_TRUE(done.ok()) << done.error().describe();
  const std::vector<Record> records = consume(broker->bootstrap(), "t", count);
  EXPECT_EQ(records.size(), count);
}

TEST(MockBroker, ComesBack) {
  auto broker = must(MockBroker::start({.topics = {{"t", 1}}}));
  auto producer = must(kafka::Producer::create({.brokers = broker->bootstrap(), .properties = {}}));
  ASSERT_TRUE(producer->wait_for_topic("t", 30s).ok());
  broker->set_down();
  ASSERT_TRUE(producer->produce("t", "k", Bytes()).ok());
  const Status waiting = producer->flush(50ms);
  ASSERT_FALSE(waiting.ok());
  EXPECT_EQ(waiting.error().code, ErrorCode::kTimeout);
  broker->set_up();
  EXPECT_TRUE(producer->flush(30s).ok());
}

}  // namespace
}  // namespace push_cache::embedded
