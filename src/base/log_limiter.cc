#include "base/log_limiter.h"

#include <cmath>

namespace push_cache {

std::optional<std::string> LogLimiter::pass(std::string_view key) {
  const auto now = now_();
  const std::lock_guard lock(mutex_);
  auto found = kinds_.find(key);
  if (found == kinds_.end()) {
    if (kinds_.size() >= kKeysMax) forget_before(now - kInterval);
    const bool room = kinds_.size() < kKeysMax;
    const auto [at, is_new] =
        kinds_.try_emplace(room ? std::string(key) : std::string(), Kind{now});
    if (is_new) return std::string();
    found = at;  // the one that all keys without room share
  }
  Kind& kind = found->second;
  if (now - kind.written < kInterval) {
    ++kind.left_out;
    return std::nullopt;
  }
  const std::chrono::duration<double> since = now - kind.written;
  const std::uint64_t left_out = std::exchange(kind.left_out, 0);
  kind.written = now;
  if (left_out == 0) return std::string();
  return fmt::format(" ({} more like this in the last {:.0f} s)", left_out,
                     std::ceil(since.count()));
}

// What was left out of those goes untold: better than that new kinds of lines are not seen.
void LogLimiter::forget_before(std::chrono::steady_clock::time_point time) {
  std::erase_if(kinds_, [time](const auto& kind) { return kind.second.written <= time; });
}

}  // namespace push_cache
