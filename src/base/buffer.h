// A growable run of bytes for output: what a response or a datum is rendered into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/types.h"

namespace push_cache {

// Appends at the end, keeps its memory over `clear()`, and never zero-fills. Not safe from several
// threads. Views into it live until the next call that may grow it. Growth doubles, so appending is
// amortised O(1); out of memory throws std::bad_alloc.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t capacity_bytes) { grow(capacity_bytes); }
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  const char* data() const { return data_.get(); }
  char* data() { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_.get(), size_}; }
  Bytes bytes() const { return {reinterpret_cast<const std::uint8_t*>(data_.get()), size_}; }

  void clear() { size_ = 0; }
  // Drops everything after the first `size` bytes; `size` must not exceed `size()`.
  void truncate(std::size_t size) { size_ = size; }
  // Frees the memory when more than `capacity_bytes` are held, so that one large response does not
  // stay with an idle connection. Keeps nothing: only for an empty buffer.
  void shrink(std::size_t capacity_bytes);

  // Room for `bytes` more; the returned place is written freely and then committed.
  char* reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return data_.get() + size_;
  }
  // Takes over `bytes` that were written at the place `reserve` returned.
  void commit(std::size_t bytes) { size_ += bytes; }

  void append(char byte) {
    *reserve(1) = byte;
    ++size_;
  }
  void append(std::string_view text) {
    if (text.empty()) return;
    std::memcpy(reserve(text.size()), text.data(), text.size());
    size_ += text.size();
  }
  void append(Bytes bytes) {
    append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

 private:
  void grow(std::size_t bytes);

  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace push_cache
