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
// A registry that is there answers sooner. Then the fetched records behind the first one of a
// schema need not be thrown away, to be fetched again.
constexpr milliseconds kSchemaPatience{100};
// librdkafka's name for "from the first record there is" (RD_KAFKA_OFFSET_BEGINNING). The low
// watermark itself may have moved on by the time the fetch starts.
constexpr Offset kBeginning{-2};

}  // namespace

Lane::Lane(LaneSurroundings& around, std::size_t queue)
    : around_(around), queue_(queue), apply_(around.applier) {
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

void Lane::run() {
  while (!stopping_) {
    take_beginnings();
    if (!waiting_.empty()) retry_waiting();
    around_.consumer.poll(queue_, waiting_.empty() ? kPollTimeout : kPollTimeoutWaiting, kBatchMax,
                          batch_);
    apply_batch();
  }
}

void Lane::take_beginnings() {
  std::vector<Beginning> taken;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(beginnings_);
  }
  if (taken.empty()) return;
  std::vector<kafka::TopicPartitionOffset> from;
  for (const Beginning& one : taken) {
    if (one.anew) around_.board.begin_anew(*one.partition, one.marks);
    partitions_[one.partition->at] = one.partition;
    from.push_back({one.partition->at, kBeginning});
  }
  assign(from);
}

void Lane::assign(const std::vector<kafka::TopicPartitionOffset>& partitions) {
  const Status done = around_.consumer.assign(queue_, partitions);
  if (done.ok()) return;
  for (const kafka::TopicPartitionOffset& one : partitions) {
    log("ingest").error("{} could not be assigned: {}", name_of(one.at), done.error().public_text);
  }
}

void Lane::apply_batch() {
  const auto messages = batch_.messages();
  std::size_t from = 0;
  while (from < messages.size()) {
    const kafka::TopicPartition at = messages[from].at;
    std::size_t to = from + 1;
    while (to < messages.size() && messages[to].at == at) ++to;
    if (PartitionState* const partition = find(at)) {
      apply_run(*partition, from, to);
    } else if (messages[from].kind == kafka::MessageKind::kError) {
      log("ingest").warn("Kafka: {}", batch_.error_text(from));
    }
    from = to;
  }
  batch_.clear();
}

void Lane::apply_run(PartitionState& partition, std::size_t from, std::size_t to) {
  // What comes of a partition that waits was fetched before that was known, and is fetched again;
  // what comes of one that reloads is of the log that has gone.
  const PartitionStage stage = partition.stage;
  if (stage != PartitionStage::kLoading && stage != PartitionStage::kCaughtUp) return;
  const auto messages = batch_.messages();
  Offset position{-1};
  for (std::size_t i = from; i < to; ++i) {
    if ((i - from) % kAnnounced == 0) {
      apply_.announce(messages.subspan(i, std::min(kAnnounced, to - i)));
    }
    const kafka::Message& message = messages[i];
    if (message.kind != kafka::MessageKind::kRecord) {
      around_.board.advance(partition, position);
      event(partition, i);
      if (partition.stage == PartitionStage::kReloading) return;
      continue;
    }
    Outcome outcome = apply(partition, message);
    if (outcome == Outcome::kWaitsForSchema && comes_soon(apply_.missing_schema())) {
      outcome = apply(partition, message);
    }
    if (outcome != Outcome::kDone) {
      around_.board.advance(partition, position);
      hold(partition, outcome, i);
      return;
    }
    position = Offset(message.offset.value + 1);
  }
  around_.board.advance(partition, position);
}

Outcome Lane::apply(PartitionState& partition, const kafka::Message& message) {
  return apply_.apply({.topic = partition.at.topic,
                       .partition = partition.at.partition,
                       .offset = message.offset,
                       .timestamp_ms = message.timestamp_ms,
                       .key = message.key,
                       .value = message.value});
}

void Lane::event(PartitionState& partition, std::size_t index) {
  const kafka::Message& message = batch_.messages()[index];
  switch (message.kind) {
    case kafka::MessageKind::kRecord:
      break;
    case kafka::MessageKind::kEnd:
      around_.board.advance(partition, message.offset);
      break;
    case kafka::MessageKind::kOutOfRange:
      log("ingest").warn("{}: {}; it is emptied and read anew", name_of(partition.at),
                         batch_.error_text(index));
      reload(partition);
      break;
    case kafka::MessageKind::kError:
      log("ingest").warn("{}: {}", name_of(partition.at), batch_.error_text(index));
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

void Lane::hold(PartitionState& partition, Outcome why, std::size_t index) {
  const bool for_schema = why == Outcome::kWaitsForSchema;
  if (!for_schema) {
    log("ingest").warn("{} waits, a store does not take a record: {}", name_of(partition.at),
                       apply_.store_error().describe());
  }
  around_.board.wait(
      partition, for_schema ? PartitionStage::kWaitingForSchema : PartitionStage::kWaitingForStore);
  waiting_.push_back({&partition, batch_.keep(index), steady_clock::now() + kStoreRetry});
  if (const Status stopped = around_.consumer.unassign(partition.at); !stopped.ok()) {
    log("ingest").warn("{} goes on being fetched while it waits: {}", name_of(partition.at),
                       stopped.error().public_text);
  }
}

void Lane::retry_waiting() {
  const auto now = steady_clock::now();
  std::vector<kafka::TopicPartitionOffset> again;
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    PartitionState& partition = *one->partition;
    if (partition.stage == PartitionStage::kWaitingForStore && now < one->retry_at) {
      ++one;
      continue;
    }
    const kafka::Message& message = one->record.message;
    const Outcome outcome = apply(partition, message);
    if (outcome != Outcome::kDone) {
      around_.board.wait(partition, outcome == Outcome::kWaitsForSchema
                                        ? PartitionStage::kWaitingForSchema
                                        : PartitionStage::kWaitingForStore);
      one->retry_at = now + kStoreRetry;
      ++one;
      continue;
    }
    const Offset next(message.offset.value + 1);
    around_.board.advance(partition, next);
    around_.board.go_on(partition);
    again.push_back({partition.at, next});
    one = waiting_.erase(one);
  }
  if (!again.empty()) assign(again);
}

void Lane::reload(PartitionState& partition) {
  around_.board.restart(partition);  // not ready any more, before anything is taken out
  for (store::Store* store : around_.stores) {
    if (const auto erased = store->erase_partition(partition.at.topic, partition.at.partition);
        !erased.ok()) {
      log("ingest").error("{} could not be emptied: {}", name_of(partition.at),
                          erased.error().public_text);
    }
  }
  around_.ask_anew(partition);
}

PartitionState* Lane::find(kafka::TopicPartition at) const {
  const auto found = partitions_.find(at);
  return found == partitions_.end() ? nullptr : found->second;
}

std::string Lane::name_of(kafka::TopicPartition at) const {
  return around_.consumer.topics()[at.topic] + "/" + std::to_string(at.partition.value);
}

}  // namespace push_cache::ingest
