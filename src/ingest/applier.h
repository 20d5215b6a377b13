// What one record of a topic does to the stores: what all threads of the ingest share. Each has an
// ApplyLane (ingest/apply_lane.h) that does it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log_limiter.h"
#include "base/types.h"
#include "ingest/deleted_keys.h"
#include "ingest/key_fields.h"
#include "ingest/recent_bad.h"
#include "ingest/record_key.h"
#include "ingest/set_aside.h"
#include "metrics/durations.h"
#include "registry/reader_schemas.h"
#include "registry/schema_cache.h"
#include "store/store.h"
#include "store/unread_keys.h"

namespace push_cache::ingest {

// Why a record was not applied, each counted on its own.
enum class BadCause : std::uint8_t {
  kNullKey,         // no key: nothing to keep it under
  kBadKey,          // the key is not in kafka.key_format, has no text, or is too long
  kBadMagic,        // the value is not in kafka.wire_format, or names a schema id of 0 or below
  kTruncated,       // the value is shorter than the wire header (an empty one is not a tombstone)
  kUndecodable,     // the datum is not what its schema says
  kSchemaFailed,    // the registry's schema is not Avro or not well-formed
  kSchemaNotFound,  // the registry has not known the schema for kafka.unknown_schema_wait
  kTooLarge,        // beyond limits::kValueBytesMax
  kStoreFull,       // a store has reached its cap of memory, and the key is new to it
  kUnresolvable,    // the reader schema of a route cannot show it
};
inline constexpr std::size_t kBadCauses = 10;
std::string_view to_string(BadCause cause);

// One record as it came. Borrowed; `key` and `value` are nothing when null.
struct Incoming {
  std::uint32_t topic = 0;
  Partition partition{0};
  Offset offset{0};
  std::int64_t timestamp_ms = -1;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  Bytes key_header = {};  // that names the schema: see ingest/wire_format.h; `data()` null = none
  Bytes value_header = {};
};

// A store, and the topics and schemas that it takes.
struct Target {
  std::string name;
  store::Store* store = nullptr;  // must outlive the applier
  std::function<bool(std::string_view full_name)> takes;
  // Of the store's routes: it keeps only what all of them can show. They must outlive the applier.
  std::vector<registry::RouteReader> readers = {};
  std::vector<bool> topics = {};   // by their numbers; empty = all
  bool takes_all_schemas = false;  // whatever `takes` would be asked
  // Of a union: whether it takes one of the branches.
  bool takes_some(const registry::SchemaEntry& schema) const {
    if (schema.branches.empty()) return takes(schema.full_name);
    return std::any_of(schema.branches.begin(), schema.branches.end(), takes);
  }
  bool takes_topic(std::uint32_t topic) const { return topics.empty() || topics[topic]; }
};

// Since the start.
struct Totals {
  std::uint64_t records = 0;  // all that came to an end, whatever it was
  std::uint64_t updates = 0;  // put into at least one store
  std::uint64_t tombstones = 0;
  std::uint64_t unrouted = 0;  // good, but no store takes their schema
  std::uint64_t outdated = 0;  // another partition has a later record of the key
  // Took their key out of a store, since that does not take their type (see Route::others).
  std::uint64_t type_changes = 0;
  std::uint64_t future_timestamps = 0;  // far ahead of our clock
  std::uint64_t store_errors = 0;
  std::array<std::uint64_t, kBadCauses> bad = {};
  // Of records that came while their partition was caught up: from their timestamps until they were
  // in the stores.
  metrics::FreshnessDurations freshness;
};

// One lane's share of them: written by its thread alone, read from any.
struct alignas(64) LaneTotals {
  std::atomic<std::uint64_t> records = 0;
  std::atomic<std::uint64_t> updates = 0;
  std::atomic<std::uint64_t> tombstones = 0;
  std::atomic<std::uint64_t> unrouted = 0;
  std::atomic<std::uint64_t> outdated = 0;
  std::atomic<std::uint64_t> type_changes = 0;
  std::atomic<std::uint64_t> future_timestamps = 0;
  std::atomic<std::uint64_t> store_errors = 0;
  std::array<std::atomic<std::uint64_t>, kBadCauses> bad = {};
  metrics::FreshnessCounter freshness;
};

// A reader schema that a store's records have to fit.
struct StoreReader {
  std::size_t store;  // its place among the route's
  const registry::RouteReader* reader;
};

// What is decided once per topic, schema id and, of a union, branch. Immutable but for `learning`
// and what `compacted` points to.
struct Route {
  const registry::SchemaEntry* schema = nullptr;
  std::uint32_t topic = 0;
  std::size_t branch = kNoBranch;  // of a schema that is a union
  static constexpr std::size_t kNoBranch = static_cast<std::size_t>(-1);
  std::vector<store::Store*> stores;
  // That take the topic, but not the schema. In a compacted topic they lose the keys of its
  // records.
  std::vector<store::Store*> others;
  const std::atomic<bool>* compacted = nullptr;  // of the topic
  bool takes_from_others() const {
    return !others.empty() && compacted->load(std::memory_order_relaxed);
  }
  std::vector<StoreReader> readers;  // none unless a route names one
  mutable std::atomic<bool> learning = true;
};

// Safe from any thread.
class Applier {
 public:
  // `schemas` must outlive the applier. `topics`: names for log lines.
  Applier(registry::SchemaCache& schemas, std::vector<Target> targets,
          std::vector<std::string> topics, RecordFormats formats = {});

