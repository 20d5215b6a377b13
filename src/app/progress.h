// What a person sees while something takes its time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "ingest/feed.h"

namespace push_cache::app {

// One line on stderr that changes in place when that is a terminal; a line every few seconds
// otherwise.
class StatusLine {
 public:
  StatusLine();
  // Call it some times a second. `text` becomes the line.
  void show(const std::string& text);
  // Removes the line, so that others can be written.
  void clear();

 private:
  bool terminal_;
  bool open_ = false;
  std::chrono::steady_clock::time_point next_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(5);
};

// The load of a feed, and one line when it is ready, or not ready any more.
class Progress {
 public:
  // Call it some times a second.
  void show(const ingest::FeedStatus& status, std::uint64_t records);

 private:
  StatusLine line_;
  bool was_ready_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

// "[#####.....]  50 %  done of all": of an empty `all` everything is done.
std::string bar_text(std::uint64_t done, std::uint64_t all);

// "loading [#####.....]  50 %  500000 of 1000000  812345/s  1 s left", or why it cannot go on.
std::string progress_text(const ingest::FeedStatus& status);

}  // namespace push_cache::app
