#include "app/service.h"

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "store/memory_store.h"

namespace push_cache::app {

Result<std::unique_ptr<Service>> Service::start(const config::Config& config) {
  std::unique_ptr<Service> service(new Service(config));
  const unsigned loops = config.webservice.threads != 0
                             ? config.webservice.threads
                             : std::max(std::thread::hardware_concurrency(), 1u);
  if (Status done = service->make_stores(); !done.ok()) return std::move(done).error();
  if (Status done = service->make_schemas(); !done.ok()) return std::move(done).error();
  service->make_routes(loops);
  // Made before the ports open (its errors are the operator's), although they have to wait for it.
  if (Status done = service->start_feed(); !done.ok()) return std::move(done).error();
  if (Status done = service->start_servers(loops); !done.ok()) return std::move(done).error();
  if (config.startup_checks.enabled) service->check_registry();
  return service;
}

Service::~Service() {
  registry_check_.request_stop();
  gate_.watch(nullptr);
  opened_health_server_.store(nullptr, std::memory_order_release);
  health_server_.reset();
  api_server_.reset();
  feed_.reset();
  schemas_.reset();  // before the applier, which its listener speaks to
}

Status Service::make_stores() {
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

registry::ClientOptions Service::registry_options() const {
  const config::SchemaRegistry& registry = config_.kafka.registry;
  return {.url = registry.url,
          .username = registry.username,
          .password = registry.password,
          .bearer_token = registry.token,
          .ca_file = registry.ca_file,
          .total_timeout = registry.timeout};
}

Status Service::make_schemas() {
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

  std::vector<ingest::Target> targets;
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    const std::vector<std::string>& patterns = config_.cache.stores[i].schemas;
    targets.push_back(
        {stores_[i].name, stores_[i].store.get(), [patterns](std::string_view full_name) {
           return patterns.empty() ||
                  std::any_of(patterns.begin(), patterns.end(),
                              [full_name](const std::string& pattern) {
                                return config::schema_matches(pattern, full_name);
                              });
         }});
    targets.back().readers = readers_.of_store(config_, config_.cache.stores[i]);
  }
  applier_ = std::make_unique<ingest::Applier>(*schemas_, std::move(targets), config_.kafka.topics);
  schemas_->on_resolved([this](SchemaId id) {
    const auto& wanted = config_.kafka.preload_schemas;
    if (std::find(wanted.begin(), wanted.end(), id.value) == wanted.end()) return;
    if (const registry::SchemaEntry* schema = schemas_->find(id)) applier_->announce(*schema);
  });
  for (const std::int32_t id : config_.kafka.preload_schemas) (void)schemas_->request(SchemaId(id));
  return {};
}

void Service::make_routes(unsigned loops) {
  for (const config::Route& route : config_.cache.routes) {
    const auto store = static_cast<std::size_t>(
        std::find_if(stores_.begin(), stores_.end(),
                     [&route](const StoreRow& row) { return row.name == route.store; }) -
        stores_.begin());
    const std::string path = config_.webservice.prefix + route.path;
    RouteRow row;
    row.path = route.path;
    row.store = route.store;
    row.schema = route.schema;
    row.reader = readers_.routes[routes_.size()].get();
    row.records = std::make_unique<api::Records>(api::RecordsOptions{
        .path = path,
        .store = stores_[store].store.get(),
        .schemas = schemas_.get(),
        .gate = &gate_,
        .reader = row.reader,
        .max_age_seconds = static_cast<std::uint32_t>(config_.kafka.cache_max_age.count()),
        .serve_while_loading = config_.webservice.serve_while_loading,
        .writes = config_.cache.writes == config::Writes::kLocal,
        .list = route.list,
        .key_from_body = route.key_from_body,
        .writable = [applier = applier_.get(), store] { return applier->schemas_of(store); },
        .key_field = [applier =
                          applier_.get()](SchemaId id) { return applier->key_fields().field(id); },
        .loops = loops});
    router_.add(path, *row.records);
    if (!route.key_from_body.empty()) {
      row.by_body = std::make_unique<ByBody>(*row.records);
      router_.add(path + "_by_body", *row.by_body);
    }
    routes_.push_back(std::move(row));
  }
  // As in the first form: /users is served by the first route unless one claims it.
  router_.add(config_.webservice.prefix + "/users", *routes_.front().records);
}

Status Service::start_servers(unsigned loops) {
  http::ServerOptions api{.address = config_.webservice.address, .threads = loops, .name = "api"};
  auto api_server = http::Server::start(api, router_);
  if (!api_server.ok()) {
    api_server.error().public_text = "webservice.address: " + api_server.error().public_text;
    return std::move(api_server).error();
  }
  api_server_ = *std::move(api_server);
  health_ = std::make_unique<health::Handler>(
      config_.hams.prefix, health::Probes{
                               .not_ready_reasons = [this] { return not_ready_reasons(); },
                               .status_json = [this] { return status_json(); },
                               .metrics_text = [this] { return metrics_text(); },
                           });
  http::ServerOptions health{.address = config_.hams.address, .threads = 1, .name = "health"};
  auto health_server = http::Server::start(health, *health_);
  if (!health_server.ok()) {
    health_server.error().public_text = "hams.address: " + health_server.error().public_text;
    return std::move(health_server).error();
  }
  health_server_ = *std::move(health_server);
  opened_health_server_.store(health_server_.get(), std::memory_order_release);
  return {};
}

Status Service::start_feed() {
  std::vector<store::Store*> stores;
  for (const StoreRow& row : stores_) stores.push_back(row.store.get());
  ingest::FeedOptions options;
  options.consumer = {.brokers = config_.kafka.brokers,
                      .group_id = config_.kafka.group_id,
                      .topics = config_.kafka.topics,
                      .properties = config_.kafka.properties};
  options.metadata_timeout = config_.kafka.fetch_metadata_timeout;
  auto feed = ingest::Feed::start(options, *applier_, std::move(stores));
  if (!feed.ok()) return std::move(feed).error();
  feed_ = *std::move(feed);
  gate_.watch(feed_.get());
  return {};
}

// Tells an operator of a registry that does not answer before the first record needs it. It never
// ends the start: the registry may come later.
void Service::check_registry() {
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

std::string Service::api_url() const {
  return "http://" + api_server_->address() + config_.webservice.prefix;
}

std::string Service::health_url() const {
  return "http://" + health_server_->address() + config_.hams.prefix;
}

std::vector<std::string> Service::not_ready_reasons() const {
  if (stopping_) return {"stopping"};
  std::vector<std::string> reasons = feed_->status().reasons;
  if (!reasons.empty()) readers_.add_reasons(reasons);
  for (const StoreRow& row : stores_) {
    if (const Status health = row.store->health(); !health.ok()) {
      reasons.push_back("store '" + row.name + "': " + health.error().public_text);
    }
  }
  return reasons;
}

bool Service::drain(std::chrono::milliseconds timeout) {
  stopping_ = true;
  return api_server_->drain(timeout);
}

}  // namespace push_cache::app
