// What one record of a topic does to the stores.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "ingest/key_fields.h"
#include "registry/schema_cache.h"
#include "store/store.h"

namespace push_cache::ingest {

// Why a record was not applied, each counted on its own.
enum class BadCause : std::uint8_t {
  kNullKey,       // no key: nothing to keep it under
  kBadKey,        // the key is neither UTF-8 text nor an Avro string, int or long, or is too long
  kBadMagic,      // the value does not start with the wire format's byte 0
  kTruncated,     // the value is shorter than the wire header (an empty one is not a tombstone)
  kUndecodable,   // the datum is not what its schema says
  kSchemaFailed,  // the registry's schema is not Avro or not well-formed
  kTooLarge,      // beyond limits::kValueBytesMax
};
inline constexpr std::size_t kBadCauses = 7;
std::string_view to_string(BadCause cause);

// One record as it came. Borrowed; `key` and `value` are nothing when null.
struct Incoming {
  std::uint32_t topic = 0;
  Partition partition{0};
  Offset offset{0};
  std::int64_t timestamp_ms = -1;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
};

enum class Outcome {
  kDone,            // applied, or counted as bad: the next record may come
  kWaitsForSchema,  // nothing has changed; apply it again when `Applier::missing_schema` is known
  kWaitsForStore,   // a store did not take it; apply it again later
};

// A store and the schemas it takes.
struct Target {
  std::string name;
  store::Store* store = nullptr;  // must outlive the applier
  std::function<bool(std::string_view full_name)> takes;
};

// Since the start. Each is written by the ingest thread alone and may be read from any.
struct Totals {
  std::atomic<std::uint64_t> records = 0;  // all that came to an end, whatever it was
  std::atomic<std::uint64_t> updates = 0;  // put into at least one store
  std::atomic<std::uint64_t> tombstones = 0;
  std::atomic<std::uint64_t> unrouted = 0;  // good, but no store takes their schema
  std::atomic<std::uint64_t> store_errors = 0;
  std::array<std::atomic<std::uint64_t>, kBadCauses> bad = {};
};

// Wire format: byte 0, schema id as 4 bytes big-endian, datum (Confluent "wire format"). A key is
// UTF-8 text, or in the same wire format an Avro string, bytes, int or long. `apply` from one
// thread; the rest from any.
class Applier {
 public:
  // `schemas` must outlive the applier. `topics`: names for log lines.
  Applier(registry::SchemaCache& schemas, std::vector<Target> targets,
          std::vector<std::string> topics);

  Outcome apply(const Incoming& record);
  // After kWaitsForSchema: the id it waits for.
  SchemaId missing_schema() const { return missing_; }
  // After kWaitsForStore: why.
  const Error& store_error() const { return store_error_; }

  const Totals& totals() const { return totals_; }
  const KeyFields& key_fields() const { return key_fields_; }
  // The schemas that records of `targets[target]` came with, the latest one of each record type, in
  // the order of their first record.
  std::vector<SchemaId> schemas_of(std::size_t target) const;
  // Makes `schema` known as one that `targets` may hold, as a first record would.
  void announce(const registry::SchemaEntry& schema);

 private:
  // What is decided once per schema id.
  struct Route {
    const registry::SchemaEntry* schema = nullptr;
    std::vector<store::Store*> stores;
    bool learning = true;
  };
  struct LogBudget {
    std::chrono::steady_clock::time_point next{};
    std::uint64_t suppressed = 0;
  };

  // The key's text, or nothing: then `outcome` says what to return.
  std::optional<std::string_view> key_text(const Incoming& record, Outcome& outcome);
  // The schema, or null: then `outcome` says what to return.
  const registry::SchemaEntry* find_schema(SchemaId id, const Incoming& record, Outcome& outcome);
  Route& route(const registry::SchemaEntry& schema);
  Outcome tombstone(std::string_view key);
  Outcome bad(BadCause cause, const Incoming& record, std::string_view detail);
  Outcome store_failed(Error error);

  registry::SchemaCache& schemas_;
  std::vector<Target> targets_;
  std::vector<std::string> topics_;
  std::unordered_map<SchemaId, Route> routes_;
  Route* last_route_ = nullptr;
  SchemaId missing_{0};
  Error store_error_;
  std::string key_;  // scratch for a decoded key
  Totals totals_;
  KeyFields key_fields_;
  std::array<LogBudget, kBadCauses> log_budgets_;
  mutable std::mutex held_mutex_;
  std::vector<std::vector<const registry::SchemaEntry*>> held_schemas_;  // per target
};

}  // namespace push_cache::ingest
