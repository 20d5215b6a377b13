#include "kafka/consumer.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kafka/producer.h"

namespace push_cache::kafka {
namespace {

using namespace std::chrono_literals;

class ConsumerTest : public testing::Test {
 protected:
  void SetUp() override {
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0);
    ASSERT_NE(handle_, nullptr);
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    ASSERT_NE(cluster_, nullptr);
    ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "t", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    const std::string brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
    auto producer = Producer::create({.brokers = brokers, .properties = {}});
    ASSERT_TRUE(producer.ok());
    producer_ = *std::move(producer);
    auto consumer = Consumer::create(
        {.brokers = brokers, .group_id = "test", .topics = {"t"}, .properties = {}});
    ASSERT_TRUE(consumer.ok());
    consumer_ = *std::move(consumer);
  }
  void TearDown() override {
    consumer_.reset();
    producer_.reset();
    if (cluster_ != nullptr) rd_kafka_mock_cluster_destroy(cluster_);
    if (handle_ != nullptr) rd_kafka_destroy(handle_);
  }

  void produce(std::string_view key) {
    ASSERT_TRUE(producer_->produce("t", key, Bytes()).ok());
    ASSERT_TRUE(producer_->flush(30s).ok());
  }

  Status read_on(Offset from) {
    const TopicPartitionOffset next{kAt, from};
    return consumer_->assign(0, {&next, 1});
  }

  // Polls until an event of this kind comes; gives its offset, -1 after 30 s without.
  std::int64_t next(MessageKind kind) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < end) {
      Batch batch;
      consumer_->poll(0, 50ms, 1, batch);
      if (batch.messages().empty()) continue;
      const Message& message = batch.messages()[0];
      if (message.kind == MessageKind::kOutOfRange) {
        ADD_FAILURE() << batch.error_text(0);
        return -1;
      }
      if (message.kind == kind) return message.offset.value;
    }
    return -1;
  }

  static constexpr TopicPartition kAt{0, Partition(0)};
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::unique_ptr<Producer> producer_;
  std::unique_ptr<Consumer> consumer_;
};

TEST_F(ConsumerTest, GoesOnAfterItWasUnassignedAtTheEndWithoutSkippingARecord) {
  produce("first");
  const TopicPartitionOffset from{kAt, Offset(0)};
  ASSERT_TRUE(consumer_->assign(0, {&from, 1}).ok());
  EXPECT_EQ(next(MessageKind::kRecord), 0);
  EXPECT_EQ(next(MessageKind::kEnd), 1);
  ASSERT_TRUE(consumer_->unassign(kAt).ok());
  ASSERT_TRUE(read_on(Offset(1)).ok());
  EXPECT_EQ(next(MessageKind::kEnd), 1);  // and not: out of range
  ASSERT_TRUE(consumer_->unassign(kAt).ok());
  produce("second");
  produce("third");
  ASSERT_TRUE(read_on(Offset(1)).ok());
  EXPECT_EQ(next(MessageKind::kRecord), 1);
  EXPECT_EQ(next(MessageKind::kRecord), 2);
}

TEST_F(ConsumerTest, GivesNothingOfAnUnassignedPartition) {
  const TopicPartitionOffset from{kAt, Offset(0)};
  ASSERT_TRUE(consumer_->assign(0, {&from, 1}).ok());
  EXPECT_EQ(next(MessageKind::kEnd), 0);
  ASSERT_TRUE(consumer_->unassign(kAt).ok());
  produce("meanwhile");
  Batch batch;
  consumer_->poll(0, 300ms, 10, batch);
  EXPECT_TRUE(batch.messages().empty());
  ASSERT_TRUE(read_on(Offset(0)).ok());
  EXPECT_EQ(next(MessageKind::kRecord), 0);
}

// The headers that a message gives: "KEY VALUE", "-" for none.
std::string headers_of(const Message& message) {
  const auto text = [](Bytes bytes) {
    if (bytes.data() == nullptr) return std::string("-");
    return "'" + std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) + "'";
  };
  return text(message.key_header) + " " + text(message.value_header);
}

