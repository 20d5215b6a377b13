#include "ingest/applier.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"
#include "base/utf8.h"

namespace push_cache::ingest {
namespace {

constexpr std::size_t kWireHeaderBytes = 5;
constexpr std::array<std::string_view, kBadCauses> kCauseNames = {
    "null_key", "bad_key", "bad_magic", "truncated", "undecodable", "schema_failed", "too_large"};
constexpr std::chrono::seconds kLogInterval{10};

bool has_wire_header(Bytes bytes) { return bytes.size() >= kWireHeaderBytes && bytes[0] == 0; }

SchemaId wire_schema_id(Bytes bytes) {
  const std::uint32_t id = std::uint32_t{bytes[1]} << 24 | std::uint32_t{bytes[2]} << 16 |
                           std::uint32_t{bytes[3]} << 8 | std::uint32_t{bytes[4]};
  return SchemaId(static_cast<std::int32_t>(id));
}

void count(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

std::string_view to_string(BadCause cause) { return kCauseNames[static_cast<std::size_t>(cause)]; }

Applier::Applier(registry::SchemaCache& schemas, std::vector<Target> targets,
                 std::vector<std::string> topics)
    : schemas_(schemas),
      targets_(std::move(targets)),
      topics_(std::move(topics)),
      held_schemas_(targets_.size()) {}

Outcome Applier::apply(const Incoming& record) {
  Outcome outcome = Outcome::kDone;
  const std::optional<std::string_view> key = key_text(record, outcome);
  if (!key) return outcome;
  if (!record.value) return tombstone(*key);

  const Bytes value = *record.value;
  if (!value.empty() && value[0] != 0) {
    return bad(BadCause::kBadMagic, record, "the value does not start with byte 0");
  }
  if (value.size() < kWireHeaderBytes) {
    return bad(BadCause::kTruncated, record, "the value is shorter than the 5 bytes of its header");
  }
  const registry::SchemaEntry* schema = find_schema(wire_schema_id(value), record, outcome);
  if (schema == nullptr) return outcome;
  const Bytes datum = value.subspan(kWireHeaderBytes);
  if (const Status valid = schema->plan->validate(datum); !valid.ok()) {
    return bad(BadCause::kUndecodable, record, valid.error().public_text);
  }

  Route& way = route(*schema);
  const store::RecordView kept = {.key = *key,
                                  .datum = datum,
                                  .schema = schema->id,
                                  .partition = record.partition,
                                  .offset = record.offset,
                                  .timestamp_ms = record.timestamp_ms,
                                  .topic = record.topic};
  for (store::Store* store : way.stores) {
    auto put = store->put(kept);
    if (put.ok()) continue;
    // A value that can never fit is the record's fault; anything else is the store's and passes.
    if (put.error().code == ErrorCode::kTooLarge) {
      return bad(BadCause::kTooLarge, record, put.error().public_text);
    }
    return store_failed(std::move(put).error());
  }
  if (way.learning) way.learning = key_fields_.observe(*schema, *key, datum);
  count(way.stores.empty() ? totals_.unrouted : totals_.updates);
  count(totals_.records);
  return Outcome::kDone;
}

std::optional<std::string_view> Applier::key_text(const Incoming& record, Outcome& outcome) {
  if (!record.key) {
    outcome = bad(BadCause::kNullKey, record, "the key is null");
    return std::nullopt;
  }
  const Bytes raw = *record.key;
  std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
  if (has_wire_header(raw)) {
    const registry::SchemaEntry* schema = find_schema(wire_schema_id(raw), record, outcome);
    if (schema == nullptr) return std::nullopt;
    auto decoded = avro::key_text(schema->schema, raw.subspan(kWireHeaderBytes));
    if (!decoded.ok()) {
      outcome = bad(BadCause::kBadKey, record, decoded.error().public_text);
      return std::nullopt;
    }
    key_ = *std::move(decoded);
    text = key_;
  } else if (!is_utf8(text)) {
    outcome = bad(BadCause::kBadKey, record, "the key is not UTF-8");
    return std::nullopt;
  }
  if (text.size() > limits::kKeyBytesMax) {
    outcome = bad(BadCause::kBadKey, record, "the key is longer than 64 KiB");
    return std::nullopt;
  }
  return text;
}

const registry::SchemaEntry* Applier::find_schema(SchemaId id, const Incoming& record,
                                                  Outcome& outcome) {
  if (last_route_ != nullptr && last_route_->schema->id == id) return last_route_->schema;
  if (const registry::SchemaEntry* known = schemas_.find(id)) return known;
  const registry::State state = schemas_.request(id);
  if (state.kind == registry::StateKind::kFailed) {
    outcome = bad(BadCause::kSchemaFailed, record,
                  "schema " + std::to_string(id.value) + ": " + state.error.public_text);
    return nullptr;
  }
  if (const registry::SchemaEntry* known = schemas_.find(id)) return known;
  missing_ = id;
  outcome = Outcome::kWaitsForSchema;
  return nullptr;
}

Applier::Route& Applier::route(const registry::SchemaEntry& schema) {
  if (last_route_ != nullptr && last_route_->schema == &schema) return *last_route_;
  auto [place, added] = routes_.try_emplace(schema.id);
  Route& way = place->second;
  if (added) {
    way.schema = &schema;
    for (const Target& target : targets_) {
      if (target.takes(schema.full_name)) way.stores.push_back(target.store);
    }
    announce(schema);
    if (way.stores.empty()) {
      log("ingest").warn("schema {} ({}) goes to no store: none of cache.stores[].schemas names it",
                         schema.id.value, schema.full_name);
    }
  }
  last_route_ = &way;
  return way;
}

void Applier::announce(const registry::SchemaEntry& schema) {
  const std::lock_guard lock(held_mutex_);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (!targets_[i].takes(schema.full_name)) continue;
    auto& held = held_schemas_[i];
    const auto same = std::find_if(held.begin(), held.end(), [&schema](const auto* other) {
      return other->full_name == schema.full_name;
    });
    if (same == held.end()) {
      held.push_back(&schema);
    } else if ((*same)->id < schema.id) {  // a replay meets the older versions too
      *same = &schema;
    }
  }
}

std::vector<SchemaId> Applier::schemas_of(std::size_t target) const {
  const std::lock_guard lock(held_mutex_);
  std::vector<SchemaId> ids;
  for (const auto* schema : held_schemas_[target]) ids.push_back(schema->id);
  return ids;
}

Outcome Applier::tombstone(std::string_view key) {
  for (const Target& target : targets_) {
    auto erased = target.store->erase(key);
    if (!erased.ok()) return store_failed(std::move(erased).error());
  }
  count(totals_.tombstones);
  count(totals_.records);
  return Outcome::kDone;
}

Outcome Applier::bad(BadCause cause, const Incoming& record, std::string_view detail) {
  count(totals_.bad[static_cast<std::size_t>(cause)]);
  count(totals_.records);
  LogBudget& budget = log_budgets_[static_cast<std::size_t>(cause)];
  const auto now = std::chrono::steady_clock::now();
  if (now < budget.next) {
    ++budget.suppressed;
    return Outcome::kDone;
  }
  log("ingest").warn("skipped a record ({}) at {}/{}@{}: {}{}", to_string(cause),
                     topics_[record.topic], record.partition.value, record.offset.value, detail,
                     budget.suppressed == 0
                         ? std::string()
                         : "; " + std::to_string(budget.suppressed) + " more since the last line");
  budget.next = now + kLogInterval;
  budget.suppressed = 0;
  return Outcome::kDone;
}

Outcome Applier::store_failed(Error error) {
  count(totals_.store_errors);
  store_error_ = std::move(error);
  return Outcome::kWaitsForStore;
}

}  // namespace push_cache::ingest
