#include "http/parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/verb.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/limits.h"

namespace push_cache::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::iequals;
using ErrorCodeOut = boost::beast::error_code;
using BeastView = boost::beast::string_view;

// Around a target: the method, two spaces, the version.
constexpr std::size_t kRequestLineExtra = 64;
// A chunk's size line with its extensions, or all trailers.
constexpr std::size_t kChunkLineBytesMax = 16 * 1024;

constexpr Fault kTargetTooLong{ErrorCode::kTargetTooLong, "the request target is too long"};
constexpr Fault kHeaderTooLarge{ErrorCode::kHeaderTooLarge, "the request header is too large"};
constexpr Fault kBodyTooLarge{ErrorCode::kTooLarge, "the request body is too large"};
constexpr Fault kMalformedLine{ErrorCode::kInvalidArgument, "the request line is malformed"};
constexpr Fault kMalformedHeader{ErrorCode::kInvalidArgument, "the request header is malformed"};
constexpr Fault kVersion{ErrorCode::kHttpVersion, "only HTTP/1.1 and HTTP/1.0 are spoken here"};

std::string_view to_std(BeastView text) { return {text.data(), text.size()}; }

Method to_method(beast_http::verb verb) {
  switch (verb) {
    case beast_http::verb::get:
      return Method::kGet;
    case beast_http::verb::head:
      return Method::kHead;
    case beast_http::verb::post:
      return Method::kPost;
    case beast_http::verb::put:
      return Method::kPut;
    case beast_http::verb::delete_:
      return Method::kDelete;
    case beast_http::verb::patch:
      return Method::kPatch;
    case beast_http::verb::options:
      return Method::kOptions;
    default:
      return Method::kOther;
  }
}

// The characters of uri-host [":" port] (RFC 3986, 3.2.2).
constexpr std::array<bool, 256> kHostChars = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (char c : std::string_view("-._~%!$&'()*+,;=:[]")) table[static_cast<std::size_t>(c)] = true;
  return table;
}();

