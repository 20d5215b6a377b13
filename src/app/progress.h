// What a person sees while the service loads.
#pragma once

#include <chrono>
#include <string>

#include "ingest/feed.h"

namespace push_cache::app {

// A bar on stderr when that is a terminal, a plain line every few seconds otherwise; and one line
// when it is ready, or not ready any more.
class Progress {
 public:
  Progress();
  // Call it some times a second.
  void show(const ingest::FeedStatus& status, std::uint64_t records);

 private:
  void clear_line();

  bool terminal_;
  bool line_open_ = false;
  bool was_ready_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point next_line_ = started_ + std::chrono::seconds(5);
};

// "[#####.....]  50 %  500000 of 1000000  812345/s  1 s left", or why it cannot go on.
std::string progress_text(const ingest::FeedStatus& status);

}  // namespace push_cache::app
