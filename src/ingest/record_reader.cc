#include "ingest/record_reader.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/limits.h"

namespace push_cache::ingest {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSchemaPatience{100};
constexpr std::chrono::seconds kImpatience{1};
constexpr std::string_view kTooLong = "the key is longer than 64 KiB";

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
          .value = message.value,
          .key_header = message.key_header,
          .value_header = message.value_header};
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
  // Its text is hardly ever shorter: so no key makes much of nothing.
  if (record.key->size() > 2 * limits::kKeyBytesMax) {
    outcome = bad(BadCause::kBadKey, kTooLong);
    return std::nullopt;
  }
  const RawKey raw = read_key(formats_, *record.key, record.key_header, key_);
  if (raw.kind == RawKey::Kind::kBad) {
    outcome = bad(BadCause::kBadKey, raw.text);
    return std::nullopt;
  }
  std::string_view text = raw.text;
  if (raw.kind == RawKey::Kind::kDatum) {
    if (!decode_key(raw.framed, record, outcome)) return std::nullopt;
    text = key_;
  }
  if (text.size() > limits::kKeyBytesMax) {
    outcome = bad(BadCause::kBadKey, kTooLong);
    return std::nullopt;
  }
  return text;
}

bool RecordReader::decode_key(const Framed& framed, const Incoming& record, Outcome& outcome) {
  const auto advice = [&] { return key_format_advice(formats_, record.key->size()); };
  const registry::SchemaEntry* schema = find_schema(schema_id(framed, key_guid_), outcome);
  if (schema == nullptr) {
    missing_datum_ = framed.datum;
    if (outcome == Outcome::kBad) bad_.detail = "the key: " + bad_.detail + advice();
    if (outcome == Outcome::kWaitsForSchema &&
        shared_.schemas().state(missing_).error.code == ErrorCode::kNotFound) {
      shared_.note_waiting_key(record, missing_);
    }
    return false;
  }
  auto known = key_texts_.find(schema->id);
  if (known == key_texts_.end()) {
    known = key_texts_.emplace(schema->id, avro::KeyText::compile(schema->schema)).first;
  }
  Result<std::string> text = known->second.ok() ? known->second->text(framed.datum)
                                                : Result<std::string>(known->second.error());
  if (!text.ok()) {
    outcome = bad(BadCause::kBadKey, text.error().public_text + advice());
    return false;
  }
  key_ = *std::move(text);
  return true;
}

SchemaId RecordReader::schema_id(const Framed& framed, KnownGuid& known) {
  if (framed.guid == nullptr) return framed.id;
  registry::Guid guid;
  std::copy_n(framed.guid, guid.bytes.size(), guid.bytes.begin());
  if (known.id.value <= 0 || known.guid != guid) {
    known = {.guid = guid, .id = shared_.schemas().id_of(guid)};
  }
  return known.id;
}

const registry::SchemaEntry* RecordReader::find_schema(SchemaId id, Outcome& outcome) {
  registry::SchemaCache& schemas = shared_.schemas();
  if (const registry::SchemaEntry* known = schemas.find(id)) return known;
  missing_ = id;
  const registry::State state = schemas.request(id);
  if (state.kind == registry::StateKind::kFailed) {
    const bool not_found = state.error.code == ErrorCode::kNotFound;
    outcome = bad(not_found ? BadCause::kSchemaNotFound : BadCause::kSchemaFailed,
                  schemas.name(id) + ": " + state.error.public_text);
    return nullptr;
  }
  if (const registry::SchemaEntry* known = schemas.find(id)) return known;
  outcome = Outcome::kWaitsForSchema;
  return nullptr;
}

void RecordReader::take_route(const registry::SchemaEntry& schema, std::uint32_t topic,
                              std::size_t branch) {
  const Route*& known = routes_[{topic, schema.id, branch}];
  if (known == nullptr) known = &shared_.route(schema, topic, branch);
  route_ = known;
  refused_.clear();
}

Outcome RecordReader::bad_value(const FrameFault& fault) {
  return bad(fault.truncated ? BadCause::kTruncated : BadCause::kBadMagic,
             "the value: " + fault.text);
}

void RecordReader::bad_before(BadCause cause, std::string_view detail,
                              const store::RecordView& record) {
  refused_.clear();
  read_key_ = record.key;
  (void)bad(cause, detail, shared_.schemas().find(record.schema));
}

Outcome RecordReader::bad(BadCause cause, std::string_view detail,
                          const registry::SchemaEntry* schema) {
  bad_.cause = cause;
  bad_.detail.assign(detail);
  bad_.schema = schema;
  bad_.key.reset();
  if (read_key_) bad_.key.emplace(*read_key_);
  return Outcome::kBad;
}

