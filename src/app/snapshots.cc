#include "app/snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <system_error>

#include "app/version.h"
#include "base/limits.h"
#include "base/log.h"

namespace push_cache::app {
namespace {

using std::chrono::steady_clock;

double seconds_since(steady_clock::time_point start) {
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

// Enough of what a store holds to learn from it which field holds the key.
constexpr std::uint64_t kLearnedFrom = 10'000;

snapshot::RawRecord raw(const kafka::RecordCopy& record) {
  snapshot::RawRecord out{.topic = record.at.topic,
                          .partition = record.at.partition,
                          .offset = record.offset,
                          .timestamp_ms = record.timestamp_ms,
                          .key = record.key,
                          .value = record.value,
                          .headers = {}};
  for (const kafka::Header& header : record.headers) {
    out.headers.push_back({header.name, header.value});
  }
  return out;
}

kafka::RecordCopy copy_of(const snapshot::RawRecord& record, ingest::SchemaHeaders names) {
  kafka::RecordCopy out{.at = {record.topic, record.partition},
                        .offset = record.offset,
                        .timestamp_ms = record.timestamp_ms,
                        .key = record.key,
                        .value = record.value,
                        .headers = {}};
  for (const auto& header : record.headers) {
    if (header.name == names.key) out.key_header = header.value;  // the last one of its name counts
    if (header.name == names.value) out.value_header = header.value;
    out.headers.push_back({header.name, header.value});
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Snapshots>> Snapshots::create(Surroundings around) {
  const std::filesystem::path dir = around.config.snapshot.dir;
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (!error && !std::filesystem::is_directory(dir, error)) {
    error = std::make_error_code(std::errc::not_a_directory);
  }
  if (error) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("snapshot.dir: '{}' is no folder to write to: {}", dir.string(),
                             error.message())};
  }
  return std::unique_ptr<Snapshots>(new Snapshots(std::move(around)));
}

Snapshots::~Snapshots() = default;

// What a snapshot's records depend on, beside the topics: with another configuration a replay would
// keep other records.
std::string Snapshots::configuration() const {
  const config::Config& config = around_.config;
  std::string text =
      fmt::format("push-cache {}\nregistry {}\n", kVersion, config.kafka.registry.url);
  text += config::record_formats(config);
  for (const config::Store& store : config.cache.stores) {
    if (store.type != config::StoreType::kInMemory) continue;
    text += fmt::format("store {} takes", store.name);
    for (const std::string& schema : store.schemas) text += ' ' + schema;
    // What a store keeps of several topics is not what earlier versions kept.
    if (config.kafka.topics.size() > 1) text += " of topics";
    for (const std::string& topic : store.topics) text += ' ' + topic;
    for (const config::Route& route : config.cache.routes) {
      if (route.store == store.name && route.schema != "writer") text += " read by " + route.schema;
    }
    text += '\n';
  }
  return text;
}

std::vector<std::string> Snapshots::names() const {
  std::vector<std::string> out;
  for (const config::Store& store : around_.config.cache.stores) {
    if (store.type == config::StoreType::kInMemory) out.push_back(store.name);
  }
  return out;
}

std::optional<ingest::ResumePoint> Snapshots::restore() {
  const auto start = steady_clock::now();
  std::optional<ingest::ResumePoint> out;
  const Status done = load(out);
  const std::lock_guard lock(mutex_);
  if (done.ok()) {
    status_.load_seconds = seconds_since(start);
    status_.loaded_taken_ms = out->taken_ms;
    log("snapshot")
        .info("{} records loaded in {:.3f} s", status_.loaded_records, status_.load_seconds);
    return out;
  }
  if (done.error().code == ErrorCode::kNotFound) {
    log("snapshot").info("there is none: the topics are read from their beginning");
  } else {
    status_.refused = done.error().describe();
    log("snapshot")
        .warn("the snapshot is refused, and the topics are read from their beginning: {}",
              status_.refused);
  }
  return std::nullopt;
}

Status Snapshots::load(std::optional<ingest::ResumePoint>& out) {
  const unsigned threads = std::max(std::thread::hardware_concurrency(), 1U);
  auto opened = snapshot::Snapshot::open(around_.config.snapshot.dir, threads);
  if (!opened.ok()) return std::move(opened).error();
  snapshot::Snapshot& file = **opened;
  const snapshot::Description& said = file.description();
  std::vector<std::string> topics;
  ingest::ResumePoint point{.taken_ms = said.taken_ms};
  for (const snapshot::Topic& topic : said.topics) {
    topics.push_back(topic.name);
    point.logs.push_back(topic.id);
  }
  if (topics != around_.config.kafka.topics || said.stores != names() ||
      said.configuration != configuration()) {
    return Error{
        ErrorCode::kConflict,
        "it was taken by another version, or with other topics, stores, reader schemas, formats "
        "of keys or records, or another registry"};
  }
  for (const snapshot::Schema& schema : file.schemas()) {
    if (Status known = around_.schemas.insert(schema.id, schema.text); !known.ok()) {
      known.error().public_text =
          "schema " + std::to_string(schema.id.value) + ": " + known.error().public_text;
      return known;
    }
    if (const auto* entry = around_.schemas.find(schema.id)) around_.applier.announce(*entry);
  }
  if (Status loaded = file.load(around_.stores, threads); !loaded.ok()) return loaded;
  for (const snapshot::PartitionPosition& one : said.positions) {
    point.partitions.push_back(
        {.at = {one.topic, one.partition}, .log_start = one.log_start, .position = one.position});
  }
  for (const std::uint32_t store : said.local_writes) around_.local_writes[store]->restored();
  const ingest::SchemaHeaders headers = ingest::schema_headers(around_.applier.formats().wire);
  for (const snapshot::RawRecord& record : said.set_aside) {
    around_.applier.set_aside().add({.record = copy_of(record, headers)});
  }
  for (const snapshot::BadKey& bad : said.bad_keys) {
    (void)around_.applier.unread_keys().add(bad.key, bad.record);
  }
  learn();
  const std::lock_guard lock(mutex_);
  status_.loaded_records = file.records();
  out = std::move(point);
  return {};
}

// A record that comes by POST needs the field that holds its key, which is learned from records.
void Snapshots::learn() {
  struct Learner final : store::RecordSink {
    explicit Learner(const Surroundings& surroundings) : around(surroundings) {}
    const Surroundings& around;
    std::uint64_t left = kLearnedFrom;
    bool record(const store::RecordView& record) override {
      if (const auto* schema = around.schemas.find(record.schema)) {
        (void)around.applier.learned_keys().observe(*schema, record.key, record.datum);
      }
      return --left > 0;
    }
  };
  for (store::Store* store : around_.stores) {
    Learner learner(around_);
    (void)store->scan(learner);
  }
}

void Snapshots::stop() { timer_ = {}; }

void Snapshots::start(const ingest::Feed& feed) {
  feed_ = &feed;
  const auto interval = around_.config.snapshot.interval;
  if (interval.count() == 0) return;
  timer_ = std::jthread([this, interval](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, interval, [&stop] { return stop.stop_requested(); })) {
      take([&stop] { return stop.stop_requested(); });
    }
  });
}

// A key that is not known yet may be deleted behind its record, and nothing here would tell: that
// part of its partition is read again.
void Snapshots::add_set_aside(snapshot::Description& description) const {
  for (const auto& one : around_.applier.set_aside().list(limits::kSetAsideRecordsMax)) {
    const kafka::RecordCopy& record = one->record;
    const auto position = std::find_if(
        description.positions.begin(), description.positions.end(), [&record](const auto& other) {
          return other.topic == record.at.topic && other.partition == record.at.partition;
        });
    if (position == description.positions.end()) continue;
    if (!one->key) position->position = std::min(position->position, record.offset);
    if (record.offset < position->position) description.set_aside.push_back(raw(record));
  }
}

void Snapshots::take(const std::function<bool()>& interrupted) {
  const std::lock_guard one_at_a_time(take_mutex_);
  for (std::size_t i = 0; i < around_.stores.size(); ++i) {
    const Status health = around_.stores[i]->health();
    if (health.ok()) continue;
    log("snapshot")
        .warn("none is taken, store '{}' is not whole: {}", names()[i], health.error().public_text);
    return;
  }
  // Before the records: each that is applied from here on comes again, in the replay.
  const auto point = feed_->resume_point();
  if (!point) {
    log("snapshot").info("none is taken before everything is loaded");
    return;
  }
  snapshot::Description description{
      .configuration = configuration(), .taken_ms = point->taken_ms, .stores = names()};
  for (std::size_t i = 0; i < point->logs.size(); ++i) {
    description.topics.push_back({around_.config.kafka.topics[i], point->logs[i]});
  }
  for (const ingest::ResumePoint::Position& one : point->partitions) {
    description.positions.push_back({.topic = one.at.topic,
                                     .partition = one.at.partition,
                                     .log_start = one.log_start,
                                     .position = one.position});
  }
  add_set_aside(description);
  around_.applier.unread_keys().for_each_bad(
      [&description](std::string_view key, const store::UnreadKeys::Record& record) {
        description.bad_keys.push_back({std::string(key), record});
      });
  const snapshot::WriteOptions options{
      .dir = around_.config.snapshot.dir,
      // What is emptied meanwhile is missing from what we read.
      .stop = [&] { return interrupted() || feed_->restarts() != point->restarts; },
      .local_writes = [this](std::size_t store) { return around_.local_writes[store]->any(); },
      .schema_text = [this](SchemaId id) -> std::optional<registry::SchemaText> {
        const registry::SchemaEntry* entry = around_.schemas.find(id);
        if (entry == nullptr) return std::nullopt;
        return entry->text;
      }};
  auto written = snapshot::write(description, around_.stores, options);
  const std::lock_guard lock(mutex_);
  if (!written.ok()) {
    ++status_.failed;
    status_.last_error = written.error().describe();
    log("snapshot").warn("not taken, and the one before it stays: {}", status_.last_error);
    return;
  }
  ++status_.taken;
  status_.last_error.clear();
  status_.last_taken_ms = description.taken_ms;
  status_.last = *written;
  log("snapshot")
      .info("{} records, {} bytes written in {:.3f} s", written->records, written->bytes,
            written->seconds);
}

SnapshotStatus Snapshots::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

}  // namespace push_cache::app
