// The first lines of a response. Only for src/http.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "http/http.h"

namespace push_cache::http {

// The line "Date: ...\r\n" (RFC 9110, 5.6.7), made anew once a second. One thread.
class DateLine {
 public:
  std::string_view at(std::int64_t seconds_since_1970);

 private:
  std::int64_t seconds_ = -1;
  std::size_t size_ = 0;
  char text_[64];
};

enum class BodyFraming { kLength, kChunked, kUntilClose, kNone };
enum class ConnectionLine { kNone, kClose, kKeepAlive };

// Where the digits of a Content-Length go once it is known: the field has a fixed width, blanks
// before the number belong to no value (RFC 9112, 5).
inline constexpr std::size_t kLengthDigits = 10;

// Appends status line and headers up to the empty line. The place of the Content-Length's field is
// returned for kLength (an offset in `out`), else 0. A value with a control character is not sent.
std::size_t append_head(Buffer& out, unsigned status, const Head& head, std::string_view date_line,
                        BodyFraming framing, ConnectionLine connection,
                        const Correlation& correlation = {});
void patch_length(Buffer& out, std::size_t place, std::size_t body_bytes);

}  // namespace push_cache::http
