#include "avro/map_keys.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

#include "avro/wire.h"

namespace push_cache::avro {

namespace {

// What a thread keeps from one datum to the next, when it is no more than this.
constexpr std::size_t kKeptEntries = 64 * 1024;
constexpr std::size_t kKeptSlots = 4 * kKeptEntries;

// Of the first and the last eight bytes: the same for the same keys, and cheap.
inline std::uint32_t hash_of(const std::uint8_t* text, std::uint64_t size) {
  std::uint64_t mixed = size;
  if (size >= 8) {
    mixed += load<std::uint64_t>(text) ^ std::rotl(load<std::uint64_t>(text + size - 8), 21);
  } else if (size >= 4) {
    mixed += std::uint64_t{load<std::uint32_t>(text)} << 24 ^ load<std::uint32_t>(text + size - 4);
  } else if (size > 0) {
    mixed += std::uint64_t{text[0]} << 24 ^ std::uint64_t{text[size / 2]} << 16 ^
             std::uint64_t{text[size - 1]} << 8;
  }
  return static_cast<std::uint32_t>(mixed * 0x9E37'79B9'7F4A'7C15 >> 32);
}

std::vector<std::uint32_t>& table_of_thread() {
  thread_local std::vector<std::uint32_t> table;
  return table;
}

}  // namespace

struct MapKeys::Kept {
  std::unique_ptr<Entry[]> entries;
  std::size_t capacity = 0;

  static Kept& of_thread() {
    thread_local Kept kept;
    return kept;
  }
};

void MapKeys::give_back() {
  Kept& kept = Kept::of_thread();
  if (capacity_ <= kKeptEntries && capacity_ > kept.capacity) {
    kept = {std::move(larger_), capacity_};
  }
  std::vector<std::uint32_t>& table = table_of_thread();
  if (table.capacity() > kKeptSlots) std::vector<std::uint32_t>().swap(table);
}

void MapKeys::grow() {
  const auto used = static_cast<std::size_t>(top_ - entries_);
  std::unique_ptr<Entry[]> larger;
  std::size_t capacity = 2 * capacity_;
  if (Kept& kept = Kept::of_thread(); kept.capacity >= capacity) {
    larger = std::move(kept.entries);
    capacity = std::exchange(kept.capacity, 0);
  } else {
    larger = std::make_unique_for_overwrite<Entry[]>(capacity);
  }
  std::copy(entries_, top_, larger.get());
  larger_ = std::move(larger);
  entries_ = larger_.get();
  top_ = entries_ + used;
  limit_ = entries_ + capacity;
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

bool MapKeys::look_alike() {
  constexpr std::ptrdiff_t kFew = 16;
  Entry* const first = innermost();
  if (top_ - first > kFew) return many_look_alike();
  std::uint64_t seen = 0;
  bool meet = false;
  for (Entry* one = first; one < top_; ++one) {
    one->hash = hash_of(datum_ + one->key_at, one->key_size);
    const std::uint64_t bit = std::uint64_t{1} << (one->hash >> 26);
    meet = meet || (seen & bit) != 0;
    seen |= bit;
  }
  if (!meet) return false;
  for (const Entry* one = first + 1; one < top_; ++one) {
    for (const Entry* other = first; other < one; ++other) {
      if (one->hash == other->hash) return true;
    }
  }
  return false;
}

bool MapKeys::many_look_alike() {
  Entry* const first = innermost();
  const auto size = static_cast<std::size_t>(top_ - first);
  for (Entry* one = first; one < top_; ++one) {
    one->hash = hash_of(datum_ + one->key_at, one->key_size);
  }
  const std::size_t slots = std::bit_ceil(size * 2);
  std::vector<std::uint32_t>& table = table_of_thread();
  if (table.size() < slots) table.resize(slots);
  std::fill_n(table.begin(), slots, 0);
  // Keys that are chosen to lie close to one another must not cost more than sorting.
  std::size_t steps_left = 8 * size;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t hash = first[i].hash | 1;  // 0 is an empty slot
    std::size_t slot = hash >> 1 & (slots - 1);
    for (; table[slot] != 0; slot = (slot + 1) & (slots - 1)) {
      if (table[slot] == hash || --steps_left == 0) return true;
    }
    table[slot] = hash;
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
  for (Entry* one = first; one < top_; ++one) {
    one->hash = hash_of(datum_ + one->key_at, one->key_size);
  }
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
