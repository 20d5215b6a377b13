#include "app/pipeline.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "store/memory_store.h"

namespace push_cache::app {
namespace {

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

}  // namespace

Result<std::unique_ptr<Pipeline>> Pipeline::create(const config::Config& config) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(config));
  if (Status done = pipeline->make_stores(); !done.ok()) return std::move(done).error();
  if (Status done = pipeline->make_schemas(); !done.ok()) return std::move(done).error();
  pipeline->make_applier();
  if (Status done = pipeline->make_snapshots(); !done.ok()) return std::move(done).error();
  return pipeline;
}

Pipeline::~Pipeline() {
  registry_check_.request_stop();
  if (snapshots_) snapshots_->stop();
  feed_.reset();
  schemas_.reset();  // before the applier, which its listener speaks to
}

Status Pipeline::make_stores() {
  for (std::size_t i = 0; i < config_.cache.stores.size(); ++i) {
    const config::Store& store = config_.cache.stores[i];
    if (store.type != config::StoreType::kInMemory) {
      return Error{ErrorCode::kInvalidArgument,
                   "cache.stores[" + std::to_string(i) + "] ('" + store.name +
                       "'): this version has no store of type redis; use in_memory"};
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

registry::ClientOptions Pipeline::registry_options() const {
  const config::SchemaRegistry& registry = config_.kafka.registry;
  return {.url = registry.url,
          .username = registry.username,
          .password = registry.password,
          .bearer_token = registry.token,
          .ca_file = registry.ca_file,
          .total_timeout = registry.timeout};
}

Status Pipeline::make_schemas() {
  auto client = registry::Client::create(registry_options());
  if (!client.ok()) return std::move(client).error();
  client_ = *std::move(client);
  registry::SchemaCacheOptions options;
  options.plan.logical_types = config_.json.logical_types == config::LogicalTypes::kReadable
                                   ? avro::LogicalTypes::kReadable
                                   : avro::LogicalTypes::kNumbers;
  schemas_ = std::make_unique<registry::SchemaCache>(*client_, options);
  auto readers = make_readers(config_, *client_, options.plan);
  if (!readers.ok()) return std::move(readers).error();
  readers_ = *std::move(readers);
  return {};
}

void Pipeline::make_applier() {
  std::vector<ingest::Target> targets;
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    const std::vector<std::string>& patterns = config_.cache.stores[i].schemas;
    targets.push_back({stores_[i].name, stores_[i].store.get(),
                       [patterns](std::string_view full_name) {
                         return patterns.empty() ||
                                std::any_of(patterns.begin(), patterns.end(),
                                            [full_name](const std::string& pattern) {
                                              return config::schema_matches(pattern, full_name);
                                            });
                       },
                       readers_.of_store(config_, config_.cache.stores[i])});
  }
  applier_ = std::make_unique<ingest::Applier>(*schemas_, std::move(targets), config_.kafka.topics);
  schemas_->on_resolved([this](SchemaId id) {
    const auto& wanted = config_.kafka.preload_schemas;
    if (std::find(wanted.begin(), wanted.end(), id.value) == wanted.end()) return;
    if (const registry::SchemaEntry* schema = schemas_->find(id)) applier_->announce(*schema);
  });
  for (const std::int32_t id : config_.kafka.preload_schemas) (void)schemas_->request(SchemaId(id));
}

std::vector<store::Store*> Pipeline::store_pointers() const {
  std::vector<store::Store*> out;
  for (const StoreRow& row : stores_) out.push_back(row.store.get());
  return out;
}

Status Pipeline::make_snapshots() {
  if (config_.snapshot.dir.empty()) return {};
  auto made = Snapshots::create({config_, store_pointers(), *schemas_, *applier_});
  if (!made.ok()) return std::move(made).error();
  snapshots_ = *std::move(made);
  return {};
}

Status Pipeline::start() {
  ingest::FeedOptions options;
  options.consumer = {.brokers = config_.kafka.brokers,
                      .group_id = config_.kafka.group_id,
                      .topics = config_.kafka.topics,
                      .properties = config_.kafka.properties};
  options.metadata_timeout = config_.kafka.fetch_metadata_timeout;
  options.max_staleness = config_.readiness.max_staleness;
  options.on_bad_record = policy_of(config_.kafka.on_bad_record);
  options.dead_letter_topic = config_.kafka.dead_letter_topic;
  if (snapshots_) options.restore = [this] { return snapshots_->restore(); };
  auto feed = ingest::Feed::start(options, *applier_, store_pointers());
  if (!feed.ok()) return std::move(feed).error();
  feed_ = *std::move(feed);
  if (snapshots_) snapshots_->start(*feed_);
  return {};
}

void Pipeline::check_registry() {
  registry_check_ = std::jthread([this](const std::stop_token& stop) {
    registry::ClientOptions options = registry_options();
    options.total_timeout = config_.startup_checks.timeout;
    const auto client = registry::Client::create(options);
    if (!client.ok()) return;  // `make_schemas` has said it
    for (std::uint32_t attempt = 1; !stop.stop_requested(); ++attempt) {
      const Status answer = (*client)->check();
      if (answer.ok()) {
        log("app").info("the schema registry answers");
        return;
      }
      if (attempt == config_.startup_checks.fails + 1) {
        log("app").warn("startup check: {}; records with schemas not known yet will wait",
                        answer.error().describe());
        return;
      }
      for (int i = 0; i < 10 && !stop.stop_requested(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
  });
}

std::size_t Pipeline::store_index(const std::string& name) const {
  return static_cast<std::size_t>(
      std::find_if(stores_.begin(), stores_.end(),
                   [&name](const StoreRow& row) { return row.name == name; }) -
      stores_.begin());
}

}  // namespace push_cache::app
