// HTTP/1.1 for the API and health ports: what a handler sees. No Asio in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/buffer.h"
#include "base/error.h"

namespace push_cache::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kPatch, kOptions, kOther };
inline constexpr std::size_t kMethods = 8;
std::string_view to_string(Method method);  // "GET", ..., "other"

// By which a request is found again in the logs of whoever passes it on: sent back with the answer
// and written to the request log. "" when absent or not well-formed; of several lines the first.
struct Correlation {
  std::string_view request_id;   // X-Request-Id: up to 128 visible ASCII characters
  std::string_view traceparent;  // W3C Trace Context (Level 1), 3.2: version 00
};

// One request, whole with its body. All views live until the exchange is finished.
struct Request {
  Method method = Method::kGet;
  std::string_view target;  // as sent: "/api/users/a%20b?x=1"
  std::string_view path;    // up to '?', still percent-encoded
  std::string_view query;   // after '?', "" without one
  std::string_view rest;    // the part of `path` after the prefix that Router matched
  // Header values as sent, "" when absent; repeated lines are joined by ", ".
  std::string_view if_none_match;
  std::string_view if_unmodified_since;
  std::string_view content_type;
  std::string_view accept;
  std::optional<std::string_view> if_match;  // one without a tag is not the same as none
  std::string_view body;
  Correlation correlation;
};

// The headers of a response that vary; a field that is "" is not sent. Date, Content-Length,
// Connection are the server's own work.
struct Head {
  std::string_view content_type = "application/json";
  std::string_view etag;           // with its quotes
  std::string_view last_modified;  // an HttpDate
  std::string_view position;       // Push-Cache-Position: which record of the topic this is
  std::string_view local_writes;   // Push-Cache-Local-Writes: what POST and DELETE have changed
  std::string_view cache_control;
  std::string_view allow;
  std::string_view retry_after;
  std::string_view location;
  std::string_view link;
};

// A body made piece by piece, so that a long one neither fills memory nor keeps its loop busy.
class BodySource {
 public:
  virtual ~BodySource() = default;

  enum class Next : std::uint8_t {
    kMore,   // more pieces come
    kEnd,    // this was the last one
    kLater,  // nothing was appended: call again after `wake`
  };
  // Appends the next piece (some tens of KiB) to `out`. Called on the connection's loop, each time
  // the socket has taken the piece before; other connections of the loop get their turn between two
  // calls. An error before the first byte is answered instead of the response; after it the
  // connection ends in the middle of the body, which tells the client.
  virtual Result<Next> append_next(Buffer& out) = 0;

  // For the connection, before the first piece: what `wake` calls.
  void on_wake(std::function<void()> task) { wake_ = std::move(task); }

 protected:
  // After kLater, on the connection's loop, and not within `append_next`. The source may be gone
  // when it returns.
  void wake() { wake_(); }

 private:
  std::function<void()> wake_;
};

// One request and its response. Made by the server, used by exactly one handler. A handler either
// finishes it before `handle` returns or later, on the connection's loop: from a function that it
// posts there, or from whatever else the loop runs (net::this_loop).
// One exchange a connection is open at a time, so answers keep the order of the requests.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  // Sets `Request::rest`; for handlers that pass the exchange on, such as Router.
  virtual void set_rest(std::string_view /*rest*/) {}
  // Which route of the server's counts (Server::routes) this request belongs to; 0 until then.
  virtual void set_route(std::size_t /*route*/) {}

  // Writes the status line and headers, and returns the connection's output buffer: append the body
  // there, nothing else, and then call `finish`. For HEAD the body is counted and dropped, so a
  // HEAD is handled as its GET; 204 and 304 have neither body nor Content-Length.
  virtual Buffer& begin(unsigned status, const Head& head) = 0;
  // Drops what was written since `begin`, which may then be called again.
  virtual void abandon() = 0;
  // Sends the response. The exchange and the views of its request are gone after this call.
  virtual void finish() = 0;

  // Sends a whole response whose body is made by `source`, chunked (HTTP/1.0: until the connection
  // closes). The exchange owns `source` until the last piece is sent, the client has gone or the
  // server has ended.
  virtual void stream(unsigned status, const Head& head, std::unique_ptr<BodySource> source) = 0;

  // Runs `task` later on this connection's loop; safe from any thread while the exchange is open.
  // When the connection has gone by then, or another task has finished the exchange, the task is
  // dropped, so it may use the exchange freely. The exchange stays open until a task finishes it,
  // whatever the client does; at the server's end open ones are dropped, and nothing may use them
  // after that.
  virtual void post(std::function<void()> task) = 0;

  // Which event loop this connection is on: 0 to threads-1. For counters without sharing.
  virtual unsigned loop_index() const = 0;
};

// Answers requests. `handle` is called from every loop at once; it must not block and not throw.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(Exchange& exchange) = 0;
};

// Sends {"code":name,"message":text} with the status of the error's code; Error::detail stays out
// of it. With Retry-After when the status is 503, and `Cache-Control: no-store` unless `head` has
// another one: some errors may be kept by caches otherwise (RFC 9110, 15.1).
void send_error(Exchange& exchange, const Error& error, Head head = {});
void send_error(Exchange& exchange, ErrorCode code, std::string_view message, Head head = {});

// The message of a 404 that is about the path, not about a key.
inline constexpr std::string_view kUnserved = "no route serves this path";

// The body of an error.
void append_error(Buffer& to, ErrorCode code, std::string_view message);

}  // namespace push_cache::http
