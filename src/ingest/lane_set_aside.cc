// What a lane does with the records of its partitions that are set aside.
#include <algorithm>
#include <utility>

#include "ingest/lane.h"

namespace push_cache::ingest {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookInterval{50};

}  // namespace

// Whether the partition need not wait for the schema that the record misses.
bool Lane::set_aside(Own& partition, const kafka::Message& message,
                     const std::function<kafka::RecordCopy()>& copy) {
  if (!apply_.set_aside(incoming(message), copy)) return false;
  PartitionState& state = *partition.state;
  const bool answered = around_.applier.schemas().state(apply_.missing_schema()).not_found;
  if (!answered && message.offset.value < state.target) {
    around_.board.set_unanswered(state, state.unanswered + 1);
  }
  look_at_set_aside_ = std::max(look_at_set_aside_, steady_clock::now());
  return true;
}

void Lane::look_at_set_aside() {
  const auto now = steady_clock::now();
  if (!around_.applier.set_aside().any() && look_at_set_aside_ == steady_clock::time_point{}) {
    return;
  }
  if (now < look_at_set_aside_) return;
  for (auto& [at, own] : partitions_) {
    const PartitionStage stage = own.state->stage;
    if (stage != PartitionStage::kReloading && stage != PartitionStage::kGone) {
      look_at_set_aside(own);
    }
  }
  // Once more after the last has gone: its partition may wait for nothing any more.
  const bool any = around_.applier.set_aside().any();
  look_at_set_aside_ = any ? now + kLookInterval : steady_clock::time_point{};
}

void Lane::look_at_set_aside(Own& partition) {
  SetAside& all = around_.applier.set_aside();
  const kafka::TopicPartition at = partition.state->at;
  std::size_t unanswered = 0;
  bool any_settled = false;
  for (const SetAside::Wait& one : all.of(at)) {
    if (one.settled) {
      if (!bad_.waits(at, one.offset)) all.remove(at, one.offset);
      continue;
    }
    registry::State state{.kind = registry::StateKind::kKnown};
    if (one.schema != SetAsideRecord::kNotRead) {
      state = around_.applier.schemas().request(one.schema);
    }
    bool settled = false;
    if (state.kind != registry::StateKind::kWaiting) {
      const auto record = all.find(at, one.offset);  // null: a later one has taken its place
      settled = record == nullptr || settle(partition, record);
    }
    any_settled = any_settled || settled;
    const bool counts = one.offset.value < partition.state->target;
    if (!settled && !state.not_found && counts) ++unanswered;
  }
  around_.board.set_unanswered(*partition.state, unanswered);
  if (any_settled) publish_digest(partition);
}

// Applies one whose schema is known now, or of no use. Whether that was its end.
bool Lane::settle(Own& partition, const std::shared_ptr<const SetAsideRecord>& one) {
  SetAside& all = around_.applier.set_aside();
  const kafka::TopicPartition at = partition.state->at;
  const kafka::Message message = one->record.message();
  const auto copy = [&one] { return one->record; };
  switch (apply_.apply(*one)) {
    case Outcome::kDone:
      all.remove(at, message.offset);
      return true;
    case Outcome::kWaitsForSchema:  // for that of its value now, or nobody has read it yet
      (void)apply_.set_aside(incoming(message), copy, true);
      return false;
    case Outcome::kWaitsForStore:
      return false;
    case Outcome::kBad:
      break;
  }
  const PartitionStage stage = partition.state->stage;
  const bool flows = stage == PartitionStage::kLoading || stage == PartitionStage::kCaughtUp;
  // A partition waits for one record at a time.
  if (!flows && around_.on_bad_record == OnBadRecord::kStop) return false;
  const std::optional<PartitionStage> wait = bad_.settle(apply_, message, copy);
  if (wait == PartitionStage::kStopped) {
    hold(partition, *wait,
         {.partition = &partition,
          .record = {.message = message, .memory = nullptr},
          .set_aside = one,
          .counted = true});
  }
  if (wait) return false;
  if (bad_.waits(at, message.offset)) {
    SetAsideRecord kept = *one;
    kept.settled = true;
    all.add(std::move(kept));
  } else {
    all.remove(at, message.offset);
  }
  return true;
}

}  // namespace push_cache::ingest
