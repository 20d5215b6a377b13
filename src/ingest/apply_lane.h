// What one record of a topic does to the stores, by one of the ingest's threads.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "ingest/applier.h"
#include "kafka/consumer.h"
#include "registry/schema_cache.h"

namespace push_cache::ingest {

enum class Outcome {
  kDone,            // applied: the next record may come
  kBad,             // a store can't take it, see `ApplyLane::bad`; its key is as it was there
  kWaitsForSchema,  // nothing has changed; apply it again when `ApplyLane::missing_schema` is
                    // known, or the reader schema that its records have to fit
  kWaitsForStore,   // a store did not take it; apply it again later
};

// Wire format: byte 0, schema id as 4 bytes big-endian, datum (Confluent "wire format"). A key is
// UTF-8 text, or in the same wire format an Avro string, bytes, int or long. One thread. Records of
// one key must all go through one lane, or through several in turn.
class ApplyLane {
 public:
  // `shared` must outlive the lane.
  explicit ApplyLane(Applier& shared) : shared_(shared), totals_(shared.add_lane()) {}

  Outcome apply(const Incoming& record);
  // After kBad: why.
  struct Bad {
    BadCause cause = BadCause::kNullKey;
    std::string detail;
  };
  const Bad& bad() const { return bad_; }
  // Counts and logs the record for which `apply` gave kBad. Call it once a record.
  void count_bad(const Incoming& record);
  // After kWaitsForSchema: the id it waits for; a known one when it waits for a reader schema.
  SchemaId missing_schema() const { return missing_; }
  // After kWaitsForStore: why.
  const Error& store_error() const { return store_error_; }

  // Tells the stores that take what came last that records with these keys come next.
  void announce(std::span<const kafka::Message> messages);

 private:
  static constexpr std::size_t kWireHeaderBytes = 5;
  static bool has_wire_header(Bytes bytes) {
    return bytes.size() >= kWireHeaderBytes && bytes[0] == 0;
  }

  // The key's text, or nothing: then `outcome` says what to return.
  std::optional<std::string_view> key_text(const Incoming& record, Outcome& outcome);
  // The schema, or null: then `outcome` says what to return.
  const registry::SchemaEntry* find_schema(SchemaId id, Outcome& outcome);
  // Asks the reader schemas of the current route. False when one is not known yet; else `refused_`
  // names the stores that cannot take the record.
  bool ask_readers(Bytes datum, const Incoming& record);
  // Makes the schema's route the current one.
  void take_route(const registry::SchemaEntry& schema);
  Outcome put(std::string_view key, Bytes datum, const Incoming& record);
  Outcome tombstone(std::string_view key);
  Outcome bad(BadCause cause, std::string_view detail);
  Outcome store_failed(Error error);

  Applier& shared_;
  LaneTotals& totals_;
  const Route* route_ = nullptr;  // of the latest record; runs of one schema are the rule
  std::unordered_map<SchemaId, const Route*> routes_;
  std::vector<bool> refused_;  // of the route's stores, by their reader schemas; empty = none
  std::string refusal_;        // why
  SchemaId missing_{0};
  Error store_error_;
  Bad bad_;
  std::string key_;                       // scratch for a decoded key
  std::vector<std::string_view> coming_;  // scratch for announced keys
};

}  // namespace push_cache::ingest
