// Where every partition stands: written by the lanes, asked by everyone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "ingest/catch_up.h"
#include "kafka/consumer.h"

namespace push_cache::ingest {

enum class PartitionStage : std::uint8_t {
  kLoading,  // behind the end that was captured when it was found
  kCaughtUp,
  kWaitingForSchema,  // its next record waits for a schema; other partitions go on
  kWaitingForStore,   // its next record waits for a store
  kReloading,         // its offsets were not in the log any more: emptied, to be read anew
};
std::string_view to_string(PartitionStage stage);

// One partition. After the board has made it, only its lane's thread writes; any may read.
struct PartitionState {
  explicit PartitionState(kafka::TopicPartition place) : at(place) {}

  const kafka::TopicPartition at;
  std::atomic<std::int64_t> position = 0;  // of the next record to apply; all before it are
  std::atomic<std::int64_t> target = 0;    // to be reached before this partition is caught up
  std::atomic<PartitionStage> stage = PartitionStage::kLoading;
};

// Safe from any thread, but for what is said of PartitionState. States live as long as the board.
class Board {
 public:
  // `topics` = how many are configured.
  explicit Board(std::size_t topics) : catch_up_(topics) {}

  // True once everything that was in the topics at the start is applied; false again from `restart`
  // until the partition has reached its new target.
  bool ready() const { return ready_.load(std::memory_order_seq_cst); }
  // From the making of the board until it was ready the first time.
  std::optional<double> first_ready_seconds() const;

  // A partition that was found, to be read from `marks.low`; one that is empty is caught up at
  // once.
  PartitionState& add(kafka::TopicPartition at, const kafka::Watermarks& marks);
  // Every partition that `topic` has now was added.
  void topic_complete(std::uint32_t topic);
  // All partitions, in order.
  std::vector<const PartitionState*> partitions() const;

  // The rest is for the partition's lane. Moves its position, never back.
  void advance(PartitionState& partition, Offset position) {
    if (position.value <= partition.position.load(std::memory_order_relaxed)) return;
    partition.position.store(position.value, std::memory_order_release);
    if (partition.stage.load(std::memory_order_relaxed) == PartitionStage::kLoading &&
        position.value >= partition.target.load(std::memory_order_relaxed)) {
      reached(partition, position);
    }
  }
  // Its offsets have gone. By the time this returns `ready` is false.
  void restart(PartitionState& partition);
  // It is read anew, from `marks.low`.
  void begin_anew(PartitionState& partition, const kafka::Watermarks& marks);
  // It waits, or goes on after it has waited.
  void wait(PartitionState& partition, PartitionStage why) { partition.stage = why; }
  void go_on(PartitionState& partition);

 private:
  void reached(PartitionState& partition, Offset position);
  void begin(PartitionState& partition, const kafka::Watermarks& marks);
  void judge();  // with mutex_

  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::atomic<bool> ready_ = false;
  mutable std::mutex mutex_;  // guards what follows
  CatchUp catch_up_;
  std::map<kafka::TopicPartition, PartitionState> states_;  // nodes stay where they are
  std::optional<double> first_ready_seconds_;
};

}  // namespace push_cache::ingest
