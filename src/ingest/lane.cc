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
constexpr milliseconds kStoreRetry{200};
// A registry may be repaired, a schema become good: then a stopped partition goes on.
constexpr milliseconds kBadRetry{1'000};
constexpr milliseconds kLetterRetry{1'000};
// Each keeps the memory that its record was fetched with.
constexpr std::size_t kLettersMax = 1'000;
// A registry that is there answers sooner. Then the fetched records behind the first one of a
// schema need not be thrown away, to be fetched again.
constexpr milliseconds kSchemaPatience{100};
// librdkafka's name for "from the first record there is" (RD_KAFKA_OFFSET_BEGINNING). The low
// watermark itself may have moved on by the time the fetch starts.
constexpr Offset kBeginning{-2};

Incoming incoming(const kafka::Message& message) {
  return {.topic = message.at.topic,
          .partition = message.at.partition,
          .offset = message.offset,
          .timestamp_ms = message.timestamp_ms,
          .key = message.key,
          .value = message.value};
}

PartitionStage stage_of(Outcome outcome) {
  return outcome == Outcome::kWaitsForSchema ? PartitionStage::kWaitingForSchema
                                             : PartitionStage::kWaitingForStore;
}

}  // namespace

void LaneSurroundings::erase(kafka::TopicPartition at, Offset below) const {
  for (store::Store* store : stores) {
    if (const auto erased = store->erase_partition(at.topic, at.partition, below); !erased.ok()) {
      log("ingest").error("{} could not be emptied: {}", consumer.name_of(at),
                          erased.error().public_text);
    }
  }
}

Lane::Lane(LaneSurroundings& around, std::size_t queue)
    : around_(around), queue_(queue), apply_(around.applier) {
  answers_->lane = this;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("ingest-" + std::to_string(queue)).c_str());
}

Lane::~Lane() {
  stopping_ = true;
  around_.consumer.wake(queue_);
  thread_.join();
  const std::lock_guard lock(answers_->mutex);
  answers_->lane = nullptr;
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
    if (!letters_.empty()) {
      take_answers();
      send_letters_again();
    }
    around_.consumer.poll(queue_, waiting_.empty() ? kPollTimeout : kPollTimeoutWaiting, kBatchMax,
                          batch_);
    apply_batch();
  }
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
    if (one.anew) around_.board.begin_anew(*one.partition, one.marks);
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
  std::size_t from = 0;
  while (from < messages.size()) {
    const kafka::TopicPartition at = messages[from].at;
    std::size_t to = from + 1;
    while (to < messages.size() && messages[to].at == at) ++to;
    if (Own* const partition = find(at)) {
      apply_run(*partition, from, to);
    } else if (messages[from].kind == kafka::MessageKind::kError) {
      log("ingest").warn("Kafka: {}", batch_.error_text(from));
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
    if (outcome == Outcome::kWaitsForSchema && comes_soon(apply_.missing_schema())) {
      outcome = apply(message);
    }
    if (outcome != Outcome::kDone) {
      const std::optional<PartitionStage> wait =
          outcome == Outcome::kBad
              ? settle_bad(partition, message, [this, i] { return batch_.keep(i); })
              : stage_of(outcome);
      if (wait) {
        advance(partition, position);
        hold(partition, *wait, i);
        return;
      }
    }
    position = Offset(message.offset.value + 1);
  }
  advance(partition, position);
}

Outcome Lane::apply(const kafka::Message& message) { return apply_.apply(incoming(message)); }

void Lane::advance(Own& partition, Offset position) {
  partition.applied = std::max(partition.applied, position);
  // Not past a record that is neither applied nor kept elsewhere.
  const Offset settled = partition.letters.empty() ? partition.applied : *partition.letters.begin();
  around_.board.advance(*partition.state, settled);
  partition.state->digest.set({partition.applied, digest_of(partition)});
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
  if (partition.next_mark != 0 && passed > 0) {
    partition.state->mark.set({Offset(passed), digest_of(partition)});
  }
  partition.next_mark = passed + kStep;
}

std::optional<PartitionStage> Lane::settle_bad(Own& partition, const kafka::Message& message,
                                               const std::function<kafka::KeptMessage()>& record) {
  if (around_.on_bad_record == OnBadRecord::kDeadLetter && letters_.size() >= kLettersMax) {
    return PartitionStage::kWaitingForDeadLetters;  // and is looked at again
  }
  apply_.count_bad(incoming(message));
  switch (around_.on_bad_record) {
    case OnBadRecord::kSkip:
      break;
    case OnBadRecord::kStop:
      log("ingest").error(
          "{} stops at offset {}, which is bad ({}: {}), since kafka.on_bad_record is stop",
          around_.consumer.name_of(message.at), message.offset.value, to_string(apply_.bad().cause),
          apply_.bad().detail);
      return PartitionStage::kStopped;
    case OnBadRecord::kDeadLetter: {
      partition.letters.insert(message.offset);
      around_.dead_letters->add_waiting(1);
      const std::uint64_t number = next_letter_++;
      send_letter(number, letters_[number] = {&partition, record(), apply_.bad()});
      break;
    }
  }
  return std::nullopt;
}

