// Lines that may come at a high rate (a record, a request, an attempt each): at most one of a kind
// an interval is written, and it says how many were left out.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/log.h"

namespace push_cache {

// Belongs to one place that logs; `key` tells apart what must not hide each other there (a topic,
// the text of an error). Safe from any thread; costs a lock and a look-up. The first of a key is
// always written. What was left out is told by the next line of its key, however late that comes:
// "... (17 more like this in the last 10 s)".
class LogLimiter {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  static constexpr std::chrono::seconds kInterval{10};
  // Keys that are told apart; those beyond share one line an interval, so that keys from outside
  // cannot take ever more memory.
  static constexpr std::size_t kKeysMax = 1000;

  explicit LogLimiter(std::string_view component, Clock now = std::chrono::steady_clock::now)
      : logger_(push_cache::log(component)), now_(std::move(now)) {}

  // Writes the line, or counts it. Nothing is counted when the level is off.
  template <typename... Args>
  void log(std::string_view key, spdlog::level::level_enum level,
           fmt::format_string<Args...> format, Args&&... args) {
    if (!logger_.should_log(level)) return;
    const std::optional<std::string> left_out = pass(key);
    if (!left_out) return;
    log_event(logger_, level, fmt::format(format, std::forward<Args>(args)...) + *left_out);
  }

  // For lines that are written elsewhere: whether one of `key` may be written now, and what to put
  // at its end: nothing, or how many were left out before.
  std::optional<std::string> pass(std::string_view key = {});

 private:
  struct Kind {
    std::chrono::steady_clock::time_point written;
    std::uint64_t left_out = 0;
  };
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void forget_before(std::chrono::steady_clock::time_point time);

  spdlog::logger& logger_;
  const Clock now_;
  std::mutex mutex_;
  std::unordered_map<std::string, Kind, Hash, std::equal_to<>> kinds_;
};

}  // namespace push_cache