  // The sum of all lanes' totals. Numbers that belong together may be some records apart.
  Totals totals() const;
  const KeyFields& key_fields() const { return key_fields_; }
  // The schemas that records of `targets[target]` came with, the latest one of each record type, in
  // the order of their first record.
  std::vector<SchemaId> schemas_of(std::size_t target) const;
  // All of them, older versions too.
  std::vector<SchemaId> writers_of(std::size_t target) const;
  // The last bad records of all lanes.
  const RecentBad& recent_bad() const { return recent_bad_; }
  // Makes `schema` known as one that `targets` may hold, as a first record would.
  void announce(const registry::SchemaEntry& schema);

  // Whether the topic is compacted: then the last record of a key is its only one, and a store that
  // does not take its type loses the key. It may change at any time; what was applied before is not
  // undone by that.
  void set_compacted(std::uint32_t topic, bool compacted) { compacted_[topic] = compacted; }
  bool compacted(std::uint32_t topic) const { return compacted_[topic]; }
  // Whether that changes anything: some store takes the topic, but not all schemas.
  bool types_matter(std::uint32_t topic) const;
  // Whether no store that takes the topic need know a record's schema to know that it takes it.
  bool takes_any_schema(std::uint32_t topic) const;
  // Whether a later record of a key takes the place of an earlier one in every store, whatever the
  // types of the two.
  bool sole(std::uint32_t topic) const { return compacted(topic) || !types_matter(topic); }

  // For lanes, which hold on to what they are given: routes and totals live as long as this.
  registry::SchemaCache& schemas() const { return schemas_; }
  const RecordFormats& formats() const { return formats_; }
  const std::vector<Target>& targets() const { return targets_; }
  const Route& route(const registry::SchemaEntry& schema, std::uint32_t topic,
                     std::size_t branch = Route::kNoBranch);
  // Those that take the topic, whatever the schema.
  const std::vector<store::Store*>& stores_of(std::uint32_t topic) const {
    return stores_of_[topic];
  }
  KeyFields& learned_keys() { return key_fields_; }
  DeletedKeys& deleted_keys() { return deleted_keys_; }
  // What the stores do not have, and why.
  store::UnreadKeys& unread_keys() { return unread_keys_; }
  const store::UnreadKeys& unread_keys() const { return unread_keys_; }
  SetAside& set_aside() { return set_aside_; }
  const SetAside& set_aside() const { return set_aside_; }
  // `record` was set aside; writes a line now and then.
  void note_set_aside(const SetAsideRecord& record);
  LaneTotals& add_lane();
  // Keeps it among the last ones, and writes a line about it, but only now and then for each cause:
  // garbage may come by the million.
  void note_bad(BadRecord record);
  // `store` has lost the key of `record`, whose type it does not take. Writes a line about the
  // first one of each topic, store and schema.
  void note_type_change(const store::RecordView& record, const store::Store* store);
  // The schema `id` that the record's key names is not known. Writes a line now and then, for keys
  // that are no Avro may look as if they named one.
  void note_waiting_key(const Incoming& record, SchemaId id);
  // Writes a line now and then.
  void note_future(const Incoming& record, std::int64_t now_ms);

 private:
  void hold(std::size_t target, const registry::SchemaEntry& schema);  // with mutex_

  registry::SchemaCache& schemas_;
  const std::vector<Target> targets_;
  const std::vector<std::string> topics_;
  const RecordFormats formats_;
  std::vector<std::vector<store::Store*>> stores_of_;  // of each topic
  std::vector<std::atomic<bool>> compacted_;           // likewise
  KeyFields key_fields_;
  DeletedKeys deleted_keys_;
  store::UnreadKeys unread_keys_;
  SetAside set_aside_{unread_keys_, deleted_keys_};
  RecentBad recent_bad_;
  LogLimiter bad_lines_{"ingest"};
  LogLimiter future_lines_{"ingest"};
  LogLimiter set_aside_lines_{"ingest"};
  LogLimiter key_lines_{"ingest"};
  mutable std::mutex mutex_;  // guards what follows
  // By topic, schema and branch; nodes stay where they are.
  std::map<std::tuple<std::uint32_t, SchemaId, std::size_t>, Route> routes_;
  std::deque<LaneTotals> lanes_;
  // That a line was written about.
  std::set<std::tuple<std::uint32_t, const store::Store*, SchemaId>> type_changes_;
  // Per target, in the order of their first record.
  std::vector<std::vector<const registry::SchemaEntry*>> writers_;
};

}  // namespace push_cache::ingest
