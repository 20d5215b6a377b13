// Logging: one line an event on stderr, with a level per component.
#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <string_view>

#include "base/error.h"

namespace push_cache {

// Sets the levels from a text such as "warn" or "warn,kafka=debug,http=off" (the value of the
// environment variable CAPTURE_LOG). Levels: trace, debug, info, warn, error, off, in any case.
// Components are the layers' names. An empty text means "warn". Nothing changes on an error.
// Call it at start, before threads log; loggers made earlier follow too.
Status set_log_levels(std::string_view text);

// The logger of one component, such as "kafka"; made on first use, lives until the process ends.
// Its calls may come from any thread. Use: `log("kafka").warn("topic {} has gone", name)`. Hold on
// to the reference where a line may be written often: the look-up takes a lock.
spdlog::logger& log(std::string_view component);

}  // namespace push_cache
