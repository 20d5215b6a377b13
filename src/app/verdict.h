// What a comparison of two values of a key comes to, and when it is final.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace push_cache::app {

enum class Verdict : std::uint8_t {
  kEqual,
  // Of a service against the topic:
  kMissing,  // 404 though the topic has it
  kStale,    // another value than the topic's last
  kExtra,    // in the service or its list though not in the topic
  // Of two services:
  kOnlyFirst,
  kOnlySecond,
  kDifferent,  // body or ETag
  // Of both:
  kError,  // neither 200 nor 404, a cut connection
  // Never seen equal, but both sides went on changing: one is some moments behind the other.
  kMoving,
};
inline constexpr std::size_t kVerdicts = 9;
// As a column's head and in JSON: "equal", "missing", ..., "only_first", ...
std::string_view to_string(Verdict verdict);

// 128 bits of XXH3: for values that are kept only to be compared with another look at the same key.
using Digest = std::array<std::uint64_t, 2>;
Digest digest(std::string_view bytes);

// What a replay of the topic holds of a key.
struct Truth {
  std::optional<Digest> value;  // of the JSON; nothing = absent
  std::string topic = {};       // where the record stands
  Partition partition{-1};
  Offset offset{-1};
  std::string fault = {};  // why a record that is there can't be shown
};

// What a service has answered of a key.
struct Told {
  long status = 0;  // 0 = nothing: `fault` says why
  Digest value = {};
  std::uint64_t bytes = 0;
  std::string etag = {};
  std::string position = {};  // "topic/partition@offset", "" = not said
  std::string fault = {};
};

// One look at a key. `truth` of a comparison with the topic, `second` of one of two services.
struct Observation {
  Verdict verdict = Verdict::kEqual;
  Truth truth = {};
  Told first = {};
  Told second = {};
};

// `before` and `after` are the truth right before and after the question: a key that was written
// meanwhile may have either. `listed`: the service's list has the key.
Verdict judge(const Truth& before, const Truth& after, const Told& told, bool listed);
Verdict judge(const Told& first, const Told& second);

// A key that differed. Replay and service move on by themselves, so a difference counts only once
// it has stayed as it is.
struct Suspect {
  using Clock = std::chrono::steady_clock;

  std::string key;
  bool listed = false;
  Observation last = {};
  std::uint32_t looks = 0;
  std::uint32_t changes = 0;        // of the truth, or of the second service's answer
  std::uint32_t first_changes = 0;  // of the first service's answer
  Clock::time_point first_seen{};
  Clock::time_point last_seen{};
  Clock::time_point unchanged_since{};

  // Takes the first or another look at it.
  void see(Observation observation, Clock::time_point now);
  // Whether there is an outcome: equal, unchanged for `kSettle`, or still changing after
  // `kMovingMax` and `kLooksMin`.
  bool settled() const;
  // Of one that is settled. kMoving when both sides changed to the end; a side that stands still
  // while the other one moves is a difference.
  Verdict outcome() const;
  bool still_changing() const { return last_seen - unchanged_since < kSettle; }

  // Two replicas of a busy topic are some milliseconds apart, on a busy machine seconds.
  static constexpr std::chrono::seconds kSettle{5};
  static constexpr std::chrono::seconds kMovingMax{30};
  static constexpr std::uint32_t kLooksMin = 5;
  static constexpr std::uint32_t kMovesMin = 2;  // of each side, to call a key moving
};

}  // namespace push_cache::app
