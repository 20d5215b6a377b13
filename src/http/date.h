// Dates as HTTP writes them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

// The seconds since 1970 of a date in any of the three forms of RFC 9110, 5.6.7; nothing when it is
// none. `now_s` decides on the century of a year of two digits. The name of the weekday need not be
// the right one.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_s);

}  // namespace push_cache::http
