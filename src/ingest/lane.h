// One thread of the ingest, with partitions of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/log_limiter.h"
#include "ingest/apply_lane.h"
#include "ingest/bad_records.h"
#include "ingest/board.h"
#include "ingest/dead_letters.h"
#include "kafka/consumer.h"
#include "store/store.h"

namespace push_cache::ingest {

// What all lanes work with. Outlives them.
struct LaneSurroundings {
  kafka::Consumer& consumer;
  Applier& applier;
  Board& board;
  std::vector<store::Store*> stores;
  OnBadRecord on_bad_record;
  DeadLetters* dead_letters;  // for kDeadLetter
  // Asks, from a lane's thread, for new watermarks of a partition whose offsets have gone; they
  // come back by `Lane::begin`.
  std::function<void(PartitionState&)> ask_anew;
  // Says, from a lane's thread, that the brokers complain of a partition: topics may have changed.
  std::function<void()> look_again;

  // Takes what came from a partition, below an offset, out of all stores.
  void erase(kafka::TopicPartition at, Offset below = store::Store::kAllOffsets) const;
};

// Reads one queue of the consumer and applies what comes, in order. A record whose schema is not
// known yet is set aside, and applied when that comes; one that has to wait all the same (there is
// no room, or a store does not take it) holds up its partition only. Before a dead letter is
// acknowledged the partition's position on the board stays at it, while the records behind it are
// applied.
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
    // Of the first record to read; nothing = the first there is.
    std::optional<Offset> from = {};
    bool anew = false;  // of one that this lane has asked for anew
  };
  // Reads these partitions from now on. From any thread.
  void begin(const std::vector<Beginning>& partitions);
  // Empties these partitions, which `begin` gave to this lane, and asks for them anew: their log
  // has gone. From any thread.
  void restart(const std::vector<PartitionState*>& partitions);

 private:
  // What this thread knows of one of its partitions.
  struct Own {
    PartitionState* state = nullptr;
    Offset applied{0};           // the next record to apply
    std::int64_t next_mark = 0;  // see PartitionState::mark; 0 = not known yet
  };
  struct Waiting {
    Own* partition;
    kafka::KeptMessage record;
    std::shared_ptr<const SetAsideRecord> set_aside = {};  // whose the record is; null: came now
    bool counted = false;                                  // as bad
    std::chrono::steady_clock::time_point retry_at{};
  };
  void run();
  void take_orders();
  void apply_batch();
  // Handles the messages of one partition in [from, to) of the batch.
  void apply_run(Own& partition, std::size_t from, std::size_t to);
  Outcome apply(const kafka::Message& message);
  void note_served();
  void advance(Own& partition, Offset position);
  std::chrono::milliseconds poll_timeout() const;
  void publish_digest(const Own& partition);
  std::uint64_t digest_of(const Own& partition) const;
  void mark(Own& partition, Offset next);
  void event(Own& partition, std::size_t index);
  void hold(Own& partition, PartitionStage why, Waiting waiting);
  bool set_aside(Own& partition, const kafka::Message& message,
                 const std::function<kafka::RecordCopy()>& copy);
  void look_at_set_aside();
  void look_at_set_aside(Own& partition);
  bool settle(Own& partition, const std::shared_ptr<const SetAsideRecord>& one);
  bool keep_given_up(const kafka::Message& message, const std::function<kafka::RecordCopy()>& copy);
  void look_at_given_up(Own& partition, const SetAside::Wait& wait, bool schema_known);
  void retry_waiting();
  bool try_again(Waiting& one, std::chrono::steady_clock::time_point now);
  void look_at_letters();
  void reload(Own& partition);
  void assign(const std::vector<kafka::TopicPartitionOffset>& partitions);
  Own* find(kafka::TopicPartition at);

  LaneSurroundings& around_;
  const std::size_t queue_;
  ApplyLane apply_;
  kafka::Batch batch_;
  std::vector<std::int64_t> served_ms_;  // timestamps of what was applied at the end of the log
  std::map<kafka::TopicPartition, Own> partitions_;
  std::list<Waiting> waiting_;
  BadRecords bad_;
  LogLimiter repeats_{"ingest"};
  std::chrono::steady_clock::time_point look_at_set_aside_{};  // when to do so next
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards what follows
  std::vector<Beginning> beginnings_;
  std::vector<PartitionState*> restarts_;
  std::thread thread_;
};

}  // namespace push_cache::ingest
