// The health port: what probes, Prometheus and people ask of the service.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "http/http.h"

namespace push_cache::health {

// What the service knows of itself. Each is called from the health port's loop and must not block.
struct Probes {
  // Empty = ready; otherwise why not, one line a reason.
  std::function<std::vector<std::string>()> not_ready_reasons;
  std::function<std::string()> status_json;
  std::function<std::string()> history_json;
  std::function<std::string()> metrics_text;  // Prometheus text format 0.0.4
  // Answers the exchange, now or later on its loop, with the record that its query names.
  std::function<void(http::Exchange&)> look_up;
};

// Answers, with P = prefix:
//   GET P/live    200 {"live":true} as long as the process can answer at all
//   GET P/ready   200 {"ready":true,"reasons":[]}, or 503 with the reasons and Retry-After
//   GET /metrics, P/metrics    the metrics
//   GET /status, P/status      the status
//   GET /status/history, P/... rates and times of the last minutes
//   GET /status/record, P/...  one record: ?route=/users&key=1
//   GET /, P/     the page that shows all of it to people (web/)
// HEAD as GET; other methods 405; other paths 404.
class Handler final : public http::Handler {
 public:
  Handler(std::string prefix, Probes probes);
  void handle(http::Exchange& exchange) override;

 private:
  std::string prefix_;
  Probes probes_;
};

}  // namespace push_cache::health
