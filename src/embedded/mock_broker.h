// A Kafka cluster inside this process, for the demo and the tests: librdkafka's mock brokers, which
// speak the real protocol over loopback TCP.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

struct rd_kafka_s;
struct rd_kafka_mock_cluster_s;

namespace push_cache::embedded {

struct MockTopic {
  std::string name;
  int partitions = 1;
};

struct MockBrokerOptions {
  int brokers = 1;
  std::vector<MockTopic> topics;  // others are made when a client first asks for them
};

// The cluster lives as long as this. Nothing is stored on disk or compacted. A partition that has
// more than 5 MiB or 100,000 batches drops its oldest records without a word: ask `records_max`
// first.
class MockBroker {
 public:
  // kUnavailable when the ports can't be had, kInvalidArgument for a topic that can't be made.
  static Result<std::unique_ptr<MockBroker>> start(const MockBrokerOptions& options);
  ~MockBroker();
  MockBroker(const MockBroker&) = delete;
  MockBroker& operator=(const MockBroker&) = delete;

  // "127.0.0.1:34567,...", for bootstrap.servers.
  std::string bootstrap() const;

  Status create_topic(const MockTopic& topic);

  // How many records of up to `bytes` (key, value and headers) a topic with so many partitions
  // surely keeps, even if none can be compressed, each is a batch of its own, and keys spread
  // unevenly.
  static std::uint64_t records_max(int partitions, std::size_t bytes);

  // kInvalidArgument, saying how many would do, when `count` is beyond `records_max`.
  static Status check_fits(std::uint64_t count, int partitions, std::size_t bytes);

  // For tests: all brokers drop their clients and refuse new ones, until `set_up`.
  void set_down();
  void set_up();
  // For tests of failures: librdkafka's own functions (rdkafka_mock.h) on the cluster.
  rd_kafka_mock_cluster_s* raw() { return cluster_; }

 private:
  MockBroker() = default;
  rd_kafka_s* handle_ = nullptr;
  rd_kafka_mock_cluster_s* cluster_ = nullptr;
};

}  // namespace push_cache::embedded
