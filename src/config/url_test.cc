#include "config/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace push_cache::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Url, HasItsParts) {
  Result<Url> url = parse_url("HTTPS://us%40er:p%3Aw@registry.example:8443/apis/ccompat/v7");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->username, "us@er");
  EXPECT_EQ(url->password, "p:w");
  EXPECT_EQ(url->host, "registry.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/apis/ccompat/v7");
  EXPECT_EQ(url->without_userinfo(), "https://registry.example:8443/apis/ccompat/v7");
}

TEST(Url, KnowsIpv6) {
  Result<Url> url = parse_url("http://[::1]:8081");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->without_userinfo(), "http://[::1]:8081");
}

TEST(Url, SaysWhatIsWrongWithoutRepeatingIt) {
  for (const char* text :
       {"", "hunter2", "localhost:8081", "http://", "http:///path", "http://user:hunter2@",
        "http://user:hunter2", "http://user:hunter2@host:99999", "http://user:hunter2@host:0",
        "http://user:hunter2 @host", "http://user:hun%ter2@host", "http://user:hunter2@ho st/"}) {
    Result<Url> url = parse_url(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(url.error().describe(), Not(HasSubstr("hunter2"))) << text;
  }
}

TEST(RedisUrl, HasItsParts) {
  Result<RedisUrl> plain = parse_redis_url("redis://redis.internal.net");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->host, "redis.internal.net");
  EXPECT_EQ(plain->port, 6379);
  EXPECT_EQ(plain->database, 0u);
  EXPECT_FALSE(plain->tls);
  Result<RedisUrl> full = parse_redis_url("rediss://user:p%40ss@[::1]:6380/12");
  ASSERT_TRUE(full.ok());
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->username, "user");
  EXPECT_EQ(full->password, "p@ss");
  EXPECT_EQ(full->host, "::1");
  EXPECT_EQ(full->port, 6380);
  EXPECT_EQ(full->database, 12u);
  for (const char* text : {"http://host", "redis://host/db", "redis://host/1/2",
                           "redis://host/99999999999", "redis://host?password=x", "redis://"}) {
    EXPECT_FALSE(parse_redis_url(text).ok()) << text;
  }
}

TEST(RedactUrl, LeavesNoSecret) {
  struct Case {
    std::string_view text;
    std::string_view shown;
  };
  const Case cases[] = {
      {"redis://user:hunter2@host:6379/0", "redis://***@host:6379/0"},
      {"redis://:hunter2@host", "redis://***@host"},
      {"redis://user:hun@ter2@host", "redis://***@host"},
      {"redis://user:hun/ter2@host", "redis://***@host"},
      {"redis://user:hun?ter2@host", "redis://***@host"},
      {"http://host:8081/x", "http://host:8081/x"},
      {"http://host?key=hunter2", "http://host?***"},
      {"see http://a, http://u:hunter2@b/", "see http://***@b/"},
      {"nothing at all", "nothing at all"},
      {"", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(redact_url(c.text), c.shown) << c.text;
}

}  // namespace
}  // namespace push_cache::config
