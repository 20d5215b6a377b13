#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config_test_support.h"

namespace push_cache::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Each value that must never be seen has "hunter" in it.
constexpr std::string_view kSecrets = R"(kafka:
  brokers: b:1
  group_id: g
  topic: [x, y]
  schema_registry_url: http://hunter1:hunter2@registry:8081
  cache_max_age_seconds: 90
  preload_schemas: [1, 2]
  properties:
    sasl.username: visible
    sasl.password: hunter3
    sasl.jaas.config: hunter4
    sasl.oauthbearer.client.secret: hunter5
    sasl.oauthbearer.config: hunter6
    sasl.oauthbearer.token.endpoint.url: https://me:hunter7@idp/token
    ssl.key.pem: hunter8
    ssl.key.location: /visible.key
    ssl.keystore.password: hunter9
cache:
  stores:
    - {name: r, type: redis, url: "rediss://:hunter10@host:1/2", prefix: p}
    - {name: m, type: in_memory, schemas: [customer]}
    - {name: c, type: redis, url: "redis://u:hunter11@h1,h2:7001", cluster: true}
    - {name: t, type: redis, url: "rediss+sentinel://u:hunter12@s1,s2/m/3", ca_file: /ca.pem,
       certificate_file: /c.pem, key_file: /k.pem, timeout: 250ms}
  routes:
    - {path: /r, store: r, key_from_body: id}
    - {path: /m, store: m, schema: "file:m.avsc"}
    - {path: /c, store: c}
    - {path: /t, store: t}
startup_checks: {timeout: 1500ms}
)";

TEST(Describe, HidesSecretsAndShowsTheRest) {
  Result<Config> config = load(sources_of(kSecrets));
  ASSERT_TRUE(config.ok()) << config.error().public_text;
  EXPECT_EQ(config->kafka.registry.password, "hunter2");
  const std::string text = describe(*config);
  EXPECT_THAT(text, Not(HasSubstr("hunter")));
  for (const char* part :
       {"url: rediss://***@host:1/2", "url: redis://***@h1,h2:7001", "cluster: true",
        "url: rediss+sentinel://***@s1,s2/m/3", "key_file: /k.pem", "timeout: 250ms",
        "sasl.username: visible", "ssl.key.location: /visible.key",
        "schema_registry_url: http://registry:8081", "timeout: 1500ms", "prefix: /api",
        "sasl.oauthbearer.token.endpoint.url: https://***@idp/token"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(Describe, LoadsAgain) {
  Sources sources = sources_of(kSecrets);
  Result<Config> config = load(sources);
  ASSERT_TRUE(config.ok());
  sources.text = describe(*config);
  Result<Config> again = load(sources);
  ASSERT_TRUE(again.ok()) << again.error().public_text << *sources.text;
  EXPECT_EQ(describe(*again), *sources.text);
  // All but the hidden values are the same.
  again->kafka.registry.username = config->kafka.registry.username;
  again->kafka.registry.password = config->kafka.registry.password;
  again->kafka.properties = config->kafka.properties;
  for (std::size_t i = 0; i < config->cache.stores.size(); ++i) {
    again->cache.stores[i].url = config->cache.stores[i].url;
  }
  EXPECT_EQ(*again, *config);
}

// Wrong values of each kind that may be a secret.
TEST(Report, HoldsNoSecret) {
  const std::string_view cases[] = {
      "kafka: {schema_registry_url: 'http://u:hunter2@'}",
      "kafka: {schema_registry_url: 'hunter2'}",
      "kafka: {schema_registry_url: 'http://host?key=hunter2'}",
      "kafka: {schema_registry_url: ['hunter2']}",
      "kafka: {schema_registry: {password: [hunter2]}}",
      "kafka: {schema_registry: {token: {hunter: 2, hunter2: 3}}}",
      "kafka: {schema_registry: {password: hunter2}}",
      "kafka: {schema_registry: {username: hunter2, token: hunter2}}",
      "kafka: {brokers: 'kafka://u:hunter2@host:1'}",
      "kafka: {properties: {sasl.password: [hunter2]}}",
      "kafka: {properties: {group.id: hunter2}}",
      "kafka: {properties: hunter2}",
      "kafka: {passwd: hunter2}",
      "kafka: 'http://u:hunter2@x'",
      "webservice: {address: 'http://u:hunter2@0.0.0.0:1'}",
      "webservice: {threads: 'redis://u:hunter2@x'}",
      "cache: {stores: [{name: a, type: redis, url: 'redis://u:hunter2'}]}",
      "cache: {stores: [{name: a, type: redis, url: 'redis://u:hun@ter2'}]}",
      "cache: {stores: [{name: a, type: redis, url: 'http://u:hunter2@x'}]}",
      "cache: {stores: [{name: a, type: redis, url: hunter2}]}",
      "cache: {stores: [{name: a, type: redis, url: 'redis://u:hunter2@h1,h2'}]}",
      "cache: {stores: [{name: a, type: redis, url: 'redis://h1,u:hunter2@h2', cluster: x}]}",
      "cache: {stores: [{name: a, type: redis, url: 'redis+sentinel://u:hunter2@h'}]}",
      "cache: {stores: [{name: a, type: 'redis://u:hunter2@x'}]}",
      "cache: {stores: [{name: a, type: redis, url: *hunter2 }]}",
  };
  for (const std::string_view yaml : cases) {
    const Result<Config> config = load(sources_of(yaml));
    ASSERT_FALSE(config.ok()) << yaml;
    EXPECT_THAT(config.error().describe(), Not(HasSubstr("hunter2"))) << yaml;
    EXPECT_THAT(config.error().describe(), Not(HasSubstr("ter2"))) << yaml;
  }
}

}  // namespace
}  // namespace push_cache::config
