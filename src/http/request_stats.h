// What one event loop counts of the requests it has answered. Only written by its thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "http/http.h"
#include "http/server.h"

namespace push_cache::http {

class RequestStats {
 public:
  explicit RequestStats(std::size_t routes)
      : size_(routes == 0 ? 1 : routes), routes_(std::make_unique<Route[]>(size_)) {}

  // Routes beyond the last count as route 0.
  void count(std::size_t route, Method method, unsigned status) {
    auto& requests = at(route).requests[static_cast<std::size_t>(method)][status_class(status)];
    requests.store(requests.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // `n` of them took `duration` each.
  void took(std::size_t route, std::chrono::nanoseconds duration, std::uint64_t n) {
    at(route).durations.add(duration, n);
  }

  // From any thread; the sums have `size()` routes.
  void add_to(std::vector<RouteCounts>& sums) const {
    for (std::size_t i = 0; i < size_; ++i) sums[i] += routes_[i].read();
  }
  std::size_t size() const { return size_; }

 private:
  struct alignas(64) Route {
    std::array<std::array<std::atomic<std::uint64_t>, kStatusClasses>, kMethods> requests = {};
    metrics::AnswerDurationCounter durations;

    RouteCounts read() const {
      RouteCounts out;
      for (std::size_t method = 0; method < kMethods; ++method) {
        for (std::size_t group = 0; group < kStatusClasses; ++group) {
          out.requests[method][group] = requests[method][group].load(std::memory_order_relaxed);
        }
      }
      out.durations = durations.read();
      return out;
    }
  };
  Route& at(std::size_t route) { return routes_[route < size_ ? route : 0]; }

  const std::size_t size_;
  const std::unique_ptr<Route[]> routes_;
};

}  // namespace push_cache::http
