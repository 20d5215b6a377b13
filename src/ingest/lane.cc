#include "ingest/lane.h"

#include <pthread.h>

#include <algorithm>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Small enough that a batch stays in the core's cache from its first look to its end.
constexpr std::size_t kBatchMax = 2'000;
// So many records wait for the store's memory together.
constexpr std::size_t kAnnounced = 16;
// Nothing has to be looked at meanwhile: whoever has something for a lane wakes it.
constexpr milliseconds kPollTimeout{1'000};
// While a record waits, its schema may come at any moment.
constexpr milliseconds kPollTimeoutWaiting{10};
constexpr milliseconds kPollTimeoutSetAside{50};
constexpr milliseconds kStoreRetry{200};
// A registry may be repaired, a schema become good: then a stopped partition goes on.
constexpr milliseconds kBadRetry{1'000};
// librdkafka's name for "from the first record there is" (RD_KAFKA_OFFSET_BEGINNING). The low
// watermark itself may have moved on by the time the fetch starts.
constexpr Offset kBeginning{-2};

}  // namespace

void LaneSurroundings::erase(kafka::TopicPartition at, Offset below) const {
  applier.set_aside().erase(at, below);
  applier.unread_keys().erase(at.topic, at.partition, below);
  for (store::Store* store : stores) {
    if (const auto erased = store->erase_partition(at.topic, at.partition, below); !erased.ok()) {
      log("ingest").error("{} could not be emptied: {}", consumer.name_of(at),
                          erased.error().public_text);
    }
  }
}

Lane::Lane(LaneSurroundings& around, std::size_t queue)
    : around_(around),
      queue_(queue),
      apply_(around.applier),
      bad_(around.on_bad_record, around.dead_letters, around.consumer, queue) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("ingest-" + std::to_string(queue)).c_str());
}

Lane::~Lane() {
  stopping_ = true;
  around_.consumer.wake(queue_);
  thread_.join();
}

void Lane::begin(const std::vector<Beginning>& partitions) {
  {
    const std::lock_guard lock(mutex_);
    beginnings_.insert(beginnings_.end(), partitions.begin(), partitions.end());
  }
  around_.consumer.wake(queue_);
}

void Lane::restart(const std::vector<PartitionState*>& partitions) {
  {
    const std::lock_guard lock(mutex_);
    restarts_.insert(restarts_.end(), partitions.begin(), partitions.end());
  }
  around_.consumer.wake(queue_);
}

void Lane::run() {
  while (!stopping_) {
    take_orders();
    if (!waiting_.empty()) retry_waiting();
    look_at_letters();
    look_at_set_aside();
    around_.consumer.poll(queue_, poll_timeout(), kBatchMax, batch_);
    apply_batch();
  }
}

milliseconds Lane::poll_timeout() const {
  if (!waiting_.empty()) return kPollTimeoutWaiting;
  return look_at_set_aside_ == steady_clock::time_point{} ? kPollTimeout : kPollTimeoutSetAside;
}

void Lane::take_orders() {
  std::vector<Beginning> beginnings;
  std::vector<PartitionState*> restarts;
  {
    const std::lock_guard lock(mutex_);
    beginnings.swap(beginnings_);
    restarts.swap(restarts_);
  }
  // In this order: a partition is given before it is restarted.
  std::vector<kafka::TopicPartitionOffset> from;
  for (const Beginning& one : beginnings) {
    if (one.anew) around_.board.begin_anew(*one.partition, one.marks, one.marks.low);
    Own& own = partitions_[one.partition->at];
    own = {.state = one.partition, .applied = one.from.value_or(one.marks.low)};
    from.push_back({one.partition->at, one.from.value_or(kBeginning)});
  }
  if (!from.empty()) assign(from);
  for (const PartitionState* one : restarts) {
    Own* own = find(one->at);
    if (own == nullptr || own->state->stage == PartitionStage::kReloading) continue;
    std::erase_if(waiting_, [own](const Waiting& waiting) { return waiting.partition == own; });
    if (const Status stopped = around_.consumer.unassign(one->at); !stopped.ok()) {
      log("ingest").debug("{}: {}", around_.consumer.name_of(one->at), stopped.error().public_text);
    }
    reload(*own);
  }
}

void Lane::assign(const std::vector<kafka::TopicPartitionOffset>& partitions) {
  const Status done = around_.consumer.assign(queue_, partitions);
  if (done.ok()) return;
  for (const kafka::TopicPartitionOffset& one : partitions) {
    log("ingest").error("{} could not be assigned: {}", around_.consumer.name_of(one.at),
                        done.error().public_text);
  }
}

