// A consumer that reads partitions it was told to, from offsets it was told to: no group, no
// committed offsets, no rebalance.
#pragma once

#include <memory>
#include <mutex>
#include <span>

#include "kafka/client.h"

namespace push_cache::kafka {

// Thread safety: as Client's.
class Consumer : public Client {
 public:
  // Fails only for properties that librdkafka refuses: brokers that are away are tried for ever.
  static Result<std::unique_ptr<Consumer>> create(const ConsumerOptions& options);
  ~Consumer();

  // Reads these partitions as well, from these offsets; `poll(queue)` gives what comes. One that
  // was assigned before (always to the same queue) starts anew there.
  Status assign(std::size_t queue, std::span<const TopicPartitionOffset> partitions);
  // Stops reading a partition and drops what librdkafka holds of it. What `poll` has handed out
  // stays with the caller. `assign` reads it again, from an offset of the caller's: librdkafka's
  // own pause and resume cannot be used, since reading in batches moves its position one too far
  // behind an end-of-partition event, and the record there would be lost.
  Status unassign(TopicPartition partition);

 private:
  explicit Consumer(const ConsumerOptions& options) : Client(options) {}

  std::mutex assignment_mutex_;
};

}  // namespace push_cache::kafka
