#include "ingest/freshness.h"

#include <algorithm>

namespace push_cache::ingest {

void Freshness::heard(Time asked, Offset end) {
  if (!answers_.empty() && end <= answers_.back().end) {
    // Nothing was added since: what reaches the earlier end reaches this one.
    if (end == answers_.back().end) answers_.back().asked = std::max(answers_.back().asked, asked);
    return;
  }
  answers_.push_back({asked, end});
  if (answers_.size() <= kAnswersMax) return;
  std::size_t kept = 0;
  for (std::size_t i = 1; i < answers_.size(); i += 2) answers_[kept++] = answers_[i];
  answers_.resize(kept);
}

Freshness::Time Freshness::as_of(Offset position) {
  while (!answers_.empty() && answers_.front().end <= position) {
    as_of_ = std::max(as_of_, answers_.front().asked);
    answers_.pop_front();
  }
  return as_of_;
}

}  // namespace push_cache::ingest
