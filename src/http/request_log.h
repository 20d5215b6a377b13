// The request log. Only for src/http.
#pragma once

#include <chrono>
#include <cstdint>

#include "http/http.h"

namespace push_cache::http {

// A request that has been answered.
struct LoggedRequest {
  const Request& request;
  unsigned status = 0;
  std::uint64_t body_bytes = 0;  // of the answer
  std::chrono::nanoseconds duration{0};
  int socket = -1;  // to say who asked, if it is still connected
};

// Writes one event of the component "request", whatever its level is: to have a request log was
// asked for on its own. Targets are cut at limits::kLoggedTargetBytesMax.
void write_request_log(const LoggedRequest& logged);

}  // namespace push_cache::http
