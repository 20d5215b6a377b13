// Stores in Redis: their options, beside each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "config/config_test_support.h"

namespace push_cache::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// The configuration whose one store is of this type and has these keys: "url: x, cluster: true".
Sources store_of(std::string_view keys, std::string_view type = "redis") {
  return sources_of(
      replaced(kMinimal, "- name: s\n      type: in_memory\n",
               "- {name: s, type: " + std::string(type) + ", " + std::string(keys) + "}\n"));
}

Config good(std::string_view keys, std::string_view type = "redis") {
  Result<Config> config = load(store_of(keys, type));
  EXPECT_TRUE(config.ok()) << config.error().public_text;
  return config ? *std::move(config) : Config{};
}

std::vector<std::string> faults_of(std::string_view keys) {
  Faults faults;
  load(store_of(keys), faults);
  std::vector<std::string> texts;
  for (const Fault& fault : faults.list()) texts.push_back(fault.path + ": " + fault.text);
  return texts;
}

TEST(RedisStore, HasItsOptions) {
  const Config plain = good("url: 'redis://localhost'");
  EXPECT_EQ(plain.cache.stores[0],
            (Store{.name = "s", .type = StoreType::kRedis, .url = "redis://localhost"}));
  EXPECT_EQ(plain.cache.stores[0].timeout, std::chrono::seconds(1));
  EXPECT_THAT(plain.notes, IsEmpty());
  const Config full = good(
      "url: 'rediss://u:p@a,b', prefix: x, cluster: true, ca_file: /ca.pem, "
      "certificate_file: /c.pem, key_file: /k.pem, timeout: 250ms");
  EXPECT_EQ(full.cache.stores[0], (Store{.name = "s",
                                         .type = StoreType::kRedis,
                                         .url = "rediss://u:p@a,b",
                                         .prefix = "x",
                                         .cluster = true,
                                         .ca_file = "/ca.pem",
                                         .certificate_file = "/c.pem",
                                         .key_file = "/k.pem",
                                         .timeout = std::chrono::milliseconds(250)}));
  for (const char* url : {"redis+cluster://a,b:1", "rediss+cluster://u:p@a,[::1]",
                          "redis+sentinel://a,b/m", "rediss+sentinel://:p@a:1/m/2"}) {
    EXPECT_EQ(good("url: '" + std::string(url) + "'").cache.stores[0].url, url);
  }
  good("url: 'redis+cluster://a,b', cluster: true");
  good("url: 'rediss+sentinel://a/m', ca_file: x, certificate_file: y, key_file: z");
}

TEST(RedisStore, ItsUrlFitsItsOptions) {
  EXPECT_THAT(faults_of("url: 'redis://a,b'"),
              ElementsAre("cache.stores[0].url: several hosts are nodes of a Cluster: begin it "
                          "with redis+cluster://"));
  EXPECT_THAT(faults_of("url: 'redis://a,b', cluster: false"), ElementsAre(HasSubstr("several")));
  EXPECT_THAT(faults_of("url: 'redis://a/1', cluster: true"),
              ElementsAre("cache.stores[0].url: a Cluster has no database but 0"));
  EXPECT_THAT(faults_of("url: 'redis+sentinel://a/m', cluster: on"),
              ElementsAre(HasSubstr("cache.stores[0].url: names sentinels")));
  // A fault of the one is not taken for a fault of the other, and hides none.
  EXPECT_THAT(faults_of("url: 'redis://a,b', cluster: maybe"),
              ElementsAre(HasSubstr("cache.stores[0].cluster: 'maybe': not true")));
  EXPECT_THAT(faults_of("url: 'redis://a/1', cluster: maybe"),
              ElementsAre(HasSubstr("cache.stores[0].cluster")));
  EXPECT_THAT(faults_of("url: 'ftp://a', cluster: maybe"),
              UnorderedElementsAre(HasSubstr("cache.stores[0].cluster: 'maybe'"),
                                   HasSubstr("cache.stores[0].url: a Redis URL begins with")));
  EXPECT_THAT(faults_of("url: [redis, a]"), ElementsAre(HasSubstr("should be a single value")));
}

TEST(RedisStore, FilesAreForTlsAndACertificateHasItsKey) {
  EXPECT_THAT(faults_of("url: 'redis://a', ca_file: x, certificate_file: y, key_file: z"),
              ElementsAre("cache.stores[0].ca_file: needs TLS: a URL that begins with rediss",
                          "cache.stores[0].certificate_file: needs TLS: a URL that begins with "
                          "rediss",
                          "cache.stores[0].key_file: needs TLS: a URL that begins with rediss"));
  EXPECT_THAT(faults_of("url: 'redis+cluster://a,b', ca_file: x"), ElementsAre(HasSubstr("TLS")));
  EXPECT_THAT(faults_of("url: 'rediss://a', certificate_file: y"),
              ElementsAre("cache.stores[0].certificate_file: needs cache.stores[0].key_file too"));
  EXPECT_THAT(
      faults_of("url: 'rediss://a', key_file: y, timeout: 0"),
      UnorderedElementsAre("cache.stores[0].key_file: needs cache.stores[0].certificate_file too",
                           HasSubstr("cache.stores[0].timeout: '0': not in 1ms to 3600s")));
  EXPECT_THAT(faults_of("url: 'rediss://a', certificate_file: y, key_file: [z]"),
              ElementsAre(HasSubstr("cache.stores[0].key_file: should be a single value")));
}

