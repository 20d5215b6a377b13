// When to ask the registry again after it was asked in vain.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "base/error.h"

namespace push_cache::registry {

// How long to wait before a schema is asked for again. Each wait is spread by up to `jitter` of
// itself, so that many replicas do not come at once.
struct RetryTimes {
  std::chrono::milliseconds first{100};            // kUnavailable, kTimeout: then doubled each time
  std::chrono::milliseconds max{10'000};           //   up to this
  std::chrono::milliseconds not_found_first{500};  // kNotFound: the same
  std::chrono::milliseconds not_found_max{10'000};
  std::chrono::milliseconds failed{60'000};  // schemas of no use: the registry may be repaired
  double jitter = 0.25;
};

// Whether an error of a SchemaSource says nothing about what was asked for.
bool nobody_knows(ErrorCode code);

// `wait`, spread.
std::chrono::nanoseconds spread(std::chrono::milliseconds wait, double jitter,
                                std::minstd_rand& random);

// The waits of one schema: they grow while the error stays the same.
class Retry {
 public:
  std::chrono::nanoseconds next_wait(const RetryTimes& times, ErrorCode code,
                                     std::minstd_rand& random);

 private:
  std::uint64_t same_code_ = 0;  // repeats of the last code
  ErrorCode last_code_ = ErrorCode::kInternal;
};

}  // namespace push_cache::registry
