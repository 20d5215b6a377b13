#include "app/verdict.h"

#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::app {
namespace {

bool same(const Told& a, const Told& b) {
  return a.status == b.status && a.value == b.value && a.etag == b.etag;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  constexpr std::array<std::string_view, kVerdicts> kNames = {
      "equal",       "missing",   "stale", "extra", "only_first",
      "only_second", "different", "error", "moving"};
  return kNames[static_cast<std::size_t>(verdict)];
}

Digest digest(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

Verdict judge(const Truth& before, const Truth& after, const Told& told, bool listed) {
  const bool present = before.value && after.value;
  const bool absent = !before.value && !after.value;
  if (!before.fault.empty() || !after.fault.empty()) return Verdict::kError;
  if (told.status == 404) {
    if (present) return Verdict::kMissing;
    return listed && absent ? Verdict::kExtra : Verdict::kEqual;
  }
  if (told.status != 200) return Verdict::kError;
  if (before.value == told.value || after.value == told.value) return Verdict::kEqual;
  return absent ? Verdict::kExtra : Verdict::kStale;
}

Verdict judge(const Told& first, const Told& second) {
  const auto known = [](const Told& told) { return told.status == 200 || told.status == 404; };
  if (!known(first) || !known(second)) return Verdict::kError;
  if (first.status != second.status) {
    return first.status == 200 ? Verdict::kOnlyFirst : Verdict::kOnlySecond;
  }
  if (first.status == 404) return Verdict::kEqual;
  return first.value == second.value && first.etag == second.etag ? Verdict::kEqual
                                                                  : Verdict::kDifferent;
}

void Suspect::see(Observation observation, Clock::time_point now) {
  if (looks++ == 0) {
    first_seen = now;
    unchanged_since = now;
  } else {
    const bool first_moved = !same(last.first, observation.first);
    const bool other_moved =
        last.truth.value != observation.truth.value || !same(last.second, observation.second);
    first_changes += first_moved ? 1 : 0;
    changes += other_moved ? 1 : 0;
    if (first_moved || other_moved || last.verdict != observation.verdict) unchanged_since = now;
  }
  last_seen = now;
  last = std::move(observation);
}

bool Suspect::settled() const {
  return last.verdict == Verdict::kEqual || !still_changing() ||
         (last_seen - first_seen >= kMovingMax && looks >= kLooksMin);
}

Verdict Suspect::outcome() const {
  if (last.verdict == Verdict::kEqual || last.verdict == Verdict::kError || !still_changing()) {
    return last.verdict;
  }
  return changes >= kMovesMin && first_changes >= kMovesMin ? Verdict::kMoving : last.verdict;
}

}  // namespace push_cache::app
