#include "app/service.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <thread>

#include "base/log.h"

namespace push_cache::app {
namespace {

// Of an address as a server gives it: "127.0.0.1:8080", "[::1]:8080".
bool is_loopback(std::string_view address) {
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  if (error) return false;
  if (ip.is_v6() && ip.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, ip.to_v6()).is_loopback();
  }
  return ip.is_loopback();
}

}  // namespace

Result<std::unique_ptr<Service>> Service::start(const config::Config& config) {
  std::unique_ptr<Service> service(new Service(config));
  const unsigned loops = config.webservice.threads != 0
                             ? config.webservice.threads
                             : std::max(std::thread::hardware_concurrency(), 1u);
  auto pipeline = Pipeline::create(config);
  if (!pipeline.ok()) return std::move(pipeline).error();
  service->pipeline_ = *std::move(pipeline);
  service->make_routes(loops);
  // Begun before the ports open (its errors are the operator's), although they have to wait for it.
  if (Status done = service->pipeline_->start(); !done.ok()) return std::move(done).error();
  for (const RouteRow& route : service->routes_) {
    const std::size_t store = service->pipeline_->store_index(route.store);
    route.gate->watch(&service->pipeline_->intake_of(store));
  }
  service->checks_ = std::make_unique<StartupChecks>(service->config_, *service->pipeline_);
  if (Status done = service->start_servers(loops); !done.ok()) return std::move(done).error();
  service->warn_of_open_writes();
  return service;
}

Service::~Service() {
  for (const RouteRow& route : routes_) route.gate->watch(nullptr);
  opened_health_server_.store(nullptr, std::memory_order_release);
  health_server_.reset();
  api_server_.reset();
}

void Service::make_routes(unsigned loops) {
  const Pipeline* const pipeline = pipeline_.get();
  for (const config::Route& route : config_.cache.routes) {
    const std::size_t store = pipeline_->store_index(route.store);
    const std::string path = config_.webservice.prefix + route.path;
    RouteRow row;
    row.path = route.path;
    row.store = route.store;
    row.schema = route.schema;
    row.reader = pipeline_->readers().routes[routes_.size()].get();
    row.gate = std::make_unique<IntakeGate>();
    row.records = std::make_unique<api::Records>(api::RecordsOptions{
        .path = path,
        .store = pipeline_->stores()[store].store.get(),
        .local_writes = pipeline_->stores()[store].local_writes.get(),
        .schemas = &pipeline_->schemas(),
        .gate = row.gate.get(),
        .unread = &pipeline_->intake_of(store).applier->unread_keys(),
        .store_number = static_cast<std::uint32_t>(pipeline_->target_of(store)),
        .store_topics = config::topics_of(config_, config_.cache.stores[store]),
        .logs = &pipeline_->logs(),
        .reader = row.reader,
        .max_age_seconds = static_cast<std::uint32_t>(config_.kafka.cache_max_age.count()),
        .topics = config_.kafka.topics,
        .topic = config::topic_of(config_, route),
        .topic_only = !route.topic.empty(),
        .position_headers = config_.webservice.position_headers,
        .etag_by_position = route.etag == config::Etag::kPosition,
        .serve_while_loading = config_.webservice.serve_while_loading,
        .shared = pipeline_->intake_of(store).shared,
        .writes = config_.cache.writes == config::Writes::kLocal,
        .list = route.list,
        .key_from_body = route.key_from_body,
        .writable = [pipeline, store] { return pipeline->schemas_of(store); },
        .takes = [pipeline,
                  store](std::string_view full_name) { return pipeline->takes(store, full_name); },
        .key_field =
            [pipeline, store](SchemaId id) {
              return pipeline->intake_of(store).applier->key_fields().field(id);
            },
        .loops = loops});
    row.counted_as = count_apart(route.path);
    router_.add(path, *row.records, row.counted_as);
    if (!route.key_from_body.empty()) {
      row.by_body = std::make_unique<ByBody>(*row.records);
      row.by_body_counted_as = count_apart(route.path + "_by_body");
      router_.add(path + "_by_body", *row.by_body, row.by_body_counted_as);
    }
    routes_.push_back(std::move(row));
  }
  std::vector<std::string> paths;
  for (const RouteRow& row : routes_) paths.push_back(row.path);
  history_ = std::make_unique<History>(std::move(paths));
  // As in the first form: /users is served by the first route unless one claims it.
  router_.add(config_.webservice.prefix + "/users", *routes_.front().records,
              routes_.front().counted_as);
  make_openapi();
}

