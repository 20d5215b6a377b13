#include "ingest/catch_up.h"

#include <utility>

namespace push_cache::ingest {

void CatchUp::add(kafka::TopicPartition partition, Offset start, Offset target, bool held) {
  auto [place, added] = partitions_.try_emplace(partition);
  Progress& progress = place->second;
  const bool counted_behind = !added && progress.counts && progress.behind;
  // One that is new in a topic that was complete begins with records that nobody has missed.
  const bool counts = !added || !ever_caught_up_ || !complete_[partition.topic];
  progress = {.start = start,
              .position = start,
              .target = target,
              .behind = true,
              .counts = counts,
              .held = held};
  if (counts && !counted_behind) ++behind_;
  settle(progress);
}

void CatchUp::topic_complete(std::uint32_t topic) {
  bool& complete = complete_[topic];
  if (complete) return;
  complete = true;
  ++complete_topics_;
  note_caught_up();
}

void CatchUp::topic_replaced(std::uint32_t topic) {
  if (std::exchange(complete_[topic], false)) --complete_topics_;
}

void CatchUp::advance(kafka::TopicPartition partition, Offset position) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end() || position <= found->second.position) return;
  found->second.position = position;
  settle(found->second);
}

void CatchUp::hold(kafka::TopicPartition partition, bool held) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return;
  found->second.held = held;
  settle(found->second);
}

void CatchUp::restart(kafka::TopicPartition partition) {
  add(partition, Offset(0), Offset(std::numeric_limits<std::int64_t>::max()));
}

void CatchUp::remove(kafka::TopicPartition partition) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end()) return;
  if (found->second.counts && found->second.behind) --behind_;
  partitions_.erase(found);
  note_caught_up();
}

bool CatchUp::caught_up(kafka::TopicPartition partition) const {
  const auto found = partitions_.find(partition);
  return found != partitions_.end() && !found->second.behind;
}

void CatchUp::settle(Progress& progress) {
  if (!progress.behind || progress.held || progress.position < progress.target) return;
  progress.behind = false;
  if (progress.counts) --behind_;
  note_caught_up();
}

}  // namespace push_cache::ingest
