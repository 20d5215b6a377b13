// Everything in one process: a Kafka, a registry, sample records and the service.
#pragma once

#include <cstdint>

namespace push_cache::app {

struct DemoOptions {
  std::uint64_t count = 1000;  // records of each of the four types
  std::uint16_t port = 8080;   // of the API; the health port is the one below; 0 = free ones
};

// Runs until SIGINT or SIGTERM, which must be blocked in every thread. The process's exit code.
int run_demo(const DemoOptions& options);

}  // namespace push_cache::app
