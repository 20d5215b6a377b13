#include "embedded/populator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <map>

#include "avro/plan.h"
#include "embedded/mock_broker.h"
#include "embedded/registry_server.h"
#include "embedded/test_support.h"

namespace push_cache::embedded {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class PopulatorTest : public testing::Test {
 protected:
  std::unique_ptr<kafka::Producer> producer(kafka::Properties properties = {}) {
    return must(kafka::Producer::create(
        {.brokers = broker_->bootstrap(), .properties = std::move(properties)}));
  }

  std::unique_ptr<MockBroker> broker_ = must(MockBroker::start({.topics = {{"t", 3}}}));
  std::unique_ptr<RegistryServer> server_ = must(RegistryServer::start({.first_id = 70'000}));
  std::unique_ptr<registry::Client> registry_ =
      must(registry::Client::create({.url = server_->url()}));
};

TEST_F(PopulatorTest, ProducesWhatAConsumerReadsBack) {
  for (const SampleInfo& info : sample_infos()) {
    SCOPED_TRACE(info.name);
    const std::string topic(info.topic);
    ASSERT_TRUE(broker_->create_topic({topic, 3}).ok());
    auto kafka = producer();
    std::uint64_t shown = 0;
    const PopulateResult result =
        must(populate(*registry_, *kafka,
                      {.type = info.type,
                       .topic = topic,
                       .count = 5000,
                       .seed = 9,
                       .start_index = 100,
                       .progress = [&shown](std::uint64_t delivered) { shown = delivered; }}));
    EXPECT_EQ(result.count, 5000u);
    EXPECT_EQ(shown, 5000u);
    EXPECT_EQ(result.partitions, 3);
    EXPECT_EQ(result.subject, topic + "-value");
    EXPECT_GE(result.id.value, 70'000);
    EXPECT_EQ(must(registry_->fetch_version(topic + "-value", registry::kLatestVersion)).id,
              result.id);
    EXPECT_GT(result.rate(), 0);

    // With the schema that the registry gives for the id on the wire, as any consumer.
    const avro::Schema schema = must(avro::Schema::parse(must(registry_->fetch(result.id)).schema));
    const auto plan = must(avro::Plan::compile(schema, {}));
    std::map<std::string, std::string> values;
    std::size_t min = SIZE_MAX, max = 0, sum = 0;
    for (const Record& record : consume(broker_->bootstrap(), topic, 5000)) {
      ASSERT_TRUE(record.value.has_value());
      min = std::min(min, record.value->size());
      max = std::max(max, record.value->size());
      sum += record.value->size();
      EXPECT_TRUE(values.emplace(record.key, *record.value).second) << record.key;
    }
    EXPECT_EQ(result.bytes_min, min);
    EXPECT_EQ(result.bytes_max, max);
    EXPECT_DOUBLE_EQ(result.bytes_average, static_cast<double>(sum) / 5000);
    ASSERT_EQ(values.size(), 5000u);
    for (std::uint64_t index = 100; index < 5100; ++index) {
      Buffer key, expected, json;
      append_sample_key(info.type, index, key);
      append_sample(info.type, 9, index, expected);
      const std::string& value = values[std::string(key.view())];
      ASSERT_GT(value.size(), 5u) << key.view();
      const auto id = static_cast<std::uint32_t>(result.id.value);
      const std::string header{'\0', static_cast<char>(id >> 24), static_cast<char>(id >> 16),
                               static_cast<char>(id >> 8), static_cast<char>(id)};
      ASSERT_EQ(value.substr(0, 5), header);
      ASSERT_EQ(value.substr(5), expected.view());
      ASSERT_TRUE(plan->to_json(expected.bytes(), json).ok());
    }
  }
}

TEST_F(PopulatorTest, WritesTombstones) {
  auto kafka = producer();
  must(populate(*registry_, *kafka, {.topic = "t", .count = 10}));
  const std::uint64_t asked = server_->requests();
  const PopulateResult result =
      must(populate(*registry_, *kafka, {.topic = "t", .count = 10, .tombstones = true}));
  EXPECT_EQ(result.count, 10u);
  EXPECT_EQ(result.bytes_max, 0u);
  EXPECT_EQ(server_->requests(), asked);
  std::map<std::string, int> nulls;
  for (const Record& record : consume(broker_->bootstrap(), "t", 20)) {
    if (!record.value) ++nulls[record.key];
  }
  EXPECT_EQ(nulls.size(), 10u);
}

TEST_F(PopulatorTest, ASecondTypeOfATopicHasASubjectOfItsOwn) {
  auto kafka = producer();
  const PopulateResult first =
      must(populate(*registry_, *kafka, {.type = SampleType::kCustomer, .topic = "t"}));
  const PopulateResult second =
      must(populate(*registry_, *kafka, {.type = SampleType::kTicket, .topic = "t"}));
  EXPECT_EQ(first.subject, "t-value");
  EXPECT_EQ(second.subject, "t-com.polecatworks.billing.SupportTicket");
  EXPECT_NE(first.id, second.id);
}

TEST_F(PopulatorTest, CountsOfZeroAndOne) {
  auto kafka = producer();
  EXPECT_EQ(must(populate(*registry_, *kafka, {.topic = "t", .count = 0})).bytes_min, 0u);
  EXPECT_EQ(must(populate(*registry_, *kafka, {.topic = "t", .count = 1})).count, 1u);
}

TEST_F(PopulatorTest, FailsLoudlyWhenRecordsAreNotDelivered) {
  auto kafka = producer({{"enable.idempotence", "false"}, {"retries", "0"}});
  ASSERT_TRUE(kafka->wait_for_topic("t", 30s).ok());
  const std::vector<rd_kafka_resp_err_t> errors(100, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  rd_kafka_mock_push_request_errors_array(broker_->raw(), /*ProduceRequest*/ 0, errors.size(),
                                          errors.data());
  Result<PopulateResult> result = populate(*registry_, *kafka, {.topic = "t", .count = 50});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().public_text, HasSubstr("only 0 of 50 records were delivered"));
  EXPECT_THAT(result.error().detail, HasSubstr("uthorization"));
}

TEST_F(PopulatorTest, SaysWhenNoBrokerIsThere) {
  auto kafka = must(kafka::Producer::create({.brokers = "127.0.0.1:1", .properties = {}}));
  Result<PopulateResult> result =
      populate(*registry_, *kafka, {.topic = "t", .broker_timeout = 200ms});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(result.error().public_text, HasSubstr("no Kafka broker answers within 200 ms"));
  EXPECT_EQ(server_->requests(), 0u);
}

TEST_F(PopulatorTest, SaysWhenTheRegistryIsAway) {
  server_->fail_with(503);
  auto kafka = producer();
  Result<PopulateResult> result = populate(*registry_, *kafka, {.topic = "t"});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().public_text, HasSubstr("schema registry answers with status 503"));
  EXPECT_EQ(kafka->counts().accepted, 0u);
}

}  // namespace
}  // namespace push_cache::embedded
