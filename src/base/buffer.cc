#include "base/buffer.h"

#include <algorithm>
#include <utility>

namespace push_cache {

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::move(other.data_)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  data_ = std::move(other.data_);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

void Buffer::shrink(std::size_t capacity_bytes) {
  if (capacity_ <= capacity_bytes || size_ != 0) return;
  data_.reset();
  capacity_ = 0;
}

void Buffer::grow(std::size_t bytes) {
  const std::size_t wanted = std::max({size_ + bytes, capacity_ * 2, std::size_t{256}});
  // new char[n] leaves the bytes as they are, where std::make_unique would clear them.
  std::unique_ptr<char[]> larger(new char[wanted]);
  if (size_ != 0) std::memcpy(larger.get(), data_.get(), size_);
  data_ = std::move(larger);
  capacity_ = wanted;
}

}  // namespace push_cache
