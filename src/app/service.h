// The service: the way from Kafka to the stores, and what answers from them, wired together.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/openapi.h"
#include "api/records.h"
#include "app/history.h"
#include "app/pipeline.h"
#include "app/startup_checks.h"
#include "app/version.h"
#include "base/error.h"
#include "config/config.h"
#include "health/health.h"
#include "http/router.h"
#include "http/server.h"

namespace push_cache::app {

// Runs from `start` until it is destroyed. Both ports listen before anything is loaded.
class Service {
 public:
  // Fails for a port that cannot be bound, properties that librdkafka refuses and store types that
  // this version does not have; never for Kafka or the registry being away.
  static Result<std::unique_ptr<Service>> start(const config::Config& config);
  ~Service();

  std::string api_url() const;     // "http://127.0.0.1:8080/api"
  std::string health_url() const;  // "http://127.0.0.1:8079/hams"

  ingest::FeedStatus feed_status() const;
  std::uint64_t records_applied() const { return sum(pipeline_->intakes()).records; }
  bool ready() const;
  std::vector<std::string> not_ready_reasons() const { return not_ready_reasons(feed_status()); }
  // `feed` = feed_status().
  std::vector<std::string> not_ready_reasons(const ingest::FeedStatus& feed) const;
  std::string status_json() const;
  std::string metrics_text() const;
  // To be called now and then, more often than History::kInterval, by one thread: keeps what the
  // status page shows of the last minutes. `feed` = feed_status().
  void sample(const ingest::FeedStatus& feed);

  // Not ready from now on; answers the requests under way. True when all ended in time.
  bool drain(std::chrono::milliseconds timeout);
  // After `drain`: takes the last snapshot, if the configuration has any, until `interrupted`.
  void save(const std::function<bool()>& interrupted);

 private:
  // Open while everything is loaded of what fills a route's store.
  class IntakeGate final : public api::Gate {
   public:
    bool ready() const override {
      const Intake* intake = intake_.load(std::memory_order_acquire);
      return intake != nullptr && intake->ready();
    }
    bool trusted() const override {
      const Intake* intake = intake_.load(std::memory_order_acquire);
      return intake != nullptr && intake->trusted();
    }
    // Of one that has started. Closed for good with nullptr.
    void watch(const Intake* intake) { intake_.store(intake, std::memory_order_release); }

   private:
    std::atomic<const Intake*> intake_ = nullptr;
  };
  class ByBody final : public http::Handler {
   public:
    explicit ByBody(api::Records& records) : records_(records) {}
    void handle(http::Exchange& exchange) override { records_.handle_by_body(exchange); }

   private:
    api::Records& records_;
  };
  struct RouteRow {
    std::string path;  // as configured, without the API's prefix
    std::string store;
    std::string schema;
    const registry::RouteReader* reader = nullptr;  // null = the writer's
    std::unique_ptr<IntakeGate> gate;
    std::unique_ptr<api::Records> records;
    std::unique_ptr<ByBody> by_body;
    std::size_t counted_as = 0;          // its number in the counts of the API's server
    std::size_t by_body_counted_as = 0;  // 0 without `by_body`
  };

  explicit Service(const config::Config& config) : config_(config) {}
  void make_routes(unsigned loops);
  void make_openapi();
  std::vector<ingest::FeedStatus> feed_statuses() const;
  Status start_servers(unsigned loops);
  // Of an API that others than this machine reach.
  void warn_of_open_writes() const;
  // Also those of its `by_body`, of the counts of the API's server.
  static http::RouteCounts answers_of(const RouteRow& row,
                                      const std::vector<http::RouteCounts>& counts);
  void look_up(http::Exchange& exchange) const;
  // For the counts of the API's server: what is added under a number of its own.
  std::size_t count_apart(std::string label);

  const config::Config config_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::atomic<bool> stopping_ = false;
  // In the order of use: what is further down uses what is above, and goes first.
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<StartupChecks> checks_;
  std::vector<RouteRow> routes_;
  std::unique_ptr<api::OpenApi> openapi_;
  std::unique_ptr<History> history_;
  // How metrics name what the API's server counts apart: routes as configured; "" = all others.
  std::vector<std::string> counted_ = {""};
  http::Router router_;
  std::unique_ptr<health::Handler> health_;
  std::unique_ptr<http::Server> api_server_;
  std::unique_ptr<http::Server> health_server_;
  std::atomic<const http::Server*> opened_health_server_ = nullptr;
};

}  // namespace push_cache::app
