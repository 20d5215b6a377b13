// What the startup checks have found: kept for /status, and said in the log once a change.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "app/check_failures.h"
#include "base/error.h"

namespace push_cache::app {

enum class CheckState : std::uint8_t { kRunning, kFailed, kOk };
std::string_view to_string(CheckState state);

struct CheckStatus {
  Check check = Check::kBrokers;
  std::string target;  // holds no secret
  CheckState state = CheckState::kRunning;
  std::string error;        // of the last attempt; "" when it succeeded, or none has ended
  std::string_view advice;  // for that error
  double seconds = 0;       // from its start until it succeeded, or until now
};

// Safe from any thread.
class CheckBoard {
 public:
  // `fails`: attempts that may fail before it is said. A check has failed when it was.
  explicit CheckBoard(std::uint32_t fails) : fails_(fails) {}

  // Its number, for `took`.
  std::size_t add(Check check, std::string target);
  // The outcome of an attempt. Writes a line when it fails for another cause than was said last,
  // and when it works.
  void took(std::size_t number, const Status& outcome);
  // In the order of `add`.
  std::vector<CheckStatus> all() const;

 private:
  struct Row {
    CheckStatus status;
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
    std::uint64_t failed = 0;       // attempts, since the last that did not
    const Failure* said = nullptr;  // in the log; null: nothing that still fails
  };

  const std::uint32_t fails_;
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
};

}  // namespace push_cache::app
