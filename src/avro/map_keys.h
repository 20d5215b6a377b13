// Which keys of the maps being rendered were written, and where: JSON has each key of an object
// once, an Avro map may hold it many times.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "avro/wire.h"
#include "base/buffer.h"
#include "base/limits.h"
#include "base/types.h"

namespace push_cache::avro {

// For one datum at a time. A map without repeated keys costs no allocation once the memory is
// there: some keys are compared with one another, many through a table. Sorting is left for maps
// where two keys look the same, so that no choice of keys costs more than n log n.
class MapKeys {
 public:
  // The one of this thread.
  static MapKeys& of_thread();

  // `datum` of less than 4 GiB, whose JSON begins at `out_start` of the buffer.
  void begin(Bytes datum, std::size_t out_start) {
    assert(datum.size() <= std::numeric_limits<std::uint32_t>::max());
    datum_ = datum.data();
    out_start_ = out_start;
    top_ = entries_.get();
    depth_ = 0;
  }
  // Gives back what an unusual datum took.
  void end() {
    if (capacity_ > kKeptEntries) [[unlikely]]
      release();
  }

  // Opens a map within those that are open.
  void open() { open_[depth_++] = {static_cast<std::size_t>(top_ - entries_.get()), kTidyMin}; }
  void close() { top_ = entries_.get() + open_[--depth_].first; }

  // Whether `make_room` is to be called before the next key.
  bool is_full() const { return top_ == limit_; }
  // Takes members whose key repeats out of `out`, which ends with the innermost map's last one,
  // when that map has become large; else takes memory.
  void make_room(Buffer& out);

  // A key of the innermost map; its text in JSON comes to `out_at` of the buffer.
  void add(const std::uint8_t* text, std::uint64_t size, std::size_t out_at) {
    *top_++ = {static_cast<std::uint32_t>(text - datum_), static_cast<std::uint32_t>(size),
               hash(text, size), static_cast<std::uint32_t>(out_at - out_start_)};
  }

  // False when no key of the innermost map repeats.
  bool may_repeat() {
    const Entry* const first = innermost();
    if (top_ - first > kFew) return many_may_repeat();
    for (const Entry* one = first + 1; one < top_; ++one) {
      for (const Entry* other = first; other < one; ++other) {
        if (one->hash == other->hash) return true;
      }
    }
    return false;
  }

  // Takes all but the last member of each key of the innermost map out of `out`, which ends with
  // the map's last member.
  void drop_repeats(Buffer& out);

 private:
  struct Entry {
    std::uint32_t key_at;  // in the datum
    std::uint32_t key_size;
    std::uint32_t hash;
    std::uint32_t out_at;  // behind `out_start_`
  };
  struct Open {
    std::size_t first;
    std::size_t tidy_at;  // at so many keys repeated ones are dropped on the way
  };
  static constexpr std::ptrdiff_t kFew = 8;
  static constexpr std::size_t kTidyMin = 64 * 1024;
  static constexpr std::size_t kKeptEntries = 64 * 1024;

  Entry* innermost() const { return entries_.get() + open_[depth_ - 1].first; }
  bool many_may_repeat();
  int compare_keys(const Entry& a, const Entry& b) const;
  void grow();
  void release();

  // Of the first and the last eight bytes: the same for the same keys, and cheap.
  static std::uint32_t hash(const std::uint8_t* text, std::uint64_t size) {
    std::uint64_t head = 0;
    std::uint64_t tail = 0;
    if (size >= 8) {
      head = load<std::uint64_t>(text);
      tail = load<std::uint64_t>(text + size - 8);
    } else if (size >= 4) {
      head = load<std::uint32_t>(text);
      tail = load<std::uint32_t>(text + size - 4);
    } else if (size > 0) {
      head = std::uint64_t{text[0]} << 16 | std::uint64_t{text[size / 2]} << 8 | text[size - 1];
    }
    const std::uint64_t mixed =
        (head + size) * 0x9E37'79B9'7F4A'7C15 ^ std::rotl(tail * 0xC2B2'AE3D'27D4'EB4F, 32);
    return static_cast<std::uint32_t>((mixed ^ mixed >> 29) * 0x9E37'79B9'7F4A'7C15 >> 32);
  }

  const std::uint8_t* datum_ = nullptr;
  std::size_t out_start_ = 0;
  // Of all open maps: those up to `top_` are in use, `limit_` is the end.
  std::unique_ptr<Entry[]> entries_;
  Entry* top_ = nullptr;
  Entry* limit_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t depth_ = 0;
  std::array<Open, limits::kDatumDepthMax> open_{};
  std::vector<std::uint32_t> table_;
};

}  // namespace push_cache::avro