bool is_host(std::string_view value) {
  for (char c : value) {
    if (!kHostChars[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether the request line ends with a well-formed version that is not one of ours.
bool has_other_version(std::string_view header) {
  std::string_view line = header.substr(0, header.find('\r'));
  if (line.size() < 9) return false;
  line.remove_prefix(line.size() - 9);
  return line.starts_with(" HTTP/") && is_digit(line[6]) && line[7] == '.' && is_digit(line[8]) &&
         !line.ends_with("1.0") && !line.ends_with("1.1");
}

bool is_request_id(std::string_view value) {
  return !value.empty() && value.size() <= limits::kRequestIdBytesMax &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

// W3C Trace Context, 3.2: version "-" trace-id "-" parent-id "-" trace-flags. An id of zeros alone
// is none.
bool is_traceparent(std::string_view value) {
  if (value.size() != 55 || !value.starts_with("00-")) return false;
  if (value[35] != '-' || value[52] != '-') return false;
  const std::string_view trace = value.substr(3, 32);
  const std::string_view parent = value.substr(36, 16);
  const auto is_id = [](std::string_view id) {
    return is_lower_hex(id) && id.find_first_not_of('0') != id.npos;
  };
  return is_id(trace) && is_id(parent) && is_lower_hex(value.substr(53));
}

// Splits a target in path and query. Origin form, absolute form (which a server must take: RFC
// 9112, 3.2.2) and "*" of OPTIONS.
bool split_target(Request& request) {
  std::string_view path = request.target;
  if (path.empty()) return false;
  if (path.front() != '/') {
    if (path == "*" && request.method == Method::kOptions) {
      request.path = path;
      return true;
    }
    const std::size_t scheme = path.find("://");
    if (scheme == std::string_view::npos) return false;
    const BeastView name(path.data(), scheme);
    if (!iequals(name, "http") && !iequals(name, "https")) return false;
    path.remove_prefix(scheme + 3);
    const std::size_t end = path.find_first_of("/?");
    if (end == 0 || path.empty()) return false;
    path = end == std::string_view::npos ? std::string_view("/") : path.substr(end);
    if (path.front() == '?') {
      request.path = "/";
      request.query = path.substr(1);
      return true;
    }
  }
  const std::size_t mark = path.find('?');
  request.path = path.substr(0, mark);
  if (mark != std::string_view::npos) request.query = path.substr(mark + 1);
  return true;
}

// Beast's parser with no store of fields behind it: what a request needs is kept as views.
class Parser final : public beast_http::basic_parser<true> {
 public:
  Parser(ParsedHeader& out, std::unique_ptr<JoinedValues>& joined) : out_(out), joined_(joined) {
    header_limit(std::numeric_limits<std::uint32_t>::max());  // HeaderScan has seen to it
    body_limit(boost::none);
    eager(true);
  }

  Fault fault() const { return fault_; }
  unsigned hosts() const { return hosts_; }
  void decode_to(char* to) { to_ = to; }
  std::size_t decoded() const { return decoded_; }
  void reset_decoded() { decoded_ = 0; }

 private:
  void fail(Fault fault, ErrorCodeOut& ec) {
    fault_ = fault;
    ec = beast_http::error::bad_value;
  }

  void on_request_impl(beast_http::verb verb, BeastView /*name*/, BeastView target, int version,
                       ErrorCodeOut& /*ec*/) override {
    out_.request.method = to_method(verb);
    out_.request.target = to_std(target);
    out_.http11 = version >= 11;
  }

  void on_field_impl(beast_http::field field, BeastView name, BeastView value,
                     ErrorCodeOut& ec) override {
    // Beast joins folded lines (obs-fold), in memory of its own or by skipping line ends before the
    // value. Either shows in where the value lies. RFC 9112, 5.2: refuse them.
    const char* const after_name = name.data() + name.size();
    const std::less<const char*> before;
    if (before(value.data(), after_name) || !before(value.data(), header_end_) ||
        std::memchr(after_name, '\r', static_cast<std::size_t>(value.data() - after_name)) !=
            nullptr) {
      fail({ErrorCode::kInvalidArgument, "folded header lines are not taken"}, ec);
      return;
    }
    if (in_trailers_) return;
    if (++fields_ > limits::kHeadersMax) {
      fail(kHeaderTooLarge, ec);
      return;
    }
    if (field == beast_http::field::unknown) {
      take_correlation(name, to_std(value));
    } else {
      take_field(field, to_std(value), ec);
    }
  }

  void take_correlation(BeastView name, std::string_view value) {
    Correlation& to = out_.request.correlation;
    if (to.request_id.empty() && iequals(name, "x-request-id") && is_request_id(value)) {
      to.request_id = value;
    } else if (to.traceparent.empty() && iequals(name, "traceparent") && is_traceparent(value)) {
      to.traceparent = value;
    }
  }

  void take_field(beast_http::field field, std::string_view value, ErrorCodeOut& ec) {
    switch (field) {
      case beast_http::field::host:
        ++hosts_;
        if (!is_host(value))
          fail({ErrorCode::kInvalidArgument, "the Host header is malformed"}, ec);
        break;
      case beast_http::field::transfer_encoding:
        // Before "chunked" there may be others by the RFC, but nobody sends them but to confuse.
        if (!iequals(BeastView(value.data(), value.size()), "chunked")) {
          fail({ErrorCode::kUnsupported, "no Transfer-Encoding but chunked is known here"}, ec);
        }
        break;
      case beast_http::field::expect:
        if (!iequals(BeastView(value.data(), value.size()), "100-continue")) {
          fail({ErrorCode::kExpectationFailed, "no expectation but 100-continue is known here"},
               ec);
        }
        out_.expect_continue = true;
        break;
      case beast_http::field::if_match: {
        std::string_view all = out_.request.if_match.value_or(std::string_view());
        join(all, value, &JoinedValues::if_match);
        out_.request.if_match = all;
        break;
      }
      case beast_http::field::if_unmodified_since:
        join(out_.request.if_unmodified_since, value, &JoinedValues::if_unmodified_since);
        break;
      case beast_http::field::if_none_match:
        join(out_.request.if_none_match, value, &JoinedValues::if_none_match);
        break;
      case beast_http::field::content_type:
        join(out_.request.content_type, value, &JoinedValues::content_type);
        break;
      case beast_http::field::accept:
        join(out_.request.accept, value, &JoinedValues::accept);
        break;
      default:
        break;
    }
  }

  void join(std::string_view& view, std::string_view value, std::string JoinedValues::*member) {
    if (view.empty()) {
      view = value;
      return;
    }
    if (joined_ == nullptr) joined_ = std::make_unique<JoinedValues>();
    std::string& text = (*joined_).*member;
    if (view.data() != text.data()) text.assign(view);
    text.append(", ").append(value);
    view = text;
  }

  void on_header_impl(ErrorCodeOut& /*ec*/) override { in_trailers_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*length*/,
                         ErrorCodeOut& /*ec*/) override {}
  std::size_t on_body_impl(BeastView body, ErrorCodeOut& /*ec*/) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t /*size*/, BeastView /*extensions*/,
                            ErrorCodeOut& /*ec*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*left*/, BeastView body,
                                 ErrorCodeOut& /*ec*/) override {
    std::memmove(to_ + decoded_, body.data(), body.size());
    decoded_ += body.size();
    return body.size();
  }
  void on_finish_impl(ErrorCodeOut& /*ec*/) override {}
  void on_response_impl(int /*code*/, BeastView /*reason*/, int /*version*/,
                        ErrorCodeOut& /*ec*/) override {}

 public:
  void set_end(const char* end) { header_end_ = end; }

 private:
  ParsedHeader& out_;
  std::unique_ptr<JoinedValues>& joined_;
  const char* header_end_ = nullptr;
  char* to_ = nullptr;
  std::size_t decoded_ = 0;
  std::size_t fields_ = 0;
  unsigned hosts_ = 0;
  bool in_trailers_ = false;
  Fault fault_;
};

Fault to_fault(const ErrorCodeOut& ec, const Parser& parser, std::string_view header) {
  if (parser.fault()) return parser.fault();
  if (ec == beast_http::error::bad_method || ec == beast_http::error::bad_target) {
    return kMalformedLine;
  }
  if (ec == beast_http::error::bad_version) {
    return has_other_version(header) ? kVersion : kMalformedLine;
  }
  if (ec == beast_http::error::bad_content_length ||
      ec == beast_http::error::multiple_content_length) {
    return {ErrorCode::kInvalidArgument, "the Content-Length is malformed or conflicting"};
  }
  if (ec == beast_http::error::bad_transfer_encoding) {
    return {ErrorCode::kInvalidArgument, "the Transfer-Encoding is conflicting"};
  }
  return kMalformedHeader;
}

}  // namespace

HeaderScan::Outcome HeaderScan::fail(Fault fault) {
  fault_ = fault;
  return Outcome::kFault;
}

HeaderScan::Outcome HeaderScan::scan(std::string_view bytes, const Limits& limits) {
  while (seen_ < bytes.size()) {
    const char* const from = bytes.data() + seen_;
    const void* const found = std::memchr(from, '\n', bytes.size() - seen_);
    if (found == nullptr) break;
    const std::size_t end =
        static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data()) + 1;
    const std::size_t line_bytes = end - at_;
    // Lengths first: of a line that comes in pieces they are known before its end is.
    if (first_line_ == 0 && line_bytes > limits.target_bytes_max + kRequestLineExtra) {
      return fail(kTargetTooLong);
    }
    if (first_line_ != 0 && end - first_line_ > limits.header_bytes_max) {
      return fail(kHeaderTooLarge);
    }
    if (line_bytes < 2 || bytes[end - 2] != '\r') {
      return fail({ErrorCode::kInvalidArgument, "a line ends without CR LF"});
    }
    if (first_line_ == 0) first_line_ = line_bytes;
    at_ = seen_ = end;
    if (++lines_ > limits::kHeadersMax + 2) {
      return fail(kHeaderTooLarge);
    }
    if (line_bytes == 2) return Outcome::kComplete;
  }
  seen_ = bytes.size();
  if (first_line_ == 0) {
    if (seen_ > limits.target_bytes_max + kRequestLineExtra) {
      return fail(kTargetTooLong);
    }
  } else if (seen_ - first_line_ > limits.header_bytes_max) {
    return fail(kHeaderTooLarge);
  }
  return Outcome::kIncomplete;
}

Fault parse_header(std::string_view header, std::size_t target_bytes_max, ParsedHeader& out,
                   std::unique_ptr<JoinedValues>& joined) {
  out = ParsedHeader{};
  Parser parser(out, joined);
  parser.set_end(header.data() + header.size());
  ErrorCodeOut ec;
  const std::size_t taken = parser.put(boost::asio::const_buffer(header.data(), header.size()), ec);
  if (ec) return to_fault(ec, parser, header);
  if (taken != header.size() || !parser.is_header_done()) return kMalformedHeader;
  if (out.request.target.size() > target_bytes_max) return kTargetTooLong;
  if (!split_target(out.request)) return kMalformedLine;
  if (parser.hosts() > 1 || (out.http11 && parser.hosts() == 0)) {
    return {ErrorCode::kInvalidArgument, "one Host header is needed"};
  }
  out.chunked = parser.chunked();
  // RFC 9112, 6.1: the coding is unknown to HTTP/1.0, so such a message's framing is not to be
  // trusted.
  if (out.chunked && !out.http11) {
    return {ErrorCode::kInvalidArgument, "Transfer-Encoding is no part of HTTP/1.0"};
  }
  out.keep_alive = parser.keep_alive();
  out.content_length = parser.content_length().value_or(0);
  if (!out.http11) out.expect_continue = false;  // RFC 9110, 10.1.1
  return {};
}

struct ChunkedBody::Impl {
  Impl() : parser(header, joined) {}
  ParsedHeader header;
  std::unique_ptr<JoinedValues> joined;
  Parser parser;
};

ChunkedBody::ChunkedBody(std::string_view header, std::size_t body_bytes_max)
    : impl_(std::make_unique<Impl>()) {
  Parser& parser = impl_->parser;
  parser.body_limit(body_bytes_max);
  parser.set_end(header.data() + header.size());
  ErrorCodeOut ec;
  parser.put(boost::asio::const_buffer(header.data(), header.size()), ec);
}

ChunkedBody::~ChunkedBody() = default;

ChunkedBody::Progress ChunkedBody::take(std::string_view raw, char* to) {
  Progress progress;
  // "0\r\n\r\n" is the least that can still come at any time, and Beast asserts that it has as much
  // when it looks at a last chunk for the second time.
  if (raw.size() < 5) return progress;
  Parser& parser = impl_->parser;
  parser.set_end(raw.data() + raw.size());
  parser.decode_to(to);
  parser.reset_decoded();
  ErrorCodeOut ec;
  progress.taken = parser.put(boost::asio::const_buffer(raw.data(), raw.size()), ec);
  progress.decoded = parser.decoded();
  progress.done = parser.is_done();
  if (ec == beast_http::error::body_limit) {
    progress.fault = kBodyTooLarge;
  } else if (ec == beast_http::error::need_more) {
    if (raw.size() - progress.taken > kChunkLineBytesMax) {
      progress.fault = {ErrorCode::kHeaderTooLarge,
                        "a chunk's header or the trailers are too large"};
    }
  } else if (ec) {
    progress.fault = parser.fault()
                         ? parser.fault()
                         : Fault{ErrorCode::kInvalidArgument, "the chunked body is malformed"};
  }
  return progress;
}

}  // namespace push_cache::http
