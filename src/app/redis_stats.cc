#include "app/redis_stats.h"

#include <chrono>

namespace push_cache::app {
namespace {

namespace json = boost::json;
json::object calls_json(const redis::CallCounts& calls) {
  json::object outcomes;
  for (std::size_t i = 0; i < redis::kCallOutcomes; ++i) {
    const auto outcome = static_cast<redis::CallOutcome>(i);
    outcomes[json::string(to_string(outcome))] = calls.of(outcome);
  }
  outcomes["seconds"] = std::chrono::duration<double>(calls.durations.sum).count();
  return outcomes;
}

}  // namespace

void add_redis(metrics::Page& page, std::string_view store, const redis::ClientCounts& counts) {
  const auto number = [](auto count) { return static_cast<double>(count); };
  for (std::size_t i = 0; i < redis::kCallKinds; ++i) {
    const redis::CallCounts& calls = counts.calls[i];
    const std::string_view kind = to_string(static_cast<redis::CallKind>(i));
    for (std::size_t j = 0; j < redis::kCallOutcomes; ++j) {
      page.add("push_cache_redis_calls_total",
               {store, kind, to_string(static_cast<redis::CallOutcome>(j))},
               number(calls.outcomes[j]));
    }
    page.add_durations("push_cache_redis_call_duration_seconds", {store, kind}, calls.durations);
  }
  page.add("push_cache_redis_calls_waiting", {store}, number(counts.waiting));
  page.add("push_cache_redis_connections", {store}, number(counts.connections));
  page.add("push_cache_redis_connections_total", {store}, number(counts.connections_total));
  page.add("push_cache_redis_connections_lost_total", {store}, number(counts.connections_lost));
  page.add("push_cache_redis_connect_errors_total", {store}, number(counts.connect_errors));
  page.add("push_cache_redis_redirections_total", {store, "moved"}, number(counts.moved));
  page.add("push_cache_redis_redirections_total", {store, "ask"}, number(counts.asked));
  page.add("push_cache_redis_retries_total", {store}, number(counts.retries));
}

json::object redis_json(const redis::ClientCounts& counts) {
  json::object calls;
  for (std::size_t i = 0; i < redis::kCallKinds; ++i) {
    calls[json::string(to_string(static_cast<redis::CallKind>(i)))] = calls_json(counts.calls[i]);
  }
  return {{"calls", std::move(calls)},
          {"waiting", counts.waiting},
          {"connections", counts.connections},
          {"connections_total", counts.connections_total},
          {"connections_lost", counts.connections_lost},
          {"connect_errors", counts.connect_errors},
          {"moved", counts.moved},
          {"ask", counts.asked},
          {"retries", counts.retries}};
}

}  // namespace push_cache::app
