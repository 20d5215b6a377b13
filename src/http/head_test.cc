#include "http/head.h"

#include <gtest/gtest.h>

#include <string>

namespace push_cache::http {
namespace {

constexpr std::string_view kDate = "Date: Mon, 23 Nov 2026 11:53:06 GMT\r\n";

TEST(DateLine, IsTheImfFixdateOfRfc9110) {
  DateLine date;
  EXPECT_EQ(date.at(784111777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  EXPECT_EQ(date.at(784111777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  EXPECT_EQ(date.at(951782400), "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
}

TEST(AppendHead, WritesAllThatIsSet) {
  Buffer out;
  Head head;
  head.etag = "\"5\"";
  head.cache_control = "public, max-age=60";
  head.location = "/api/users/a";
  const std::size_t place =
      append_head(out, 200, head, kDate, BodyFraming::kLength, ConnectionLine::kClose);
  patch_length(out, place, 12345);
  EXPECT_EQ(out.view(),
            "HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 11:53:06 GMT\r\n"
            "Content-Type: application/json\r\nETag: \"5\"\r\nCache-Control: public, max-age=60\r\n"
            "Location: /api/users/a\r\nConnection: close\r\nContent-Length:     12345\r\n\r\n");
}

TEST(AppendHead, PatchesEveryLength) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{9}, std::size_t{536'870'912}}) {
    Buffer out;
    const std::size_t place =
        append_head(out, 200, {}, kDate, BodyFraming::kLength, ConnectionLine::kNone);
    patch_length(out, place, bytes);
    const std::string text(out.view());
    const std::size_t at = text.find("Content-Length:");
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(text[at + 15], ' ');
    EXPECT_EQ(std::stoul(text.substr(at + 15)), bytes);
    EXPECT_TRUE(text.ends_with("\r\n\r\n"));
  }
}

TEST(AppendHead, LeavesOutValuesThatWouldBeHeadersOfTheirOwn) {
  Buffer out;
  Head head;
  head.location = "/a\r\nSet-Cookie: x=1";
  append_head(out, 201, head, kDate, BodyFraming::kLength, ConnectionLine::kNone);
  EXPECT_EQ(out.view().find("Set-Cookie"), std::string_view::npos);
  EXPECT_TRUE(out.view().starts_with("HTTP/1.1 201 Created\r\n"));
}

TEST(AppendHead, KnowsStatusesItHasNoNameFor) {
  Buffer out;
  append_head(out, 299, {}, kDate, BodyFraming::kNone, ConnectionLine::kKeepAlive);
  EXPECT_EQ(out.view(),
            "HTTP/1.1 299 -\r\nDate: Mon, 23 Nov 2026 11:53:06 GMT\r\n"
            "Connection: keep-alive\r\n\r\n");
}

}  // namespace
}  // namespace push_cache::http
