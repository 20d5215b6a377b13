// One thread that reads partitions of a group and writes what comes to stores that take many
// records at once.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/log_limiter.h"
#include "ingest/bad_records.h"
#include "ingest/group_board.h"
#include "ingest/store_watch.h"
#include "ingest/write_batch.h"
#include "kafka/group_consumer.h"

namespace push_cache::ingest {

// What all lanes of a group work with. Outlives them.
struct GroupSurroundings {
  kafka::GroupConsumer& consumer;
  Applier& applier;
  GroupBoard& board;
  StoreWatch& stores;
  OnBadRecord on_bad_record;
  DeadLetters* dead_letters;  // for kDeadLetter
  // Says, from a lane's thread, that topics or offsets are to be looked at.
  std::function<void()> look_again;
};

// Reads one queue of the consumer. What one poll gives is written at once; positions on the board
// move when all of that is acknowledged. Writes that a store does not take are tried again until it
// does, and meanwhile nothing more is polled here: what librdkafka fetches in advance is limited. A
// record that waits for anything else holds up its partition only.
//
// A partition of which no position is known is loaded: read from the beginning of its log, and what
// the stores have of it beside that is taken out (store/shared_store.h). So is one whose offsets go
// back, which was replaced in the log, and one whose log now starts behind its position.
class GroupLane {
 public:
  // `queue`: the consumer's, and nobody else polls it.
  GroupLane(GroupSurroundings& around, std::size_t queue);
  // Ends and joins the thread, after the write that is under way.
  ~GroupLane();
  GroupLane(const GroupLane&) = delete;
  GroupLane& operator=(const GroupLane&) = delete;

  struct Beginning {
    kafka::TopicPartition at;
    std::uint64_t generation = 0;
    Offset from{0};         // as given to the consumer; less than 0: a load
    bool replaced = false;  // the log is another one than the stores have records of
  };
  // Reads a partition from now on. Call it before the consumer is told to. From any thread, as what
  // follows.
  void begin(const Beginning& one);
  // A partition of this lane's is read again, from `from` as above; of another log when it was
  // replaced.
  void restart(kafka::TopicPartition at, std::uint64_t generation, Offset from, bool replaced);
  // The stores have nothing any more of a partition but what its load brought.
  void load_ended(kafka::TopicPartition at, std::uint64_t generation);
  // Gives partitions up; what is not acknowledged is dropped. Waits for a write that is under way,
  // but at most until `deadline`.
  void drop(std::span<const kafka::TopicPartition> partitions,
            std::chrono::steady_clock::time_point deadline);

 private:
  // Why a partition is not read now.
  struct Held {
    PartitionStage why = PartitionStage::kLoading;
    std::optional<kafka::KeptMessage> record;  // that waits; none = only to be read on
    bool counted = false;                      // as bad
    std::chrono::steady_clock::time_point retry_at{};
  };
  enum class Load : std::uint8_t {
    kNone,
    kDue,      // begins with the next that comes
    kRunning,  // positions are not told until it has ended
    kEnding,   // all is read that was there; the stores are being cleared of the rest
  };
  struct Own {
    std::uint64_t generation = 0;
    Offset from{0};              // to read on from, while `next` is not known
    std::optional<Offset> next;  // behind the last record that was added to the batch
    std::optional<Offset> told;  // to the board
    Load load = Load::kNone;
    bool replaced = false;           // the log is another one than before
    std::optional<Offset> load_end;  // of the log, when the load began; nothing = not known
    bool at_end = false;             // the end of the log was met
    std::uint64_t since_poll = 0;    // what this poll gave may be of before its beginning
    bool waits_for_store = false;
    std::optional<Held> held;
  };
  struct Order {
    enum class Kind { kBegin, kRestart, kLoadEnded, kDrop } kind;
    Beginning one;
  };
  static constexpr std::chrono::milliseconds kRetry{200};
  // A registry may be repaired, a schema become good: then a stopped partition goes on.
  static constexpr std::chrono::milliseconds kBadRetry{1'000};
  // The tag of a held record; others are their numbers in the polled batch.
  static constexpr std::size_t kHeldTag = static_cast<std::size_t>(-1);

  void run();
  std::uint64_t give(Order order);
  void take_orders();
  void take(const Order& order);
  void handle_batch();
  void handle(kafka::TopicPartition at, std::size_t index);
  bool comes_in_place(kafka::TopicPartition at, const kafka::Message& message);
  void add(Own& own, std::size_t index);
  bool add_unread(const Own& own, const kafka::Message& message, std::size_t tag);
  void write();
  bool try_to_write();
  void settle_too_large();
  void wait_for_store();
  void publish();
  void load_anew(kafka::TopicPartition at, Own& own);
  bool begin_load(kafka::TopicPartition at, Own& own);
  bool may_tell(kafka::TopicPartition at, Own& own);
  void hold(Own& own, kafka::TopicPartition at, Held held);
  void look_at_held();
  bool look_at(kafka::TopicPartition at, std::chrono::steady_clock::time_point now);
  bool apply_held(kafka::TopicPartition at);
  Own* find(kafka::TopicPartition at);

  GroupSurroundings& around_;
  const std::size_t queue_;
  WriteBatch writes_;
  kafka::Batch batch_;
  BadRecords bad_;
  LogLimiter repeats_{"ingest"};
  std::map<kafka::TopicPartition, Own> partitions_;
  std::uint64_t polls_ = 0;
  std::vector<std::int64_t> served_ms_;  // timestamps of what was added at the end of the log
  bool in_trouble_ = false;              // a store did not take the latest writes
  std::chrono::milliseconds backoff_{0};
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<Order> orders_;
  std::uint64_t given_ = 0;
  std::uint64_t taken_ = 0;
  std::thread thread_;
};

}  // namespace push_cache::ingest
