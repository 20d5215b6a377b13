#include "kafka/producer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <mutex>

#include "kafka/consumer.h"

namespace push_cache::kafka {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class ProducerTest : public testing::Test {
 protected:
  void SetUp() override {
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    ASSERT_NE(handle_, nullptr);
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    ASSERT_NE(cluster_, nullptr);
    ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "t", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    brokers_ = rd_kafka_mock_cluster_bootstraps(cluster_);
  }
  void TearDown() override {
    if (cluster_ != nullptr) rd_kafka_mock_cluster_destroy(cluster_);
    if (handle_ != nullptr) rd_kafka_destroy(handle_);
  }

  std::unique_ptr<Producer> make(Properties properties = {}) {
    auto producer = Producer::create({.brokers = brokers_, .properties = std::move(properties)});
    EXPECT_TRUE(producer.ok()) << (producer.ok() ? "" : producer.error().describe());
    return producer.ok() ? *std::move(producer) : nullptr;
  }

  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::string brokers_;
};

Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST_F(ProducerTest, NullAndEmptyAreNotTheSame) {
  auto producer = make();
  ASSERT_TRUE(producer->produce("t", "empty", Bytes()).ok());
  ASSERT_TRUE(producer->produce("t", "null", std::nullopt).ok());
  ASSERT_TRUE(producer->produce("t", std::string_view(), bytes("no key")).ok());
  ASSERT_TRUE(producer->produce("t", "full", bytes("value")).ok());
  ASSERT_TRUE(producer->flush(30s).ok());
  EXPECT_EQ(producer->counts().accepted, 4u);
  EXPECT_EQ(producer->counts().delivered, 4u);

  auto consumer = Consumer::create(
      {.brokers = brokers_, .group_id = "test", .topics = {"t"}, .properties = {}});
  ASSERT_TRUE(consumer.ok());
  const TopicPartitionOffset from{.at = {}, .offset = Offset(0)};
  ASSERT_TRUE((*consumer)->assign(0, {&from, 1}).ok());
  std::vector<KeptMessage> all;
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (all.size() < 4 && std::chrono::steady_clock::now() < end) {
    Batch batch;
    (*consumer)->poll(0, 100ms, 4 - all.size(), batch);
    for (std::size_t i = 0; i < batch.messages().size(); ++i) {
      if (batch.messages()[i].kind == MessageKind::kRecord) all.push_back(batch.keep(i));
    }
  }
  ASSERT_EQ(all.size(), 4u);
  ASSERT_TRUE(all[0].message.value.has_value());
  EXPECT_TRUE(all[0].message.value->empty());
  EXPECT_FALSE(all[1].message.value.has_value());
  EXPECT_FALSE(all[2].message.key.has_value());
  EXPECT_EQ(all[3].message.value->size(), 5u);
}

TEST_F(ProducerTest, TellsWhatBecameOfEachRecord) {
  auto producer = make();
  std::mutex mutex;
  std::vector<std::int64_t> offsets;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(producer
                    ->produce("t", "k", bytes("v"),
                              [&](const Delivery& delivery) {
                                std::lock_guard lock(mutex);
                                EXPECT_FALSE(delivery.error.has_value());
                                EXPECT_EQ(delivery.partition.value, 0);
                                offsets.push_back(delivery.offset.value);
                              })
                    .ok());
  }
  ASSERT_TRUE(producer->flush(30s).ok());
  ASSERT_EQ(offsets.size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(offsets[i], static_cast<std::int64_t>(i));
}

TEST_F(ProducerTest, CountsWhatWasNotDelivered) {
  auto producer = make({{"enable.idempotence", "false"}, {"retries", "0"}});
  const std::vector<rd_kafka_resp_err_t> errors(50, RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR);
  rd_kafka_mock_push_request_errors_array(cluster_, 0, errors.size(), errors.data());
  std::atomic<int> failed{0};
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(producer
                    ->produce("t", "k", bytes("v"),
                              [&](const Delivery& delivery) { failed += delivery.error ? 1 : 0; })
                    .ok());
  }
  const Status done = producer->flush(30s);
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().public_text, HasSubstr("20 of 20 records were not delivered"));
  EXPECT_FALSE(done.error().detail.empty());
  EXPECT_EQ(failed.load(), 20);
  EXPECT_EQ(producer->counts().failed, 20u);
}

