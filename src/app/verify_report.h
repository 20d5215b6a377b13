// The result of `push-cache verify` for people and for programs.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "app/comparison.h"

namespace push_cache::app {

struct VerifyReport {
  std::string url;
  std::string against;  // "" = the topics
  std::vector<RouteOutcome> routes;
  std::chrono::duration<double> took{};      // in all
  std::chrono::duration<double> compared{};  // of it the first look at every key
  bool equal() const;
};

// A table, the first `show` keys that differ and a line that sums up.
std::string report_text(const VerifyReport& report, std::size_t show);
// One JSON object and a new line.
std::string report_json(const VerifyReport& report, std::size_t show);

}  // namespace push_cache::app
