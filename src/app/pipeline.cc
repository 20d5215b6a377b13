#include "app/pipeline.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "config/url.h"
#include "redis/redis_store.h"
#include "store/memory_store.h"

namespace push_cache::app {
namespace {

redis::Topology topology_of(config::RedisTopology topology) {
  switch (topology) {
    case config::RedisTopology::kSingle:
      return redis::Topology::kSingle;
    case config::RedisTopology::kCluster:
      return redis::Topology::kCluster;
    case config::RedisTopology::kSentinel:
      return redis::Topology::kSentinel;
  }
  return redis::Topology::kSingle;
}

ingest::OnBadRecord policy_of(config::OnBadRecord policy) {
  switch (policy) {
    case config::OnBadRecord::kSkip:
      return ingest::OnBadRecord::kSkip;
    case config::OnBadRecord::kStop:
      return ingest::OnBadRecord::kStop;
    case config::OnBadRecord::kDeadLetter:
      return ingest::OnBadRecord::kDeadLetter;
  }
  return ingest::OnBadRecord::kSkip;
}

ingest::KeyFormat key_format_of(config::KeyFormat format) {
  switch (format) {
    case config::KeyFormat::kAuto:
      return ingest::KeyFormat::kAuto;
    case config::KeyFormat::kText:
      return ingest::KeyFormat::kText;
    case config::KeyFormat::kAvro:
      return ingest::KeyFormat::kAvro;
    case config::KeyFormat::kInt:
      return ingest::KeyFormat::kInt;
    case config::KeyFormat::kLong:
      return ingest::KeyFormat::kLong;
    case config::KeyFormat::kUuid:
      return ingest::KeyFormat::kUuid;
    case config::KeyFormat::kBytes:
      return ingest::KeyFormat::kBytes;
  }
  return ingest::KeyFormat::kAuto;
}

ingest::WireFormat wire_format_of(config::WireFormat format) {
  switch (format) {
    case config::WireFormat::kConfluent:
      return ingest::WireFormat::kConfluent;
    case config::WireFormat::kApicurio:
      return ingest::WireFormat::kApicurio;
    case config::WireFormat::kApicurioContentId:
      return ingest::WireFormat::kApicurioContentId;
  }
  return ingest::WireFormat::kConfluent;
}

}  // namespace

// What is not seen from the configuration alone: which record such a store shows of a key.
void Pipeline::say_what_is_shown() const {
  const std::size_t topics = config_.kafka.topics.size();
  for (const config::Store& store : config_.cache.stores) {
    if (topics < 2 || !store.topics.empty() || !store.schemas.empty()) continue;
    log("app").warn(
        "store '{}' takes all {} topics: of a key that several of them have it shows the record "
        "with "
        "the latest timestamp, and a tombstone removes its own topic's record only; "
        "cache.stores[].topics or schemas narrows what it takes",
        store.name, topics);
  }
}

Result<std::unique_ptr<Pipeline>> Pipeline::create(const config::Config& config) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(config));
  if (Status done = pipeline->make_stores(); !done.ok()) return std::move(done).error();
  if (Status done = pipeline->make_schemas(); !done.ok()) return std::move(done).error();
  for (const bool shared : {false, true}) pipeline->make_intake(shared);
  pipeline->learn_of_schemas();
  if (Status done = pipeline->make_snapshots(); !done.ok()) return std::move(done).error();
  return pipeline;
}

Pipeline::~Pipeline() {
  if (snapshots_) snapshots_->stop();
  for (Intake& intake : intakes_) {
    intake.feed.reset();
    intake.group.reset();
  }
  schemas_.reset();  // before the appliers, which its listener speaks to
}

Status Pipeline::make_stores() {
  for (const config::Store& store : config_.cache.stores) {
    if (store.type == config::StoreType::kRedis) {
      auto made = make_redis_store(store);
      if (!made.ok()) {
        made.error().public_text = "store '" + store.name + "': " + made.error().public_text;
        return std::move(made).error();
      }
      stores_.push_back(*std::move(made));
      continue;
    }
    const auto lists = [&store](const config::Route& route) {
      return route.store == store.name && route.list;
    };
    const auto& routes = config_.cache.routes;
    stores_.push_back({store.name, store::make_memory_store(
                                       {.ordered = std::any_of(routes.begin(), routes.end(), lists),
                                        .bytes_max = store.memory_max_bytes})});
  }
  return {};
}

