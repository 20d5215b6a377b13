// The partitions of a lane that are not read now, and when they are read on.
#include <utility>

#include "base/log.h"
#include "ingest/group_lane.h"

namespace push_cache::ingest {

using std::chrono::steady_clock;

void GroupLane::hold(Own& own, kafka::TopicPartition at, Held held) {
  if (held.why != PartitionStage::kLoading && held.why != PartitionStage::kReloading) {
    around_.board.wait(at, own.generation, held.why);
  }
  own.held = std::move(held);
  if (const Status paused = around_.consumer.pause(at); !paused.ok()) {
    log("ingest").debug("{} goes on being fetched while it waits: {}", around_.consumer.name_of(at),
                        paused.error().public_text);
  }
}

void GroupLane::look_at_held() {
  const auto now = steady_clock::now();
  std::vector<kafka::TopicPartition> held;
  for (const auto& [at, own] : partitions_) {
    if (own.held) held.push_back(at);
  }
  for (const kafka::TopicPartition at : held) {
    // Each may have gone while another one was written.
    if (stopping_ || !look_at(at, now)) continue;
    Own* const own = find(at);
    own->held.reset();
    around_.board.go_on(at, own->generation);
  }
}

// Whether the partition is read on.
bool GroupLane::look_at(kafka::TopicPartition at, steady_clock::time_point now) {
  Own* own = find(at);
  if (own == nullptr || !own->held) return false;
  const bool for_schema = own->held->why == PartitionStage::kWaitingForSchema;
  if (!for_schema && now < own->held->retry_at) return false;
  own->held->retry_at = now + (own->held->counted ? kBadRetry : kRetry);
  if (own->load == Load::kDue && own->next) {
    if (!begin_load(at, *own)) {
      own->held->why = PartitionStage::kWaitingForStore;
      around_.board.wait(at, own->generation, PartitionStage::kWaitingForStore);
      return false;
    }
    around_.board.store_works(queue_);
  }
  if (own->held->record && !apply_held(at)) return false;
  own = find(at);
  if (own == nullptr || !own->held) return false;
  const Status on = around_.consumer.go_on(at, own->next.value_or(own->from));
  if (on.ok()) return true;
  log("ingest").debug("{}: {}", around_.consumer.name_of(at), on.error().public_text);
  return false;
}

// Whether the held record is done with.
bool GroupLane::apply_held(kafka::TopicPartition at) {
  Own* own = find(at);
  Held& held = *own->held;
  const kafka::Message message = held.record->message;
  Outcome outcome = writes_.add(incoming(message), kHeldTag);
  if (outcome == Outcome::kWaitsForSchema && add_unread(*own, message, kHeldTag)) {
    outcome = Outcome::kDone;
  }
  std::optional<PartitionStage> wait;
  if (outcome == Outcome::kBad) {
    if (held.counted) return false;  // stopped, and still bad
    wait = bad_.settle(writes_, message, [&held] { return kafka::copy_of(*held.record); });
    held.counted = wait == PartitionStage::kStopped;
  } else if (outcome != Outcome::kDone) {
    wait = stage_of(outcome);
  }
  if (wait) {
    held.why = *wait;
    around_.board.wait(at, own->generation, *wait);
    return false;
  }
  own->next = Offset(message.offset.value + 1);
  if (own->at_end && outcome == Outcome::kDone) served_ms_.push_back(message.timestamp_ms);
  write();
  own = find(at);
  if (own == nullptr || !own->held) return false;
  // A store may have refused it, so that it waits on.
  if (own->next <= message.offset) return false;
  own->held->record.reset();
  return true;
}

}  // namespace push_cache::ingest
