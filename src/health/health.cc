#include "health/health.h"

#include <boost/json.hpp>

#include "health/status_page.h"

namespace push_cache::health {
namespace {

void send(http::Exchange& exchange, unsigned status, const http::Head& head,
          std::string_view body) {
  exchange.begin(status, head).append(body);
  exchange.finish();
}

}  // namespace

Handler::Handler(std::string prefix, Probes probes)
    : prefix_(std::move(prefix)), probes_(std::move(probes)) {}

void Handler::handle(http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  std::string_view path = request.path;
  const bool below_prefix = path.starts_with(prefix_);
  if (below_prefix) path.remove_prefix(prefix_.size());
  const bool live = below_prefix && path == "/live";
  const bool ready = below_prefix && path == "/ready";
  const bool metrics = path == "/metrics";
  const bool status = path == "/status";
  const bool history = path == "/status/history";
  const bool record = path == "/status/record";
  const bool page = path == "/";
  if (!live && !ready && !metrics && !status && !history && !record && !page) {
    return http::send_error(exchange, ErrorCode::kNotFound,
                            "no such page: try /, " + prefix_ + "/live, " + prefix_ +
                                "/ready, /metrics, /status, /status/history or /status/record");
  }
  if (request.method != http::Method::kGet && request.method != http::Method::kHead) {
    return http::send_error(exchange, ErrorCode::kMethodNotAllowed, "only GET and HEAD",
                            {.allow = "GET, HEAD"});
  }
  const http::Head json = {.cache_control = "no-store"};
  if (live) return send(exchange, 200, json, R"({"live":true})");
  if (status) return send(exchange, 200, json, probes_.status_json());
  if (history) return send(exchange, 200, json, probes_.history_json());
  if (record) return probes_.look_up(exchange);
  if (page) {
    return send(exchange, 200,
                {.content_type = "text/html; charset=utf-8", .cache_control = "no-cache"},
                status_page());
  }
  if (metrics) {
    return send(
        exchange, 200,
        {.content_type = "text/plain; version=0.0.4; charset=utf-8", .cache_control = "no-store"},
        probes_.metrics_text());
  }
  const std::vector<std::string> reasons = probes_.not_ready_reasons();
  boost::json::array listed(reasons.begin(), reasons.end());
  const std::string body = boost::json::serialize(
      boost::json::object{{"ready", reasons.empty()}, {"reasons", std::move(listed)}});
  if (reasons.empty()) return send(exchange, 200, json, body);
  send(exchange, 503, {.cache_control = "no-store", .retry_after = "1"}, body);
}

}  // namespace push_cache::health
