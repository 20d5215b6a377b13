#include "http/wheel.h"

#include <algorithm>

namespace push_cache::http {

Wheel::Wheel(std::int64_t tick_ms, std::int64_t now_ms)
    : tick_ms_(std::max<std::int64_t>(tick_ms, 1)), tick_(now_ms / tick_ms_) {
  for (WheelEntry& head : slots_) head.before_ = head.after_ = &head;
}

void Wheel::add(WheelEntry& entry, std::int64_t deadline_ms) {
  entry.deadline_ms_ = deadline_ms;
  entry.before_ = entry.after_ = &entry;
  move(entry);
}

void Wheel::remove(WheelEntry& entry) {
  entry.before_->after_ = entry.after_;
  entry.after_->before_ = entry.before_;
  entry.before_ = entry.after_ = &entry;
}

void Wheel::move(WheelEntry& entry) {
  remove(entry);
  // The tick by whose end the deadline has passed, no further than once round and never the present
  // one, which `advance` may be walking.
  const std::int64_t furthest = tick_ + kSlots - 1;
  std::int64_t tick = furthest;
  if (entry.deadline_ms_ / tick_ms_ < furthest) tick = entry.deadline_ms_ / tick_ms_ + 1;
  entry.tick_ = std::clamp(tick, tick_ + 1, furthest);
  WheelEntry& head = slot(entry.tick_);
  entry.before_ = head.before_;
  entry.after_ = &head;
  head.before_->after_ = &entry;
  head.before_ = &entry;
}

}  // namespace push_cache::http
