#include "ingest/group_lane.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kBatchMax = 4'000;
// Beyond so many bytes a batch is written before the rest of what was polled is looked at.
constexpr std::size_t kBatchBytes = 4 << 20;
constexpr milliseconds kPollTimeout{1'000};
// While a record waits, its schema may come at any moment.
constexpr milliseconds kPollTimeoutHeld{10};
constexpr milliseconds kStoreRetryFirst{50};
constexpr milliseconds kStoreRetryMax{2'000};

}  // namespace

GroupLane::GroupLane(GroupSurroundings& around, std::size_t queue)
    : around_(around),
      queue_(queue),
      writes_(around.applier),
      bad_(around.on_bad_record, around.dead_letters, around.consumer, queue) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("group-" + std::to_string(queue)).c_str());
}

GroupLane::~GroupLane() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  around_.consumer.wake(queue_);
  thread_.join();
}

// --- orders ---

std::uint64_t GroupLane::give(Order order) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(order);
    number = ++given_;
    changed_.notify_all();
  }
  around_.consumer.wake(queue_);
  return number;
}

void GroupLane::begin(const Beginning& one) { give({Order::Kind::kBegin, one}); }

void GroupLane::restart(kafka::TopicPartition at, std::uint64_t generation, Offset from,
                        bool replaced) {
  give({Order::Kind::kRestart,
        {.at = at, .generation = generation, .from = from, .replaced = replaced}});
}

void GroupLane::load_ended(kafka::TopicPartition at, std::uint64_t generation) {
  give({Order::Kind::kLoadEnded, {.at = at, .generation = generation}});
}

void GroupLane::drop(std::span<const kafka::TopicPartition> partitions,
                     steady_clock::time_point deadline) {
  std::uint64_t last = 0;
  for (const kafka::TopicPartition at : partitions) last = give({Order::Kind::kDrop, {.at = at}});
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this, last] { return taken_ >= last; });
}

void GroupLane::take_orders() {
  std::vector<Order> orders;
  {
    const std::lock_guard lock(mutex_);
    orders.swap(orders_);
  }
  if (orders.empty()) return;
  for (const Order& order : orders) take(order);
  const std::lock_guard lock(mutex_);
  taken_ += orders.size();
  changed_.notify_all();
}

void GroupLane::take(const Order& order) {
  const Beginning& one = order.one;
  Own* const known = find(one.at);
  if (order.kind == Order::Kind::kLoadEnded) {
    const bool is_ending =
        known != nullptr && known->load == Load::kEnding;  // not begun anew since
    if (is_ending && known->generation == one.generation) known->load = Load::kNone;
    return;
  }
  writes_.drop(one.at);
  bad_.forget(one.at);
  around_.applier.unread_keys().erase(one.at.topic, one.at.partition, store::Store::kAllOffsets);
  if (known != nullptr && known->load != Load::kNone) around_.stores.cancel_load(one.at);
  if (order.kind == Order::Kind::kDrop) {
    partitions_.erase(one.at);
    return;
  }
  if (order.kind == Order::Kind::kRestart && known == nullptr) return;
  Own& own = partitions_[one.at];
  own = {.generation = one.generation, .from = one.from};
  if (one.from.value >= 0) {
    own.next = own.told = one.from;
  } else {
    own.load = Load::kDue;
    own.replaced = one.replaced;
  }
  if (order.kind == Order::Kind::kBegin) {
    own.since_poll = polls_;
  } else {
    hold(own, one.at, {.why = PartitionStage::kReloading});
  }
}

// --- what comes ---

void GroupLane::run() {
  while (!stopping_) {
    take_orders();
    look_at_held();
    (void)bad_.look();
    publish();
    const bool any_held = std::any_of(partitions_.begin(), partitions_.end(),
                                      [](const auto& one) { return one.second.held.has_value(); });
    ++polls_;
    around_.consumer.poll(queue_, any_held ? kPollTimeoutHeld : kPollTimeout, kBatchMax, batch_);
    // A partition is given to this lane before anything of it can come.
    take_orders();
    handle_batch();
  }
}

void GroupLane::handle_batch() {
  const auto messages = batch_.messages();
  if (!messages.empty()) writes_.set_now(wall_clock_ms());
  for (std::size_t i = 0; i < messages.size() && !stopping_; ++i) {
    handle(messages[i].at, i);
    if (writes_.bytes() >= kBatchBytes) write();
  }
  write();
  batch_.clear();
}

