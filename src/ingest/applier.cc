#include "ingest/applier.h"

#include <algorithm>
#include <utility>

namespace push_cache::ingest {
namespace {

constexpr std::array<std::string_view, kBadCauses> kCauseNames = {
    "null_key",      "bad_key",          "bad_magic", "truncated",  "undecodable",
    "schema_failed", "schema_not_found", "too_large", "store_full", "unresolvable"};

std::uint64_t read(const std::atomic<std::uint64_t>& counter) {
  return counter.load(std::memory_order_relaxed);
}

std::vector<SchemaId> ids_of(const std::vector<const registry::SchemaEntry*>& schemas) {
  std::vector<SchemaId> ids;
  for (const auto* schema : schemas) ids.push_back(schema->id);
  return ids;
}

}  // namespace

std::string_view to_string(BadCause cause) { return kCauseNames[static_cast<std::size_t>(cause)]; }

Applier::Applier(registry::SchemaCache& schemas, std::vector<Target> targets,
                 std::vector<std::string> topics, RecordFormats formats)
    : schemas_(schemas),
      targets_(std::move(targets)),
      topics_(std::move(topics)),
      formats_(formats),
      stores_of_(topics_.size()),
      compacted_(topics_.size()),
      writers_(targets_.size()) {
  for (std::uint32_t topic = 0; topic < topics_.size(); ++topic) {
    for (const Target& target : targets_) {
      if (target.takes_topic(topic)) stores_of_[topic].push_back(target.store);
    }
  }
}

Totals Applier::totals() const {
  const std::lock_guard lock(mutex_);
  Totals sum;
  for (const LaneTotals& lane : lanes_) {
    sum.records += read(lane.records);
    sum.updates += read(lane.updates);
    sum.tombstones += read(lane.tombstones);
    sum.unrouted += read(lane.unrouted);
    sum.outdated += read(lane.outdated);
    sum.type_changes += read(lane.type_changes);
    sum.future_timestamps += read(lane.future_timestamps);
    sum.store_errors += read(lane.store_errors);
    for (std::size_t i = 0; i < kBadCauses; ++i) sum.bad[i] += read(lane.bad[i]);
    sum.freshness += lane.freshness.read();
  }
  return sum;
}

LaneTotals& Applier::add_lane() {
  const std::lock_guard lock(mutex_);
  return lanes_.emplace_back();
}

const Route& Applier::route(const registry::SchemaEntry& schema, std::uint32_t topic,
                            std::size_t branch) {
  const std::lock_guard lock(mutex_);
  auto [place, added] = routes_.try_emplace({topic, schema.id, branch});
  Route& way = place->second;
  if (!added) return way;
  way.schema = &schema;
  way.topic = topic;
  way.branch = branch;
  const std::string& name =
      branch < schema.branches.size() ? schema.branches[branch] : schema.full_name;
  way.compacted = &compacted_[topic];
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const Target& target = targets_[i];
    if (!target.takes_topic(topic)) continue;
    if (!target.takes(name)) {
      way.others.push_back(target.store);
      continue;
    }
    for (const registry::RouteReader& reader : target.readers) {
      way.readers.push_back({way.stores.size(), &reader});
    }
    way.stores.push_back(target.store);
    hold(i, schema);
  }
  if (way.stores.empty()) {
    log("ingest").warn(
        "schema {} ({}) of topic '{}' goes to no store: none takes both "
        "(cache.stores[].schemas and topics)",
        schema.id.value, name, topics_[topic]);
  }
  return way;
}

void Applier::announce(const registry::SchemaEntry& schema) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].takes_some(schema)) hold(i, schema);
  }
}

void Applier::hold(std::size_t target, const registry::SchemaEntry& schema) {
  auto& writers = writers_[target];
  const bool is_new = std::none_of(writers.begin(), writers.end(),
                                   [&schema](const auto* other) { return other->id == schema.id; });
  if (is_new) writers.push_back(&schema);
}

