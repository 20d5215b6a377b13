#include "app/intake.h"

#include <algorithm>
#include <utility>

namespace push_cache::app {

bool Intake::ready() const {
  if (feed) return feed->ready();
  return group != nullptr && group->ready();
}

ingest::FeedStatus Intake::status() const {
  if (feed) return feed->status();
  if (group) return group->status();
  return {};
}

ingest::FeedStatus sum(const std::vector<ingest::FeedStatus>& feeds) {
  ingest::FeedStatus out = feeds.front();
  for (std::size_t i = 1; i < feeds.size(); ++i) {
    const ingest::FeedStatus& one = feeds[i];
    out.ready = out.ready && one.ready;
    out.connected = out.connected && one.connected;
    if (out.error.empty()) out.error = one.error;
    for (const std::string& reason : one.reasons) {
      if (std::find(out.reasons.begin(), out.reasons.end(), reason) == out.reasons.end()) {
        out.reasons.push_back(reason);
      }
    }
    out.partitions.insert(out.partitions.end(), one.partitions.begin(), one.partitions.end());
    out.records_per_second += one.records_per_second;
    const auto later = [](auto& mine, const auto& other) {
      mine = mine && other ? std::optional(std::max(*mine, *other)) : std::nullopt;
    };
    later(out.first_ready_seconds, one.first_ready_seconds);
    // Of one that is ready there is none.
    if (one.eta_seconds) out.eta_seconds = std::max(out.eta_seconds.value_or(0), *one.eta_seconds);
    if (one.dead_letters && out.dead_letters) {
      out.dead_letters->acknowledged += one.dead_letters->acknowledged;
      out.dead_letters->waiting += one.dead_letters->waiting;
      if (out.dead_letters->error.empty()) out.dead_letters->error = one.dead_letters->error;
    }
    if (!out.group) out.group = one.group;
  }
  return out;
}

ingest::Totals sum(const std::vector<Intake>& intakes) {
  ingest::Totals out;
  for (const Intake& intake : intakes) {
    const ingest::Totals one = intake.applier->totals();
    out.records += one.records;
    out.updates += one.updates;
    out.tombstones += one.tombstones;
    out.unrouted += one.unrouted;
    out.outdated += one.outdated;
    out.type_changes += one.type_changes;
    out.future_timestamps += one.future_timestamps;
    out.store_errors += one.store_errors;
    for (std::size_t i = 0; i < out.bad.size(); ++i) out.bad[i] += one.bad[i];
    out.freshness += one.freshness;
  }
  return out;
}

}  // namespace push_cache::app
