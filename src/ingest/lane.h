// One thread of the ingest, with partitions of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

#include "ingest/apply_lane.h"
#include "ingest/board.h"
#include "kafka/consumer.h"
#include "store/store.h"

namespace push_cache::ingest {

// What all lanes work with. Outlives them.
struct LaneSurroundings {
  kafka::Consumer& consumer;
  Applier& applier;
  Board& board;
  std::vector<store::Store*> stores;
  // Asks, from a lane's thread, for new watermarks of a partition whose offsets have gone; they
  // come back by `Lane::begin`.
  std::function<void(PartitionState&)> ask_anew;
};

// Reads one queue of the consumer and applies what comes, in order. A record that has to wait (for
// a schema, for a store) holds up its partition only.
class Lane {
 public:
  // `queue`: the consumer's, and nobody else polls it.
  Lane(LaneSurroundings& around, std::size_t queue);
  ~Lane();  // ends and joins the thread
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  struct Beginning {
    PartitionState* partition;
    kafka::Watermarks marks;
    bool anew = false;  // of one that this lane has asked for anew
  };
  // Reads these partitions from now on, from their beginning. From any thread.
  void begin(const std::vector<Beginning>& partitions);

 private:
  struct Waiting {
    PartitionState* partition;
    kafka::KeptMessage record;
    std::chrono::steady_clock::time_point retry_at{};
  };

  void run();
  void take_beginnings();
  void apply_batch();
  // Handles the messages of one partition in [from, to) of the batch.
  void apply_run(PartitionState& partition, std::size_t from, std::size_t to);
  Outcome apply(PartitionState& partition, const kafka::Message& message);
  void event(PartitionState& partition, std::size_t index);
  void hold(PartitionState& partition, Outcome why, std::size_t index);
  void retry_waiting();
  bool comes_soon(SchemaId schema);
  void reload(PartitionState& partition);
  void assign(const std::vector<kafka::TopicPartitionOffset>& partitions);
  PartitionState* find(kafka::TopicPartition at) const;
  std::string name_of(kafka::TopicPartition at) const;

  LaneSurroundings& around_;
  const std::size_t queue_;
  ApplyLane apply_;
  kafka::Batch batch_;
  std::map<kafka::TopicPartition, PartitionState*> partitions_;
  std::list<Waiting> waiting_;
  std::unordered_set<SchemaId> waited_for_;  // ids that `comes_soon` has spent its time on
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards what follows
  std::vector<Beginning> beginnings_;
  std::thread thread_;
};

}  // namespace push_cache::ingest
