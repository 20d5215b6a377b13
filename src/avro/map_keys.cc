#include "avro/map_keys.h"

#include <algorithm>
#include <cstring>

namespace push_cache::avro {

MapKeys& MapKeys::of_thread() {
  thread_local MapKeys keys;
  return keys;
}

void MapKeys::release() {
  entries_.reset();
  top_ = limit_ = nullptr;
  capacity_ = 0;
  std::vector<std::uint32_t>().swap(table_);
}

void MapKeys::grow() {
  constexpr std::size_t kEntriesMin = 64;
  const auto used = static_cast<std::size_t>(top_ - entries_.get());
  const std::size_t capacity = std::max(kEntriesMin, 2 * capacity_);
  auto larger = std::make_unique_for_overwrite<Entry[]>(capacity);
  std::copy(entries_.get(), top_, larger.get());
  entries_ = std::move(larger);
  top_ = entries_.get() + used;
  limit_ = entries_.get() + capacity;
  capacity_ = capacity;
}

void MapKeys::make_room(Buffer& out) {
  const auto size = static_cast<std::size_t>(top_ - innermost());
  if (size >= open_[depth_ - 1].tidy_at) {
    drop_repeats(out);
    const auto left = static_cast<std::size_t>(top_ - innermost());
    open_[depth_ - 1].tidy_at = std::max(kTidyMin, 2 * left);
  }
  if (is_full()) grow();
}

bool MapKeys::many_may_repeat() {
  const Entry* const first = innermost();
  const auto size = static_cast<std::size_t>(top_ - first);
  const std::size_t slots = std::bit_ceil(size * 2);
  if (table_.size() < slots) table_.resize(slots);
  std::fill_n(table_.begin(), slots, 0);
  // Keys that are chosen to lie close to one another must not cost more than sorting.
  std::size_t steps_left = 8 * size;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t hash = first[i].hash | 1;  // 0 is an empty slot
    std::size_t slot = hash >> 1 & (slots - 1);
    for (; table_[slot] != 0; slot = (slot + 1) & (slots - 1)) {
      if (table_[slot] == hash || --steps_left == 0) return true;
    }
    table_[slot] = hash;
  }
  return false;
}

int MapKeys::compare_keys(const Entry& a, const Entry& b) const {
  if (a.hash != b.hash) return a.hash < b.hash ? -1 : 1;
  if (a.key_size != b.key_size) return a.key_size < b.key_size ? -1 : 1;
  return a.key_size == 0 ? 0 : std::memcmp(datum_ + a.key_at, datum_ + b.key_at, a.key_size);
}

void MapKeys::drop_repeats(Buffer& out) {
  Entry* const first = innermost();
  std::vector<Entry> order(first, top_);
  std::sort(order.begin(), order.end(), [this](const Entry& a, const Entry& b) {
    const int compared = compare_keys(a, b);
    return compared != 0 ? compared < 0 : a.out_at < b.out_at;
  });
  // Places of the members that go, in their order.
  std::vector<std::uint32_t> dropped;
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (compare_keys(order[i - 1], order[i]) == 0) dropped.push_back(order[i - 1].out_at);
  }
  if (dropped.empty()) return;
  std::sort(dropped.begin(), dropped.end());
  dropped.push_back(0);  // behind the last: the place of no member

  char* const base = out.data() + out_start_;
  std::size_t to = first->out_at;
  Entry* kept = first;
  std::size_t next = 0;
  for (const Entry* at = first; at < top_; ++at) {
    if (at->out_at == dropped[next]) {
      ++next;
      continue;
    }
    const std::size_t end = at + 1 < top_ ? (at + 1)->out_at - 1 : out.size() - out_start_;
    const std::size_t size = end - at->out_at;
    if (kept != first) base[to++] = ',';
    std::memmove(base + to, base + at->out_at, size);
    *kept = *at;
    kept++->out_at = static_cast<std::uint32_t>(to);
    to += size;
  }
  top_ = kept;
  out.truncate(out_start_ + to);
}

}  // namespace push_cache::avro
