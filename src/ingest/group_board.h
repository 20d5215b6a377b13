// Where every partition of a group stands: what this process has acknowledged of its own, and what
// the stores keep as the positions of all.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/types.h"
#include "ingest/board.h"
#include "ingest/feed_status.h"
#include "kafka/group_consumer.h"

namespace push_cache::ingest {

// Where reading begins when nothing is known of a partition.
enum class OffsetReset : std::uint8_t {
  kEarliest,
  kLatest,  // what was there before is not wanted
};

// The position of a partition is that of its owner: all before it are in the stores. Of one that
// this process owns it is what its lane has acknowledged, of another one what the stores keep.
//
// An owner's calls carry the generation that `begin` (or `remade`) gave; those of former ones do
// nothing. Safe from any thread; it is the only one that writes to `board`.
class GroupBoard {
 public:
  // `ignore_kept`: until `count_kept` it says nothing of what is in the stores.
  GroupBoard(Board& board, std::size_t topics, OffsetReset reset, bool ignore_kept);

  // --- by the thread that is the member of the group ---

  // This process owns it from now on. `acknowledged`: all before it are in the stores; nothing =
  // that is not known of any. Nothing when `topic_id` is not the topic's any more: ask again.
  std::optional<std::uint64_t> begin(kafka::TopicPartition at, std::optional<Offset> acknowledged,
                                     const std::string& topic_id);
  void release(kafka::TopicPartition at);
  void count_kept();
  // What is to be committed, with the topics' ids as notes: what the stores keep.
  std::vector<kafka::Commit> positions() const;

  // --- by the thread that asks the stores ---

  struct Question {
    kafka::TopicPartition at;
    std::uint64_t generation = 0;
    std::optional<Offset> reached;  // to be kept
  };
  // Of all partitions, or of one.
  std::vector<Question> questions() const;
  Question question(kafka::TopicPartition at) const;
  struct Answer {
    std::optional<Offset> position;  // the lowest of the stores; nothing = one knows none
    bool went_back = false;          // a store has lost what is behind it
  };
  // A partition of this process's that is to be read again, from `from` or from its beginning.
  struct Loss {
    kafka::TopicPartition at;
    std::uint64_t generation = 0;
    std::optional<Offset> from;
  };
  // The stores' answers. What was lost is not ready, by the time this returns, until `begin_anew`
  // and until it is read again.
  std::vector<Loss> take(std::span<const Question> questions, std::span<const Answer> answers);

  // --- by the thread that asks brokers ---

  std::string topic_id(std::uint32_t topic) const;
  // Whether a partition of it was found, or is owned.
  bool has_begun(std::uint32_t topic) const;
  // An id that is heard for the first time.
  void set_topic_id(std::uint32_t topic, const std::string& id);
  // A partition that was found, and the position that the stores keep.
  PartitionState& found(kafka::TopicPartition at, const kafka::Watermarks& marks,
                        std::optional<Offset> kept);
  // The topic is another one now: nothing of it is known to be in the store, until `begin_anew`
  // after `reloading`. Gives those that this process owns, with their new generations.
  std::vector<std::pair<kafka::TopicPartition, std::uint64_t>> remade(std::uint32_t topic,
                                                                      const std::string& id);
  // Partitions that need new watermarks.
  std::vector<kafka::TopicPartition> reloading() const;
  void begin_anew(kafka::TopicPartition at, const kafka::Watermarks& marks);
  void remove(kafka::TopicPartition at);

  // --- by the lane of an owned partition ---

  void acknowledged(kafka::TopicPartition at, std::uint64_t generation, Offset position);
  void restart(kafka::TopicPartition at, std::uint64_t generation);
  void wait(kafka::TopicPartition at, std::uint64_t generation, PartitionStage why);
  void go_on(kafka::TopicPartition at, std::uint64_t generation);
  // A store does not take what lane number `lane` has for it (again), or does.
  void store_failed(std::size_t lane, const std::string& why);
  void store_works(std::size_t lane);

  // --- by any thread ---

  void fill(PartitionStatus& out, std::uint32_t topic) const;
  void fill(GroupStatus& out) const;

 private:
  struct Place {
    PartitionState* state = nullptr;  // null until it is found
    bool owned = false;
    bool reloading = false;
    std::uint64_t generation = 0;
    std::optional<Offset> acknowledged;
    std::optional<Offset> kept;  // by the stores, as they said last
    std::string topic_id;
    std::optional<PartitionStage> waits;
  };
  struct Trouble {
    std::string why;
    std::chrono::steady_clock::time_point since;
  };

  // All with mutex_.
  Place* owned(kafka::TopicPartition at, std::uint64_t generation);
  std::optional<Offset> position(const Place& place) const;
  void advance(Place& place);
  void forget_positions(Place& place, bool log_replaced);
  void lose(Place& place, std::optional<Offset> left);

  Board& board_;
  const OffsetReset reset_;
  mutable std::mutex mutex_;  // guards what follows
  bool ignore_kept_;
  std::map<kafka::TopicPartition, Place> places_;
  std::vector<std::string> topic_ids_;
  std::uint64_t next_generation_ = 1;
  std::uint64_t rebalances_ = 0;
  std::uint64_t losses_ = 0;
  std::map<std::size_t, Trouble> troubles_;  // by lane
};

}  // namespace push_cache::ingest