void GroupLane::handle(kafka::TopicPartition at, std::size_t index) {
  const kafka::Message& message = batch_.messages()[index];
  if (message.kind == kafka::MessageKind::kError ||
      message.kind == kafka::MessageKind::kOutOfRange) {
    repeats_.log(around_.consumer.name_of(at), spdlog::level::warn, "{}: {}",
                 around_.consumer.name_of(at), batch_.error_text(index));
    around_.look_again();
    return;
  }
  Own* own = find(at);
  if (own == nullptr || own->held) return;  // another owner reads it, or it is fetched again
  if (own->since_poll == polls_) {
    // Nobody can tell whether this was fetched before the partition left and came back.
    hold(*own, at, {.why = PartitionStage::kLoading});
    return;
  }
  if ((own->load == Load::kDue || (own->next && own->next != message.offset)) &&
      !comes_in_place(at, message)) {
    return;
  }
  own = find(at);
  if (own == nullptr || own->held) return;
  if (message.kind == kafka::MessageKind::kRecord) {
    add(*own, index);
  } else {
    own->next = message.offset;  // markers and aborted records before it are passed
    own->at_end = true;
  }
}

// Whether `message` may be read on with, which is not the one that was expected.
bool GroupLane::comes_in_place(kafka::TopicPartition at, const kafka::Message& message) {
  Own* own = find(at);
  if (own->next && message.offset < *own->next) {
    log("ingest").warn("{}: the log goes on at offset {} instead of {}; it is read anew",
                       around_.consumer.name_of(at), message.offset.value, own->next->value);
    load_anew(at, *own);
    own->replaced = true;
  } else if (own->next && own->load != Load::kDue) {
    // Mostly a hole that compaction or a transaction has left.
    const auto start = around_.consumer.cached_start(at);
    if (!start || *start <= *own->next) return true;
    log("ingest").warn("{}: the log starts at offset {} now, behind the position {}",
                       around_.consumer.name_of(at), start->value, own->next->value);
    load_anew(at, *own);
  }
  if (own->load != Load::kDue) return true;
  write();  // what came before
  own = find(at);
  if (own == nullptr || own->held) return false;
  own->next = message.offset;
  if (begin_load(at, *own)) return true;
  hold(*own, at,
       {.why = PartitionStage::kWaitingForStore, .retry_at = steady_clock::now() + kRetry});
  return false;
}

// What comes now is the beginning of the log.
void GroupLane::load_anew(kafka::TopicPartition at, Own& own) {
  around_.board.restart(at, own.generation);  // not ready, before anything changes
  around_.look_again();
  own.told.reset();
  own.load = Load::kDue;
}

bool GroupLane::begin_load(kafka::TopicPartition at, Own& own) {
  const auto needs_end = around_.stores.begin_load(at, own.replaced);
  if (!needs_end.ok()) {
    if (!own.held) {  // else it was said
      log("ingest").warn("{} waits, a store does not begin to load it: {}",
                         around_.consumer.name_of(at), needs_end.error().describe());
    }
    around_.board.store_failed(queue_, needs_end.error().public_text);
    return false;
  }
  own.load = *needs_end ? Load::kRunning : Load::kNone;
  own.replaced = false;
  own.load_end = around_.consumer.cached_end(at);
  own.at_end = false;
  return true;
}

// Gives the stores a record whose schema is not known yet. Not at the start, before the registry
// has said whether it has it: ready would be too early then.
bool GroupLane::add_unread(const Own& own, const kafka::Message& message, std::size_t tag) {
  const registry::State state = around_.applier.schemas().state(writes_.missing_schema());
  return (state.not_found || own.at_end) && writes_.add_unread(incoming(message), tag);
}

void GroupLane::add(Own& own, std::size_t index) {
  const kafka::Message& message = batch_.messages()[index];
  Outcome outcome = writes_.add(incoming(message), index);
  while (outcome == Outcome::kWaitsForSchema && writes_.comes_soon(stopping_, true)) {
    outcome = writes_.add(incoming(message), index);
  }
  if (outcome == Outcome::kWaitsForSchema && add_unread(own, message, index)) {
    outcome = Outcome::kDone;
  }
  if (outcome != Outcome::kDone) {
    const std::optional<PartitionStage> wait =
        outcome == Outcome::kBad
            ? bad_.settle(writes_, message, [this, index] { return batch_.copy(index); })
            : stage_of(outcome);
    if (wait) {
      own.next = message.offset;
      hold(own, message.at,
           {.why = *wait,
            .record = batch_.keep(index),
            .counted = *wait == PartitionStage::kStopped,
            .retry_at = steady_clock::now() + kRetry});
      return;
    }
  }
  own.next = Offset(message.offset.value + 1);
  if (own.at_end && outcome == Outcome::kDone) served_ms_.push_back(message.timestamp_ms);
}

