// Running the service until it is told to stop.
#pragma once

#include <chrono>
#include <functional>

#include "app/service.h"

namespace push_cache::app {

// Blocks SIGINT and SIGTERM in this thread and those it will start. Call it first.
void block_stop_signals();

// Prints the two addresses on stdout, shows progress, calls `tick` some times a second (if any),
// and returns after SIGINT or SIGTERM once running requests are answered. The process's exit code.
// What the caller does after it must not take longer than limits::kLeaveTimeout, or the process
// ends in its midst; so it does at one more signal.
int run_until_stopped(Service& service, const std::function<void()>& tick = {});

}  // namespace push_cache::app
