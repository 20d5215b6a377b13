#include "http/head.h"

#include <charconv>
#include <cstring>

#include "http/date.h"

namespace push_cache::http {
namespace {

struct StatusRow {
  unsigned status;
  std::string_view line;
};

// Those that occur most often first.
constexpr StatusRow kStatusLines[] = {
    {200, "HTTP/1.1 200 OK\r\n"},
    {304, "HTTP/1.1 304 Not Modified\r\n"},
    {404, "HTTP/1.1 404 Not Found\r\n"},
    {201, "HTTP/1.1 201 Created\r\n"},
    {202, "HTTP/1.1 202 Accepted\r\n"},
    {204, "HTTP/1.1 204 No Content\r\n"},
    {400, "HTTP/1.1 400 Bad Request\r\n"},
    {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
    {406, "HTTP/1.1 406 Not Acceptable\r\n"},
    {408, "HTTP/1.1 408 Request Timeout\r\n"},
    {409, "HTTP/1.1 409 Conflict\r\n"},
    {411, "HTTP/1.1 411 Length Required\r\n"},
    {412, "HTTP/1.1 412 Precondition Failed\r\n"},
    {413, "HTTP/1.1 413 Content Too Large\r\n"},
    {414, "HTTP/1.1 414 URI Too Long\r\n"},
    {415, "HTTP/1.1 415 Unsupported Media Type\r\n"},
    {417, "HTTP/1.1 417 Expectation Failed\r\n"},
    {422, "HTTP/1.1 422 Unprocessable Content\r\n"},
    {429, "HTTP/1.1 429 Too Many Requests\r\n"},
    {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
    {500, "HTTP/1.1 500 Internal Server Error\r\n"},
    {501, "HTTP/1.1 501 Not Implemented\r\n"},
    {502, "HTTP/1.1 502 Bad Gateway\r\n"},
    {503, "HTTP/1.1 503 Service Unavailable\r\n"},
    {504, "HTTP/1.1 504 Gateway Timeout\r\n"},
    {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
    {507, "HTTP/1.1 507 Insufficient Storage\r\n"},
};

void append_status_line(Buffer& out, unsigned status) {
  for (const StatusRow& row : kStatusLines) {
    if (row.status == status) {
      out.append(row.line);
      return;
    }
  }
  char digits[10];
  const auto end = std::to_chars(digits, digits + sizeof digits, status).ptr;
  out.append("HTTP/1.1 ");
  out.append(std::string_view(digits, static_cast<std::size_t>(end - digits)));
  out.append(" -\r\n");
}

bool has_control(std::string_view value) {
  for (char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

void append_field(Buffer& out, std::string_view name, std::string_view value) {
  if (value.empty() || has_control(value)) return;
  char* to = out.reserve(name.size() + value.size() + 2);
  std::memcpy(to, name.data(), name.size());
  std::memcpy(to + name.size(), value.data(), value.size());
  std::memcpy(to + name.size() + value.size(), "\r\n", 2);
  out.commit(name.size() + value.size() + 2);
}

}  // namespace

std::string_view DateLine::at(std::int64_t seconds_since_1970) {
  if (seconds_since_1970 != seconds_) {
    seconds_ = seconds_since_1970;
    constexpr std::string_view kName = "Date: ";
    std::memcpy(text_, kName.data(), kName.size());
    size_ = kName.size();
    const HttpDate date(seconds_);
    std::memcpy(text_ + size_, date.view().data(), date.view().size());
    size_ += date.view().size();
    std::memcpy(text_ + size_, "\r\n", 2);
    size_ += 2;
  }
  return {text_, size_};
}

std::size_t append_head(Buffer& out, unsigned status, const Head& head, std::string_view date_line,
                        BodyFraming framing, ConnectionLine connection,
                        const Correlation& correlation) {
  out.reserve(512);  // so that the appends below hardly ever grow it one by one
  append_status_line(out, status);
  out.append(date_line);
  if (framing != BodyFraming::kNone) append_field(out, "Content-Type: ", head.content_type);
  append_field(out, "ETag: ", head.etag);
  append_field(out, "Last-Modified: ", head.last_modified);
  append_field(out, "Push-Cache-Position: ", head.position);
  append_field(out, "Push-Cache-Local-Writes: ", head.local_writes);
  append_field(out, "Cache-Control: ", head.cache_control);
  append_field(out, "Allow: ", head.allow);
  append_field(out, "Retry-After: ", head.retry_after);
  append_field(out, "Location: ", head.location);
  append_field(out, "Link: ", head.link);
  append_field(out, "X-Request-Id: ", correlation.request_id);
  append_field(out, "traceparent: ", correlation.traceparent);
  if (connection == ConnectionLine::kClose) out.append("Connection: close\r\n");
  if (connection == ConnectionLine::kKeepAlive) out.append("Connection: keep-alive\r\n");
  std::size_t place = 0;
  switch (framing) {
    case BodyFraming::kLength: {
      constexpr std::string_view kField = "Content-Length:         0\r\n\r\n";
      constexpr std::size_t kName = std::string_view("Content-Length:").size();
      static_assert(kField.size() == kName + kLengthDigits + 4);
      place = out.size() + kName;
      out.append(kField);
      break;
    }
    case BodyFraming::kChunked:
      out.append("Transfer-Encoding: chunked\r\n\r\n");
      break;
    case BodyFraming::kUntilClose:
    case BodyFraming::kNone:
      out.append("\r\n");
      break;
  }
  return place;
}

void patch_length(Buffer& out, std::size_t place, std::size_t body_bytes) {
  char* at = out.data() + place + kLengthDigits;
  do {
    *--at = static_cast<char>('0' + body_bytes % 10);
    body_bytes /= 10;
  } while (body_bytes != 0 && at != out.data() + place + 1);
}

}  // namespace push_cache::http