// Whatever a record's value ends with, and whether it has one.
TEST_F(ConsumerTest, GivesTheLastHeadersOfTheNamesThatItWasAskedFor) {
  const std::string brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  ASSERT_EQ(rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), nullptr, 0),
            RD_KAFKA_CONF_OK);
  rd_kafka_t* const raw = rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0);
  ASSERT_NE(raw, nullptr);
  using Headers = std::vector<std::pair<const char*, std::optional<std::string>>>;
  const auto put = [raw](std::optional<std::string> value, const Headers& headers) {
    rd_kafka_headers_t* list = rd_kafka_headers_new(headers.size());
    for (const auto& [name, content] : headers) {
      rd_kafka_header_add(list, name, -1, content ? content->data() : nullptr,
                          content ? static_cast<ssize_t>(content->size()) : 0);
    }
    std::string key = "k";
    std::array<rd_kafka_vu_t, 5> args{};
    args[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    args[0].u.cstr = "t";
    args[1].vtype = RD_KAFKA_VTYPE_KEY;
    args[1].u.mem = {key.data(), key.size()};
    args[2].vtype = RD_KAFKA_VTYPE_VALUE;
    if (value) args[2].u.mem = {value->data(), value->size()};
    args[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    args[3].u.i = RD_KAFKA_MSG_F_COPY;
    args[4].vtype = RD_KAFKA_VTYPE_HEADERS;
    args[4].u.headers = list;
    ASSERT_EQ(rd_kafka_produceva(raw, args.data(), args.size()), nullptr);
  };
  const std::vector<std::string> want = {"- -",   "'a' 'b'", "- 'b'", "'a' -", "- 'b'",
                                         "- 'c'", "- -",     "'' -",  "- -",   "- 'b'"};
  put("value", {});
  put("value", {{"other", "x"}, {"of-key", "a"}, {"of-value", "b"}});
  put("", {{"of-value", "b"}});
  put("", {{"of-key", "a"}, {"of-values", "x"}});
  put(std::nullopt, {{"of-value", "b"}});
  put(std::string("\0", 1), {{"of-value", "b"}, {"of-value", "c"}});
  put("value", {{"of-value", std::nullopt}});
  put("value", {{"of-key", ""}});
  put("value", {{"other", "x"}});
  put(std::string(4, '\0'), {{"of-value", "b"}});
  ASSERT_EQ(rd_kafka_flush(raw, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(raw);

  auto made = Consumer::create({.brokers = brokers,
                                .group_id = "test",
                                .topics = {"t"},
                                .properties = {},
                                .key_header = "of-key",
                                .value_header = "of-value"});
  ASSERT_TRUE(made.ok());
  const TopicPartitionOffset from{kAt, Offset(0)};
  ASSERT_TRUE((*made)->assign(0, {&from, 1}).ok());
  std::vector<std::string> got;
  std::vector<RecordCopy> copies;
  const auto end = std::chrono::steady_clock::now() + 30s;
  Batch batch;
  while (got.size() < want.size() && std::chrono::steady_clock::now() < end) {
    (*made)->poll(0, 50ms, 100, batch);
    for (std::size_t i = 0; i < batch.messages().size(); ++i) {
      const Message& message = batch.messages()[i];
      if (message.kind != MessageKind::kRecord) continue;
      got.push_back(headers_of(message));
      copies.push_back(batch.copy(i));
    }
  }
  EXPECT_EQ(got, want);
  batch.clear();
  for (std::size_t i = 0; i < copies.size(); ++i) {
    EXPECT_EQ(headers_of(copies[i].message()), want[i]) << "of a copy";
  }
}

TEST_F(ConsumerTest, TellsTheIdOfKafkasClusterOnceABrokerHasAnswered) {
  EXPECT_EQ(consumer_->cluster_id().error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(consumer_->reach(30s).ok());
  const auto id = consumer_->cluster_id();
  ASSERT_TRUE(id.ok());
  EXPECT_TRUE(id->starts_with("mockCluster")) << *id;
}

TEST_F(ConsumerTest, AnOperatorMayAllowLargeMessages) {
  EXPECT_TRUE(Consumer::create({.brokers = "127.0.0.1:1",
                                .group_id = "test",
                                .topics = {"t"},
                                .properties = {{"message.max.bytes", "67108864"}}})
                  .ok());
}

TEST_F(ConsumerTest, AsksForTheWatermarksOfAllPartitionsAtOnce) {
  ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "three", 3, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  produce("first");
  auto consumer = Consumer::create({.brokers = rd_kafka_mock_cluster_bootstraps(cluster_),
                                    .group_id = "test",
                                    .topics = {"three", "t"},
                                    .properties = {}});
  ASSERT_TRUE(consumer.ok());
  const std::vector<TopicPartition> asked = {
      {1, Partition(0)}, {0, Partition(2)}, {0, Partition(0)}};
  const auto found = (*consumer)->watermarks(asked, 30s);
  ASSERT_EQ(found.size(), asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    ASSERT_TRUE(found[i].marks.ok()) << found[i].marks.error().describe();
    EXPECT_EQ(found[i].at, asked[i]);
    EXPECT_EQ(found[i].marks->low, Offset(0));
  }
  EXPECT_EQ(found[0].marks->high, Offset(1));
  EXPECT_EQ(found[1].marks->high, Offset(0));
  EXPECT_TRUE((*consumer)->watermarks({}, 30s).empty());
}

TEST_F(ConsumerTest, EachQueueHasItsPartitionsAlsoAfterAStop) {
  ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "two", 2, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  auto made = Consumer::create({.brokers = rd_kafka_mock_cluster_bootstraps(cluster_),
                                .group_id = "test",
                                .topics = {"two"},
                                .properties = {},
                                .queues = 2});
  ASSERT_TRUE(made.ok());
  Consumer& consumer = **made;
  const auto next_end = [&consumer](std::size_t queue) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    Batch batch;
    while (batch.messages().empty() && std::chrono::steady_clock::now() < end) {
      consumer.poll(queue, 50ms, 1, batch);
    }
    return batch.messages().empty() ? -1 : batch.messages()[0].at.partition.value;
  };
  for (int round = 0; round < 20; ++round) {
    for (int partition = 0; partition < 2; ++partition) {
      const TopicPartitionOffset from{{0, Partition(partition)}, Offset(0)};
      ASSERT_TRUE(consumer.assign(static_cast<std::size_t>(partition), {&from, 1}).ok());
    }
    EXPECT_EQ(next_end(1), 1) << round;
    EXPECT_EQ(next_end(0), 0) << round;
    if (round % 2 == 0) {
      ASSERT_TRUE(consumer.unassign({0, Partition(1)}).ok());
    }
  }
}

TEST_F(ConsumerTest, WakingEndsAPoll) {
  consumer_->wake(0);
  Batch batch;
  const auto start = std::chrono::steady_clock::now();
  consumer_->poll(0, 30s, 10, batch);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
  EXPECT_TRUE(batch.messages().empty());
}

TEST_F(ConsumerTest, TellsATopicFromTheNextOneOfItsName) {
  ASSERT_TRUE(consumer_->partitions(0, 30s).ok());
  const auto ids = consumer_->topic_ids(30s);
  ASSERT_TRUE(ids.ok()) << ids.error().describe();
  ASSERT_EQ(ids->size(), 1u);
  EXPECT_FALSE(ids->front().empty());
  const auto again = consumer_->topic_ids(30s);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, *ids);
}

TEST_F(ConsumerTest, BrokersWithoutDescribeConfigsSayNoCleanupForEver) {
  ASSERT_TRUE(consumer_->partitions(0, 30s).ok());
  const auto cleanup = consumer_->cleanup(0, 30s);
  ASSERT_FALSE(cleanup.ok());
  EXPECT_EQ(cleanup.error().code, ErrorCode::kUnsupported) << cleanup.error().describe();
}

TEST_F(ConsumerTest, QuestionsOfNoBrokerEndInTime) {
  auto lost = Consumer::create(
      {.brokers = "127.0.0.1:1", .group_id = "test", .topics = {"t"}, .properties = {}});
  ASSERT_TRUE(lost.ok());
  const auto ids = (*lost)->topic_ids(100ms);
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.error().code, ErrorCode::kUnavailable);
  const auto cleanup = (*lost)->cleanup(0, 100ms);
  ASSERT_FALSE(cleanup.ok());
  EXPECT_EQ(cleanup.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace push_cache::kafka
