// What the last minutes were like, for whoever opens the status page late.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "metrics/durations.h"

namespace push_cache::app {

// Rates and times of answers of each interval, made of counts that only grow. Keeps the last
// kSamplesMax; one thread adds, any may ask.
class History {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kInterval{5};
  static constexpr std::size_t kSamplesMax = 180;

  // Since the start.
  struct RouteCounts {
    std::uint64_t requests = 0;
    std::uint64_t misses = 0;
    std::uint64_t errors = 0;  // answered by 5xx
    metrics::AnswerDurations durations;
  };
  struct Counts {
    std::vector<RouteCounts> routes;  // in the order of the paths
    std::uint64_t records = 0;        // of the topics, applied
    std::int64_t lag_records = 0;     // now
  };

  explicit History(std::vector<std::string> paths);

  // Whether an interval has gone by since the last `add`.
  bool due(Clock::time_point now) const { return now >= next_; }
  // The first one only says where the counts stand.
  void add(Clock::time_point now, std::int64_t now_ms, Counts counts);

  // {"interval_seconds":5,"times_ms":[...],"records_per_second":[...],"lag_records":[...],
  // "routes":[{"path":...,"requests_per_second":[...],"misses_per_second":[...],
  // "errors_per_second":[...],"p50_us":[...],"p99_us":[...]},...]}: the i-th of each is of the
  // interval that ended at the i-th time, the oldest first. Half of the answers took no longer than
  // p50_us; null where there was none.
  std::string json() const;

 private:
  struct RouteSample {
    double requests_per_second = 0;
    double misses_per_second = 0;
    double errors_per_second = 0;
    std::optional<double> p50_us;
    std::optional<double> p99_us;
  };
  struct Sample {
    std::int64_t time_ms = 0;
    double records_per_second = 0;
    std::int64_t lag_records = 0;
    std::vector<RouteSample> routes;
  };

  const std::vector<std::string> paths_;
  Clock::time_point next_{};  // with what is next to it, of the thread that adds
  Clock::time_point last_{};
  std::optional<Counts> counts_;
  mutable std::mutex mutex_;     // guards what follows
  std::vector<Sample> samples_;  // a ring, once it is full
  std::size_t oldest_ = 0;
};

}  // namespace push_cache::app
