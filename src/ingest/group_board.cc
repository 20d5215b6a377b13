#include "ingest/group_board.h"

#include <algorithm>

namespace push_cache::ingest {
namespace {

// Less than any target: also an empty partition is caught up only when somebody has read that.
constexpr Offset kNowhere{-1};

}  // namespace

GroupBoard::GroupBoard(Board& board, std::size_t topics, OffsetReset reset, bool ignore_commits)
    : board_(board), reset_(reset), ignore_commits_(ignore_commits), topic_ids_(topics) {}

// --- the member ---

std::optional<std::uint64_t> GroupBoard::begin(kafka::TopicPartition at,
                                               std::optional<Offset> acknowledged,
                                               const std::string& topic_id) {
  const std::lock_guard lock(mutex_);
  if (topic_id != topic_ids_[at.topic]) return std::nullopt;
  Place& place = places_[at];
  place.owned = true;
  place.generation = next_generation_++;
  place.acknowledged = acknowledged;
  place.topic_id = topic_id;
  ++rebalances_;
  advance(place);
  return place.generation;
}

void GroupBoard::release(kafka::TopicPartition at) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[at];
  place.owned = false;
  ++rebalances_;
  if (!place.waits) return;
  place.waits.reset();
  if (place.state != nullptr && !place.reloading) board_.go_on(*place.state);
}

void GroupBoard::count_commits() {
  const std::lock_guard lock(mutex_);
  ignore_commits_ = false;
}

std::vector<kafka::Commit> GroupBoard::positions() const {
  const std::lock_guard lock(mutex_);
  std::vector<kafka::Commit> out;
  for (const auto& [at, place] : places_) {
    if (place.owned && place.acknowledged) out.push_back({at, *place.acknowledged, place.topic_id});
  }
  return out;
}

// --- who asks brokers ---

std::string GroupBoard::topic_id(std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  return topic_ids_[topic];
}

void GroupBoard::set_topic_id(std::uint32_t topic, const std::string& id) {
  const std::lock_guard lock(mutex_);
  topic_ids_[topic] = id;
  for (auto& [at, place] : places_) {
    if (at.topic == topic) place.topic_id = id;
  }
}

PartitionState& GroupBoard::found(kafka::TopicPartition at, const kafka::Watermarks& marks,
                                  const std::optional<kafka::Commit>& committed) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[at];
  take_commit(at, place, committed);
  std::optional<Offset> from = position(place);
  if (!from && reset_ == OffsetReset::kLatest && !place.owned && !ignore_commits_) {
    from = marks.high;
  }
  place.state = &board_.add(at, marks, from.value_or(kNowhere));
  if (place.waits) board_.wait(*place.state, *place.waits);
  return *place.state;
}

void GroupBoard::committed(kafka::TopicPartition at,
                           const std::optional<kafka::Commit>& committed) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[at];
  take_commit(at, place, committed);
  advance(place);
}

// With the id of another topic as its note a commit is of the one that had the name before.
void GroupBoard::take_commit(kafka::TopicPartition at, Place& place,
                             const std::optional<kafka::Commit>& committed) {
  const std::string& id = topic_ids_[at.topic];
  place.committed.reset();
  if (!committed) return;
  if (!committed->note.empty() && !id.empty() && committed->note != id) return;
  place.committed = committed->offset;
}

std::vector<std::pair<kafka::TopicPartition, std::uint64_t>> GroupBoard::remade(
    std::uint32_t topic, const std::string& id) {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<kafka::TopicPartition, std::uint64_t>> out;
  for (auto& [at, place] : places_) {
    // All of them, before the first one is read anew.
    if (at.topic == topic && place.state != nullptr) board_.condemn(*place.state);
  }
  topic_ids_[topic] = id;
  for (auto& [at, place] : places_) {
    if (at.topic != topic) continue;
    place.topic_id = id;
    place.committed.reset();
    place.generation = next_generation_++;
    forget_positions(place);
    if (place.owned) out.emplace_back(at, place.generation);
  }
  return out;
}

