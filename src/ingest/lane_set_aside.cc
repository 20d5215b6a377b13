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
  std::size_t settled = 0;
  for (const SetAside::Wait& one : all.of(at)) {
    registry::State state{.kind = registry::StateKind::kKnown};
    if (one.schema != SetAsideRecord::kNotRead) {
      state = around_.applier.schemas().request(one.schema);
    }
    if (one.given_up) {
      look_at_given_up(partition, one, state.kind == registry::StateKind::kKnown);
      continue;
    }
    bool done = false;
    if (state.kind != registry::StateKind::kWaiting) {
      const auto record = all.find(at, one.offset);  // null: a later one has taken its place
      done = record == nullptr || settle(partition, record);
      settled += done ? 1 : 0;
    }
    if (!done && !state.not_found && one.offset.value < partition.state->target) ++unanswered;
  }
  around_.board.set_unanswered(*partition.state, unanswered);
  if (settled == 0) return;
  log("ingest").info("{}: {} records that were set aside have been applied or given up",
                     around_.consumer.name_of(at), settled);
  publish_digest(partition);
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
  if (!keep_given_up(message, copy)) all.remove(at, message.offset);
  return true;
}

// After the policy for bad records was applied. Whether the record is kept, in the place of the one
// that was set aside, if it was: its schema may still come, and a process that starts then has it.
bool Lane::keep_given_up(const kafka::Message& message,
                         const std::function<kafka::RecordCopy()>& copy) {
  const RecordReader::Bad& bad = apply_.bad();
  const bool may_come =
      bad.cause == BadCause::kSchemaNotFound || bad.cause == BadCause::kSchemaFailed;
  // A later record must be able to take its place.
  const store::UnreadKeys::Place place{message.at.topic, message.at.partition, message.offset};
  if (!may_come || !bad.key || !around_.applier.unread_keys().is_bad(*bad.key, place)) return false;
  kafka::RecordCopy record = copy();
  SetAside& all = around_.applier.set_aside();
  const bool letter_waits = bad_.waits(message.at, message.offset);
  if (!all.make_room(record.bytes())) return false;
  all.add({.record = std::move(record),
           .key = bad.key,
           .waits_for = apply_.missing_schema(),
           .given_up = true,
           .letter_waits = letter_waits,
           .since_ms = wall_clock_ms()});
  look_at_set_aside_ = std::max(look_at_set_aside_, steady_clock::now());
  return true;
}

void Lane::look_at_given_up(Own& partition, const SetAside::Wait& wait, bool schema_known) {
  SetAside& all = around_.applier.set_aside();
  const kafka::TopicPartition at = partition.state->at;
  const auto one = all.find(at, wait.offset);
  if (one == nullptr) return;
  const bool letter_waits = bad_.waits(at, wait.offset);
  if (wait.letter_waits && !letter_waits) {
    SetAsideRecord acknowledged = *one;
    acknowledged.letter_waits = false;
    all.add(std::move(acknowledged));
  }
  const store::UnreadKeys::Place place{at.topic, at.partition, wait.offset};
  const bool in_place = around_.applier.unread_keys().is_bad(*one->key, place);
  if (letter_waits || (in_place && !schema_known)) return;
  if (in_place) {
    const Outcome outcome = apply_.apply(*one);
    if (outcome == Outcome::kWaitsForSchema || outcome == Outcome::kWaitsForStore) return;
  }
  all.remove(at, wait.offset);
  publish_digest(partition);
}

}  // namespace push_cache::ingest
