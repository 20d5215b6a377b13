#include "ingest/apply_lane.h"

#include <optional>
#include <utility>

namespace push_cache::ingest {

Outcome ApplyLane::apply(const Incoming& record) {
  Readable readable;
  if (const Outcome outcome = read(record, readable); outcome != Outcome::kDone) return outcome;
  return record.value ? put(readable, record) : tombstone(readable, record);
}

Outcome ApplyLane::apply(const SetAsideRecord& record) {
  return apply(incoming(record.record.message()));
}

Outcome ApplyLane::put(const Readable& readable, const Incoming& record) {
  const store::RecordView kept = view(record, readable);
  const std::vector<store::Store*>& stores = readable.route->stores;
  // First: it is of this type also when a store can't take it.
  if (readable.route->takes_from_others()) {
    if (Status done = take_from_others(kept, *readable.route); !done.ok()) {
      return store_failed(std::move(done).error());
    }
  }
  std::optional<Error> full;
  bool outdated = false;
  for (std::size_t i = 0; i < stores.size(); ++i) {
    if (refused(i)) continue;
    auto done = stores[i]->put(kept);
    if (done.ok()) {
      outdated = outdated || *done == store::PutOutcome::kOutdated;
      continue;
    }
    // A value that can never fit is the record's fault; a store that is full refuses this key for
    // good (and is unhealthy from now on); anything else is the store's and passes.
    if (done.error().code == ErrorCode::kTooLarge) {
      return bad(BadCause::kTooLarge, done.error().public_text, readable.route->schema);
    }
    if (done.error().code != ErrorCode::kFull) return store_failed(std::move(done).error());
    full = std::move(done).error();
  }
  shared_.deleted_keys().outdates(kept, stores, outdated_in_);
  for (store::Store* store : outdated_in_) {
    outdated = true;
    if (auto erased = store->erase(kept); !erased.ok()) {
      return store_failed(std::move(erased).error());
    }
  }
  if (full) {
    // No fault of the record's, and the store says so from now on: no policy for bad ones applies.
    (void)bad(BadCause::kStoreFull, full->public_text);
    count_bad(record);
    return Outcome::kDone;
  }
  took_the_place(kept, false);
  if (any_refused()) return bad_by_refusal();
  learn(readable);
  count(stores.empty() ? totals_.unrouted : outdated ? totals_.outdated : totals_.updates);
  count_end(record);
  return Outcome::kDone;
}

// What was set aside or bad before it; behind the stores' calls, so that readers miss neither.
void ApplyLane::took_the_place(const store::RecordView& record, bool tombstone) {
  if (!shared_.unread_keys().any()) return;
  shared_.set_aside().replace(record, tombstone, shared_.sole(record.topic));
}

Status ApplyLane::take_from_others(const store::RecordView& record, const Route& route) {
  shared_.deleted_keys().remember(record, &route.others);
  bool any = false;
  for (store::Store* store : route.others) {
    auto erased = store->erase(record);
    if (!erased.ok()) return std::move(erased).error();
    if (!*erased) continue;
    any = true;
    shared_.note_type_change(record, store);
  }
  if (any) count(totals_.type_changes);
  return {};
}

Outcome ApplyLane::tombstone(const Readable& readable, const Incoming& record) {
  const store::RecordView gone = view(record, readable);
  shared_.deleted_keys().remember(gone);
  for (store::Store* store : shared_.stores_of(record.topic)) {
    auto erased = store->erase(gone);
    if (!erased.ok()) return store_failed(std::move(erased).error());
  }
  took_the_place(gone, true);
  count(totals_.tombstones);
  count_end(record);
  return Outcome::kDone;
}

void ApplyLane::announce(std::span<const kafka::Message> messages) {
  const Route* route = latest_route();
  if (route == nullptr || route->stores.empty()) return;
  coming_.clear();
  for (const kafka::Message& message : messages) {
    if (!message.key || !may_be_text(*message.key)) continue;
    coming_.emplace_back(reinterpret_cast<const char*>(message.key->data()), message.key->size());
  }
  for (const store::Store* store : route->stores) store->prefetch(coming_);
}

Outcome ApplyLane::store_failed(Error error) {
  count(totals_.store_errors);
  store_error_ = std::move(error);
  return Outcome::kWaitsForStore;
}

}  // namespace push_cache::ingest
