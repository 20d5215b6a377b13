// A command in the form in which it is sent, by hiredis' formatter.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace push_cache::redis {

// Immutable, movable, owns its bytes.
class Command {
 public:
  Command() = default;
  // Copies the arguments. At most limits::kRedisCommandBytesMax in all: the caller checks. Throws
  // std::bad_alloc.
  explicit Command(std::span<const std::string_view> args);

  std::size_t size() const { return size_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  // The arguments again: views into this command.
  std::vector<std::string_view> args() const;

 private:
  struct Free {
    void operator()(char* bytes) const;
  };
  std::unique_ptr<char, Free> bytes_;
  std::size_t size_ = 0;
};

}  // namespace push_cache::redis
