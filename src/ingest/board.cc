#include "ingest/board.h"

namespace push_cache::ingest {

std::string_view to_string(PartitionStage stage) {
  switch (stage) {
    case PartitionStage::kLoading:
      return "loading";
    case PartitionStage::kCaughtUp:
      return "caught_up";
    case PartitionStage::kWaitingForSchema:
      return "waiting_for_schema";
    case PartitionStage::kWaitingForStore:
      return "waiting_for_store";
    case PartitionStage::kReloading:
      return "reloading";
    case PartitionStage::kStopped:
      return "stopped";
    case PartitionStage::kWaitingForDeadLetters:
      return "waiting_for_dead_letters";
    case PartitionStage::kGone:
      return "gone";
  }
  return "loading";
}

std::optional<double> Board::first_ready_seconds() const {
  const std::lock_guard lock(mutex_);
  return first_ready_seconds_;
}

PartitionState& Board::add(kafka::TopicPartition at, const kafka::Watermarks& marks, Offset from,
                           std::size_t unanswered) {
  const std::lock_guard lock(mutex_);
  PartitionState& partition = states_.try_emplace(at, at).first->second;
  begin(partition, marks, from, unanswered);
  return partition;
}

bool Board::topic_complete(std::uint32_t topic, std::uint64_t restarts_before) {
  const std::lock_guard lock(mutex_);
  if (restarts_ != restarts_before) return false;
  catch_up_.topic_complete(topic);
  judge();
  return true;
}

std::vector<const PartitionState*> Board::partitions() const {
  const std::lock_guard lock(mutex_);
  std::vector<const PartitionState*> out;
  out.reserve(states_.size());
  for (const auto& [at, partition] : states_) {
    if (partition.stage != PartitionStage::kGone) out.push_back(&partition);
  }
  return out;
}

void Board::condemn(const PartitionState& partition) {
  const std::lock_guard lock(mutex_);
  ++restarts_;
  catch_up_.topic_replaced(partition.at.topic);
  catch_up_.restart(partition.at);
  judge();
}

void Board::remove(PartitionState& partition) {
  const std::lock_guard lock(mutex_);
  catch_up_.remove(partition.at);
  set_stage(partition, PartitionStage::kGone);
  judge();
}

void Board::restart(PartitionState& partition, bool log_replaced) {
  const std::lock_guard lock(mutex_);
  ++restarts_;
  if (log_replaced) catch_up_.topic_replaced(partition.at.topic);
  catch_up_.restart(partition.at);
  set_stage(partition, PartitionStage::kReloading);
  judge();
}

void Board::begin_anew(PartitionState& partition, const kafka::Watermarks& marks, Offset from) {
  const std::lock_guard lock(mutex_);
  begin(partition, marks, from, 0);
}

void Board::set_unanswered(PartitionState& partition, std::size_t records) {
  if (partition.unanswered.exchange(records) == records) return;
  const std::lock_guard lock(mutex_);
  catch_up_.hold(partition.at, records > 0);
  const std::int64_t position = partition.position.load();
  if (records > 0 || partition.stage != PartitionStage::kLoading ||
      position < partition.target.load()) {
    return judge();
  }
  catch_up_.advance(partition.at, Offset(position));
  partition.stage = PartitionStage::kCaughtUp;
  judge();
}

void Board::wait(PartitionState& partition, PartitionStage why) {
  const std::lock_guard lock(mutex_);
  set_stage(partition, why);
  judge();
}

void Board::go_on(PartitionState& partition) {
  const bool behind =
      partition.position.load() < partition.target.load() || partition.unanswered.load() > 0;
  wait(partition, PartitionStage::kLoading);
  if (!behind) reached(partition, Offset(partition.position.load()));
}

void Board::reached(PartitionState& partition, Offset position) {
  const std::lock_guard lock(mutex_);
  catch_up_.advance(partition.at, position);
  partition.stage = PartitionStage::kCaughtUp;
  judge();
}

void Board::begin(PartitionState& partition, const kafka::Watermarks& marks, Offset from,
                  std::size_t unanswered) {
  partition.position = from.value;
  partition.target = marks.high.value;
  partition.unanswered = unanswered;
  partition.stage =
      from < marks.high || unanswered > 0 ? PartitionStage::kLoading : PartitionStage::kCaughtUp;
  partition.log_start = marks.low.value;
  partition.end = marks.high.value;
  partition.fresh_ns = now_ns();
  catch_up_.add(partition.at, from, marks.high, unanswered > 0);
  judge();
}

void Board::set_stage(PartitionState& partition, PartitionStage stage) {
  const PartitionStage before = partition.stage.exchange(stage);
  stopped_ += stage == PartitionStage::kStopped ? 1 : 0;
  stopped_ -= before == PartitionStage::kStopped ? 1 : 0;
}

void Board::judge() {
  const bool ready = catch_up_.caught_up() && stopped_ == 0;
  if (ready && !first_ready_seconds_) {
    first_ready_seconds_ =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  }
  ready_.store(ready, std::memory_order_seq_cst);
}

}  // namespace push_cache::ingest