void Lane::apply_batch() {
  const auto messages = batch_.messages();
  if (!messages.empty()) apply_.set_now(wall_clock_ms());
  std::size_t from = 0;
  while (from < messages.size()) {
    const kafka::TopicPartition at = messages[from].at;
    std::size_t to = from + 1;
    while (to < messages.size() && messages[to].at == at) ++to;
    if (Own* const partition = find(at)) {
      apply_run(*partition, from, to);
    } else if (messages[from].kind == kafka::MessageKind::kError) {
      repeats_.log(batch_.error_text(from), spdlog::level::warn, "Kafka: {}",
                   batch_.error_text(from));
    }
    from = to;
  }
  batch_.clear();
}

void Lane::apply_run(Own& partition, std::size_t from, std::size_t to) {
  // What comes of a partition that waits was fetched before that was known, and is fetched again;
  // what comes of one that reloads is of the log that has gone.
  const PartitionStage stage = partition.state->stage;
  if (stage != PartitionStage::kLoading && stage != PartitionStage::kCaughtUp) return;
  const auto messages = batch_.messages();
  Offset position{-1};
  for (std::size_t i = from; i < to; ++i) {
    if ((i - from) % kAnnounced == 0) {
      apply_.announce(messages.subspan(i, std::min(kAnnounced, to - i)));
    }
    const kafka::Message& message = messages[i];
    if (message.kind != kafka::MessageKind::kRecord) {
      advance(partition, position);
      event(partition, i);
      if (partition.state->stage == PartitionStage::kReloading) return;
      continue;
    }
    if (message.offset.value >= partition.next_mark) mark(partition, message.offset);
    Outcome outcome = apply(message);
    while (outcome == Outcome::kWaitsForSchema && apply_.comes_soon(stopping_)) {
      outcome = apply(message);  // the schema of its value may be the next one that is missing
    }
    const bool aside = outcome == Outcome::kWaitsForSchema &&
                       set_aside(partition, message, [this, i] { return batch_.copy(i); });
    if (outcome != Outcome::kDone && !aside) {
      const std::optional<PartitionStage> wait =
          outcome == Outcome::kBad
              ? bad_.settle(apply_, message, [this, i] { return batch_.copy(i); })
              : stage_of(outcome);
      if (wait) {
        advance(partition, position);
        note_served();
        hold(partition, *wait,
             {.partition = &partition,
              .record = batch_.keep(i),
              .counted = *wait == PartitionStage::kStopped});
        return;
      }
      (void)keep_given_up(message, [this, i] { return batch_.copy(i); });
    }
    if (outcome == Outcome::kDone && stage == PartitionStage::kCaughtUp) {
      served_ms_.push_back(message.timestamp_ms);
    }
    position = Offset(message.offset.value + 1);
  }
  advance(partition, position);
  note_served();
}

// By one look at the clock, behind the last of them.
void Lane::note_served() {
  if (served_ms_.empty()) return;
  const std::int64_t now_ms = wall_clock_ms();
  for (const std::int64_t timestamp_ms : served_ms_) apply_.note_served(timestamp_ms, now_ms);
  served_ms_.clear();
}

Outcome Lane::apply(const kafka::Message& message) { return apply_.apply(incoming(message)); }

void Lane::advance(Own& partition, Offset position) {
  partition.applied = std::max(partition.applied, position);
  // Not past a record that is neither applied nor kept elsewhere.
  const Offset settled = bad_.first_waiting(partition.state->at).value_or(partition.applied);
  around_.board.advance(*partition.state, settled);
  publish_digest(partition);
}

// Not of a partition with records that were set aside: a replica that knows their schemas has them.
void Lane::publish_digest(const Own& partition) {
  const bool whole = !around_.applier.set_aside().waits(partition.state->at);
  partition.state->digest.set(whole ? Digest{partition.applied, digest_of(partition)}
                                    : Digest{kNoDigest, 0});
}

std::uint64_t Lane::digest_of(const Own& partition) const {
  std::uint64_t sum = 0;
  for (const store::Store* store : around_.stores) {
    sum += store->digest(partition.state->at.topic, partition.state->at.partition);
  }
  return sum;
}

// All records before `next`, which comes behind a multiple of kMarkOffsets, are applied.
void Lane::mark(Own& partition, Offset next) {
  constexpr std::int64_t kStep = PartitionState::kMarkOffsets;
  const std::int64_t passed = next.value / kStep * kStep;
  // What is before the first record that was read here was never applied by us, unless a snapshot
  // brought it; a whole step behind it is.
  if (partition.next_mark != 0 && passed > 0 &&
      !around_.applier.set_aside().waits(partition.state->at)) {
    partition.state->mark.set({Offset(passed), digest_of(partition)});
  }
  partition.next_mark = passed + kStep;
}

