// The HTTP server: one event loop and one SO_REUSEPORT listener a thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "http/http.h"
#include "metrics/durations.h"

namespace push_cache::http {

struct ServerOptions {
  std::string address = "127.0.0.1:0";  // host:port; a port of 0 takes a free one; [::1]:0 for IPv6
  unsigned threads = 1;                 // event loops
  std::string name = "http";            // for logs and thread names (at most 12 bytes are shown)
  std::size_t routes = 1;               // those that are counted apart; 0 is for all others
  std::uint32_t log_requests = 0;       // 0 = none, N = a line for one of every N of a loop
  std::size_t target_bytes_max = limits::kTargetBytesMax;               // beyond: 414
  std::size_t header_bytes_max = limits::kHeaderBytesMax;               // beyond: 431
  std::size_t body_bytes_max = limits::kBodyBytesMax;                   // beyond: 413
  std::size_t connections_max = limits::kConnectionsMax;                // beyond: 503 and closed
  std::chrono::milliseconds request_timeout = limits::kRequestTimeout;  // beyond: 408 and closed
  std::chrono::milliseconds idle_timeout = limits::kIdleTimeout;        // beyond: closed
  std::chrono::milliseconds write_timeout = limits::kWriteTimeout;      // beyond: closed
};

// Counts since the start, summed over the loops; safe from any thread.
struct ServerCounts {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t requests_total = 0;
  std::uint64_t bad_requests_total =
      0;  // answered by the server itself: 400, 408, 413, 414, 431, 501, 505
  std::uint64_t bytes_in_total = 0;
  std::uint64_t bytes_out_total = 0;
};

inline constexpr std::size_t kStatusClasses = 6;  // [2] = 2xx, ..., [0] = any other
inline std::size_t status_class(unsigned status) {
  return status / 100 < kStatusClasses ? status / 100 : 0;
}

// Of one route since the start.
struct RouteCounts {
  std::array<std::array<std::uint64_t, kStatusClasses>, kMethods> requests = {};  // [Method][class]
  // From when the server turned to the request, whole in its buffer, until all of the answer was
  // handed to the connection. So a list takes as long as its reader. Requests of one route that
  // came together (pipelined) and were answered at once share their time evenly.
  metrics::AnswerDurations durations;

  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& method : requests) {
      for (const std::uint64_t count : method) sum += count;
    }
    return sum;
  }
  RouteCounts& operator+=(const RouteCounts& other) {
    for (std::size_t method = 0; method < kMethods; ++method) {
      for (std::size_t group = 0; group < kStatusClasses; ++group) {
        requests[method][group] += other.requests[method][group];
      }
    }
    durations += other.durations;
    return *this;
  }
};

class Server {
 public:
  // Listens on `options.address` and serves `handler`, which must outlive the server, from
  // `threads` threads of its own. kUnavailable, naming the address, when it cannot be bound;
  // kInvalidArgument for an address that is none.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Handler& handler);

  // Drops every connection and joins the threads. Use `drain` first for a graceful end.
  virtual ~Server() = default;

  // The address in use, with the real port: "127.0.0.1:34567".
  virtual std::string address() const = 0;
  virtual std::uint16_t port() const = 0;
  virtual ServerCounts counts() const = 0;
  // One a route (ServerOptions::routes), summed over the loops; safe from any thread.
  virtual std::vector<RouteCounts> routes() const = 0;

  // Stops accepting, closes idle connections at once and the others after the response under way
  // (with "Connection: close"). Returns true when all had ended within `timeout`. Call it once,
  // from no loop.
  virtual bool drain(std::chrono::milliseconds timeout) = 0;

 protected:
  Server() = default;
};

}  // namespace push_cache::http
