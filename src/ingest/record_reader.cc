#include "ingest/record_reader.h"

#include <chrono>
#include <thread>

#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::ingest {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSchemaPatience{100};

std::int64_t system_ms() {
  return std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(1);
}

}  // namespace

Incoming incoming(const kafka::Message& message) {
  return {.topic = message.at.topic,
          .partition = message.at.partition,
          .offset = message.offset,
          .timestamp_ms = message.timestamp_ms,
          .key = message.key,
          .value = message.value};
}

bool RecordReader::ask_readers(Bytes datum, const Incoming& record) {
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

std::optional<std::string_view> RecordReader::other_key_text(const Incoming& record,
                                                             Outcome& outcome) {
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

const registry::SchemaEntry* RecordReader::find_schema(SchemaId id, Outcome& outcome) {
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

void RecordReader::take_route(const registry::SchemaEntry& schema, std::uint32_t topic) {
  const Route*& known = routes_[{topic, schema.id}];
  if (known == nullptr) known = &shared_.route(schema, topic);
  route_ = known;
  refused_.clear();
}

Outcome RecordReader::bad(BadCause cause, std::string_view detail) {
  bad_.cause = cause;
  bad_.detail.assign(detail);
  return Outcome::kBad;
}

void RecordReader::count_bad(const Incoming& record) {
  count(totals_.bad[static_cast<std::size_t>(bad_.cause)]);
  count_end(record);
  std::optional<SchemaId> schema;
  if (record.value && has_wire_header(*record.value)) schema = wire_schema_id(*record.value);
  shared_.note_bad({.seen_ms = system_ms(),
                    .topic = record.topic,
                    .partition = record.partition,
                    .offset = record.offset,
                    .cause = bad_.cause,
                    .schema = schema,
                    .detail = bad_.detail});
}

bool RecordReader::comes_soon(const std::atomic<bool>& stopping) {
  if (!waited_for_.insert(missing_).second) return false;
  const registry::SchemaCache& schemas = shared_.schemas();
  const auto deadline = steady_clock::now() + kSchemaPatience;
  while (!stopping && steady_clock::now() < deadline) {
    const registry::State state = schemas.state(missing_);
    if (state.kind != registry::StateKind::kWaiting) return true;
    if (state.attempts > 0) return false;  // the registry is away, or does not know it
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return false;
}

}  // namespace push_cache::ingest