void Service::make_openapi() {
  const Pipeline* const pipeline = pipeline_.get();
  api::OpenApiOptions options{.version = std::string(kVersion),
                              .prefix = config_.webservice.prefix,
                              .writes = config_.cache.writes == config::Writes::kLocal,
                              .position_headers = config_.webservice.position_headers,
                              .logical_types = pipeline->logical_types(),
                              .routes = {},
                              .schemas = &pipeline->schemas()};
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const config::Route& route = config_.cache.routes[i];
    const std::size_t store = pipeline->store_index(route.store);
    options.routes.push_back({.path = route.path,
                              .list = route.list,
                              .by_body = !route.key_from_body.empty(),
                              .reader = routes_[i].reader,
                              .writers = [=] { return pipeline->writers_of(store); },
                              .writable = [=] { return pipeline->schemas_of(store); }});
  }
  openapi_ = std::make_unique<api::OpenApi>(std::move(options));
  const std::string& prefix = config_.webservice.prefix;
  // A route's own goes first.
  if (router_.add(prefix + "/openapi.json", *openapi_)) {
    router_.link_unserved(api::service_description(prefix));
  }
}

std::size_t Service::count_apart(std::string label) {
  counted_.push_back(std::move(label));
  return counted_.size() - 1;
}

Status Service::start_servers(unsigned loops) {
  http::ServerOptions api{.address = config_.webservice.address,
                          .threads = loops,
                          .name = "api",
                          .routes = counted_.size(),
                          .log_requests = config_.log.requests};
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
                               .history_json = [this] { return history_->json(); },
                               .metrics_text = [this] { return metrics_text(); },
                               .look_up = [this](http::Exchange& exchange) { look_up(exchange); },
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

void Service::warn_of_open_writes() const {
  const std::string address = api_server_->address();
  if (config_.cache.writes == config::Writes::kOff || is_loopback(address)) return;
  log("app").warn(
      "POST and DELETE are open to all who reach {} (webservice.address): each changes a store, "
      "not "
      "its topics, so that answers differ from the topics' records and from other replicas'; "
      "`cache.writes: off` refuses them",
      address);
}

std::string Service::api_url() const {
  return "http://" + api_server_->address() + config_.webservice.prefix;
}

std::string Service::health_url() const {
  return "http://" + health_server_->address() + config_.hams.prefix;
}

std::vector<ingest::FeedStatus> Service::feed_statuses() const {
  std::vector<ingest::FeedStatus> out;
  for (const Intake& intake : pipeline_->intakes()) out.push_back(intake.status());
  return out;
}

ingest::FeedStatus Service::feed_status() const { return sum(feed_statuses()); }

bool Service::ready() const {
  const auto& intakes = pipeline_->intakes();
  return std::all_of(intakes.begin(), intakes.end(),
                     [](const Intake& intake) { return intake.ready(); });
}

std::vector<std::string> Service::not_ready_reasons(const ingest::FeedStatus& feed) const {
  if (stopping_) return {"stopping"};
  std::vector<std::string> reasons = feed.reasons;
  if (!reasons.empty()) pipeline_->readers().add_reasons(reasons);
  for (const Pipeline::StoreRow& row : pipeline_->stores()) {
    if (const Status health = row.store->health(); !health.ok()) {
      reasons.push_back("store '" + row.name + "': " + health.error().public_text);
    }
  }
  if (!reasons.empty()) checks_->add_reasons(reasons);
  return reasons;
}

http::RouteCounts Service::answers_of(const RouteRow& row,
                                      const std::vector<http::RouteCounts>& counts) {
  http::RouteCounts all = counts[row.counted_as];
  if (row.by_body != nullptr) all += counts[row.by_body_counted_as];
  return all;
}

void Service::sample(const ingest::FeedStatus& feed) {
  const auto now = History::Clock::now();
  if (!history_->due(now)) return;
  History::Counts counts{.records = records_applied(), .lag_records = feed.lag_records()};
  const std::vector<http::RouteCounts> answers = api_server_->routes();
  for (const RouteRow& row : routes_) {
    History::RouteCounts& route = counts.routes.emplace_back();
    route.misses = row.records->misses();
    const http::RouteCounts all = answers_of(row, answers);
    route.requests = all.total();
    for (const auto& method : all.requests) route.errors += method[http::status_class(500)];
    route.durations = all.durations;
  }
  history_->add(now,
                std::chrono::system_clock::now().time_since_epoch() / std::chrono::milliseconds(1),
                std::move(counts));
}

bool Service::drain(std::chrono::milliseconds timeout) {
  stopping_ = true;
  return api_server_->drain(timeout);
}

void Service::save(const std::function<bool()>& interrupted) {
  if (Snapshots* const snapshots = pipeline_->snapshots()) snapshots->take(interrupted);
}

}  // namespace push_cache::app
