#include "config/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace push_cache::config {
namespace {

using ::testing::ElementsAre;
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
  EXPECT_EQ(plain->topology, RedisTopology::kSingle);
  EXPECT_THAT(plain->hosts, ElementsAre(HostPort{"redis.internal.net", 6379}));
  EXPECT_EQ(plain->username + plain->password + plain->master_name, "");
  EXPECT_EQ(plain->database, 0);
  EXPECT_FALSE(plain->tls);
  Result<RedisUrl> full = parse_redis_url("REDISS://us%2Cer:p%40s,s%2f%25@[::1]:6380/12");
  ASSERT_TRUE(full.ok());
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->username, "us,er");
  EXPECT_EQ(full->password, "p@s,s/%");
  EXPECT_THAT(full->hosts, ElementsAre(HostPort{"::1", 6380}));
  EXPECT_EQ(full->database, 12);
  EXPECT_EQ(parse_redis_url("redis://:secret@h/")->password, "secret");
}

TEST(RedisUrl, NamesNodesOfACluster) {
  Result<RedisUrl> url = parse_redis_url("redis+cluster://u:p@a,b.c:7001,[::1],[fe80::2]:7002/0");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->topology, RedisTopology::kCluster);
  EXPECT_FALSE(url->tls);
  EXPECT_EQ(url->username, "u");
  EXPECT_EQ(url->password, "p");
  EXPECT_THAT(url->hosts, ElementsAre(HostPort{"a", 6379}, HostPort{"b.c", 7001},
                                      HostPort{"::1", 6379}, HostPort{"fe80::2", 7002}));
  EXPECT_TRUE(parse_redis_url("rediss+cluster://a")->tls);
  EXPECT_EQ(parse_redis_url("redis+cluster://u:p%2Cw@a")->password, "p,w");
  // With the store's option for it, any URL but that of sentinels is one.
  for (const char* text : {"redis://a,b:1", "redis+cluster://a,b:1"}) {
    url = parse_redis_url(text, RedisTopology::kCluster);
    ASSERT_TRUE(url.ok()) << text;
    EXPECT_EQ(url->topology, RedisTopology::kCluster);
    EXPECT_THAT(url->hosts, ElementsAre(HostPort{"a", 6379}, HostPort{"b", 1}));
  }
  for (const char* text : {"redis://a/1", "redis+sentinel://a/m"}) {
    EXPECT_FALSE(parse_redis_url(text, RedisTopology::kCluster).ok()) << text;
  }
}

TEST(RedisUrl, NamesSentinelsAndTheirMaster) {
  Result<RedisUrl> url = parse_redis_url("redis+sentinel://s1,[::1]:5000,s3/my-master_1.x");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->topology, RedisTopology::kSentinel);
  EXPECT_THAT(url->hosts,
              ElementsAre(HostPort{"s1", 26379}, HostPort{"::1", 5000}, HostPort{"s3", 26379}));
  EXPECT_EQ(url->master_name, "my-master_1.x");
  EXPECT_EQ(url->database, 0);
  url = parse_redis_url("rediss+sentinel://:p@s/m/3");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->password, "p");
  EXPECT_EQ(url->master_name, "m");
  EXPECT_EQ(url->database, 3);
}

TEST(RedisUrl, SaysWhatIsWrongWithoutRepeatingIt) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"", "not a URL"},
      {"u:hunter2@h", "not a URL"},
      {"http://u:hunter2@h", "begins with redis://"},
      {"redis+tls://u:hunter2@h", "begins with redis://"},
      {"redis://", "no host"},
      {"redis://u:hunter2@", "no host"},
      {"redis://h?password=hunter2", "no query"},
      {"redis://h#hunter2", "no query"},
      {"redis://h/hunter2", "number of a database"},
      {"redis://h/-1", "number of a database"},
      {"redis://h/1/2", "number of a database"},
      {"redis://h/99999999999", "number of a database"},
      {"redis://u:hun@ter2@h", "percent-encoded"},
      {"redis://u:hunter2", "port is not"},
      {"redis://u:hunter2@a,b", "begin it with redis+cluster://"},
      {"rediss://u:hunter2@a,b", "begin it with rediss+cluster://"},
      {"redis+cluster://u:hunter2@a,,b", "no host"},
      {"redis+cluster://u:hunter2@a,", "no host"},
      {"redis+cluster://u:hunter2@,a", "no host"},
      {"redis+cluster://u:hunter2@a,b:0", "port is not"},
      {"redis+cluster://u:hunter2@a,b:hunter2", "port is not"},
      {"redis+cluster://u:hunter2@a,b c", "not a URL"},
      {"redis+cluster://a,u:hunter2@b", "before the first host"},
      {"redis+cluster://u:hunter2@a,u:hunter2@b", "percent-encoded"},
      {"redis+sentinel://u:hun,ter2@a/m", "before the first host"},
      {"redis+cluster://u:hunter2@a/1", "no database but 0"},
      {"redis+sentinel://u:hunter2@a", "name of their master is missing"},
      {"redis+sentinel://u:hunter2@a/", "name of their master is missing"},
      {"redis+sentinel://u:hunter2@a//1", "name of their master is missing"},
      {"redis+sentinel://u:hunter2@a/hun%20ter2", "name of the master"},
      {"redis+sentinel://u:hunter2@a/m/hunter2", "number of a database"},
      {"redis+sentinel://u:hunter2@a/m/1/2", "number of a database"},
  };
  for (const Case& c : cases) {
    const Result<RedisUrl> url = parse_redis_url(c.text);
    ASSERT_FALSE(url.ok()) << c.text;
    EXPECT_THAT(url.error().describe(), HasSubstr(c.error)) << c.text;
    EXPECT_THAT(url.error().describe(), Not(HasSubstr("ter2"))) << c.text;
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
      {"redis+cluster://u:hunter2@a:1,b:2", "redis+cluster://***@a:1,b:2"},
      {"redis+cluster://u:hunter2@a:1,u:hunter2@b:2", "redis+cluster://***@b:2"},
      {"redis+cluster://a:1,u:hun,ter2@b:2", "redis+cluster://***@b:2"},
      {"rediss+sentinel://u:hunter2@a,[::1]:2/m/1", "rediss+sentinel://***@a,[::1]:2/m/1"},
      {"http://host:8081/x", "http://host:8081/x"},
      {"http://host?key=hunter2", "http://host?***"},
      {"see http://a, http://u:hunter2@b/", "see http://***@b/"},
      {"nothing at all", "nothing at all"},
      {"", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(redact_url(c.text), c.shown) << c.text;
}

TEST(LocalUrl, IsWhereTheSameMachineAsks) {
  EXPECT_EQ(local_url("0.0.0.0:8079", "/hams"), "http://127.0.0.1:8079/hams");
  EXPECT_EQ(local_url("[::]:8079", ""), "http://[::1]:8079");
  EXPECT_EQ(local_url("192.0.2.7:80", "/a"), "http://192.0.2.7:80/a");
  EXPECT_EQ(local_url("0.0.0.0:0", "/hams"), std::nullopt);
}

}  // namespace
}  // namespace push_cache::config
