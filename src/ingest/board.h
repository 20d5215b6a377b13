// Where every partition stands: written by the lanes, asked by everyone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
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
  kWaitingForSchema,       // its next record waits for a schema; other partitions go on
  kWaitingForStore,        // its next record waits for a store
  kReloading,              // its offsets were not in the log any more: emptied, to be read anew
  kStopped,                // at a bad record, as the policy says (kafka.on_bad_record: stop)
  kWaitingForDeadLetters,  // until some of those before are acknowledged
  kGone,                   // its topic was made anew with fewer partitions; not among `partitions`
};
std::string_view to_string(PartitionStage stage);

// Which records of a partition are kept (store/digest.h), when all before `position` are applied.
struct Digest {
  Offset position{0};
  std::uint64_t value = 0;
};
// Its position while records of the partition are set aside: other replicas may have applied them.
inline constexpr Offset kNoDigest{-1};

// One that a thread writes and any may read: never a position with another one's value.
class PublishedDigest {
 public:
  void set(Digest digest) {
    const std::uint64_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    position_.store(digest.position.value, std::memory_order_relaxed);
    value_.store(digest.value, std::memory_order_relaxed);
    version_.store(version + 2, std::memory_order_release);
  }
  Digest get() const {
    for (;;) {
      const std::uint64_t version = version_.load(std::memory_order_acquire);
      const Digest digest = {Offset(position_.load(std::memory_order_relaxed)),
                             value_.load(std::memory_order_relaxed)};
      std::atomic_thread_fence(std::memory_order_acquire);
      if (version % 2 == 0 && version_.load(std::memory_order_relaxed) == version) return digest;
    }
  }

 private:
  std::atomic<std::uint64_t> version_ = 0;  // odd while it is written
  std::atomic<std::int64_t> position_ = 0;
  std::atomic<std::uint64_t> value_ = 0;
};

// One partition. After the board has made it, only its lane's thread writes, but for what the
// discovery thread is said to write; any may read.
struct PartitionState {
  explicit PartitionState(kafka::TopicPartition place) : at(place) {}

  const kafka::TopicPartition at;
  // Written by the discovery thread: what the leader said last, and the moment (of steady_clock, in
  // ns) of which all that was in the log then is applied; see Freshness.
  std::atomic<std::int64_t> log_start = 0;
  std::atomic<std::int64_t> end = 0;
  std::atomic<std::int64_t> fresh_ns = 0;

  std::atomic<std::int64_t> position = 0;  // of the next record to apply; all before it are
  std::atomic<std::int64_t> target = 0;    // to be reached before this partition is caught up
  std::atomic<PartitionStage> stage = PartitionStage::kLoading;
  // Records before `target` that are set aside and of whose schema the registry has not said yet
  // whether there is one: it is not caught up before that.
  std::atomic<std::size_t> unanswered = 0;
  PublishedDigest digest;
  // The one at the last multiple of kMarkOffsets: replicas that are never at the same position have
  // this one in common.
  static constexpr std::int64_t kMarkOffsets = 10'000;
  PublishedDigest mark;
};

// Safe from any thread, but for what is said of PartitionState. States live as long as the board.
class Board {
 public:
  // `topics` = how many are configured.
  explicit Board(std::size_t topics) : catch_up_(topics) {}

  // True once everything that was in the topics at the start is applied; false again from `restart`
  // until the partition has reached its new target, while one is stopped, and after the moment
  // given to `stale_after`.
  bool ready() const {
    if (!ready_.load(std::memory_order_seq_cst)) return false;
    const std::int64_t limit = stale_after_ns_.load(std::memory_order_relaxed);
    return limit == kNever || now_ns() < limit;
  }
  // Whether it is ready but for the age of what it holds.
  bool loaded() const { return ready_.load(std::memory_order_seq_cst); }
  // From the making of the board until it was ready the first time.
  std::optional<double> first_ready_seconds() const;

  // A partition that was found, to be read from `from` (not below `marks.low`); one that has
  // nothing behind it is caught up at once.
  // `unanswered`: see PartitionState.
  PartitionState& add(kafka::TopicPartition at, const kafka::Watermarks& marks, Offset from,
                      std::size_t unanswered = 0);
  // Every partition that `topic` has now was added, by what was asked since `restarts` was
  // `restarts_before`. False when there was one since, after which it must be asked again.
  bool topic_complete(std::uint32_t topic, std::uint64_t restarts_before);
  // From this moment on it is not ready: what it holds may be too old. kNever = no such moment.
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  void stale_after(std::int64_t steady_ns) { stale_after_ns_ = steady_ns; }
  static std::int64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }
  // Not ready from now on, until `begin_anew` and the topic's next `topic_complete`: what is held
  // of it is of a log that has gone. Its lane is still to be told.
  void condemn(const PartitionState& partition);
  // How often `condemn` or `restart` was called.
  std::uint64_t restarts() const { return restarts_; }
  // Its topic does not have it any more.
  void remove(PartitionState& partition);
  // All partitions, in order.
  std::vector<const PartitionState*> partitions() const;

  // The rest is for the partition's lane. Moves its position, never back.
  void advance(PartitionState& partition, Offset position) {
    if (position.value <= partition.position.load(std::memory_order_relaxed)) return;
    partition.position.store(position.value, std::memory_order_release);
    if (partition.stage.load(std::memory_order_relaxed) == PartitionStage::kLoading &&
        position.value >= partition.target.load(std::memory_order_relaxed) &&
        partition.unanswered.load(std::memory_order_relaxed) == 0) {
      reached(partition, position);
    }
  }
  // Before the position moves past one of them.
  void set_unanswered(PartitionState& partition, std::size_t records);
  // Its offsets have gone. By the time this returns `ready` is false. `log_replaced`: so may the
  // topic be, with other partitions, so that it is not ready before the next `topic_complete`.
  void restart(PartitionState& partition, bool log_replaced);
  // It is read anew, from `from`.
  void begin_anew(PartitionState& partition, const kafka::Watermarks& marks, Offset from);
  // It waits (or is stopped), or goes on after that.
  void wait(PartitionState& partition, PartitionStage why);
  void go_on(PartitionState& partition);

 private:
  void reached(PartitionState& partition, Offset position);
  void begin(PartitionState& partition, const kafka::Watermarks& marks, Offset from,
             std::size_t unanswered);
  void set_stage(PartitionState& partition, PartitionStage stage);  // with mutex_
  void judge();                                                     // with mutex_

  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::atomic<bool> ready_ = false;
  std::atomic<std::uint64_t> restarts_ = 0;
  std::atomic<std::int64_t> stale_after_ns_ = kNever;
  mutable std::mutex mutex_;  // guards what follows
  CatchUp catch_up_;
  std::size_t stopped_ = 0;                                 // partitions
  std::map<kafka::TopicPartition, PartitionState> states_;  // nodes stay where they are
  std::optional<double> first_ready_seconds_;
};

}  // namespace push_cache::ingest