void RecordReader::count_bad(const Incoming& record) {
  count(totals_.bad[static_cast<std::size_t>(bad_.cause)]);
  count_end(record);
  std::optional<SchemaId> schema;
  FrameFault fault;
  if (record.value) {
    const auto framed = unframe(formats_.wire, *record.value, record.value_header, fault);
    if (framed && framed->guid == nullptr) schema = framed->id;
  }
  shared_.note_bad({.seen_ms = system_ms(),
                    .topic = record.topic,
                    .partition = record.partition,
                    .offset = record.offset,
                    .cause = bad_.cause,
                    .schema = schema,
                    .detail = bad_.detail});
}

void RecordReader::tell_bad_key(const Incoming& record) {
  if (!bad_.key) return;
  store::UnreadKeys::Record told{.kind = store::UnreadKeys::Kind::kBad,
                                 .topic = record.topic,
                                 .partition = record.partition,
                                 .offset = record.offset,
                                 .timestamp_ms = record.timestamp_ms};
  if (bad_.schema != nullptr) {
    told.schema = bad_.schema->id;
    told.stores = bad_stores(record.topic);
    if (told.stores.empty()) return;
  }
  // An older bad one of the key may be kept for its schema.
  std::vector<store::UnreadKeys::Place> gone;
  if (!shared_.unread_keys().add(*bad_.key, told, shared_.sole(record.topic), &gone)) return;
  if (is_deleted(told.view(*bad_.key))) shared_.unread_keys().remove(*bad_.key, told);
  for (const auto& one : gone) {
    shared_.set_aside().remove({one.topic, one.partition}, one.offset);
  }
}

// The numbers of the stores that have to do without the record that was found bad last.
std::vector<std::uint32_t> RecordReader::bad_stores(std::uint32_t topic) const {
  std::vector<std::uint32_t> out;
  const std::vector<Target>& targets = shared_.targets();
  for (std::uint32_t i = 0; i < targets.size(); ++i) {
    if (!targets[i].takes_topic(topic) || !targets[i].takes_some(*bad_.schema)) continue;
    bool refuses = !any_refused();
    for (std::size_t k = 0; k < refused_.size(); ++k) {
      refuses = refuses || (refused_[k] && route_->stores[k] == targets[i].store);
    }
    if (refuses) out.push_back(i);
  }
  return out;
}

bool RecordReader::set_aside(const Incoming& record, const std::function<kafka::RecordCopy()>& copy,
                             bool again) {
  if (shared_.schemas().find(missing_) != nullptr) return false;
  SetAside& all = shared_.set_aside();
  const auto size = [](const std::optional<Bytes>& bytes) { return bytes ? bytes->size() : 0; };
  if (!again && !all.make_room(size(record.key) + size(record.value))) return false;
  SetAsideRecord one{.record = copy(),
                     .waits_for = missing_,
                     .schema_of_key = missing_is_of_key_,
                     .since_ms = system_ms()};
  if (read_key_) {
    one.key.emplace(*read_key_);
  } else if (record.key) {
    one.possible_keys = possible_keys(missing_datum_);
  }
  // Until its key was looked for among the deletions they are not forgotten.
  shared_.deleted_keys().hold(1);
  all.add(one);
  if (one.key) drop_if_deleted(one);
  shared_.deleted_keys().hold(-1);
  shared_.note_set_aside(one);
  return true;
}

// Another partition may have deleted the key later than this record was written.
void RecordReader::drop_if_deleted(const SetAsideRecord& one) {
  const kafka::RecordCopy& from = one.record;
  if (!is_deleted({.key = *one.key,
                   .datum = {},
                   .partition = from.at.partition,
                   .offset = from.offset,
                   .timestamp_ms = from.timestamp_ms,
                   .topic = from.at.topic})) {
    return;
  }
  shared_.set_aside().remove(from.at, from.offset);
  count(totals_.outdated);
}

bool RecordReader::is_deleted(const store::RecordView& record) const {
  const auto& stores = shared_.stores_of(record.topic);
  std::vector<store::Store*> deleted_in;
  shared_.deleted_keys().outdates(record, stores, deleted_in);
  return deleted_in.size() >= stores.size();
}

bool RecordReader::comes_soon(const std::atomic<bool>& stopping, bool worth_an_answer) {
  if (!waited_for_.insert(missing_).second) return false;
  // While waiting is in vain it would only hold up what can be read.
  if (steady_clock::now() < patient_from_) return false;
  const registry::SchemaCache& schemas = shared_.schemas();
  const auto deadline = steady_clock::now() + kSchemaPatience;
  while (!stopping && steady_clock::now() < deadline) {
    const registry::State state = schemas.state(missing_);
    if (state.kind != registry::StateKind::kWaiting) return true;
    if (state.attempts > 0) {  // the registry is away, or does not know it
      if (worth_an_answer && state.not_found) return false;
      break;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  patient_from_ = steady_clock::now() + kImpatience;
  return false;
}

}  // namespace push_cache::ingest