std::vector<std::string> faults_of_two(std::string_view first, std::string_view second) {
  const std::string stores = "- {name: s, type: redis, " + std::string(first) +
                             "}\n    - {name: t, type: redis, " + std::string(second) + "}\n";
  Faults faults;
  load(sources_of(replaced(kMinimal, "- name: s\n      type: in_memory\n", stores)), faults);
  std::vector<std::string> texts;
  for (const Fault& fault : faults.list()) {
    texts.push_back(fault.where + ": " + fault.path + ": " + fault.text);
  }
  return texts;
}

TEST(RedisStore, TwoInOneDatabaseHaveNoKeysInCommon) {
  EXPECT_THAT(
      faults_of_two("url: 'redis://a', prefix: app", "url: 'redis://u:p@A:6379/0', prefix: app"),
      ElementsAre(
          "config.yaml:9:67: cache.stores[1].prefix: 'app' and 'app' of cache.stores[0] "
          "(config.yaml:8:56), the same Redis, have keys in common: give each store in it a "
          "prefix of its own, none of which begins with another one and a colon"));
  EXPECT_THAT(faults_of_two("url: 'redis://a'", "url: 'redis://a', prefix: app"),
              ElementsAre(HasSubstr("'app' and no prefix of cache.stores[0] (config.yaml:8:35)")));
  EXPECT_THAT(
      faults_of_two("url: 'redis://a', prefix: app", "url: 'redis://a'"),
      ElementsAre(HasSubstr("config.yaml:9:35: cache.stores[1].prefix: no prefix and 'app'")));
  const std::pair<const char*, const char*> at_fault[] = {
      {"url: 'redis://a'", "url: 'redis://a'"},
      {"url: 'redis://a', prefix: app", "url: 'redis://a', prefix: 'app:secret'"},
      {"url: 'redis://a', prefix: 'app:secret'", "url: 'redis://a', prefix: app"},
      {"url: 'redis://a', prefix: app", "url: 'redis://a', prefix: 'app:'"},
      {"url: 'redis://a/3', prefix: app", "url: 'rediss://a/3', prefix: app"},
      {"url: 'redis+cluster://a,b', prefix: x", "url: 'redis+cluster://c,b', prefix: x"},
      {"url: 'redis+cluster://a,b', prefix: x", "url: 'redis://b', cluster: true, prefix: x"},
      {"url: 'redis+sentinel://a,b/m/1', prefix: x", "url: 'redis+sentinel://b/m/1', prefix: x"}};
  for (const auto& [first, second] : at_fault) {
    EXPECT_THAT(faults_of_two(first, second), ElementsAre(HasSubstr("keys in common")))
        << first << " | " << second;
  }
}

TEST(RedisStore, PrefixesOfTwoDatabasesMayBeTheSame) {
  const std::pair<const char*, const char*> good_ones[] = {
      {"url: 'redis://a', prefix: app", "url: 'redis://a', prefix: 'app2'"},
      {"url: 'redis://a', prefix: 'app:b'", "url: 'redis://a', prefix: 'app:c'"},
      {"url: 'redis://a'", "url: 'redis://b'"},
      {"url: 'redis://a/1'", "url: 'redis://a/2'"},
      {"url: 'redis://a:1'", "url: 'redis://a:2'"},
      {"url: 'redis+cluster://a,b'", "url: 'redis+cluster://c'"},
      {"url: 'redis+sentinel://a/m'", "url: 'redis+sentinel://a/n'"}};
  for (const auto& [first, second] : good_ones) {
    EXPECT_THAT(faults_of_two(first, second), IsEmpty()) << first << " | " << second;
  }
}

TEST(RedisStore, WhatAStoreInMemoryDoesNotHaveIsSaid) {
  const Config config = good(
      "url: 'rediss://a', prefix: x, cluster: true, ca_file: a, certificate_file: b, key_file: c, "
      "timeout: 2s",
      "in_memory");
  ASSERT_EQ(config.notes.size(), 7u);
  for (const std::string& note : config.notes) {
    EXPECT_THAT(note, HasSubstr("has no effect for a store in memory"));
  }
  EXPECT_THAT(good("cluster: false, ca_file: '', timeout: 1s", "in_memory").notes, IsEmpty());
}

}  // namespace
}  // namespace push_cache::config
