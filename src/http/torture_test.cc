// Requests that are malformed, ambiguous or at a limit, each with the answer that is expected, sent
// over a real connection whole and byte by byte.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "http/test_client.h"

namespace push_cache::http {
namespace {

using std::string_literals::operator""s;
using test::Client;
using test::FunctionHandler;

enum class After { kOpen, kClosed };

struct Row {
  const char* name;
  std::string bytes;
  unsigned status;
  After after = After::kClosed;
};

const std::string kEnd = "\r\n\r\n";

std::string get_with(const std::string& headers) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + headers + kEnd;
}
std::string post_with(const std::string& headers, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + headers + kEnd + body;
}
std::string chunked(const std::string& body) {
  return post_with("Transfer-Encoding: chunked", body);
}

std::vector<Row> rows() {
  using enum After;
  return {
      {"plain", get_with("A: b"), 200, kOpen},
      {"1.0", "GET / HTTP/1.0" + kEnd, 200, kClosed},
      {"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive" + kEnd, 200, kOpen},
      {"1.1 close", get_with("Connection: close"), 200, kClosed},
      {"empty lines before", "\r\n\r\n\r\n" + get_with("A: b"), 200, kOpen},
      {"empty header value", get_with("A:"), 200, kOpen},
      {"obs-text in a value", get_with("A: \xc3\xa9"), 200, kOpen},
      {"body", post_with("Content-Length: 3", "abc"), 200, kOpen},
      {"body of GET", get_with("Content-Length: 3") + "abc", 200, kOpen},
      {"same Content-Length twice", post_with("Content-Length: 3\r\nContent-Length: 3", "abc"), 200,
       kOpen},
      {"chunked", chunked("3\r\nabc\r\n0\r\n\r\n"), 200, kOpen},
      {"chunked with extension and trailer", chunked("3;x=\"y\"\r\nabc\r\n0\r\nT: v\r\n\r\n"), 200,
       kOpen},
      {"empty chunked", chunked("0\r\n\r\n"), 200, kOpen},
      {"method that nobody knows", "BREW / HTTP/1.1\r\nHost: h" + kEnd, 200, kOpen},

      {"bare LF after the request line", "GET / HTTP/1.1\nHost: h" + kEnd, 400},
      {"bare LF after a header", "GET / HTTP/1.1\r\nHost: h\nA: b" + kEnd, 400},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"bare CR in a header", get_with("A: b\rc"), 400},
      {"bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"NUL in a value", get_with("A: b\0c"s), 400},
      {"DEL in a value", get_with("A: b\x7f"), 400},
      {"NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"s, 400},
      {"space in the target", "GET /a b HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"space after the version", "GET / HTTP/1.1 \r\nHost: h" + kEnd, 400},
      {"no version", "GET /\r\nHost: h" + kEnd, 400},
      {"no target", "GET HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"no method", " / HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"bad method", "GE(T / HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"lower-case version", "GET / http/1.1\r\nHost: h" + kEnd, 400},
      {"TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s, 400},
      {"relative target", "GET a/b HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h" + kEnd, 400},
      {"2.0", "GET / HTTP/2.0\r\nHost: h" + kEnd, 505},
      {"preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"0.9", "GET / HTTP/0.9\r\nHost: h" + kEnd, 505},
      {"1.2", "GET / HTTP/1.2\r\nHost: h" + kEnd, 505},
      {"space before the colon", get_with("A : b"), 400},
      {"space before the first header", "GET / HTTP/1.1\r\n Host: h" + kEnd, 400},
      {"header without a colon", get_with("A"), 400},
      {"header without a name", get_with(": b"), 400},
      {"bad header name", get_with("A[]: b"), 400},
      {"folded line", get_with("A: b\r\n c"), 400},
      {"folded with a tab", get_with("A: b\r\n\tc"), 400},
      {"folded before the value", get_with("A:\r\n b"), 400},
      {"folded Content-Length", post_with("Content-Length:\r\n 3", "abc"), 400},
      {"folded to nothing", get_with("A: b\r\n "), 400},
      {"no Host", "GET / HTTP/1.1\r\nA: b" + kEnd, 400},
      {"two Hosts", get_with("Host: h"), 400},
      {"bad Host", "GET / HTTP/1.1\r\nHost: h/x y" + kEnd, 400},
      {"bad Connection", get_with("Connection: a b"), 400},

      {"negative Content-Length", post_with("Content-Length: -3", "abc"), 400},
      {"signed Content-Length", post_with("Content-Length: +3", "abc"), 400},
      {"hexadecimal Content-Length", post_with("Content-Length: 0x3", "abc"), 400},
      {"Content-Length that is no number", post_with("Content-Length: abc"), 400},
      {"empty Content-Length", post_with("Content-Length:"), 400},
      {"Content-Length with a space", post_with("Content-Length: 3 3"), 400},
      {"Content-Length beyond 64 bits", post_with("Content-Length: 18446744073709551616"), 400},
      {"two Content-Lengths", post_with("Content-Length: 3\r\nContent-Length: 4", "abcd"), 400},
      {"list of Content-Lengths", post_with("Content-Length: 3, 4", "abcd"), 400},
      {"CL.TE", post_with("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), 400},
      {"TE.CL", post_with("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"), 400},
      {"TE.TE", post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
       400},
      {"TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked" + kEnd + "0\r\n\r\n", 400},
      {"unknown coding", post_with("Transfer-Encoding: gzip"), 501},
      {"two codings", post_with("Transfer-Encoding: gzip, chunked"), 501},
      {"chunked twice in a list", post_with("Transfer-Encoding: chunked, chunked"), 501},
      {"identity", post_with("Transfer-Encoding: identity"), 501},
      {"xchunked", post_with("Transfer-Encoding: xchunked"), 501},
      {"quoted chunked", post_with("Transfer-Encoding: \"chunked\""), 501},
      {"TE with a vertical tab",
       post_with("Transfer-Encoding: \x0b"
                 "chunked"),
       400},
      {"TE hidden behind a space", post_with("Transfer-Encoding : chunked"), 400},
      {"other expectation", get_with("Expect: miracles"), 417},
      {"chunk size that is no number", chunked("xyz\r\nabc\r\n0\r\n\r\n"), 400},
      {"negative chunk size", chunked("-3\r\nabc\r\n0\r\n\r\n"), 400},
      {"chunk longer than its size", chunked("3\r\nabcd\r\n0\r\n\r\n"), 400},
      {"chunk size line with bare LF", chunked("3\nabc\r\n0\r\n\r\n"), 400},
      {"Transfer-Encoding in the trailers", chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
       400},

      {"target at its limit", "GET /" + std::string(199, 'a') + " HTTP/1.1\r\nHost: h" + kEnd, 200,
       After::kOpen},
      {"target beyond it", "GET /" + std::string(200, 'a') + " HTTP/1.1\r\nHost: h" + kEnd, 414},
      {"target far beyond it", "GET /" + std::string(5000, 'a'), 414},
      {"header beyond its limit", get_with("A: " + std::string(2000, 'a')), 431},
      {"endless header", "GET / HTTP/1.1\r\nA: " + std::string(3000, 'a'), 431},
      {"body at its limit", post_with("Content-Length: 500", std::string(500, 'a')), 200,
       After::kOpen},
      {"body beyond it", post_with("Content-Length: 501", std::string(501, 'a')), 413},
      {"body far beyond it", post_with("Content-Length: 99999999999999"), 413},
      {"chunked body at the limit", chunked("1f4\r\n" + std::string(500, 'a') + "\r\n0\r\n\r\n"),
       200, After::kOpen},
      {"chunked body beyond it", chunked("1f5\r\n" + std::string(501, 'a') + "\r\n0\r\n\r\n"), 413},
      {"chunks that sum up beyond it",
       chunked("190\r\n" + std::string(400, 'a') + "\r\n65\r\n" + std::string(101, 'a') +
               "\r\n0\r\n\r\n"),
       413},
  };
}

class Torture : public testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.target_bytes_max = 200;
    options.header_bytes_max = 1500;
    options.body_bytes_max = 500;
    auto started = Server::start(options, handler_);
    ASSERT_TRUE(started.ok()) << started.error().describe();
    server_ = std::move(*started);
  }

  void check(const Row& row, bool whole) {
    SCOPED_TRACE(std::string(row.name) + (whole ? ", whole" : ", byte by byte"));
    Client client(server_->port());
    ASSERT_TRUE(client.connected());
    // A server that refuses early may close before it has seen all of it.
    if (whole) {
      client.send(row.bytes);
    } else {
      client.send_byte_by_byte(row.bytes);
    }
    const auto response = client.read();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, row.status) << response->body;
    if (row.status != 200) {
      EXPECT_TRUE(response->body.starts_with("{\"message\":\"")) << response->body;
      EXPECT_EQ(response->header("Content-Type"), "application/json");
      EXPECT_EQ(response->header("Connection"), "close");
      EXPECT_EQ(handled_, 0);
    }
    if (row.after == After::kOpen) {
      const auto next = client.get("/next");
      ASSERT_TRUE(next.has_value());
      EXPECT_EQ(next->status, 200u);
      EXPECT_EQ(client.unread(), "");
    } else {
      client.shutdown_write();
      EXPECT_TRUE(client.ended()) << client.unread();
    }
    handled_ = 0;
  }

  std::atomic<int> handled_{0};
  FunctionHandler handler_{[this](Exchange& exchange) {
    ++handled_;
    exchange.begin(200, {}).append("{}");
    exchange.finish();
  }};
  std::unique_ptr<Server> server_;
};

TEST_F(Torture, Whole) {
  for (const Row& row : rows()) check(row, true);
}

TEST_F(Torture, ByteByByte) {
  for (const Row& row : rows()) check(row, false);
}

TEST_F(Torture, NothingBehindARefusedRequestIsAnswered) {
  Client client(server_->port());
  client.send(post_with("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n") +
              get_with("A: b"));
  EXPECT_EQ(client.read()->status, 400u);
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(handled_, 0);
}

}  // namespace
}  // namespace push_cache::http
