#include "app/check_board.h"

#include <utility>

#include "base/log.h"

namespace push_cache::app {
namespace {

double seconds_since(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - time).count();
}

}  // namespace

std::string_view to_string(CheckState state) {
  switch (state) {
    case CheckState::kRunning:
      return "running";
    case CheckState::kFailed:
      return "failed";
    case CheckState::kOk:
      return "ok";
  }
  return "";
}

std::size_t CheckBoard::add(Check check, std::string target) {
  const std::lock_guard lock(mutex_);
  rows_.push_back({.status = {.check = check, .target = std::move(target)}});
  return rows_.size() - 1;
}

void CheckBoard::took(std::size_t number, const Status& outcome) {
  const std::lock_guard lock(mutex_);
  Row& row = rows_[number];
  CheckStatus& status = row.status;
  const std::string_view check = to_string(status.check);
  if (outcome.ok()) {
    row.failed = 0;
    status.error.clear();
    status.advice = {};
    if (std::exchange(status.state, CheckState::kOk) != CheckState::kOk) {
      status.seconds = seconds_since(row.began);
      // At the level of what it takes back.
      const auto level = row.said == nullptr ? spdlog::level::info : spdlog::level::warn;
      log("app").log(level, "startup check: {} {}: works now", check, status.target);
    }
    row.said = nullptr;
    return;
  }
  status.error = outcome.error().describe();
  const Failure& failure = failure_of(status.check, status.error);
  status.advice = failure.advice;
  if (++row.failed <= fails_) {
    if (row.said == nullptr) status.state = CheckState::kRunning;
    return;
  }
  status.state = CheckState::kFailed;
  if (std::exchange(row.said, &failure) == &failure) return;
  log("app").warn("startup check: {} {}: {}; {}", check, status.target, status.error,
                  failure.advice);
}

std::vector<CheckStatus> CheckBoard::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<CheckStatus> out;
  for (const Row& row : rows_) {
    out.push_back(row.status);
    if (row.status.state != CheckState::kOk) out.back().seconds = seconds_since(row.began);
  }
  return out;
}

}  // namespace push_cache::app
