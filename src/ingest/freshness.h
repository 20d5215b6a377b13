// How old what we hold of a partition may be.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>

#include "base/types.h"

namespace push_cache::ingest {

// Compares what the partition's leader says of its end, and when, with our position. What is held
// is as fresh as the latest moment of which we know that all that was in the log then is applied:
// a leader that does not answer and a reader that lags make it older alike, an idle topic does not.
// One thread.
class Freshness {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Nothing is known of a later moment than `start`.
  explicit Freshness(Time start) : as_of_(start) {}

  // The leader, asked at `asked`, answered that the log ends at `end`.
  void heard(Time asked, Offset end);
  // The moment, when everything before `position` is applied.
  Time as_of(Offset position);

 private:
  struct Answer {
    Time asked;
    Offset end;
  };
  // A reader that lags for long keeps fewer answers, at equal distances: a less exact moment.
  static constexpr std::size_t kAnswersMax = 256;

  Time as_of_;
  std::deque<Answer> answers_;  // not reached yet; both members ascend
};

}  // namespace push_cache::ingest