Result<Pipeline::StoreRow> Pipeline::make_redis_store(const config::Store& store) const {
  auto url = config::parse_redis_url(
      store.url, store.cluster ? config::RedisTopology::kCluster : config::RedisTopology::kSingle);
  if (!url.ok()) return std::move(url).error();
  redis::RedisStoreOptions options{.name = store.name,
                                   .prefix = store.prefix,
                                   .topics = config_.kafka.topics,
                                   .takes_topics = config::topics_of(config_, store),
                                   .schemas = store.schemas};
  for (const std::string& pattern : store.schemas) options.takes += pattern + '\n';
  // Of several topics a store keeps what 0.1 did not: what that left is no beginning.
  if (config_.kafka.topics.size() > 1) {
    options.takes += "of topics\n";
    for (std::size_t i = 0; i < options.topics.size(); ++i) {
      if (options.takes_topics[i]) options.takes += options.topics[i] + '\n';
    }
  }
  options.takes += config::record_formats(config_);
  const auto stats = std::make_shared<redis::Stats>();
  options.client = {.topology = topology_of(url->topology),
                    .master_name = url->master_name,
                    .username = url->username,
                    .password = url->password,
                    .database = url->database,
                    .tls = url->tls,
                    .ca_file = store.ca_file,
                    .certificate_file = store.certificate_file,
                    .key_file = store.key_file,
                    .timeout = store.timeout,
                    .stats = stats};
  for (const config::HostPort& host : url->hosts) {
    options.client.seeds.push_back({host.host, host.port});
  }
  auto made = redis::RedisStore::create(std::move(options));
  if (!made.ok()) return std::move(made).error();
  store::SharedStore* const shared = made->get();
  return StoreRow{store.name, *std::move(made), shared, stats};
}

registry::ClientOptions Pipeline::registry_options() const {
  const config::SchemaRegistry& registry = config_.kafka.registry;
  return {.url = registry.url,
          .username = registry.username,
          .password = registry.password,
          .bearer_token = registry.token,
          .ca_file = registry.ca_file,
          .apicurio_global_ids = config_.kafka.wire_format == config::WireFormat::kApicurio,
          .total_timeout = registry.timeout};
}

avro::LogicalTypes Pipeline::logical_types() const {
  return config_.json.logical_types == config::LogicalTypes::kReadable
             ? avro::LogicalTypes::kReadable
             : avro::LogicalTypes::kNumbers;
}

Status Pipeline::make_schemas() {
  auto client = registry::Client::create(registry_options());
  if (!client.ok()) return std::move(client).error();
  client_ = *std::move(client);
  registry::SchemaCacheOptions options;
  options.plan.logical_types = logical_types();
  options.not_found_wait = config_.kafka.unknown_schema_wait;
  schemas_ = std::make_unique<registry::SchemaCache>(*client_, options);
  auto readers = make_readers(config_, *client_, options.plan);
  if (!readers.ok()) return std::move(readers).error();
  readers_ = *std::move(readers);
  return {};
}

// For the stores of one kind; nothing when there are none.
void Pipeline::make_intake(bool shared) {
  Intake intake{.shared = shared};
  std::vector<ingest::Target> targets;
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    const config::Store& store = config_.cache.stores[i];
    if ((store.type == config::StoreType::kRedis) != shared) continue;
    intake.stores.push_back(i);
    const std::vector<std::string>& patterns = store.schemas;
    targets.push_back({store.name, stores_[i].store.get(),
                       [patterns](std::string_view full_name) {
                         return patterns.empty() ||
                                std::any_of(patterns.begin(), patterns.end(),
                                            [full_name](const std::string& pattern) {
                                              return config::schema_matches(pattern, full_name);
                                            });
                       },
                       readers_.of_store(config_, store), config::topics_of(config_, store),
                       patterns.empty()});
  }
  if (targets.empty()) return;
  intake.applier = std::make_unique<ingest::Applier>(
      *schemas_, std::move(targets), config_.kafka.topics,
      ingest::RecordFormats{.key = key_format_of(config_.kafka.key_format),
                            .wire = wire_format_of(config_.kafka.wire_format)});
  intakes_.push_back(std::move(intake));
}

void Pipeline::learn_of_schemas() {
  schemas_->on_resolved([this](SchemaId id) {
    const registry::SchemaEntry* schema = schemas_->find(id);
    if (schema == nullptr) return;
    const auto& wanted = config_.kafka.preload_schemas;
    const bool preloaded = std::find(wanted.begin(), wanted.end(), id.value) != wanted.end();
    for (const Intake& intake : intakes_) {
      // Of a shared store also what other processes write is ours.
      if (preloaded || intake.shared) intake.applier->announce(*schema);
    }
  });
  for (const std::int32_t id : config_.kafka.preload_schemas) (void)schemas_->request(SchemaId(id));
}

std::vector<store::Store*> Pipeline::store_pointers(const Intake& intake) const {
  std::vector<store::Store*> out;
  for (const std::size_t i : intake.stores) out.push_back(stores_[i].store.get());
  return out;
}

