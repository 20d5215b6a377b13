// How a line of the log is written; apart from log.h, so that the configuration need not know it.
#pragma once

#include <cstdint>

namespace push_cache {

enum class LogFormat : std::uint8_t {
  kText,  // TIME LEVEL COMPONENT: message name=value other="with space"
  kJson,  // {"time":"...","level":"...","component":"...","message":"...","name":"value"}
};

}  // namespace push_cache
