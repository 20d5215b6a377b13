// The least a Kafka consumer can do: reads one topic from its beginning to the end it has at the
// start, counts records and their bytes, and keeps nothing. Prints "done RECORDS
// KEY_AND_VALUE_BYTES", then waits for the end of stdin, so that its CPU time can be read.
//
//   bare_consumer BROKERS TOPIC
#include <librdkafka/rdkafka.h>

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "bench/child.h"
#include "bench/harness.h"

namespace push_cache::bench {
namespace {

constexpr int kTimeoutMs = 30'000;
constexpr std::size_t kBatch = 10'000;
// A call returns once its batch is full or this time is over, even when messages are there.
constexpr int kBatchMs = 5;

void set(rd_kafka_conf_t* conf, const char* name, const char* value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(conf, name, value, why.data(), why.size()) != RD_KAFKA_CONF_OK) {
    fail(why.data());
  }
}

rd_kafka_t* make_consumer(const char* brokers) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", brokers);
  set(conf, "group.id", "bare");
  set(conf, "enable.auto.commit", "false");
  set(conf, "enable.auto.offset.store", "false");
  // The last offsets of a partition may hold no record; then an event tells its end.
  set(conf, "enable.partition.eof", "true");
  // librdkafka holds back fetches for a second once it has `queued.min.messages`, which a consumer
  // that only counts reaches and drains at once.
  set(conf, "fetch.queue.backoff.ms", "5");
  std::array<char, 512> why{};
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why.data(), why.size());
  if (handle == nullptr) fail(why.data());
  rd_kafka_poll_set_consumer(handle);
  return handle;
}

// Partition -> the offset after its last record now.
std::map<std::int32_t, std::int64_t> ends_of(rd_kafka_t* handle, const char* topic) {
  rd_kafka_topic_t* one = rd_kafka_topic_new(handle, topic, nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(handle, 0, one, &metadata, kTimeoutMs) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      metadata->topic_cnt != 1 || metadata->topics[0].partition_cnt == 0) {
    fail("the topic is not there");
  }
  std::map<std::int32_t, std::int64_t> ends;
  for (int i = 0; i < metadata->topics[0].partition_cnt; ++i) {
    const std::int32_t partition = metadata->topics[0].partitions[i].id;
    std::int64_t low = 0;
    std::int64_t high = 0;
    if (rd_kafka_query_watermark_offsets(handle, topic, partition, &low, &high, kTimeoutMs) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail("a partition's offsets are not told");
    }
    if (high > low) ends[partition] = high;
  }
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(one);
  return ends;
}

int run(const char* brokers, const char* topic) {
  rd_kafka_t* handle = make_consumer(brokers);
  std::map<std::int32_t, std::int64_t> ends = ends_of(handle, topic);
  rd_kafka_topic_partition_list_t* all =
      rd_kafka_topic_partition_list_new(static_cast<int>(ends.size()));
  for (const auto& [partition, end] : ends) {
    rd_kafka_topic_partition_list_add(all, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  if (rd_kafka_assign(handle, all) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("no assignment");
  rd_kafka_topic_partition_list_destroy(all);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(handle);

  static std::array<rd_kafka_message_t*, kBatch> batch;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  const auto reached = [&ends](std::int32_t partition, std::int64_t offset) {
    const auto end = ends.find(partition);
    if (end != ends.end() && offset >= end->second) ends.erase(end);
  };
  while (!ends.empty()) {
    const ssize_t count = rd_kafka_consume_batch_queue(queue, kBatchMs, batch.data(), batch.size());
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = batch[static_cast<std::size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++records;
        bytes += message->key_len + message->len;
        reached(message->partition, message->offset + 1);
      } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        reached(message->partition, message->offset);
      } else {
        fail(rd_kafka_message_errstr(message));
      }
      rd_kafka_message_destroy(message);
    }
  }
  std::printf("done %" PRIu64 " %" PRIu64 "\n", records, bytes);
  std::fflush(stdout);
  wait_for_end_of_stdin();
  std::_Exit(0);  // nothing that the handle's end would save
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) {
  if (argc != 3) push_cache::bench::fail("usage: bare_consumer BROKERS TOPIC");
  return push_cache::bench::run(argv[1], argv[2]);
}
