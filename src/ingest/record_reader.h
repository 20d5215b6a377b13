// What is in one record of a topic, and where it goes: all that is done with it before a store is.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "avro/key_text.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/types.h"
#include "ingest/applier.h"
#include "ingest/record_key.h"
#include "ingest/wire_format.h"
#include "kafka/message.h"
#include "registry/guid.h"
#include "registry/schema_cache.h"

namespace push_cache::ingest {

enum class Outcome {
  kDone,            // applied: the next record may come
  kBad,             // a store can't take it, see `RecordReader::bad`; its key is as it was there
  kWaitsForSchema,  // nothing has changed; apply it again when `missing_schema` is
                    // known, or the reader schema that its records have to fit
  kWaitsForStore,   // a store did not take it; apply it again later
};

Incoming incoming(const kafka::Message& message);

inline std::int64_t wall_clock_ms() {
  return std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(1);
}

// A record that stores can take.
struct Readable {
  std::string_view key;  // lives until the next `read`, and not longer than the record
  Bytes datum = {};
  const Route* route = nullptr;  // null for a tombstone
};

// Reads keys and values by the applier's formats: see ingest/record_key.h and ingest/wire_format.h.
// One thread.
class RecordReader {
 public:
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  // After kBad: why.
  struct Bad {
    BadCause cause = BadCause::kNullKey;
    std::string detail;
    std::optional<std::string> key;                 // nothing: it has none that can be read
    const registry::SchemaEntry* schema = nullptr;  // of its value; null: it is not known
  };
  const Bad& bad() const { return bad_; }
  // The time now, by which timestamps from the future are known; before, none are. One look at the
  // clock does for many records.
  void set_now(std::int64_t now_ms) { now_ms_ = now_ms; }
  // Counts, keeps (RecentBad) and logs the record that was found bad last. Call it once a record.
  void count_bad(const Incoming& record);
  // The stores do without the record that was found bad last: where they have nothing else of its
  // key, readers are told so.
  void tell_bad_key(const Incoming& record);
  // A record with this timestamp has come to be served, at `now_ms` (both since 1970). One without
  // a timestamp (-1) is not counted; a clock that is ahead of ours counts as no time at all.
  void note_served(std::int64_t timestamp_ms, std::int64_t now_ms) {
    if (timestamp_ms < 0) return;
    totals_.freshness.add(
        std::chrono::milliseconds(std::max<std::int64_t>(now_ms - timestamp_ms, 0)));
  }
  // After kWaitsForSchema: the id it waits for; a known one when it waits for a reader schema.
  SchemaId missing_schema() const { return missing_; }
  // After kWaitsForSchema: it need not be waited for if `set_aside` finds room for the record, of
  // which `copy` gives a copy. Not so while a reader schema is missing, which all records need.
  // `again`: of one that is set aside already, and now waits for another schema.
  bool set_aside(const Incoming& record, const std::function<kafka::RecordCopy()>& copy,
                 bool again = false);
  // Whether that has come, after a moment of waiting the first time that it is asked for: a
  // registry that is there answers soon, and then what was fetched behind the first record of a
  // schema need not be thrown away. Returns at once when `stopping` turns true.
  // `worth_an_answer`: "not found" is one that the caller can go on with.
  bool comes_soon(const std::atomic<bool>& stopping, bool worth_an_answer = false);

 protected:
  // `shared` must outlive the reader.
  explicit RecordReader(Applier& shared)
      : shared_(shared), totals_(shared.add_lane()), formats_(shared.formats()) {}
  ~RecordReader() = default;

