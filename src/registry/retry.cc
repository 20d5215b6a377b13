#include "registry/retry.h"

#include <algorithm>

namespace push_cache::registry {

bool nobody_knows(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout;
}

std::chrono::nanoseconds spread(std::chrono::milliseconds wait, double jitter,
                                std::minstd_rand& random) {
  const double share = std::uniform_real_distribution(0.0, jitter)(random);
  return std::chrono::duration_cast<std::chrono::nanoseconds>(wait * (1.0 + share));
}

std::chrono::nanoseconds Retry::next_wait(const RetryTimes& times, ErrorCode code,
                                          std::minstd_rand& random) {
  same_code_ = last_code_ == code ? same_code_ + 1 : 0;
  last_code_ = code;
  const bool not_found = code == ErrorCode::kNotFound;
  std::chrono::milliseconds wait = times.failed;
  if (nobody_knows(code) || not_found) {
    const auto max = not_found ? times.not_found_max : times.max;
    wait = not_found ? times.not_found_first : times.first;
    for (std::uint64_t i = 0; i < same_code_ && wait < max; ++i) wait *= 2;
    wait = std::min(wait, max);
  }
  return spread(wait, times.jitter, random);
}

}  // namespace push_cache::registry
