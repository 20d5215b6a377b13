// For fuzz bodies (sources with LLVMFuzzerTestOneInput): what must hold, and input taken apart. Not
// part of the programs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/types.h"

namespace push_cache {

// Ends the process, saying where, when a property does not hold.
inline void fuzz_require(bool holds, const char* file = __builtin_FILE(),
                         int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d does not hold\n", file, line);
  std::abort();
}

// Choices read from the front of an input, one byte each; zeros when it is used up, so that what is
// made of them comes to an end.
class FuzzChoices {
 public:
  explicit FuzzChoices(Bytes bytes) : left_(bytes) {}

  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const std::uint8_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  std::size_t below(std::size_t bound) { return byte() % bound; }
  bool one_in(std::size_t count) { return below(count) == 1; }
  Bytes take(std::size_t size) {
    const Bytes taken = left_.first(std::min(size, left_.size()));
    left_ = left_.subspan(taken.size());
    return taken;
  }
  bool empty() const { return left_.empty(); }
  Bytes rest() const { return left_; }

 private:
  Bytes left_;
};

// Bytes in a heap block of exactly their size, so that a sanitizer sees every access beyond it.
class ExactBlock {
 public:
  explicit ExactBlock(std::string_view text) : data_(new char[text.size()]), size_(text.size()) {
    std::copy(text.begin(), text.end(), data_.get());
  }
  explicit ExactBlock(Bytes bytes)
      : ExactBlock(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())) {}
  std::string_view view() const { return {data_.get(), size_}; }
  Bytes bytes() const { return {reinterpret_cast<const std::uint8_t*>(data_.get()), size_}; }
  char* data() { return data_.get(); }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t size_;
};

}  // namespace push_cache