// The next `count` records of topic `t`.
std::vector<KeptMessage> read(Consumer& consumer, std::size_t count) {
  std::vector<KeptMessage> out;
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (out.size() < count && std::chrono::steady_clock::now() < end) {
    Batch batch;
    consumer.poll(0, 50ms, 10, batch);
    for (std::size_t i = 0; i < batch.messages().size(); ++i) {
      if (batch.messages()[i].kind == MessageKind::kRecord) out.push_back(batch.keep(i));
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> headers_of(const KeptMessage& message) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Header& header : copy_of(message).headers) {
    out.emplace_back(header.name, header.value.value_or("null"));
  }
  return out;
}

TEST_F(ProducerTest, ForwardsARecordAsItCame) {
  auto producer = make();
  ASSERT_TRUE(producer->produce("t", "key", bytes("value")).ok());
  ASSERT_TRUE(producer->produce("t", std::string_view(), std::nullopt).ok());
  ASSERT_TRUE(producer->flush(30s).ok());
  auto consumer = Consumer::create(
      {.brokers = brokers_, .group_id = "test", .topics = {"t"}, .properties = {}});
  ASSERT_TRUE(consumer.ok());
  const TopicPartitionOffset from{{0, Partition(0)}, Offset(0)};
  ASSERT_TRUE((*consumer)->assign(0, {&from, 1}).ok());
  const auto came = read(**consumer, 2);
  ASSERT_EQ(came.size(), 2u);

  std::atomic<int> delivered{0};
  const auto count = [&](const Delivery& d) { delivered += d.error ? 0 : 1; };
  const std::vector<Header> first = {{"cause", "bad"}};
  ASSERT_TRUE(producer->forward("t", copy_of(came[0]), first, count).ok());
  ASSERT_TRUE(producer->forward("t", copy_of(came[1]), {}, count).ok());
  const auto sent = read(**consumer, 2);
  ASSERT_EQ(sent.size(), 2u);
  // And once more: what has headers keeps them.
  const std::vector<Header> second = {{"cause", "worse"}};
  ASSERT_TRUE(producer->forward("t", copy_of(sent[0]), second, count).ok());
  ASSERT_TRUE(producer->flush(30s).ok());
  EXPECT_EQ(delivered.load(), 3);
  const auto again = read(**consumer, 1);
  ASSERT_EQ(again.size(), 1u);
  for (const KeptMessage* one : {&sent[0], &again[0]}) {
    ASSERT_TRUE(one->message.key && one->message.value);
    EXPECT_EQ(std::string(one->message.key->begin(), one->message.key->end()), "key");
    EXPECT_EQ(std::string(one->message.value->begin(), one->message.value->end()), "value");
    EXPECT_EQ(one->message.timestamp_ms, came[0].message.timestamp_ms);
  }
  EXPECT_FALSE(sent[1].message.key || sent[1].message.value);
  using Headers = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(headers_of(sent[0]), (Headers{{"cause", "bad"}}));
  EXPECT_EQ(headers_of(again[0]), (Headers{{"cause", "bad"}, {"cause", "worse"}}));
}

TEST_F(ProducerTest, WaitsWhileItsQueueIsFull) {
  auto producer = make({{"queue.buffering.max.messages", "10"}, {"linger.ms", "1"}});
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(producer->produce("t", "k", bytes("v")).ok());
  EXPECT_TRUE(producer->flush(30s).ok());
  EXPECT_EQ(producer->counts().delivered, 500u);
}

TEST_F(ProducerTest, RefusesWhatIsTooLarge) {
  auto producer = make({{"message.max.bytes", "10000"}});
  const std::string large(20'000, 'x');
  const Status done = producer->produce("t", "k", bytes(large));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(producer->counts().accepted, 0u);
}

TEST_F(ProducerTest, EndsWithRecordsUnderWay) {
  rd_kafka_mock_broker_set_down(cluster_, -1);
  std::atomic<int> told{0};
  {
    auto producer = make();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(
          producer
              ->produce("t", "k", bytes("v"), [&](const Delivery& d) { told += d.error ? 1 : 0; })
              .ok());
    }
  }
  EXPECT_EQ(told.load(), 5);
}

TEST_F(ProducerTest, AConsumersPropertiesDoNoHarm) {
  auto producer = make({{"auto.offset.reset", "earliest"}, {"fetch.min.bytes", "1"}});
  auto partitions = producer->wait_for_topic("t", 30s);
  ASSERT_TRUE(partitions.ok());
  EXPECT_EQ(*partitions, 1);
}

TEST_F(ProducerTest, SaysWhenATopicIsNotThere) {
  rd_kafka_mock_topic_set_error(cluster_, "t", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  auto partitions = make()->wait_for_topic("t", 500ms);
  ASSERT_FALSE(partitions.ok());
  EXPECT_EQ(partitions.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(partitions.error().public_text, HasSubstr("'t' is not there"));
}

TEST(Producer, RefusesWhatLibrdkafkaRefuses) {
  auto unknown = Producer::create({.brokers = "x:1", .properties = {{"no.such", "1"}}});
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().public_text, HasSubstr("kafka.properties.no.such"));
  auto missing = Producer::create(
      {.brokers = "x:1",
       .properties = {{"ssl.ca.location", "/no/such/file"}, {"security.protocol", "ssl"}}});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace push_cache::kafka
