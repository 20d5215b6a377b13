// From the bytes of a connection to requests. Only for src/http: includes Boost.Beast in parser.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/http.h"

namespace push_cache::http {

// Why the server answers a request by itself; without a message: no fault. The text lives for ever.
struct Fault {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string_view message = {};
  explicit operator bool() const { return !message.empty(); }
  unsigned status() const { return *this ? static_cast<unsigned>(http_status(code)) : 0; }
};

// Finds where a header block ends. A header may come in any number of pieces; each byte is looked
// at once. Lines must end with CRLF: a bare LF is a fault at once, as the reader before or after us
// might see another request in it.
class HeaderScan {
 public:
  struct Limits {
    std::size_t target_bytes_max;
    std::size_t header_bytes_max;  // of the lines after the first
  };
  enum class Outcome { kIncomplete, kComplete, kFault };

  // `bytes` starts with the request and is what came so far, longer on each call.
  Outcome scan(std::string_view bytes, const Limits& limits);

  std::size_t header_bytes() const { return at_; }  // with the empty line; after kComplete
  Fault fault() const { return fault_; }            // after kFault

 private:
  Outcome fail(Fault fault);

  std::size_t at_ = 0;          // start of the line that has not ended yet
  std::size_t seen_ = 0;        // bytes looked at
  std::size_t first_line_ = 0;  // bytes of the request line with its CRLF, 0 = not ended
  std::size_t lines_ = 0;
  Fault fault_;
};

// The header values that came on more than one line, joined. Made only when there are some.
struct JoinedValues {
  std::string if_match;
  std::string if_none_match;
  std::string if_unmodified_since;
  std::string content_type;
  std::string accept;
};

struct ParsedHeader {
  Request request;  // without body and rest
  bool http11 = false;
  bool keep_alive = false;
  bool chunked = false;
  bool expect_continue = false;
  std::uint64_t content_length = 0;
};

// Reads a whole header block (as HeaderScan found it) with views into it, or into `joined`, which
// is made when it is needed. RFC 9112; whatever could be taken as another request by another reader
// is refused: folded lines, both of Content-Length and Transfer-Encoding, ...
Fault parse_header(std::string_view header, std::size_t target_bytes_max, ParsedHeader& out,
                   std::unique_ptr<JoinedValues>& joined);

// Undoes the chunked coding of a body where it lies.
class ChunkedBody {
 public:
  // `header` is the block of the request (already found good).
  ChunkedBody(std::string_view header, std::size_t body_bytes_max);
  ~ChunkedBody();
  ChunkedBody(const ChunkedBody&) = delete;
  ChunkedBody& operator=(const ChunkedBody&) = delete;

  struct Progress {
    Fault fault;
    bool done = false;
    std::size_t taken = 0;    // bytes of `raw` that are used up
    std::size_t decoded = 0;  // bytes of the body written to `to`
  };
  // Takes what it can of `raw`; what it leaves comes first in the next call. `to` may be before
  // `raw` in the same memory: never more is written than was read.
  Progress take(std::string_view raw, char* to);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace push_cache::http
