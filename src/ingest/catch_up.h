// When everything that was in the topics at the start has been applied.
#pragma once

#include <cstddef>
#include <limits>
#include <map>

#include "base/types.h"
#include "kafka/consumer.h"

namespace push_cache::ingest {

// Positions against the end offsets that were captured when each partition was found. "Caught up"
// is decided by these alone: never by a lag of 0, which may only mean that nothing is known yet. A
// position moves past what no record shows (compaction holes, transaction markers, aborted
// transactions) by the end-of-partition events. One thread.
class CatchUp {
 public:
  // A topic of which nothing is known yet is never caught up. `topics` = how many are configured.
  explicit CatchUp(std::size_t topics) : topics_(topics) {}

  // A partition found in `topic`, to be read from `start`; it is caught up once its position
  // reaches `target`. Again for one that starts anew: it is then behind until the new target is
  // reached. `held`: see `hold`.
  void add(kafka::TopicPartition partition, Offset start, Offset target, bool held = false);
  // While it is held it is not caught up, wherever its position is: a record before its target was
  // set aside, and nobody knows yet whether its schema is to be had. Of one that is caught up
  // nothing changes.
  void hold(kafka::TopicPartition partition, bool held);
  // Every partition that `topic` has now was added.
  void topic_complete(std::uint32_t topic);
  // The topic is another one of its name now: its partitions, which may be more than before, all
  // count until the next `topic_complete`.
  void topic_replaced(std::uint32_t topic);

  // The next record to apply is at `position`; all before it are. Never moves back.
  void advance(kafka::TopicPartition partition, Offset position);
  // The partition has to be read anew and its target is not known yet: behind until `add`.
  void restart(kafka::TopicPartition partition);

  // The partition is not there any more.
  void remove(kafka::TopicPartition partition);

  bool caught_up() const { return complete_topics_ == topics_ && behind_ == 0; }
  bool caught_up(kafka::TopicPartition partition) const;

  struct Progress {
    Offset start{0};
    Offset position{0};
    Offset target{0};
    bool behind = true;
    bool counts = true;
    bool held = false;
  };
  const std::map<kafka::TopicPartition, Progress>& partitions() const { return partitions_; }

 private:
  void settle(Progress& progress);
  void note_caught_up() { ever_caught_up_ = ever_caught_up_ || caught_up(); }

  std::size_t topics_;
  std::size_t complete_topics_ = 0;
  std::size_t behind_ = 0;  // partitions that count and are behind
  bool ever_caught_up_ = false;
  std::map<std::uint32_t, bool> complete_;
  std::map<kafka::TopicPartition, Progress> partitions_;
};

}  // namespace push_cache::ingest
