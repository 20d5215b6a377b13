// `push-cache health`: asks a running service how it is, for a container's HEALTHCHECK and for
// people.
#pragma once

#include <cstdint>
#include <string>

namespace push_cache::app {

struct HealthOptions {
  std::string url;     // of the health port, with hams.prefix
  bool ready = false;  // ask whether it is ready, not only live
  std::uint32_t timeout_seconds = 3;
};

// Writes one line: to stdout that it is so, or to stderr why not. The process's exit code, 0 or 1.
int run_health(const HealthOptions& options);

}  // namespace push_cache::app