void Lane::look_at_letters() {
  for (const kafka::TopicPartition at : bad_.look()) {
    Own* const partition = find(at);
    if (partition != nullptr && partition->state->stage != PartitionStage::kReloading) {
      advance(*partition, partition->applied);
    }
  }
}

void Lane::event(Own& partition, std::size_t index) {
  const kafka::Message& message = batch_.messages()[index];
  const kafka::TopicPartition at = message.at;
  switch (message.kind) {
    case kafka::MessageKind::kRecord:
      break;
    case kafka::MessageKind::kEnd:
      advance(partition, message.offset);
      break;
    case kafka::MessageKind::kOutOfRange:
      log("ingest").warn("{}: {}; it is emptied and read anew", around_.consumer.name_of(at),
                         batch_.error_text(index));
      reload(partition);
      break;
    case kafka::MessageKind::kError:
      repeats_.log(around_.consumer.name_of(at), spdlog::level::warn, "{}: {}",
                   around_.consumer.name_of(at), batch_.error_text(index));
      around_.look_again();
      break;
  }
}

void Lane::hold(Own& partition, PartitionStage why, Waiting waiting) {
  const kafka::TopicPartition at = partition.state->at;
  if (why == PartitionStage::kWaitingForStore) {
    repeats_.log("store", spdlog::level::warn, "{} waits, a store does not take a record: {}",
                 around_.consumer.name_of(at), apply_.store_error().describe());
  }
  around_.board.wait(*partition.state, why);
  waiting.retry_at = steady_clock::now() + kStoreRetry;
  waiting_.push_back(std::move(waiting));
  if (const Status stopped = around_.consumer.unassign(at); !stopped.ok()) {
    log("ingest").warn("{} goes on being fetched while it waits: {}", around_.consumer.name_of(at),
                       stopped.error().public_text);
  }
}

void Lane::retry_waiting() {
  const auto now = steady_clock::now();
  std::vector<kafka::TopicPartitionOffset> again;
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    const kafka::TopicPartition at = one->partition->state->at;
    const Offset next(one->record.message.offset.value + 1);
    if (!try_again(*one, now)) {
      ++one;
      continue;
    }
    Own& partition = *one->partition;
    if (one->set_aside) around_.applier.set_aside().remove(at, one->set_aside->record.offset);
    one = waiting_.erase(one);
    advance(partition, next);
    around_.board.go_on(*partition.state);
    again.push_back({at, partition.applied});
  }
  if (!again.empty()) assign(again);
}

// Whether the partition goes on behind the record.
bool Lane::try_again(Waiting& one, steady_clock::time_point now) {
  Own& partition = *one.partition;
  const bool for_schema = partition.state->stage == PartitionStage::kWaitingForSchema;
  if (!for_schema && now < one.retry_at) return false;
  one.retry_at = now + (one.counted ? kBadRetry : kStoreRetry);
  const kafka::Message message = one.record.message;
  // A later record may have taken its place.
  if (one.set_aside &&
      around_.applier.set_aside().find(message.at, message.offset) != one.set_aside) {
    return true;
  }
  const Outcome outcome = apply(message);
  if (outcome == Outcome::kWaitsForSchema && !one.counted && !one.set_aside &&
      set_aside(partition, message, [&one] { return kafka::copy_of(one.record); })) {
    return true;
  }
  if (outcome == Outcome::kDone) {
    if (partition.state->position >= partition.state->target) {
      served_ms_.push_back(message.timestamp_ms);
      note_served();
    }
    return true;
  }
  if (outcome != Outcome::kBad) {
    if (one.counted) return false;
    around_.board.wait(*partition.state, stage_of(outcome));
    return false;
  }
  if (one.counted) return false;  // stopped, and still bad
  const std::optional<PartitionStage> wait =
      bad_.settle(apply_, message, [&one] { return kafka::copy_of(one.record); });
  if (!wait) return true;
  one.counted = *wait == PartitionStage::kStopped;
  around_.board.wait(*partition.state, *wait);
  return false;
}

void Lane::reload(Own& partition) {
  PartitionState& state = *partition.state;
  around_.board.restart(state, true);  // not ready any more, before anything is taken out
  bad_.forget(state.at);               // they are of the log that has gone
  around_.erase(state.at);
  around_.ask_anew(state);
}

Lane::Own* Lane::find(kafka::TopicPartition at) {
  const auto found = partitions_.find(at);
  return found == partitions_.end() ? nullptr : &found->second;
}

}  // namespace push_cache::ingest
