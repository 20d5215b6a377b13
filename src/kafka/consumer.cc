#include "kafka/consumer.h"

#include <librdkafka/rdkafka.h>

#include <utility>

#include "kafka/handles.h"

namespace push_cache::kafka {

Result<std::unique_ptr<Consumer>> Consumer::create(const ConsumerOptions& options) {
  auto conf = conf_of(options, {}, {{"auto.offset.reset", "error"}});
  if (!conf) return std::move(conf).error();
  std::unique_ptr<Consumer> consumer(new Consumer(options));
  if (Status done = consumer->open(*std::move(conf), options.queues, Take::kBatches); !done) {
    return std::move(done).error();
  }
  return consumer;
}

Consumer::~Consumer() {
  if (handle_ != nullptr) rd_kafka_consumer_close(handle_);
}

Status Consumer::assign(std::size_t queue, std::span<const TopicPartitionOffset> partitions) {
  const std::lock_guard lock(assignment_mutex_);
  const ListPtr list = make_list(partitions.size());
  const ListPtr again = make_list(partitions.size());
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  if (const auto error = rd_kafka_assignment(handle_, &assigned);
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Error{ErrorCode::kUnavailable, rd_kafka_err2str(error)};
  }
  const ListPtr current(assigned);
  for (const TopicPartitionOffset& entry : partitions) {
    const char* name = topics_[entry.at.topic].c_str();
    const std::int32_t partition = entry.at.partition.value;
    if (rd_kafka_topic_partition_list_find(current.get(), name, partition) != nullptr) {
      rd_kafka_topic_partition_list_add(again.get(), name, partition);
    }
    rd_kafka_topic_partition_list_add(list.get(), name, partition)->offset = entry.offset.value;
  }
  if (again->cnt > 0) {
    if (Status done = from_kafka(rd_kafka_incremental_unassign(handle_, again.get())); !done) {
      return done;
    }
  }
  for (const TopicPartitionOffset& entry : partitions) forward(queue, entry.at);
  Status done = from_kafka(rd_kafka_incremental_assign(handle_, list.get()));
  for (const TopicPartitionOffset& entry : partitions) forward(queue, entry.at);
  return done;
}

Status Consumer::unassign(TopicPartition partition) {
  const std::lock_guard lock(assignment_mutex_);
  const ListPtr list = make_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topics_[partition.topic].c_str(),
                                    partition.partition.value);
  return from_kafka(rd_kafka_incremental_unassign(handle_, list.get()));
}

}  // namespace push_cache::kafka
