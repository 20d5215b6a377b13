#include "http/parser.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace push_cache::http {
namespace {

constexpr HeaderScan::Limits kLimits{100, 1000};

struct Parsed {
  Fault fault;
  ParsedHeader header;
  std::unique_ptr<JoinedValues> joined;
  std::unique_ptr<char[]> bytes;  // exactly the header: a read beyond it is seen by asan
};

Parsed parse(std::string_view text) {
  Parsed out;
  out.bytes.reset(new char[text.size()]);
  std::copy(text.begin(), text.end(), out.bytes.get());
  HeaderScan scan;
  const std::string_view bytes(out.bytes.get(), text.size());
  switch (scan.scan(bytes, kLimits)) {
    case HeaderScan::Outcome::kFault:
      out.fault = scan.fault();
      return out;
    case HeaderScan::Outcome::kIncomplete:
      out.fault = {ErrorCode::kInternal, "incomplete"};
      return out;
    case HeaderScan::Outcome::kComplete:
      break;
  }
  EXPECT_EQ(scan.header_bytes(), text.size());
  out.fault = parse_header(bytes, kLimits.target_bytes_max, out.header, out.joined);
  return out;
}

TEST(ParseHeader, KeepsWhatARequestNeeds) {
  const Parsed parsed = parse(
      "GET /a%20b?x=1&y=2 HTTP/1.1\r\nHost: h:80\r\nIF-NONE-MATCH:  \"1\" \r\n"
      "Content-Type: application/json\r\nAccept: */*\r\nContent-Length: 12\r\n\r\n");
  ASSERT_EQ(parsed.fault.status(), 0u) << parsed.fault.message;
  const Request& request = parsed.header.request;
  EXPECT_EQ(request.method, Method::kGet);
  EXPECT_EQ(request.target, "/a%20b?x=1&y=2");
  EXPECT_EQ(request.path, "/a%20b");
  EXPECT_EQ(request.query, "x=1&y=2");
  EXPECT_EQ(request.if_none_match, "\"1\"");
  EXPECT_EQ(request.content_type, "application/json");
  EXPECT_EQ(request.accept, "*/*");
  EXPECT_EQ(parsed.header.content_length, 12u);
  EXPECT_TRUE(parsed.header.keep_alive);
  EXPECT_TRUE(parsed.header.http11);
  EXPECT_EQ(parsed.joined, nullptr);
}

TEST(ParseHeader, KeepsWhatCorrelatesIfItIsWellFormed) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto correlation = [](const std::string& lines) {
    const Parsed parsed = parse("GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n");
    EXPECT_EQ(parsed.fault.status(), 0u) << lines << parsed.fault.message;
    const Correlation& found = parsed.header.request.correlation;
    return std::pair(std::string(found.request_id), std::string(found.traceparent));
  };
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(correlation(""), Pair("", ""));
  EXPECT_EQ(correlation("x-REQUEST-id: a/b=1\r\nTraceParent: " + trace + "\r\n"),
            Pair("a/b=1", trace));
  EXPECT_EQ(correlation("X-Request-Id: 1\r\nX-Request-Id: 2\r\n"), Pair("1", ""));
  EXPECT_EQ(correlation("X-Request-Id: " + std::string(128, 'x') + "\r\n").first.size(), 128u);
  for (const std::string& id :
       {std::string(129, 'x'), std::string("a b"), std::string("\xc3\xa4")}) {
    EXPECT_EQ(correlation("X-Request-Id: " + id + "\r\n"), Pair("", "")) << id;
  }
  for (const char* other : {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736x00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7x01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g"}) {
    EXPECT_EQ(correlation("traceparent: " + std::string(other) + "\r\n"), Pair("", "")) << other;
  }
}

TEST(ParseHeader, JoinsRepeatedLines) {
  const Parsed parsed = parse(
      "GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"1\"\r\nAccept: a/b\r\n"
      "If-None-Match: \"2\", \"3\"\r\nIf-None-Match: \"4\"\r\n\r\n");
  ASSERT_EQ(parsed.fault.status(), 0u);
  EXPECT_EQ(parsed.header.request.if_none_match, "\"1\", \"2\", \"3\", \"4\"");
  EXPECT_EQ(parsed.header.request.accept, "a/b");
}

TEST(ParseHeader, KeepsAnIfMatchWithoutATag) {
  const auto if_match = [](const std::string& lines) {
    const Parsed parsed = parse("DELETE / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n");
    EXPECT_EQ(parsed.fault.status(), 0u) << lines;
    const auto& found = parsed.header.request.if_match;
    return found ? std::optional<std::string>(*found) : std::nullopt;
  };
  EXPECT_EQ(if_match(""), std::nullopt);
  EXPECT_EQ(if_match("If-Match:\r\n"), "");
  EXPECT_EQ(if_match("if-match: *\r\n"), "*");
  EXPECT_EQ(if_match("If-Match:\r\nIf-Match: \"1\"\r\nIf-Match: \"2\"\r\n"), "\"1\", \"2\"");
  const Parsed dated = parse(
      "GET / HTTP/1.1\r\nHost: h\r\nIf-Unmodified-Since: a\r\nIf-Unmodified-Since: b\r\n\r\n");
  EXPECT_EQ(dated.header.request.if_unmodified_since, "a, b");
}

TEST(ParseHeader, KnowsTheMethods) {
  const std::pair<const char*, Method> kRows[] = {
      {"GET", Method::kGet},         {"HEAD", Method::kHead},     {"POST", Method::kPost},
      {"PUT", Method::kPut},         {"DELETE", Method::kDelete}, {"PATCH", Method::kPatch},
      {"OPTIONS", Method::kOptions}, {"get", Method::kOther},     {"TRACE", Method::kOther},
      {"X-Y", Method::kOther}};
  for (const auto& [name, method] : kRows) {
    const Parsed parsed = parse(std::string(name) + " / HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(parsed.fault.status(), 0u) << name;
    EXPECT_EQ(parsed.header.request.method, method) << name;
  }
}

TEST(ParseHeader, TakesAllFormsOfATarget) {
  struct Row {
    const char* target;
    const char* path;
    const char* query;
  };
  for (const Row& row : {Row{"http://h/a?b", "/a", "b"}, Row{"HTTP://h:1", "/", ""},
                         Row{"https://h?q=/", "/", "q=/"}, Row{"//a", "//a", ""},
                         Row{"/?", "/", ""}, Row{"/a??", "/a", "?"}}) {
    const Parsed parsed = parse("GET " + std::string(row.target) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(parsed.fault.status(), 0u) << row.target;
    EXPECT_EQ(parsed.header.request.path, row.path) << row.target;
    EXPECT_EQ(parsed.header.request.query, row.query) << row.target;
  }
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").fault.status(), 0u);
  for (const char* target : {"a/b", "*", "ftp://h/", "http://", "http:///x", "h:443"}) {
    EXPECT_EQ(parse("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n").fault.status(),
              400u)
        << target;
  }
}

TEST(ParseHeader, KeepAliveByVersionAndHeader) {
  const auto keeps = [](std::string_view text) { return parse(text).header.keep_alive; };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(HeaderScan, LooksAtEachByteOnceInWhateverPieces) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(500, 'x') + "\r\n\r\nrest";
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    HeaderScan scan;
    std::size_t bytes = 0;
    HeaderScan::Outcome outcome = HeaderScan::Outcome::kIncomplete;
    while (outcome == HeaderScan::Outcome::kIncomplete) {
      bytes = std::min(text.size(), bytes + 1 + random() % 40);
      outcome = scan.scan(std::string_view(text).substr(0, bytes), kLimits);
      ASSERT_TRUE(outcome != HeaderScan::Outcome::kIncomplete || bytes < text.size() - 4);
    }
    ASSERT_EQ(outcome, HeaderScan::Outcome::kComplete);
    EXPECT_EQ(scan.header_bytes(), text.size() - 4);
  }
}

// Found by the fuzzer: a line both too long and without CR was 400 at once and 414 in pieces.
TEST(HeaderScan, AnswersTheSameInWhateverPieces) {
  for (const std::string& text :
       {"GET /" + std::string(200, 'a') + "\n",
        "GET / HTTP/1.1\r\nX: " + std::string(1000, 'a') + "\n", std::string("GET /\n"),
        std::string("GET / HTTP/1.1\r\nX: a\n")}) {
    HeaderScan whole;
    ASSERT_EQ(whole.scan(text, kLimits), HeaderScan::Outcome::kFault);
    HeaderScan pieces;
    HeaderScan::Outcome outcome = HeaderScan::Outcome::kIncomplete;
    for (std::size_t size = 1; outcome == HeaderScan::Outcome::kIncomplete; ++size) {
      ASSERT_LE(size, text.size());
      outcome = pieces.scan(std::string_view(text).substr(0, size), kLimits);
    }
    EXPECT_EQ(pieces.fault().status(), whole.fault().status()) << text;
  }
}

TEST(HeaderScan, RefusesWhatIsTooLongBeforeItHasAllCome) {
  HeaderScan target;
  EXPECT_EQ(target.scan("GET /" + std::string(200, 'a'), kLimits), HeaderScan::Outcome::kFault);
  EXPECT_EQ(target.fault().status(), 414u);
  HeaderScan header;
  EXPECT_EQ(header.scan("GET / HTTP/1.1\r\nX: " + std::string(1000, 'a'), kLimits),
            HeaderScan::Outcome::kFault);
  EXPECT_EQ(header.fault().status(), 431u);
  HeaderScan lines;
  std::string many = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 110; ++i) many += "a:b\r\n";
  EXPECT_EQ(lines.scan(many, kLimits), HeaderScan::Outcome::kFault);
  EXPECT_EQ(lines.fault().status(), 431u);
}

// Feeds a chunked body in pieces of the sizes that `next` gives; the whole in exact-size memory.
ChunkedBody::Progress decode(std::string_view text, std::string& body, std::size_t& left,
                             const std::function<std::size_t()>& next,
                             std::size_t body_bytes_max = 1000) {
  ChunkedBody chunks("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
                     body_bytes_max);
  std::string waiting;
  std::size_t at = 0;
  body.clear();
  for (;;) {
    std::unique_ptr<char[]> exact(new char[waiting.size()]);
    std::copy(waiting.begin(), waiting.end(), exact.get());
    const ChunkedBody::Progress progress = chunks.take({exact.get(), waiting.size()}, exact.get());
    body.append(exact.get(), progress.decoded);
    waiting.erase(0, progress.taken);
    if (progress.done || progress.fault || at == text.size()) {
      left = waiting.size() + text.size() - at;
      return progress;
    }
    const std::size_t bytes = std::min(next(), text.size() - at);
    waiting.append(text.substr(at, bytes));
    at += bytes;
  }
}

TEST(ChunkedBody, DecodesInWhateverPieces) {
  const std::string text =
      "5\r\nhello\r\n1;a=b\r\n,\r\n0A\r\n0123456789\r\n0;last\r\nTrailer: x\r\n\r\nNEXT";
  std::mt19937 random(11);
  for (std::size_t round = 0; round < 300; ++round) {
    std::string body;
    std::size_t left = 0;
    const auto progress = decode(text, body, left, [&]() -> std::size_t {
      return round == 0 ? 1 : round == 1 ? text.size() : 1 + random() % 12;
    });
    ASSERT_EQ(progress.fault.status(), 0u) << progress.fault.message;
    ASSERT_TRUE(progress.done);
    EXPECT_EQ(body, "hello,0123456789");
    EXPECT_GE(left, 4u);
  }
}

TEST(ChunkedBody, EmptyByteByByte) {
  std::string body;
  std::size_t left = 0;
  const auto progress = decode("0\r\n\r\n", body, left, [] { return 1; });
  EXPECT_TRUE(progress.done);
  EXPECT_EQ(body, "");
}

TEST(ChunkedBody, RefusesMalformedOnes) {
  struct Row {
    const char* text;
    unsigned status;
  };
  for (const Row& row :
       {Row{"x\r\nhello\r\n0\r\n\r\n", 400}, Row{"-5\r\nhello\r\n0\r\n\r\n", 400},
        Row{"5\r\nhelloX\r\n0\r\n\r\n", 400}, Row{"0x5\r\nhello\r\n0\r\n\r\n", 400},
        Row{"5 5\r\nhello\r\n0\r\n\r\n", 400}, Row{"fffffffffffffffff\r\nhello\r\n0\r\n\r\n", 400},
        Row{"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 413}, Row{"3e9\r\nhello\r\n0\r\n\r\n", 413},
        Row{"5\nhello\r\n0\r\n\r\n", 400}, Row{"0\r\nA: b\r\n c\r\n\r\n", 400},
        Row{"0\r\nA b\r\n\r\n", 400}, Row{"0\r\nContent-Length: 5\r\n\r\n", 400}}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
      std::string body;
      std::size_t left = 0;
      const auto progress = decode(row.text, body, left, [&] { return piece; });
      EXPECT_EQ(progress.fault.status(), row.status) << row.text << " in pieces of " << piece;
    }
  }
}

TEST(ChunkedBody, BoundsSizeLinesAndTrailers) {
  for (const std::string& text :
       {"5;" + std::string(40'000, 'a'), "0\r\nA: " + std::string(40'000, 'a')}) {
    std::string body;
    std::size_t left = 0;
    EXPECT_EQ(decode(text, body, left, [] { return 1000; }).fault.status(), 431u);
  }
}

}  // namespace
}  // namespace push_cache::http
