#include "redis/stats.h"

#include <numeric>

namespace push_cache::redis {

std::string_view to_string(CallKind kind) {
  constexpr std::array<std::string_view, kCallKinds> kNames{"read", "write", "scan", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

CallKind kind_of(std::string_view command) {
  for (const std::string_view read : {"GET", "MGET", "GETRANGE", "HMGET", "SMEMBERS"}) {
    if (command == read) return CallKind::kRead;
  }
  for (const std::string_view write : {"EVALSHA", "EVAL", "SET", "SADD", "HDEL"}) {
    if (command == write) return CallKind::kWrite;
  }
  return command == "SCAN" ? CallKind::kScan : CallKind::kOther;
}

std::string_view to_string(CallOutcome outcome) {
  constexpr std::array<std::string_view, kCallOutcomes> kNames{
      "ok", "wrong_type", "oom", "denied", "refused", "timeout", "lost", "overload"};
  return kNames[static_cast<std::size_t>(outcome)];
}

CallOutcome outcome_of_error(std::string_view text) {
  // What a script met stands within its own words.
  const auto has = [text](std::string_view word) { return text.find(word) != text.npos; };
  if (has("WRONGTYPE")) return CallOutcome::kWrongType;
  if (has("OOM")) return CallOutcome::kOom;
  if (has("NOPERM")) return CallOutcome::kDenied;
  return CallOutcome::kRefused;
}

std::uint64_t CallCounts::total() const {
  return std::accumulate(outcomes.begin(), outcomes.end(), std::uint64_t{0});
}

void ClientStats::ended(CallKind kind, CallOutcome outcome) {
  add(calls_[static_cast<std::size_t>(kind)].outcomes[static_cast<std::size_t>(outcome)], 1);
  add(waiting_, -1);
}

void ClientStats::add_to(ClientCounts& sum) const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  for (std::size_t kind = 0; kind < kCallKinds; ++kind) {
    CallCounts& to = sum.calls[kind];
    const Calls& from = calls_[kind];
    for (std::size_t i = 0; i < kCallOutcomes; ++i) {
      to.outcomes[i] += from.outcomes[i].load(kRelaxed);
    }
    to.durations += from.durations.read();
  }
  const auto events = [this](Event event) {
    return events_[static_cast<std::size_t>(event)].load(kRelaxed);
  };
  sum.waiting += waiting_.load(kRelaxed);
  sum.connections += connections_.load(kRelaxed);
  sum.connections_total += events(Event::kConnected);
  sum.connections_lost += events(Event::kConnectionLost);
  sum.connect_errors += events(Event::kConnectError);
  sum.moved += events(Event::kMoved);
  sum.asked += events(Event::kAsked);
  sum.retries += events(Event::kRetried);
}

ClientStats& Stats::add_client() {
  const std::lock_guard lock(mutex_);
  return *clients_.emplace_back(std::make_unique<Own>());
}

ClientCounts Stats::sum() const {
  ClientCounts sum;
  const std::lock_guard lock(mutex_);
  for (const auto& client : clients_) client->add_to(sum);
  return sum;
}

}  // namespace push_cache::redis
