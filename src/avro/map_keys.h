// Which keys of the maps being rendered were written, and where: JSON has each key of an object
// once, an Avro map may hold it many times.
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/types.h"

namespace push_cache::avro {

// Of one datum, on its renderer's stack. A map without repeated keys costs no allocation: some keys
// are compared with one another, many through a table that the thread keeps. Sorting is left for
// maps where two keys look the same, so that no choice of keys costs more than n log n.
class MapKeys {
 public:
  // `datum` of less than 4 GiB, whose JSON begins at `out_start` of the buffer.
  MapKeys(Bytes datum, std::size_t out_start) : datum_(datum.data()), out_start_(out_start) {
    assert(datum.size() <= std::numeric_limits<std::uint32_t>::max());
  }
  ~MapKeys() {
    if (capacity_ > kInPlace) [[unlikely]]
      give_back();
  }
  MapKeys(const MapKeys&) = delete;
  MapKeys& operator=(const MapKeys&) = delete;

  // Opens a map within those that are open.
  void open() { open_[depth_++] = {static_cast<std::size_t>(top_ - entries_), kTidyMin}; }
  void close() { top_ = entries_ + open_[--depth_].first; }

  // Whether `make_room` is to be called before the next key.
  bool is_full() const { return top_ == limit_; }
  // Takes members whose key repeats out of `out`, which ends with the innermost map's last one,
  // when that map has become large; else takes memory.
  void make_room(Buffer& out);

  // A key of the innermost map; its text in JSON comes to `out_at` of the buffer.
  void add(const std::uint8_t* text, std::uint64_t size, std::size_t out_at) {
    top_->key_at = static_cast<std::uint32_t>(text - datum_);
    top_->key_size = static_cast<std::uint32_t>(size);
    top_->out_at = static_cast<std::uint32_t>(out_at - out_start_);
    ++top_;
  }

  // False when no key of the innermost map repeats.
  bool may_repeat() { return top_ - innermost() > 1 && look_alike(); }

  // Takes all but the last member of each key of the innermost map out of `out`, which ends with
  // the map's last member.
  void drop_repeats(Buffer& out);

 private:
  struct Entry {
    std::uint32_t key_at;  // in the datum
    std::uint32_t key_size;
    std::uint32_t out_at;  // behind `out_start_`
    std::uint32_t hash;    // set where keys are compared
  };
  struct Kept;
  struct Open {
    std::size_t first;
    std::size_t tidy_at;  // at so many keys repeated ones are dropped on the way
  };
  static constexpr std::size_t kTidyMin = 64 * 1024;
  static constexpr std::size_t kInPlace = 64;

  Entry* innermost() const { return entries_ + open_[depth_ - 1].first; }
  bool look_alike();
  bool many_look_alike();
  int compare_keys(const Entry& a, const Entry& b) const;
  void grow();
  void give_back();

  const std::uint8_t* const datum_;
  const std::size_t out_start_;
  // Of all open maps: those up to `top_` are in use, `limit_` is the end.
  Entry* entries_ = in_place_.data();
  Entry* top_ = entries_;
  Entry* limit_ = entries_ + kInPlace;
  std::size_t capacity_ = kInPlace;
  std::size_t depth_ = 0;
  std::array<Open, limits::kDatumDepthMax> open_;  // NOLINT: filled as they are opened
  std::array<Entry, kInPlace> in_place_;           // NOLINT: filled as keys come
  std::unique_ptr<Entry[]> larger_;                // where the entries are when they are more
};

}  // namespace push_cache::avro
