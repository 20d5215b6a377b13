#include "config/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "config/parse.h"

namespace push_cache::config {
namespace {

using ::testing::HasSubstr;

TEST(Options, TheTableIsWhole) {
  std::set<std::string_view> paths;
  Config config;
  config.cache.stores.resize(1);
  config.cache.routes.resize(1);
  for (const Option& option : options()) {
    EXPECT_TRUE(paths.insert(option.path).second) << option.path << " is there twice";
    EXPECT_FALSE(option.help.empty()) << option.path;
    EXPECT_TRUE(option.help.ends_with('.') || option.help.ends_with("...")) << option.path;
    EXPECT_FALSE(type_text(option).empty()) << option.path;
    const bool old = option.type == Type::kAlias || option.type == Type::kIgnored;
    EXPECT_EQ(option.slot == nullptr, old) << option.path;
    EXPECT_FALSE(option.required && !option.fallback.empty()) << option.path;
    if (option.type == Type::kAlias) {
      EXPECT_NE(find_option(option.fallback), nullptr) << option.path;
    }
    if (option.slot != nullptr) option.slot(config, 0);
  }
}

TEST(Options, HelpNamesEveryKey) {
  for (const Option& option : options()) {
    if (option.slot != nullptr) {
      EXPECT_THAT(help_text(), HasSubstr("  " + std::string(option.path) + " ("));
    }
  }
}

TEST(Options, TheReferencePageIsTheOneOfTheTable) {
  std::ifstream in(PUSH_CACHE_SOURCE_DIR "/docs/reference/configuration.md");
  std::ostringstream committed;
  committed << in.rdbuf();
  EXPECT_EQ(committed.str(), reference_page())
      << "write it anew: cmake --build --preset release --target reference";
}

TEST(Options, EnvironmentNames) {
  EXPECT_EQ(environment_name("kafka.topic"), "APP_KAFKA__TOPIC");
  EXPECT_EQ(environment_name("cache.stores[].name"), "APP_CACHE__STORES__0__NAME");
  EXPECT_EQ(environment_name("cache.stores[12].name"), "APP_CACHE__STORES__12__NAME");
}

TEST(Options, Closest) {
  const std::string_view names[] = {"address", "prefix", "threads"};
  EXPECT_EQ(closest("adress", names), "address");
  EXPECT_EQ(closest("perfix", names), "prefix");
  EXPECT_EQ(closest("thread", names), "threads");
  EXPECT_EQ(closest("timeout", names), "");
  EXPECT_EQ(closest("", names), "");
  EXPECT_EQ(closest(std::string(100'000, 'a'), names), "");
  EXPECT_EQ(closest("x", {}), "");
}

TEST(Options, SecretProperties) {
  for (const char* name : {"sasl.password", "SASL.PASSWORD", "ssl.key.password", "ssl.key.pem",
                           "sasl.oauthbearer.client.secret", "sasl.jaas.config",
                           "sasl.oauthbearer.config", "x.token", "ssl.certificate.pem"}) {
    EXPECT_TRUE(is_secret_property(name)) << name;
  }
  for (const char* name : {"sasl.username", "ssl.ca.location", "ssl.key.location", "client.id",
                           "security.protocol", "sasl.oauthbearer.token.endpoint.url"}) {
    EXPECT_FALSE(is_secret_property(name)) << name;
  }
}

TEST(Parse, Durations) {
  struct Case {
    std::string_view text;
    std::int64_t nanoseconds;  // -1: refused
  };
  const Case cases[] = {
      {"0", 0},
      {"5", 5'000'000'000},
      {"0.5", 500'000'000},
      {"500ms", 500'000'000},
      {"5s", 5'000'000'000},
      {"1m", 60'000'000'000},
      {"1m 30s", 90'000'000'000},
      {"1m30s", 90'000'000'000},
      {"1 hour 2 mins", 3'720'000'000'000},
      {"1d", 86'400'000'000'000},
      {"15us 10ns", 15'010},
      {"", -1},
      {" ", -1},
      {"s", -1},
      {"-1s", -1},
      {"5x", -1},
      {"1m 30", -1},
      {"30 1m", -1},
      {"1.2.3s", -1},
      {".", -1},
      {"1e9", -1},
      {"inf", -1},
      {"nan", -1},
      {"0x10", -1},
      {"99999999999999999999999999d", -1},
      {"101 days 99999999 days", -1},
  };
  for (const Case& c : cases) {
    const Result<std::chrono::nanoseconds> taken = parse_duration(c.text);
    EXPECT_EQ(taken ? taken->count() : -1, c.nanoseconds) << "'" << c.text << "'";
  }
  EXPECT_EQ(duration_text(std::chrono::milliseconds(1500)), "1500ms");
  EXPECT_EQ(duration_text(std::chrono::milliseconds(5000)), "5s");
}

TEST(Parse, BytesWithUnits) {
  const std::pair<std::string_view, std::uint64_t> good[] = {{"0", 0},
                                                             {"1500", 1500},
                                                             {" 7 B ", 7},
                                                             {"2kB", 2000},
                                                             {"2k", 2000},
                                                             {"3 MB", 3'000'000},
                                                             {"1GiB", 1u << 30},
                                                             {"2Gi", 2ULL << 30},
                                                             {"1T", 1ULL * 1'000'000'000'000},
                                                             {"16Ki", 16 * 1024},
                                                             {"512MiB", 512u << 20}};
  for (const auto& [text, bytes] : good) {
    const auto taken = parse_bytes(text);
    ASSERT_TRUE(taken.ok()) << text;
    EXPECT_EQ(*taken, bytes) << text;
    EXPECT_EQ(*parse_bytes(bytes_text(bytes)), bytes) << bytes_text(bytes);
  }
  for (const std::string_view text : {"", "-1", "1.5G", "G", "1 XB", "1Bi", "1GiBB", "1iB", "inf",
                                      "99999999999999999999", "99999999999T"}) {
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
  }
  EXPECT_EQ(bytes_text(2ULL << 30), "2GiB");
}

struct TextCase {
  std::string_view text;
  std::string_view taken;  // "-": refused
};

TEST(Parse, Addresses) {
  const TextCase cases[] = {
      {"0.0.0.0:8080", "0.0.0.0:8080"},
      {"127.0.0.1:0", "127.0.0.1:0"},
      {"[::1]:80", "[::1]:80"},
      {"localhost:80", "127.0.0.1:80"},
      {"", "-"},
      {":80", "-"},
      {"0.0.0.0", "-"},
      {"0.0.0.0:", "-"},
      {"0.0.0.0:65536", "-"},
      {"0.0.0.0:-1", "-"},
      {"0.0.0.0:+1", "-"},
      {"0.0.0.0:8a", "-"},
      {"::1:80", "-"},
      {"[::1]", "-"},
      {"[::1", "-"},
      {"[]:80", "-"},
      {"example.com:80", "-"},
      {"1.2.3:80", "-"},
  };
  for (const TextCase& c : cases) {
    const Result<std::string> taken = parse_address(c.text);
    EXPECT_EQ(taken ? *taken : "-", c.taken) << "'" << c.text << "'";
  }
}

TEST(Parse, Paths) {
  const TextCase cases[] = {
      {"/api", "/api"}, {"api", "/api"},  {"/a/b/", "/a/b"},      {"", ""},
      {"/", ""},        {"//", ""},       {"/a//b", "-"},         {"/a b", "-"},
      {"/a?b", "-"},    {"/%41", "-"},    {"/a/../b", "-"},       {"/./a", "-"},
      {"/a/..", "-"},   {"/a.b", "/a.b"}, {"/~x_y-z", "/~x_y-z"}, {"/caf\xc3\xa9", "-"},
  };
  for (const TextCase& c : cases) {
    const Result<std::string> taken = parse_path(c.text);
    EXPECT_EQ(taken ? *taken : "-", c.taken) << "'" << c.text << "'";
  }
}

TEST(Parse, Brokers) {
  const TextCase cases[] = {
      {"localhost:9092", "localhost:9092"},
      {"a", "a"},
      {"a:1, b:2", "a:1,b:2"},
      {"kafka://a:1", "a:1"},
      {"tcp://a:1/", "a:1"},
      {"SSL://a:1,sasl_ssl://b", "SSL://a:1,sasl_ssl://b"},
      {"[::1]:9092", "[::1]:9092"},
      {"[::1]", "[::1]"},
      {"", "-"},
      {",", "-"},
      {"a:1,", "-"},
      {"a:", "-"},
      {"a:0", "-"},
      {"a:65536", "-"},
      {"a b", "-"},
      {"http://a:1", "-"},
      {"u@a:1", "-"},
      {"[::1", "-"},
      {"[::1]9092", "-"},
      {"a:1/x", "-"},
      {"kafka://", "-"},
  };
  for (const TextCase& c : cases) {
    const Result<std::string> taken = parse_brokers(c.text);
    EXPECT_EQ(taken ? *taken : "-", c.taken) << "'" << c.text << "'";
  }
}

}  // namespace
}  // namespace push_cache::config
