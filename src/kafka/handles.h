// Owners of librdkafka's objects. Only for src/kafka.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <memory>

namespace push_cache::kafka {

template <typename T, void (*kDestroy)(T*)>
struct Destroy {
  void operator()(T* object) const { kDestroy(object); }
};
template <typename T, void (*kDestroy)(T*)>
using Owned = std::unique_ptr<T, Destroy<T, kDestroy>>;

using ListPtr = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using QueuePtr = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using EventPtr = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using AdminOptionsPtr = Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;

inline ListPtr make_list(std::size_t size) {
  return ListPtr(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

}  // namespace push_cache::kafka
