// Deadlines of many connections at the price of one timer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace push_cache::http {

inline constexpr std::int64_t kNoDeadline = std::numeric_limits<std::int64_t>::max();

// A member of a Wheel: derive from it. Not copied; taken out by Wheel::remove before its end.
class WheelEntry {
 public:
  WheelEntry() = default;
  WheelEntry(const WheelEntry&) = delete;
  WheelEntry& operator=(const WheelEntry&) = delete;

  // When `Wheel::advance` hands the entry out, on the clock of the wheel's owner; kNoDeadline =
  // never.
  std::int64_t deadline_ms() const { return deadline_ms_; }

 private:
  friend class Wheel;
  WheelEntry* before_ = nullptr;
  WheelEntry* after_ = nullptr;
  std::int64_t deadline_ms_ = kNoDeadline;
  std::int64_t tick_ = kNoDeadline;  // of the slot it is in
};

// A timer wheel. Moving a deadline to a later time is one store: the entry stays in its slot and is
// put off when that slot comes up. So a connection that is busy costs nothing here. One thread.
class Wheel {
 public:
  // A deadline is noticed at most `tick_ms` after it has passed, if `advance` is called that often.
  Wheel(std::int64_t tick_ms, std::int64_t now_ms);
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  void add(WheelEntry& entry, std::int64_t deadline_ms);
  void remove(WheelEntry& entry);
  void set(WheelEntry& entry, std::int64_t deadline_ms) {
    entry.deadline_ms_ = deadline_ms;
    if (deadline_ms < (entry.tick_ - 1) * tick_ms_) move(entry);
  }

  // Calls `expired(WheelEntry&)` for each entry whose deadline has passed, with its deadline set to
  // kNoDeadline. The function may set, add and remove any entry.
  template <typename Function>
  void advance(std::int64_t now_ms, Function&& expired) {
    const std::int64_t until = now_ms / tick_ms_;
    if (until - tick_ > kSlots) tick_ = until - kSlots;  // every slot once is enough
    while (tick_ < until) {
      ++tick_;
      // What is put back meanwhile goes to a later slot, so the list of this one comes to an end.
      WheelEntry& head = slot(tick_);
      while (head.after_ != &head) {
        WheelEntry& entry = *head.after_;
        if (entry.deadline_ms_ <= now_ms) {
          entry.deadline_ms_ = kNoDeadline;
          move(entry);
          expired(entry);
        } else {
          move(entry);
        }
      }
    }
  }

 private:
  static constexpr std::int64_t kSlots = 256;

  WheelEntry& slot(std::int64_t tick) { return slots_[static_cast<std::size_t>(tick % kSlots)]; }
  void move(WheelEntry& entry);

  const std::int64_t tick_ms_;
  std::int64_t tick_;  // the last one that was handled
  std::array<WheelEntry, kSlots> slots_;
};

}  // namespace push_cache::http