  // A clock that is ahead of ours by less than this is a matter of course.
  static constexpr std::int64_t kFutureMs = 3'600'000;
  // Whether the bytes of a key are its text as they are, mostly.
  bool may_be_text(Bytes key) const {
    return formats_.key <= KeyFormat::kText && (key.empty() || key[0] != 0);
  }
  // One writer: no locked instruction.
  static void count(std::atomic<std::uint64_t>& counter) {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // It came to an end, whatever it was.
  void count_end(const Incoming& record) {
    count(totals_.records);
    if (record.timestamp_ms >= std::min(now_ms_ + kFutureMs, store::kTimestampMsEnd)) {
      count(totals_.future_timestamps);
      shared_.note_future(record, now_ms_);
    }
  }
  // kDone, kBad or kWaitsForSchema. After kDone some of the route's stores may have refused it by
  // their reader schemas: then the others take it, and it is bad.
  Outcome read(const Incoming& record, Readable& out);
  bool any_refused() const { return !refused_.empty(); }
  bool refused(std::size_t store) const { return !refused_.empty() && refused_[store]; }
  Outcome bad_by_refusal() { return bad(BadCause::kUnresolvable, refusal_, route_->schema); }
  // `schema`: null when it is not known.
  Outcome bad(BadCause cause, std::string_view detail,
              const registry::SchemaEntry* schema = nullptr);
  // The same of a record that was read before others.
  void bad_before(BadCause cause, std::string_view detail, const store::RecordView& record);
  // What a store is given of it. Borrows from both.
  static store::RecordView view(const Incoming& record, const Readable& from) {
    return {.key = from.key,
            .datum = from.datum,
            .schema = from.route == nullptr ? SchemaId(0) : from.route->schema->id,
            .partition = record.partition,
            .offset = record.offset,
            .timestamp_ms = record.timestamp_ms,
            .topic = record.topic};
  }
  // Takes note of which field may be the key.
  void learn(const Readable& from) {
    if (from.route->learning.load(std::memory_order_relaxed) &&
        !shared_.learned_keys().observe(*from.route->schema, from.key, from.datum)) {
      from.route->learning.store(false, std::memory_order_relaxed);
    }
  }
  const Route* latest_route() const { return route_; }
  // After kWaitsForSchema: what a store can be given that takes records of any schema. Nothing: the
  // record's key or its schema's id is not known, or it is a reader schema that is missing.
  std::optional<store::RecordView> unread(const Incoming& record) const {
    if (missing_is_of_key_ || !read_key_ || missing_.value < 0 ||
        shared_.schemas().find(missing_) != nullptr) {
      return std::nullopt;
    }
    store::RecordView out = view(record, {.key = *read_key_, .datum = missing_datum_});
    out.schema = missing_;
    return out;
  }

  Applier& shared_;
  LaneTotals& totals_;
  const RecordFormats formats_;

 private:
  // The latest GUID that named a schema, and the schema's id.
  struct KnownGuid {
    registry::Guid guid;
    SchemaId id{-1};  // the registry's when above 0
  };

  // The key's text, or nothing: then `outcome` says what to return.
  std::optional<std::string_view> key_text(const Incoming& record, Outcome& outcome) {
    if (record.key && is_plain_text(formats_, *record.key, record.key_header)) {
      return std::string_view(reinterpret_cast<const char*>(record.key->data()),
                              record.key->size());
    }
    return other_key_text(record, outcome);
  }
  // The same of a key that is no plain text.
  std::optional<std::string_view> other_key_text(const Incoming& record, Outcome& outcome);
  // Makes `key_` of a key's datum. False: `outcome` says what to return.
  bool decode_key(const Framed& framed, const Incoming& record, Outcome& outcome);
  // The id by which the cache finds the schema; provisional for a GUID that is not resolved yet.
  SchemaId schema_id(const Framed& framed, KnownGuid& known);
  Outcome bad_value(const FrameFault& fault);
  // The schema, or null: then `outcome` says what to return.
  const registry::SchemaEntry* find_schema(SchemaId id, Outcome& outcome);
  // Asks the reader schemas of the current route. False when one is not known yet; else `refused_`
  // names the stores that cannot take the record.
  bool ask_readers(Bytes datum, const Incoming& record);
  std::vector<std::uint32_t> bad_stores(std::uint32_t topic) const;
  void drop_if_deleted(const SetAsideRecord& one);
  // Whether a deletion that is remembered outdates the record in all stores of its topic.
  bool is_deleted(const store::RecordView& record) const;
  // Makes the route of this schema, topic and branch the current one.
  void take_route(const registry::SchemaEntry& schema, std::uint32_t topic, std::size_t branch);

  std::int64_t now_ms_ = store::kTimestampMsEnd;
  const Route* route_ = nullptr;  // of the latest record; runs of one schema are the rule
  std::map<std::tuple<std::uint32_t, SchemaId, std::size_t>, const Route*> routes_;
  std::vector<bool> refused_;  // of the route's stores, by their reader schemas; empty = none
  std::string refusal_;        // why
  SchemaId missing_{0};
  bool missing_is_of_key_ = false;
  Bytes missing_datum_ = {};                  // of the key or value whose schema is missing
  std::optional<std::string_view> read_key_;  // of the latest record; as long as Readable::key
  std::unordered_set<SchemaId> waited_for_;   // ids that `comes_soon` has spent its time on
  std::chrono::steady_clock::time_point patient_from_{};
  Bad bad_;
  std::string key_;                                                // scratch for a decoded key
  std::unordered_map<SchemaId, Result<avro::KeyText>> key_texts_;  // by the keys' schemas
  KnownGuid key_guid_;
  KnownGuid value_guid_;
};

// Here, so that it becomes a part of what is done for each record.
inline Outcome RecordReader::read(const Incoming& record, Readable& out) {
  Outcome outcome = Outcome::kDone;
  missing_is_of_key_ = true;
  const std::optional<std::string_view> key = read_key_ = key_text(record, outcome);
  if (!key) return outcome;
  missing_is_of_key_ = false;
  out.key = *key;
  if (!record.value) {
    refused_.clear();
    out.datum = {};
    out.route = nullptr;
    return Outcome::kDone;
  }

  FrameFault fault;
  const auto framed = unframe(formats_.wire, *record.value, record.value_header, fault);
  if (!framed) return bad_value(fault);
  const SchemaId id = schema_id(*framed, value_guid_);
  const registry::SchemaEntry* schema =
      route_ != nullptr && route_->schema->id == id ? route_->schema : find_schema(id, outcome);
  const Bytes datum = framed->datum;
  if (schema == nullptr) {
    missing_datum_ = datum;
    return outcome;
  }
  if (const Status valid = schema->plan->validate(datum); !valid.ok()) {
    refused_.clear();
    return bad(BadCause::kUndecodable, valid.error().public_text, schema);
  }
  const std::size_t branch =
      schema->branches.empty()
          ? Route::kNoBranch
          : avro::branch_of(datum, schema->branches.size()).value_or(Route::kNoBranch);
  if (route_ == nullptr || route_->schema != schema || route_->topic != record.topic ||
      route_->branch != branch) {
    take_route(*schema, record.topic, branch);
  }
  refused_.clear();
  if (!route_->readers.empty() && !ask_readers(datum, record)) {
    missing_ = schema->id;
    return Outcome::kWaitsForSchema;
  }
  out.datum = datum;
  out.route = route_;
  return Outcome::kDone;
}

}  // namespace push_cache::ingest
