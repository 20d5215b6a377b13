// Dates as HTTP writes them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace push_cache::http {

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7: IMF-fixdate), for a time in seconds since 1970.
// Outside of the years 0 to 9999 the nearest date within them. Takes some 10 ns: no allocation, no
// locale, no table of time zones.
class HttpDate {
 public:
  explicit HttpDate(std::int64_t seconds_since_1970);
  std::string_view view() const { return {text_.data(), text_.size()}; }

 private:
  std::array<char, 29> text_;
};

}  // namespace push_cache::http
