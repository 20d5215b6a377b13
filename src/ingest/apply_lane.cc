#include "ingest/apply_lane.h"

#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::ingest {
namespace {

SchemaId wire_schema_id(Bytes bytes) {
  const std::uint32_t id = std::uint32_t{bytes[1]} << 24 | std::uint32_t{bytes[2]} << 16 |
                           std::uint32_t{bytes[3]} << 8 | std::uint32_t{bytes[4]};
  return SchemaId(static_cast<std::int32_t>(id));
}

// One writer: no locked instruction.
void count(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

Outcome ApplyLane::apply(const Incoming& record) {
  Outcome outcome = Outcome::kDone;
  const std::optional<std::string_view> key = key_text(record, outcome);
  if (!key) return outcome;
  if (!record.value) return tombstone(*key);

  const Bytes value = *record.value;
  if (!value.empty() && value[0] != 0) {
    return bad(BadCause::kBadMagic, "the value does not start with byte 0");
  }
  if (value.size() < kWireHeaderBytes) {
    return bad(BadCause::kTruncated, "the value is shorter than the 5 bytes of its header");
  }
  const SchemaId id = wire_schema_id(value);
  const registry::SchemaEntry* schema =
      route_ != nullptr && route_->schema->id == id ? route_->schema : find_schema(id, outcome);
  if (schema == nullptr) return outcome;
  const Bytes datum = value.subspan(kWireHeaderBytes);
  if (const Status valid = schema->plan->validate(datum); !valid.ok()) {
    return bad(BadCause::kUndecodable, valid.error().public_text);
  }
  if (route_ == nullptr || route_->schema != schema) take_route(*schema);
  refused_.clear();
  if (!route_->readers.empty() && !ask_readers(datum, record)) {
    missing_ = id;
    return Outcome::kWaitsForSchema;
  }
  return put(*key, datum, record);
}

Outcome ApplyLane::put(std::string_view key, Bytes datum, const Incoming& record) {
  const store::RecordView kept = {.key = key,
                                  .datum = datum,
                                  .schema = route_->schema->id,
                                  .partition = record.partition,
                                  .offset = record.offset,
                                  .timestamp_ms = record.timestamp_ms,
                                  .topic = record.topic};
  std::optional<Error> full;
  for (std::size_t i = 0; i < route_->stores.size(); ++i) {
    if (!refused_.empty() && refused_[i]) continue;
    auto done = route_->stores[i]->put(kept);
    if (done.ok()) continue;
    // A value that can never fit is the record's fault; a store that is full refuses this key for
    // good (and is unhealthy from now on); anything else is the store's and passes.
    if (done.error().code == ErrorCode::kTooLarge) {
      return bad(BadCause::kTooLarge, done.error().public_text);
    }
    if (done.error().code != ErrorCode::kFull) return store_failed(std::move(done).error());
    full = std::move(done).error();
  }
  if (full) {
    // No fault of the record's, and the store says so from now on: no policy for bad ones applies.
    (void)bad(BadCause::kStoreFull, full->public_text);
    count_bad(record);
    return Outcome::kDone;
  }
  if (!refused_.empty()) return bad(BadCause::kUnresolvable, refusal_);
  if (route_->learning.load(std::memory_order_relaxed) &&
      !shared_.learned_keys().observe(*route_->schema, key, datum)) {
    route_->learning.store(false, std::memory_order_relaxed);
  }
  count(route_->stores.empty() ? totals_.unrouted : totals_.updates);
  count(totals_.records);
  return Outcome::kDone;
}

bool ApplyLane::ask_readers(Bytes datum, const Incoming& record) {
  for (const StoreReader& one : route_->readers) {
    std::string why;
    switch (one.reader->of(record.topic).fit(*route_->schema, datum, why)) {
      case registry::Fit::kFits:
        break;
      case registry::Fit::kNotKnown:
        return false;
      case registry::Fit::kDoesNotFit:
        refused_.resize(route_->stores.size());
        refused_[one.store] = true;
        refusal_ = "reader schema " + one.reader->of(record.topic).name() + ": " + why;
    }
  }
  return true;
}

void ApplyLane::announce(std::span<const kafka::Message> messages) {
  if (route_ == nullptr || route_->stores.empty()) return;
  coming_.clear();
  for (const kafka::Message& message : messages) {
    if (!message.key || has_wire_header(*message.key)) continue;
    coming_.emplace_back(reinterpret_cast<const char*>(message.key->data()), message.key->size());
  }
  for (const store::Store* store : route_->stores) store->prefetch(coming_);
}

std::optional<std::string_view> ApplyLane::key_text(const Incoming& record, Outcome& outcome) {
  if (!record.key) {
    outcome = bad(BadCause::kNullKey, "the key is null");
    return std::nullopt;
  }
  const Bytes raw = *record.key;
  std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
  if (has_wire_header(raw)) {
    const registry::SchemaEntry* schema = find_schema(wire_schema_id(raw), outcome);
    if (schema == nullptr) return std::nullopt;
    auto decoded = avro::key_text(schema->schema, raw.subspan(kWireHeaderBytes));
    if (!decoded.ok()) {
      outcome = bad(BadCause::kBadKey, decoded.error().public_text);
      return std::nullopt;
    }
    key_ = *std::move(decoded);
    text = key_;
  } else if (!is_utf8(text)) {
    outcome = bad(BadCause::kBadKey, "the key is not UTF-8");
    return std::nullopt;
  }
  if (text.size() > limits::kKeyBytesMax) {
    outcome = bad(BadCause::kBadKey, "the key is longer than 64 KiB");
    return std::nullopt;
  }
  return text;
}

const registry::SchemaEntry* ApplyLane::find_schema(SchemaId id, Outcome& outcome) {
  registry::SchemaCache& schemas = shared_.schemas();
  if (const registry::SchemaEntry* known = schemas.find(id)) return known;
  const registry::State state = schemas.request(id);
  if (state.kind == registry::StateKind::kFailed) {
    outcome = bad(BadCause::kSchemaFailed,
                  "schema " + std::to_string(id.value) + ": " + state.error.public_text);
    return nullptr;
  }
  if (const registry::SchemaEntry* known = schemas.find(id)) return known;
  missing_ = id;
  outcome = Outcome::kWaitsForSchema;
  return nullptr;
}

void ApplyLane::take_route(const registry::SchemaEntry& schema) {
  const Route*& known = routes_[schema.id];
  if (known == nullptr) known = &shared_.route(schema);
  route_ = known;
  refused_.clear();
}

Outcome ApplyLane::tombstone(std::string_view key) {
  for (const Target& target : shared_.targets()) {
    auto erased = target.store->erase(key);
    if (!erased.ok()) return store_failed(std::move(erased).error());
  }
  count(totals_.tombstones);
  count(totals_.records);
  return Outcome::kDone;
}

Outcome ApplyLane::bad(BadCause cause, std::string_view detail) {
  bad_.cause = cause;
  bad_.detail.assign(detail);
  return Outcome::kBad;
}

void ApplyLane::count_bad(const Incoming& record) {
  count(totals_.bad[static_cast<std::size_t>(bad_.cause)]);
  count(totals_.records);
  shared_.log_bad(bad_.cause, record, bad_.detail);
}

Outcome ApplyLane::store_failed(Error error) {
  count(totals_.store_errors);
  store_error_ = std::move(error);
  return Outcome::kWaitsForStore;
}

}  // namespace push_cache::ingest