void Lane::send_letter(std::uint64_t number, Letter& letter) {
  letter.sent = true;
  around_.dead_letters->send(letter.record,
                             {.cause = to_string(letter.why.cause),
                              .detail = letter.why.detail,
                              .topic = around_.consumer.topics()[letter.record.message.at.topic]},
                             [answers = answers_, number](bool acknowledged) {
                               const std::lock_guard lock(answers->mutex);
                               if (answers->lane == nullptr) return;
                               answers->of_letters.emplace_back(number, acknowledged);
                               answers->lane->around_.consumer.wake(answers->lane->queue_);
                             });
}

void Lane::take_answers() {
  std::vector<std::pair<std::uint64_t, bool>> answers;
  {
    const std::lock_guard lock(answers_->mutex);
    answers.swap(answers_->of_letters);
  }
  for (const auto& [number, acknowledged] : answers) {
    const auto found = letters_.find(number);
    if (found == letters_.end()) continue;
    Letter& letter = found->second;
    if (!acknowledged) {
      letter.sent = false;
      letter.retry_at = steady_clock::now() + kLetterRetry;
      continue;
    }
    Own* const partition = letter.partition;
    if (partition != nullptr) partition->letters.erase(letter.record.message.offset);
    letters_.erase(found);
    around_.dead_letters->add_waiting(-1);
    if (partition != nullptr && partition->state->stage != PartitionStage::kReloading) {
      advance(*partition, partition->applied);
    }
  }
}

void Lane::send_letters_again() {
  const auto now = steady_clock::now();
  for (auto& [number, letter] : letters_) {
    if (!letter.sent && letter.retry_at <= now) send_letter(number, letter);
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
      log("ingest").warn("{}: {}", around_.consumer.name_of(at), batch_.error_text(index));
      around_.look_again();
      break;
  }
}

// Whether the schema has come, after a moment of waiting the first time that it is asked for.
bool Lane::comes_soon(SchemaId schema) {
  if (!waited_for_.insert(schema).second) return false;
  const registry::SchemaCache& schemas = around_.applier.schemas();
  const auto deadline = steady_clock::now() + kSchemaPatience;
  while (!stopping_ && steady_clock::now() < deadline) {
    const registry::State state = schemas.state(schema);
    if (state.kind != registry::StateKind::kWaiting) return true;
    if (state.attempts > 0) return false;  // the registry is away, or does not know it
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

void Lane::hold(Own& partition, PartitionStage why, std::size_t index) {
  const kafka::TopicPartition at = partition.state->at;
  if (why == PartitionStage::kWaitingForStore) {
    log("ingest").warn("{} waits, a store does not take a record: {}", around_.consumer.name_of(at),
                       apply_.store_error().describe());
  }
  around_.board.wait(*partition.state, why);
  waiting_.push_back({.partition = &partition,
                      .record = batch_.keep(index),
                      .counted = why == PartitionStage::kStopped,
                      .retry_at = steady_clock::now() + kStoreRetry});
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
    one = waiting_.erase(one);
    advance(partition, next);
    around_.board.go_on(*partition.state);
    again.push_back({at, next});
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
  const Outcome outcome = apply(message);
  if (outcome == Outcome::kDone) return true;
  if (outcome != Outcome::kBad) {
    around_.board.wait(*partition.state, stage_of(outcome));
    return false;
  }
  if (one.counted) return false;  // stopped, and still bad
  const std::optional<PartitionStage> wait =
      settle_bad(partition, message, [&one] { return std::move(one.record); });
  if (!wait) return true;
  one.counted = *wait == PartitionStage::kStopped;
  around_.board.wait(*partition.state, *wait);
  return false;
}

void Lane::reload(Own& partition) {
  PartitionState& state = *partition.state;
  around_.board.restart(state);  // not ready any more, before anything is taken out
  // Their letters are of the log that has gone; they are still delivered.
  for (auto& [number, letter] : letters_) {
    if (letter.partition == &partition) letter.partition = nullptr;
  }
  partition.letters.clear();
  around_.erase(state.at);
  around_.ask_anew(state);
}

Lane::Own* Lane::find(kafka::TopicPartition at) {
  const auto found = partitions_.find(at);
  return found == partitions_.end() ? nullptr : &found->second;
}

}  // namespace push_cache::ingest
