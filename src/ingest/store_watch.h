// What a group asks its stores time and again: how far each partition is in them, and whether they
// have lost something.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "ingest/group_board.h"
#include "store/shared_store.h"

namespace push_cache::ingest {

// Keeps the positions of what this process owns in the stores, learns those of all, and sees loads
// through to their ends. All stores are asked together: the lowest position counts.
class StoreWatch {
 public:
  // Called on any thread that calls StoreWatch, or on its own.
  class Owner {
   public:
    // Kafka's, "" = it tells none; an error: not known yet.
    virtual Result<std::string> cluster_id() = 0;
    // To be given to the board, with what follows for lanes.
    virtual void on_answers(std::span<const GroupBoard::Question> questions,
                            std::span<const GroupBoard::Answer> answers) = 0;
    // What the stores had beside what this load brought has gone.
    virtual void on_load_ended(kafka::TopicPartition at, std::uint64_t generation) = 0;

   protected:
    ~Owner() = default;
  };

  // Both outlive it.
  StoreWatch(const GroupBoard& board, std::vector<store::SharedStore*> stores,
             std::chrono::milliseconds interval, Owner& owner);
  ~StoreWatch() { stop(); }
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

  // Asks from now on, each `interval` and at each doubt of a store.
  void start();
  // Ends that; what follows works on, but for the ends of loads.
  void stop();

  // Asks and tells now. An error is that of a store that has not answered; then nothing is kept for
  // sure.
  Status ask();
  // Whether the stores are this process's to fill: the latest answer, false before the first. While
  // they are not, `ask` and `positions` fail, with kConflict when they are others'.
  bool claimed() const { return claimed_; }
  // What a store said against it last; "" = nothing.
  std::string claim_error() const;
  // The positions of these; nothing = one of the stores knows none.
  Result<std::vector<std::optional<Offset>>> positions(
      std::span<const kafka::TopicPartition> partitions);

  // See SharedStore. True: an `end_load` must follow, or a `cancel_load`.
  Result<bool> begin_load(kafka::TopicPartition at, bool replaced);
  void cancel_load(kafka::TopicPartition at);
  // Tells the owner when it is done. Tried until it is.
  void end_load(kafka::TopicPartition at, std::uint64_t generation, Offset end);

 private:
  struct End {
    std::uint64_t generation;
    Offset end;
  };
  using Ends = std::map<kafka::TopicPartition, End>;
  // What stores call may come late: it is theirs as well.
  struct Shared {
    std::mutex mutex;  // guards what follows
    std::condition_variable changed;
    bool stopping = false;
    bool signal = false;  // there is something to do
    Ends ends;            // asked for
    Ends under_way;       // given to the stores, with `waits_for` of them
    std::size_t waits_for = 0;
    Status status;  // of these
  };

  void run();
  Status claim();
  Result<std::vector<std::optional<Offset>>> ask_stores(
      std::span<const GroupBoard::Question> questions);
  Status tell_stores();
  void look_at_ends();

  const GroupBoard& board_;
  const std::vector<store::SharedStore*> stores_;
  const std::chrono::milliseconds interval_;
  Owner& owner_;
  // One question at a time, and none while a load begins. Guards what follows.
  std::mutex ask_mutex_;
  std::set<kafka::TopicPartition> lost_;  // not told to the owner yet
  std::atomic<bool> claimed_ = false;     // any thread's
  mutable std::mutex error_mutex_;
  std::string claim_error_;  // with error_mutex_
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::thread thread_;
};

}  // namespace push_cache::ingest
