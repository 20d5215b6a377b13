// How long things took: counted in buckets where they happen, merged when somebody asks.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>

namespace push_cache::metrics {

// Upper bounds of the buckets but the last, which has none, ascending.
//
// Of one answer: a request to the API, a call of the registry or of Redis.
inline constexpr std::array<std::int64_t, 18> kAnswerBoundsUs{
    25,     50,     100,     250,     500,     1'000,     2'500,     5'000,     10'000,
    25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
// Of a record on its way from whoever produced it.
inline constexpr std::array<std::int64_t, 17> kFreshnessBoundsUs{
    1'000,      2'500,      5'000,       10'000,        25'000,       50'000,
    100'000,    250'000,    500'000,     1'000'000,     2'500'000,    5'000'000,
    10'000'000, 60'000'000, 300'000'000, 1'800'000'000, 7'200'000'000};

// What was counted by one or several.
template <const auto& kBoundsUs>
struct Durations {
  std::array<std::uint64_t, kBoundsUs.size() + 1> counts = {};  // of each bucket alone
  std::chrono::nanoseconds sum{0};

  std::uint64_t total() const {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  }
  Durations& operator+=(const Durations& more) {
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += more.counts[i];
    sum += more.sum;
    return *this;
  }
  // What came since `earlier`, which is of the same counter.
  Durations since(const Durations& earlier) const {
    Durations out = *this;
    for (std::size_t i = 0; i < counts.size(); ++i) out.counts[i] -= earlier.counts[i];
    out.sum -= earlier.sum;
    return out;
  }
  // Below which the share `q` (0 to 1) of them is, as Prometheus' histogram_quantile has it: by
  // straight lines within the buckets, and at most the last bound. Nothing when there are none.
  std::optional<double> quantile_us(double q) const {
    const std::uint64_t all = total();
    if (all == 0) return std::nullopt;
    const double rank = q * static_cast<double>(all);
    double below = 0;
    for (std::size_t i = 0; i < kBoundsUs.size(); ++i) {
      const auto here = static_cast<double>(counts[i]);
      const double from = i == 0 ? 0 : static_cast<double>(kBoundsUs[i - 1]);
      const auto to = static_cast<double>(kBoundsUs[i]);
      if (here > 0 && below + here >= rank) return from + (to - from) * (rank - below) / here;
      below += here;
    }
    return static_cast<double>(kBoundsUs.back());
  }
};

// Counts them. One thread at a time may `add`, without a locked instruction; any may read.
template <const auto& kBoundsUs>
class DurationCounter {
 public:
  // `n` of them that took `duration` each.
  void add(std::chrono::nanoseconds duration, std::uint64_t n = 1) {
    std::size_t bucket = 0;  // most are in the first few
    while (bucket < kBoundsUs.size() && duration.count() > kBoundsUs[bucket] * 1000) ++bucket;
    grow(counts_[bucket], n);
    grow(sum_ns_, duration.count() * static_cast<std::int64_t>(n));
  }

  // What was added before; additions under way may be missing.
  Durations<kBoundsUs> read() const {
    Durations<kBoundsUs> out;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      out.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    out.sum = std::chrono::nanoseconds(sum_ns_.load(std::memory_order_relaxed));
    return out;
  }

 private:
  template <typename T>
  static void grow(std::atomic<T>& to, T n) {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, kBoundsUs.size() + 1> counts_ = {};
  std::atomic<std::int64_t> sum_ns_ = 0;
};

using AnswerDurations = Durations<kAnswerBoundsUs>;
using AnswerDurationCounter = DurationCounter<kAnswerBoundsUs>;
using FreshnessDurations = Durations<kFreshnessBoundsUs>;
using FreshnessCounter = DurationCounter<kFreshnessBoundsUs>;

}  // namespace push_cache::metrics
