#include "ingest/write_batch.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace push_cache::ingest {

WriteBatch::WriteBatch(Applier& shared) : RecordReader(shared) {
  for (const Target& target : shared.targets()) lots_.push_back({.store = target.store});
}

Outcome WriteBatch::add(const Incoming& record, std::size_t tag) {
  Readable readable;
  if (const Outcome outcome = read(record, readable); outcome != Outcome::kDone) return outcome;
  const bool is_in_record =
      reinterpret_cast<const std::uint8_t*>(readable.key.data()) == record.key->data();
  if (!is_in_record) readable.key = keys_.emplace_back(readable.key);
  const store::Write write = {.record = view(record, readable), .tombstone = !record.value};
  items_.push_back({.record = record, .tag = tag, .key = readable.key});
  bytes_ += readable.key.size() + readable.datum.size();
  if (write.tombstone) {
    for (store::Store* store : shared_.stores_of(record.topic)) add_write(store, write);
    return Outcome::kDone;
  }
  if (readable.route->takes_from_others()) {
    // Also when a store can't take it: it is of this type all the same.
    store::Write gone = {.record = write.record, .tombstone = true};
    gone.record.datum = {};
    for (store::Store* store : readable.route->others) add_write(store, gone);
  }
  for (std::size_t i = 0; i < readable.route->stores.size(); ++i) {
    if (!refused(i)) add_write(readable.route->stores[i], write);
  }
  if (any_refused()) {
    items_.back().counts = false;
    return bad_by_refusal();
  }
  learn(readable);
  items_.back().unrouted = readable.route->stores.empty();
  return Outcome::kDone;
}

bool WriteBatch::add_unread(const Incoming& record, std::size_t tag) {
  if (!shared_.takes_any_schema(record.topic)) return false;
  std::optional<store::RecordView> kept = unread(record);
  if (!kept) return false;
  const bool is_in_record =
      reinterpret_cast<const std::uint8_t*>(kept->key.data()) == record.key->data();
  if (!is_in_record) kept->key = keys_.emplace_back(kept->key);
  items_.push_back({.record = record, .tag = tag, .key = kept->key});
  bytes_ += kept->key.size() + kept->datum.size();
  for (store::Store* store : shared_.stores_of(record.topic)) {
    add_write(store, {.record = *kept, .tombstone = false});
  }
  return true;
}

void WriteBatch::add_write(store::Store* store, const store::Write& write) {
  const auto lot = std::find_if(lots_.begin(), lots_.end(),
                                [store](const Lot& one) { return one.store == store; });
  lot->writes.push_back(write);
  lot->items.push_back(static_cast<std::uint32_t>(items_.size() - 1));
}

WriteBatch::Step WriteBatch::write() {
  bool failed = false;
  for (Lot& lot : lots_) {
    if (lot.writes.empty()) continue;
    outcomes_.assign(lot.writes.size(), store::WriteOutcome::kFailed);
    Status done = lot.store->write(lot.writes, outcomes_);
    take_outcomes(lot);
    if (lot.writes.empty()) continue;
    if (!done.ok() && done.error().code == ErrorCode::kTooLarge) {
      // The error is the one of the first that failed.
      const std::uint32_t item = lot.items.front();
      too_large_ = {items_[item].record, items_[item].tag, !items_[item].counts};
      bad_before(BadCause::kTooLarge, done.error().public_text, lot.writes.front().record);
      take_out(item, lot);
      return Step::kTooLarge;
    }
    failed = true;
    store_error_ = done.ok() ? Error{ErrorCode::kUnavailable, "a store did not take some writes"}
                             : std::move(done).error();
  }
  if (failed) {
    count(totals_.store_errors);
    return Step::kFailed;
  }
  finish();
  return Step::kDone;
}

// Keeps what is to be written again, in its order.
void WriteBatch::take_outcomes(Lot& lot) {
  std::size_t left = 0;
  for (std::size_t i = 0; i < lot.writes.size(); ++i) {
    if (outcomes_[i] == store::WriteOutcome::kFailed) {
      lot.writes[left] = lot.writes[i];
      lot.items[left++] = lot.items[i];
    } else if (is_for_other(lot.writes[i], lot.items[i])) {
      if (outcomes_[i] != store::WriteOutcome::kErased) continue;
      items_[lot.items[i]].changed_type = true;
      shared_.note_type_change(lot.writes[i].record, lot.store);
    } else if (outcomes_[i] == store::WriteOutcome::kOutdated) {
      items_[lot.items[i]].outdated = true;
    }
  }
  lot.writes.resize(left);
  lot.items.resize(left);
}

// Other stores do not keep the key for it: the record is of its type all the same.
void WriteBatch::take_out(std::uint32_t item, const Lot& refused_by) {
  items_[item].counts = false;
  for (Lot& lot : lots_) {
    for (std::size_t i = lot.items.size(); i-- > 0;) {
      if (lot.items[i] != item) continue;
      if (&lot != &refused_by && is_for_other(lot.writes[i], item)) continue;
      lot.items.erase(lot.items.begin() + static_cast<std::ptrdiff_t>(i));
      lot.writes.erase(lot.writes.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

void WriteBatch::finish() {
  for (const Item& item : items_) {
    if (item.changed_type) count(totals_.type_changes);
    if (!item.counts) continue;
    if (shared_.unread_keys().any()) took_the_place(item);
    count(!item.record.value ? totals_.tombstones
          : item.unrouted    ? totals_.unrouted
          : item.outdated    ? totals_.outdated
                             : totals_.updates);
    count_end(item.record);
  }
  drop_all();
}

void WriteBatch::took_the_place(const Item& item) {
  const Incoming& from = item.record;
  shared_.set_aside().replace({.key = item.key,
                               .datum = {},
                               .partition = from.partition,
                               .offset = from.offset,
                               .timestamp_ms = from.timestamp_ms,
                               .topic = from.topic},
                              !from.value, shared_.sole(from.topic));
}

bool WriteBatch::waits(kafka::TopicPartition at) const {
  return std::any_of(lots_.begin(), lots_.end(), [&](const Lot& lot) {
    return std::any_of(lot.items.begin(), lot.items.end(),
                       [&](std::uint32_t item) { return of(items_[item].record, at); });
  });
}

void WriteBatch::drop(kafka::TopicPartition at) {
  for (Item& item : items_) {
    if (of(item.record, at)) item.counts = false;
  }
  for (Lot& lot : lots_) {
    std::size_t left = 0;
    for (std::size_t i = 0; i < lot.writes.size(); ++i) {
      if (of(items_[lot.items[i]].record, at)) continue;
      lot.writes[left] = lot.writes[i];
      lot.items[left++] = lot.items[i];
    }
    lot.writes.resize(left);
    lot.items.resize(left);
  }
}

void WriteBatch::drop_all() {
  for (Lot& lot : lots_) {
    lot.writes.clear();
    lot.items.clear();
  }
  items_.clear();
  keys_.clear();
  bytes_ = 0;
}

}  // namespace push_cache::ingest
