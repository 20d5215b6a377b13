// Where in a schema's text the parser is, for its errors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace push_cache::avro {

// Adds a segment to a path for as long as it lives.
class PathScope {
 public:
  PathScope(std::string& path, std::string_view segment) : path_(path), size_(path.size()) {
    if (!path_.empty() && segment.front() != '[') path_ += '.';
    path_ += segment;
  }
  ~PathScope() { path_.resize(size_); }
  PathScope(const PathScope&) = delete;
  PathScope& operator=(const PathScope&) = delete;

 private:
  std::string& path_;
  std::size_t size_;
};

// "fields[3]".
inline std::string indexed(std::string_view key, std::size_t index) {
  return std::string(key) + "[" + std::to_string(index) + "]";
}

}  // namespace push_cache::avro