std::vector<SchemaId> Applier::schemas_of(std::size_t target) const {
  std::vector<const registry::SchemaEntry*> latest;
  const std::lock_guard lock(mutex_);
  for (const auto* schema : writers_[target]) {
    const auto same = std::find_if(latest.begin(), latest.end(), [schema](const auto* other) {
      return other->full_name == schema->full_name;
    });
    if (same == latest.end()) {
      latest.push_back(schema);
    } else if ((*same)->id < schema->id) {  // a replay meets the older versions too
      *same = schema;
    }
  }
  return ids_of(latest);
}

std::vector<SchemaId> Applier::writers_of(std::size_t target) const {
  const std::lock_guard lock(mutex_);
  return ids_of(writers_[target]);
}

bool Applier::types_matter(std::uint32_t topic) const {
  return std::any_of(targets_.begin(), targets_.end(), [topic](const Target& target) {
    return target.takes_topic(topic) && !target.takes_all_schemas;
  });
}

bool Applier::takes_any_schema(std::uint32_t topic) const {
  return std::all_of(targets_.begin(), targets_.end(), [topic](const Target& target) {
    return !target.takes_topic(topic) || (target.takes_all_schemas && target.readers.empty());
  });
}

void Applier::note_type_change(const store::RecordView& record, const store::Store* store) {
  {
    const std::lock_guard lock(mutex_);
    if (!type_changes_.emplace(record.topic, store, record.schema).second) return;
  }
  const auto target = std::find_if(targets_.begin(), targets_.end(),
                                   [store](const Target& one) { return one.store == store; });
  const registry::SchemaEntry* schema = schemas_.find(record.schema);
  log("ingest").warn(
      "store '{}' has lost a key: its last record, {}/{}@{}, is of schema {} ({}), which the store "
      "does not take, and the topic is compacted. More such keys are counted as type_changes (see "
      "'A key whose type changes' in docs/guides/choosing-stores.md)",
      target == targets_.end() ? "?" : target->name, topics_[record.topic], record.partition.value,
      record.offset.value, record.schema.value, schema == nullptr ? "?" : schema->full_name);
}

void Applier::note_waiting_key(const Incoming& record, SchemaId id) {
  key_lines_.log(topics_[record.topic], spdlog::level::warn,
                 "{}/{}@{} waits for its key's schema: {} is not known{}", topics_[record.topic],
                 record.partition.value, record.offset.value, schemas_.name(id),
                 key_format_advice(formats_, record.key->size()));
}

void Applier::note_future(const Incoming& record, std::int64_t now_ms) {
  future_lines_.log(
      topics_[record.topic], spdlog::level::warn,
      "{}/{}@{} has the timestamp {} (ms since 1970), {} s ahead of this machine's clock: is that "
      "of its producer wrong, or this one? (see 'A timestamp in the future' in "
      "docs/guides/bad-records.md)",
      topics_[record.topic], record.partition.value, record.offset.value, record.timestamp_ms,
      (record.timestamp_ms - now_ms) / 1000);
}

void Applier::note_set_aside(const SetAsideRecord& one) {
  const kafka::RecordCopy& record = one.record;
  const char* const part = one.schema_of_key ? "key" : "value";
  // What the registry has not answered for mostly comes at once.
  const bool answered = schemas_.state(one.waits_for).attempts > 0;
  const std::string advice =
      one.schema_of_key && record.key ? key_format_advice(formats_, record.key->size()) : "";
  set_aside_lines_.log(
      part, answered ? spdlog::level::warn : spdlog::level::info,
      "{}/{}@{} is set aside, since {} of its {} is not known yet: its key answers 503 until that "
      "comes (see 'A record whose schema is not known' in docs/guides/bad-records.md){}",
      topics_[record.at.topic], record.at.partition.value, record.offset.value,
      schemas_.name(one.waits_for), part, advice);
}

void Applier::note_bad(BadRecord record) {
  bad_lines_.log(to_string(record.cause), spdlog::level::warn, "bad record ({}) at {}/{}@{}: {}",
                 to_string(record.cause), topics_[record.topic], record.partition.value,
                 record.offset.value, record.detail);
  recent_bad_.add(std::move(record));
}

}  // namespace push_cache::ingest
