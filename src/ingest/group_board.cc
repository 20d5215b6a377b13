#include "ingest/group_board.h"

#include <algorithm>

namespace push_cache::ingest {
namespace {

// Less than any target: also an empty partition is caught up only when somebody has read that.
constexpr Offset kNowhere{-1};

}  // namespace

GroupBoard::GroupBoard(Board& board, std::size_t topics, OffsetReset reset, bool ignore_kept)
    : board_(board), reset_(reset), ignore_kept_(ignore_kept), topic_ids_(topics) {}

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
  place.kept.reset();
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

void GroupBoard::count_kept() {
  const std::lock_guard lock(mutex_);
  ignore_kept_ = false;
}

std::vector<kafka::Commit> GroupBoard::positions() const {
  const std::lock_guard lock(mutex_);
  std::vector<kafka::Commit> out;
  for (const auto& [at, place] : places_) {
    if (!place.owned || !place.acknowledged || !place.kept) continue;
    out.push_back({at, std::min(*place.acknowledged, *place.kept), place.topic_id});
  }
  return out;
}

// --- who asks the stores ---

std::vector<GroupBoard::Question> GroupBoard::questions() const {
  const std::lock_guard lock(mutex_);
  std::vector<Question> out;
  for (const auto& [at, place] : places_) {
    out.push_back({at, place.generation, place.owned ? place.acknowledged : std::nullopt});
  }
  return out;
}

GroupBoard::Question GroupBoard::question(kafka::TopicPartition at) const {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(at);
  return {at, found == places_.end() ? 0 : found->second.generation, std::nullopt};
}

std::vector<GroupBoard::Loss> GroupBoard::take(std::span<const Question> questions,
                                               std::span<const Answer> answers) {
  const std::lock_guard lock(mutex_);
  std::vector<Loss> out;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const auto [at, generation, reached] = questions[i];
    const auto found = places_.find(at);
    if (found == places_.end()) continue;
    Place& place = found->second;
    if (answers[i].went_back) {
      const bool is_load = place.owned && !place.acknowledged;  // it asks for no position
      if (is_load) continue;
      lose(place, answers[i].position);
      if (place.owned) out.push_back({at, place.generation, place.acknowledged});
    } else if (place.generation == generation && (!place.owned || reached)) {
      place.kept = answers[i].position;
      advance(place);
    }
  }
  return out;
}

void GroupBoard::lose(Place& place, std::optional<Offset> left) {
  ++losses_;
  place.generation = next_generation_++;
  forget_positions(place, false);
  place.kept = left;
  if (place.owned) place.acknowledged = left;
}

// --- who asks brokers ---

std::string GroupBoard::topic_id(std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  return topic_ids_[topic];
}

bool GroupBoard::has_begun(std::uint32_t topic) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(places_.begin(), places_.end(),
                     [topic](const auto& one) { return one.first.topic == topic; });
}

void GroupBoard::set_topic_id(std::uint32_t topic, const std::string& id) {
  const std::lock_guard lock(mutex_);
  topic_ids_[topic] = id;
  for (auto& [at, place] : places_) {
    if (at.topic == topic) place.topic_id = id;
  }
}

PartitionState& GroupBoard::found(kafka::TopicPartition at, const kafka::Watermarks& marks,
                                  std::optional<Offset> kept) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[at];
  place.kept = kept;
  std::optional<Offset> from = position(place);
  if (!from && reset_ == OffsetReset::kLatest && !place.owned && !ignore_kept_) {
    from = marks.high;
  }
  place.state = &board_.add(at, marks, from.value_or(kNowhere));
  if (place.waits) board_.wait(*place.state, *place.waits);
  return *place.state;
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
    place.generation = next_generation_++;
    forget_positions(place, true);
    if (place.owned) out.emplace_back(at, place.generation);
  }
  return out;
}

void GroupBoard::forget_positions(Place& place, bool log_replaced) {
  place.acknowledged.reset();
  place.kept.reset();
  place.waits.reset();
  if (place.state == nullptr || place.state->stage == PartitionStage::kGone) return;
  place.reloading = true;
  board_.restart(*place.state, log_replaced);
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
  return ignore_kept_ ? std::nullopt : place.kept;
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
  if (Place* const place = owned(at, generation)) forget_positions(*place, true);
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
  out.kept = found->second.kept;
}

void GroupBoard::fill(GroupStatus& out) const {
  const std::lock_guard lock(mutex_);
  out.rebalances = rebalances_;
  out.losses = losses_;
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [lane, trouble] : troubles_) {
    const double seconds = std::chrono::duration<double>(now - trouble.since).count();
    if (!out.store_error.empty() && seconds <= out.store_error_seconds) continue;
    out.store_error = trouble.why;
    out.store_error_seconds = seconds;
  }
}

}  // namespace push_cache::ingest
