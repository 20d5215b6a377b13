#include "ingest/catch_up.h"

namespace push_cache::ingest {

void CatchUp::add(kafka::TopicPartition partition, Offset start, Offset target) {
  auto [place, added] = partitions_.try_emplace(partition);
  Progress& progress = place->second;
  if (added || !progress.behind) ++behind_;
  progress = {.start = start, .position = start, .target = target, .behind = true};
  settle(progress);
}

void CatchUp::topic_complete(std::uint32_t topic) {
  bool& complete = complete_[topic];
  if (complete) return;
  complete = true;
  ++complete_topics_;
}

void CatchUp::advance(kafka::TopicPartition partition, Offset position) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end() || position <= found->second.position) return;
  found->second.position = position;
  settle(found->second);
}

void CatchUp::restart(kafka::TopicPartition partition) {
  add(partition, Offset(0), Offset(std::numeric_limits<std::int64_t>::max()));
}

bool CatchUp::caught_up(kafka::TopicPartition partition) const {
  const auto found = partitions_.find(partition);
  return found != partitions_.end() && !found->second.behind;
}

void CatchUp::settle(Progress& progress) {
  if (!progress.behind || progress.position < progress.target) return;
  progress.behind = false;
  --behind_;
}

}  // namespace push_cache::ingest
