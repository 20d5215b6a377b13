#include "app/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/log.h"

namespace push_cache::app {
namespace {

constexpr std::size_t kBarWidth = 30;

// One line that ends; of the log, where every line is an object.
void say(const std::string& text) {
  if (log_format() == LogFormat::kJson) {
    write_log_event(log("app"), spdlog::level::info, text);
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

}  // namespace

std::string bar_text(std::uint64_t done, std::uint64_t all) {
  const double part =
      all > 0 ? std::min(static_cast<double>(done) / static_cast<double>(all), 1.0) : 1;
  std::string bar(kBarWidth, '.');
  std::fill_n(bar.begin(), static_cast<std::size_t>(part * kBarWidth), '#');
  return fmt::format("[{}] {:3.0f} %  {} of {}", bar, std::floor(part * 100), done, all);
}

std::string progress_text(const ingest::FeedStatus& status) {
  std::int64_t done = 0;
  std::int64_t all = 0;
  for (const ingest::PartitionStatus& partition : status.partitions) {
    done += std::min(partition.position.value, partition.target.value);
    all += partition.target.value;
  }
  const bool stuck = !status.connected || status.partitions.empty() || done >= all ||
                     status.records_per_second == 0;
  if (stuck && !status.reasons.empty()) return "waiting: " + status.reasons.front();
  std::string text =
      fmt::format("loading {}  {:.0f}/s",
                  bar_text(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(all)),
                  status.records_per_second);
  if (status.eta_seconds) text += fmt::format("  {:.0f} s left", std::ceil(*status.eta_seconds));
  return text;
}

StatusLine::StatusLine()
    : terminal_(isatty(STDERR_FILENO) == 1 && log_format() == LogFormat::kText) {}

void StatusLine::clear() {
  if (open_) std::fputs("\r\033[K", stderr);
  open_ = false;
}

void StatusLine::show(const std::string& text) {
  if (terminal_) {
    clear();
    std::fputs(text.c_str(), stderr);
    open_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::seconds(5);
  say(text);
}

void Progress::show(const ingest::FeedStatus& status, std::uint64_t records) {
  const auto now = std::chrono::steady_clock::now();
  if (status.ready) {
    if (was_ready_) return;
    was_ready_ = true;
    line_.clear();
    say(fmt::format("ready: {} records applied in {:.1f} s", records,
                    std::chrono::duration<double>(now - started_).count()));
    return;
  }
  if (was_ready_) {
    was_ready_ = false;
    started_ = now;
    say("not ready any more: " + (status.reasons.empty() ? "" : status.reasons.front()));
  }
  line_.show(progress_text(status));
}

}  // namespace push_cache::app