void GroupBoard::forget_positions(Place& place) {
  place.acknowledged.reset();
  place.waits.reset();
  if (place.state == nullptr || place.state->stage == PartitionStage::kGone) return;
  place.reloading = true;
  board_.restart(*place.state);
}

std::vector<kafka::TopicPartition> GroupBoard::reloading() const {
  const std::lock_guard lock(mutex_);
  std::vector<kafka::TopicPartition> out;
  for (const auto& [at, place] : places_) {
    if (place.reloading) out.push_back(at);
  }
  return out;
}

void GroupBoard::begin_anew(kafka::TopicPartition at, const kafka::Watermarks& marks) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[at];
  if (place.state == nullptr) return;
  place.reloading = false;
  board_.begin_anew(*place.state, marks, kNowhere);
  if (place.waits) board_.wait(*place.state, *place.waits);
  advance(place);
}

void GroupBoard::remove(kafka::TopicPartition at) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[at];
  place.reloading = false;
  if (place.state != nullptr) board_.remove(*place.state);
}

// --- an owner's lane ---

GroupBoard::Place* GroupBoard::owned(kafka::TopicPartition at, std::uint64_t generation) {
  const auto found = places_.find(at);
  if (found == places_.end() || !found->second.owned || found->second.generation != generation) {
    return nullptr;
  }
  return &found->second;
}

std::optional<Offset> GroupBoard::position(const Place& place) const {
  if (place.owned) return place.acknowledged;
  return ignore_commits_ ? std::nullopt : place.committed;
}

void GroupBoard::advance(Place& place) {
  if (place.state == nullptr || place.reloading) return;
  if (const auto at = position(place)) board_.advance(*place.state, *at);
}

void GroupBoard::acknowledged(kafka::TopicPartition at, std::uint64_t generation, Offset position) {
  const std::lock_guard lock(mutex_);
  Place* const place = owned(at, generation);
  if (place == nullptr) return;
  place->acknowledged = position;
  advance(*place);
}

void GroupBoard::restart(kafka::TopicPartition at, std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  if (Place* const place = owned(at, generation)) forget_positions(*place);
}

void GroupBoard::wait(kafka::TopicPartition at, std::uint64_t generation, PartitionStage why) {
  const std::lock_guard lock(mutex_);
  Place* const place = owned(at, generation);
  if (place == nullptr) return;
  place->waits = why;
  if (place->state != nullptr && !place->reloading) board_.wait(*place->state, why);
}

void GroupBoard::go_on(kafka::TopicPartition at, std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  Place* const place = owned(at, generation);
  if (place == nullptr || !place->waits) return;
  place->waits.reset();
  if (place->state != nullptr && !place->reloading) board_.go_on(*place->state);
}

void GroupBoard::store_failed(std::size_t lane, const std::string& why) {
  const std::lock_guard lock(mutex_);
  const auto [place, added] = troubles_.try_emplace(lane);
  if (added) place->second.since = std::chrono::steady_clock::now();
  place->second.why = why;
}

void GroupBoard::store_works(std::size_t lane) {
  const std::lock_guard lock(mutex_);
  troubles_.erase(lane);
}

// --- any thread ---

void GroupBoard::fill(PartitionStatus& out, std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find({topic, out.partition});
  if (found == places_.end()) return;
  out.owned = found->second.owned;
  out.committed = found->second.committed;
}

void GroupBoard::fill(GroupStatus& out) const {
  const std::lock_guard lock(mutex_);
  out.rebalances = rebalances_;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [lane, trouble] : troubles_) {
    const double seconds = std::chrono::duration<double>(now - trouble.since).count();
    if (!out.store_error.empty() && seconds <= out.store_error_seconds) continue;
    out.store_error = trouble.why;
    out.store_error_seconds = seconds;
  }
}

}  // namespace push_cache::ingest