// --- writes ---

// Until all is acknowledged or dropped. Partitions may have come and gone when this returns.
void GroupLane::write() {
  while (!writes_.empty()) {
    if (try_to_write()) {
      const std::int64_t now_ms = wall_clock_ms();
      for (const std::int64_t timestamp_ms : served_ms_) writes_.note_served(timestamp_ms, now_ms);
      break;
    }
    if (stopping_) {
      // Not acknowledged, so it was never there: the next owner reads it again.
      writes_.drop_all();
      served_ms_.clear();
      partitions_.clear();
      return;
    }
    wait_for_store();
  }
  if (in_trouble_ && writes_.empty()) {
    in_trouble_ = false;
    around_.board.store_works(queue_);
    for (auto& [at, own] : partitions_) {
      if (!std::exchange(own.waits_for_store, false)) continue;
      if (own.held) {
        around_.board.wait(at, own.generation, own.held->why);
      } else {
        around_.board.go_on(at, own.generation);
      }
    }
  }
  served_ms_.clear();
  publish();
}

bool GroupLane::try_to_write() {
  for (;;) {
    switch (writes_.write()) {
      case WriteBatch::Step::kDone:
        backoff_ = milliseconds(0);
        return true;
      case WriteBatch::Step::kTooLarge:
        settle_too_large();
        break;
      case WriteBatch::Step::kFailed:
        return false;
    }
  }
}

void GroupLane::settle_too_large() {
  const WriteBatch::TooLarge found = writes_.too_large();
  const kafka::TopicPartition at{found.record.topic, found.record.partition};
  Own* const own = find(at);
  if (own == nullptr || found.was_bad) return;
  const bool was_held = found.tag == kHeldTag;
  const kafka::Message message =
      was_held ? own->held->record->message : batch_.messages()[found.tag];
  const auto wait = bad_.settle(writes_, message, [&] {
    return was_held ? kafka::copy_of(*own->held->record) : batch_.copy(found.tag);
  });
  if (!wait) return;
  const auto keep = [&] {
    return was_held ? std::move(*own->held->record) : batch_.keep(found.tag);
  };
  own->next = message.offset;
  hold(*own, at,
       {.why = *wait,
        .record = keep(),
        .counted = *wait == PartitionStage::kStopped,
        .retry_at = steady_clock::now() + kBadRetry});
}

void GroupLane::wait_for_store() {
  const std::string why = writes_.store_error().describe();
  if (!in_trouble_) {
    repeats_.log("store", spdlog::level::warn,
                 "a store does not take records, tried again until it does: {}", why);
  }
  in_trouble_ = true;
  around_.board.store_failed(queue_, writes_.store_error().public_text);
  for (auto& [at, own] : partitions_) {
    if (own.waits_for_store || !writes_.waits(at)) continue;
    own.waits_for_store = true;
    around_.board.wait(at, own.generation, PartitionStage::kWaitingForStore);
  }
  backoff_ = std::clamp(backoff_ * 2, kStoreRetryFirst, kStoreRetryMax);
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, backoff_, [this] { return stopping_ || !orders_.empty(); });
  }
  take_orders();
}

// Everything that was added is acknowledged.
void GroupLane::publish() {
  for (auto& [at, own] : partitions_) {
    if (!own.next || !may_tell(at, own)) continue;
    const Offset position = bad_.first_waiting(at).value_or(*own.next);
    if (own.told == position) continue;
    own.told = position;
    around_.board.acknowledged(at, own.generation, position);
  }
}

// Whether the position stands for all before it. Ends a load that has read all that there was.
bool GroupLane::may_tell(kafka::TopicPartition at, Own& own) {
  if (own.load == Load::kRunning && (own.at_end || (own.load_end && own.next >= own.load_end))) {
    own.load = Load::kEnding;
    around_.stores.end_load(at, own.generation, *own.next);
  }
  return own.load == Load::kNone;
}

GroupLane::Own* GroupLane::find(kafka::TopicPartition at) {
  const auto found = partitions_.find(at);
  return found == partitions_.end() ? nullptr : &found->second;
}

}  // namespace push_cache::ingest