Status Pipeline::make_snapshots() {
  if (config_.snapshot.dir.empty()) return {};
  Intake& intake = intakes_.front();
  if (intake.shared) {
    log("app").warn("snapshot.dir: no snapshots are taken, since no store is in memory");
    return {};
  }
  std::vector<store::LocalWrites*> local_writes;
  for (const std::size_t i : intake.stores) local_writes.push_back(stores_[i].local_writes.get());
  auto made = Snapshots::create(
      {config_, store_pointers(intake), std::move(local_writes), *schemas_, *intake.applier});
  if (!made.ok()) return std::move(made).error();
  snapshots_ = *std::move(made);
  return {};
}

Status Pipeline::start() {
  say_what_is_shown();
  for (Intake& intake : intakes_) {
    const Status done = intake.shared ? start_group(intake) : start_feed(intake);
    if (!done.ok()) return done;
  }
  return {};
}

kafka::ConsumerOptions Pipeline::consumer_options() const {
  const ingest::SchemaHeaders headers =
      ingest::schema_headers(wire_format_of(config_.kafka.wire_format));
  return {.brokers = config_.kafka.brokers,
          .group_id = config_.kafka.group_id,
          .topics = config_.kafka.topics,
          .properties = config_.kafka.properties,
          .key_header = std::string(headers.key),
          .value_header = std::string(headers.value)};
}

Status Pipeline::start_feed(Intake& intake) {
  ingest::FeedOptions options;
  options.consumer = consumer_options();
  options.metadata_timeout = config_.kafka.fetch_metadata_timeout;
  options.max_staleness = config_.readiness.max_staleness;
  options.on_bad_record = policy_of(config_.kafka.on_bad_record);
  options.dead_letter_topic = config_.kafka.dead_letter_topic;
  options.logs = &logs_;
  if (snapshots_) options.restore = [this] { return snapshots_->restore(); };
  auto feed = ingest::Feed::start(options, *intake.applier, store_pointers(intake));
  if (!feed.ok()) return std::move(feed).error();
  intake.feed = *std::move(feed);
  if (snapshots_) snapshots_->start(*intake.feed);
  return {};
}

Status Pipeline::start_group(Intake& intake) {
  ingest::GroupFeedOptions options;
  options.consumer = consumer_options();
  options.metadata_timeout = config_.kafka.fetch_metadata_timeout;
  options.max_staleness = config_.readiness.max_staleness;
  options.on_bad_record = policy_of(config_.kafka.on_bad_record);
  options.dead_letter_topic = config_.kafka.dead_letter_topic;
  options.offset_reset = config_.kafka.offset_reset == config::OffsetReset::kLatest
                             ? ingest::OffsetReset::kLatest
                             : ingest::OffsetReset::kEarliest;
  options.from_beginning = config_.kafka.force_reset_earliest;
  std::vector<store::SharedStore*> stores;
  for (const std::size_t i : intake.stores) stores.push_back(stores_[i].shared);
  auto group = ingest::GroupFeed::start(options, *intake.applier, std::move(stores));
  if (!group.ok()) return std::move(group).error();
  intake.group = *std::move(group);
  return {};
}

const Intake& Pipeline::intake_of(std::size_t store) const {
  return *std::find_if(intakes_.begin(), intakes_.end(), [store](const Intake& intake) {
    return std::find(intake.stores.begin(), intake.stores.end(), store) != intake.stores.end();
  });
}

bool Pipeline::local_writes_of(const Intake& intake, const std::string& topic) const {
  return std::any_of(intake.stores.begin(), intake.stores.end(), [&](std::size_t i) {
    return config::takes_topic(config_.cache.stores[i], topic) && stores_[i].local_writes->any();
  });
}

std::vector<SchemaId> Pipeline::schemas_of(std::size_t store) const {
  return intake_of(store).applier->schemas_of(target_of(store));
}

std::vector<SchemaId> Pipeline::writers_of(std::size_t store) const {
  return intake_of(store).applier->writers_of(target_of(store));
}

bool Pipeline::takes(std::size_t store, std::string_view full_name) const {
  return intake_of(store).applier->targets()[target_of(store)].takes(full_name);
}

std::size_t Pipeline::target_of(std::size_t store) const {
  const std::vector<std::size_t>& stores = intake_of(store).stores;
  return static_cast<std::size_t>(std::find(stores.begin(), stores.end(), store) - stores.begin());
}

std::size_t Pipeline::store_index(const std::string& name) const {
  return static_cast<std::size_t>(
      std::find_if(stores_.begin(), stores_.end(),
                   [&name](const StoreRow& row) { return row.name == name; }) -
      stores_.begin());
}

}  // namespace push_cache::app
