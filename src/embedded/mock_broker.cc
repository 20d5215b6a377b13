#include "embedded/mock_broker.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kafka/conf.h"

namespace push_cache::embedded {
namespace {

// librdkafka 2.12, rdkafka_mock.c: max_size and max_cnt of a partition.
constexpr std::uint64_t kPartitionBytesMax = 5 * 1024 * 1024;
constexpr std::uint64_t kPartitionBatchesMax = 100'000;
// A record's own overhead (at most 7 varints and the attributes) with that of a batch of one
// record.
constexpr std::uint64_t kBatchBytes = 61 + 24;

}  // namespace

Result<std::unique_ptr<MockBroker>> MockBroker::start(const MockBrokerOptions& options) {
  std::unique_ptr<MockBroker> broker(new MockBroker());
  // The handle only carries the cluster; it connects to nothing.
  Result<kafka::ConfPtr> conf = kafka::make_conf({{"client.id", "push-cache-mock"}}, {}, {});
  if (!conf.ok()) return std::move(conf).error();
  std::array<char, 512> why{};
  broker->handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf->get(), why.data(), why.size());
  if (broker->handle_ == nullptr) {
    return Error{ErrorCode::kUnavailable, "the embedded Kafka does not start", why.data()};
  }
  static_cast<void>(conf->release());  // taken over
  broker->cluster_ = rd_kafka_mock_cluster_new(broker->handle_, std::max(1, options.brokers));
  if (broker->cluster_ == nullptr) {
    return Error{ErrorCode::kUnavailable, "the embedded Kafka does not start",
                 "no ports on loopback, or too many brokers"};
  }
  for (const MockTopic& topic : options.topics) {
    if (Status done = broker->create_topic(topic); !done.ok()) return std::move(done).error();
  }
  return broker;
}

MockBroker::~MockBroker() {
  if (cluster_ != nullptr) rd_kafka_mock_cluster_destroy(cluster_);
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

std::string MockBroker::bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

Status MockBroker::create_topic(const MockTopic& topic) {
  const rd_kafka_resp_err_t code =
      rd_kafka_mock_topic_create(cluster_, topic.name.c_str(), std::max(1, topic.partitions), 1);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return Error{code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? ErrorCode::kConflict
                                                              : ErrorCode::kInvalidArgument,
               "topic '" + topic.name + "' cannot be made in the embedded Kafka",
               rd_kafka_err2str(code)};
}

std::uint64_t MockBroker::records_max(int partitions, std::size_t bytes) {
  const std::uint64_t a_partition =
      std::min(kPartitionBytesMax / (bytes + kBatchBytes), kPartitionBatchesMax);
  if (partitions <= 1) return a_partition;
  // Hashed keys spread like balls thrown into bins: with a mean of m records, no partition has more
  // than m + 6 sqrt(m). So m + 6 sqrt(m) = a_partition, solved for sqrt(m).
  const double root = std::sqrt(9.0 + static_cast<double>(a_partition)) - 3.0;
  return static_cast<std::uint64_t>(root * root * partitions);
}

Status MockBroker::check_fits(std::uint64_t count, int partitions, std::size_t bytes) {
  const std::uint64_t max = records_max(partitions, bytes);
  if (count <= max) return {};
  return Error{ErrorCode::kInvalidArgument,
               std::to_string(count) + " records are too many for the embedded Kafka: it keeps " +
                   std::to_string(max) + " of this size in " + std::to_string(partitions) +
                   (partitions == 1 ? " partition" : " partitions")};
}

void MockBroker::set_down() { rd_kafka_mock_broker_set_down(cluster_, -1); }
void MockBroker::set_up() { rd_kafka_mock_broker_set_up(cluster_, -1); }

}  // namespace push_cache::embedded
