#include "config/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/config_test_support.h"

namespace push_cache::config {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

class Layers : public ::testing::Test {
 protected:
  Layers() {
    std::string name = (fs::temp_directory_path() / "push-cache-secrets-XXXXXX").string();
    dir_ = mkdtemp(name.data());
    sources_ = sources_of(kMinimal);
    sources_.secrets_dir = dir_.string();
  }
  ~Layers() override { fs::remove_all(dir_); }

  void write(const std::string& name, const std::string& content) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name, std::ios::binary) << content;
  }
  void set(const std::string& name, const std::string& value) {
    sources_.environment[name] = value;
  }

  Config good() {
    Result<Config> config = load(sources_);
    EXPECT_TRUE(config.ok()) << config.error().public_text;
    return config ? *std::move(config) : Config{};
  }
  std::string report() {
    const Result<Config> config = load(sources_);
    return config ? "no fault" : config.error().public_text;
  }

  fs::path dir_;
  Sources sources_;
};

TEST_F(Layers, EachOverridesTheOnesBefore) {
  EXPECT_THAT(good().kafka.topics, ElementsAre("users"));
  write("kafka.topic", "from-secrets\n");
  write("kafka.group_id", "group-of-secrets");
  EXPECT_THAT(good().kafka.topics, ElementsAre("from-secrets"));
  set("APP_KAFKA__TOPIC", "from-environment");
  const Config config = good();
  EXPECT_THAT(config.kafka.topics, ElementsAre("from-environment"));
  EXPECT_EQ(config.kafka.group_id, "group-of-secrets");
}

TEST_F(Layers, AKubernetesSecretIsReadAsItIs) {
  write("..2026_01_01/kafka.properties.sasl.password", "hunter2\n\n");
  write("..2026_01_01/kafka__schema_registry__password", "p\r\n");
  write("..2026_01_01/CACHE__STORES__0__SCHEMAS__0", "customer");
  write("..2026_01_01/tls.crt", "no key of ours");
  write("..2026_01_01/password", "no key of ours");
  write(".hidden.kafka.topic", "no");
  write("kafka.folder/topic", "no");
  fs::create_directory_symlink("..2026_01_01", dir_ / "..data");
  for (const char* name : {"kafka.properties.sasl.password", "kafka__schema_registry__password",
                           "CACHE__STORES__0__SCHEMAS__0", "tls.crt", "password"}) {
    fs::create_symlink(fs::path("..data") / name, dir_ / name);
  }
  set("APP_KAFKA__SCHEMA_REGISTRY__USERNAME", "u");
  const Config config = good();
  EXPECT_THAT(config.kafka.properties, ElementsAre(Pair("sasl.password", "hunter2\n")));
  EXPECT_EQ(config.kafka.registry.password, "p");
  EXPECT_THAT(config.cache.stores[0].schemas, ElementsAre("customer"));
}

TEST_F(Layers, ListsHaveIndexes) {
  set("APP_CACHE__STORES__0__SCHEMAS", "[customer, bill]");
  set("APP_CACHE__STORES__1__NAME", "r");
  set("APP_CACHE__STORES__1__TYPE", "redis");
  set("APP_CACHE__STORES__1__URL", "redis://host:1");
  set("app_cache__routes__1__path", "/r");
  set("App_Cache__Routes__1__Store", "r");
  for (int i = 2; i < 12; ++i) set("APP_CACHE__ROUTES__" + std::to_string(i) + "__STORE", "s");
  for (int i = 2; i < 12; ++i) {
    set("APP_CACHE__ROUTES__" + std::to_string(i) + "__PATH", "/" + std::to_string(i));
  }
  set("APP_KAFKA__TOPIC", "[a, b]");
  set("APP_KAFKA__PRELOAD_SCHEMAS", "[1, 2]");
  const Config config = good();
  EXPECT_THAT(config.cache.stores[0].schemas, ElementsAre("customer", "bill"));
  ASSERT_EQ(config.cache.stores.size(), 2u);
  EXPECT_EQ(config.cache.stores[1].url, "redis://host:1");
  ASSERT_EQ(config.cache.routes.size(), 12u);
  EXPECT_EQ(config.cache.routes[11].path, "/11");
  EXPECT_THAT(config.kafka.topics, ElementsAre("a", "b"));
  EXPECT_THAT(config.kafka.preload_schemas, ElementsAre(1, 2));
}

TEST_F(Layers, WithoutAnyFileContent) {
  sources_.text = "";
  set("APP_KAFKA__BROKERS", "b:1");
  set("APP_KAFKA__GROUP_ID__USE_HOSTNAME", "true");
  set("APP_KAFKA__TOPIC__0", "a");
  set("APP_KAFKA__TOPIC__1", "b");
  set("APP_KAFKA__SCHEMA_REGISTRY_URL", "http://r");
  set("APP_CACHE__STORES", "[{name: s, type: in_memory}]");
  set("APP_CACHE__ROUTES", "[{path: /u, store: s}]");
  const Config config = good();
  EXPECT_EQ(config.kafka.group_id, "test-host");
  EXPECT_THAT(config.kafka.topics, ElementsAre("a", "b"));
  EXPECT_EQ(config.cache.routes[0].path, "/u");
}

TEST_F(Layers, HostnameComesFromTheEnvironmentToo) {
  sources_.hostname.clear();
  set("APP_KAFKA__GROUP_ID__USE_HOSTNAME", "true");
  set("HOSTNAME", "pod-7");
  EXPECT_EQ(good().kafka.group_id, "pod-7");
  sources_.environment.erase("HOSTNAME");
  EXPECT_FALSE(good().kafka.group_id.empty());
}

TEST_F(Layers, PropertiesHaveDots) {
  sources_.text =
      replaced(kMinimal, "topic: users", "topic: users\n  properties: {a: '1', b: '2'}");
  set("APP_KAFKA__PROPERTIES__SASL_PASSWORD", "x: {y");
  set("APP_KAFKA__PROPERTIES__SASL__USERNAME", "u");
  set("APP_KAFKA__PROPERTIES__ssl.ca.location", "/ca");
  set("APP_KAFKA__PROPERTIES", "{b: '3', c: '4'}");
  EXPECT_THAT(
      good().kafka.properties,
      ElementsAre(Pair("a", "1"), Pair("b", "3"), Pair("c", "4"), Pair("sasl.password", "x: {y"),
                  Pair("sasl.username", "u"), Pair("ssl.ca.location", "/ca")));
}

TEST_F(Layers, ValuesOfVariablesAreTakenAsTheyAre) {
  struct Case {
    std::string value;
    std::string taken;
  };
  const Case cases[] = {{"plain", "plain"},
                        {"a: b # c", "a: b # c"},
                        {"{x", "{x"},
                        {"\"quo\\u0074ed\"", "quoted"},
                        {"'it''s'", "it's"},
                        {"\"", "\""},
                        {"true", "true"},
                        {"null", "null"},
                        {"'\"inner\"'", "\"inner\""},
                        {" space ", " space "}};
  for (const Case& c : cases) {
    set("APP_KAFKA__SCHEMA_REGISTRY__TOKEN", c.value);
    EXPECT_EQ(good().kafka.registry.token, c.taken);
  }
  set("APP_KAFKA__SCHEMA_REGISTRY__TOKEN", "'hunter2' and 'more'");
  EXPECT_THAT(report(), HasSubstr("environment APP_KAFKA__SCHEMA_REGISTRY__TOKEN: not a quoted"));
}

TEST_F(Layers, VariablesOfOthersAreLeftAlone) {
  for (const char* name : {"APP_PORT", "APP_KAFKA_PORT", "APP_NAME", "APPLE__X", "KAFKA__TOPIC"}) {
    set(name, "x");
  }
  EXPECT_EQ(report(), "no fault");
}

TEST_F(Layers, NamesThatAreNoKeysAreFaults) {
  struct Case {
    std::string name;
    std::string says;
  };
  const Case cases[] = {
      {"APP_KAFKA__TOPICS",
       "environment APP_KAFKA__TOPICS: kafka.topics: unknown key; did you mean "
       "'topic'?"},
      {"APP_KAFAK__TOPIC", "kafak: unknown key; did you mean 'kafka'?"},
      {"APP_ZZZZZZZZZ__TOPIC", "zzzzzzzzz: unknown key"},
      {"APP_KAFKA__TOPIC__X", "kafka.topic: a list: 'x' should be a number"},
      {"APP_KAFKA__TOPIC__1", "kafka.topic: the list has 0 items"},
      {"APP_KAFKA__BROKERS__0__X", "kafka.brokers[0].x: unknown key"},
      {"APP_KAFKA__OFFSET_RESET__X",
       "kafka.offset_reset.x: unknown key: kafka.offset_reset is a "
       "single value"},
      {"APP_CACHE__STORES__S__NAME", "cache.stores: a list: 's' should be a number"},
      {"APP_CACHE__STORES__-1__NAME", "cache.stores: a list: '-1' should be a number"},
      {"APP_CACHE__STORES__0__NAM", "cache.stores[0].nam: unknown key; did you mean 'name'?"},
      {"APP_KAFKA__", "kafka.: unknown key"},
      {"APP_KAFKA__PROPERTIES__", "a property without a name"},
  };
  for (const Case& c : cases) {
    sources_.environment = {{c.name, "hunter2"}};
    EXPECT_THAT(report(), HasSubstr(c.says)) << c.name;
    EXPECT_THAT(report(), Not(HasSubstr("hunter2"))) << c.name;
  }
  sources_.environment = {{"APP_KAFKA__TOPIC", "a"}, {"app_kafka__topic", "b"}};
  EXPECT_THAT(report(), HasSubstr("environment app_kafka__topic: the same key as environment "
                                  "APP_KAFKA__TOPIC"));
  sources_.environment = {{"APP_KAFKA__TOPIC", "\xff"}};
  EXPECT_THAT(report(), HasSubstr("environment APP_KAFKA__TOPIC: not UTF-8 text"));
  // The report itself stays UTF-8.
  sources_.environment = {{"APP_KAFKA__PROPERTIES__\xff", "a"}};
  EXPECT_THAT(report(), HasSubstr("environment APP_KAFKA__PROPERTIES__?: not UTF-8 text"));
  sources_.environment = {{"APP_KAFKA__TOPIC", "[a"}};
  EXPECT_THAT(report(), HasSubstr("environment APP_KAFKA__TOPIC: not valid YAML"));
  sources_.environment = {{"APP_WEBSERVICE__THREADS", "x"}};
  EXPECT_THAT(report(), HasSubstr("environment APP_WEBSERVICE__THREADS: webservice.threads: 'x'"));
  sources_.environment = {};
  write("kafka.topics", "x");
  EXPECT_THAT(report(), HasSubstr("secrets file kafka.topics: kafka.topics: unknown key"));
  fs::remove(dir_ / "kafka.topics");
  write("kafak.topic", "x");
  EXPECT_THAT(report(), HasSubstr("secrets file kafak.topic: kafak: unknown key; did you mean"));
  fs::remove(dir_ / "kafak.topic");
  write("kafka.topic", "\xff");
  EXPECT_THAT(report(), HasSubstr("secrets file kafka.topic: not UTF-8 text"));
  write("kafka.properties.\xff", "x");
  EXPECT_THAT(report(), HasSubstr("secrets file kafka.properties.?: its name is not UTF-8 text"));
  sources_.secrets_dir = (dir_ / "none").string();
  EXPECT_THAT(report(), HasSubstr("none: cannot be read: No such file or directory"));
}

TEST_F(Layers, SpellingsOfTheFirstFormWorkInEachLayer) {
  sources_.text = replaced(kMinimal, "topic: users", "topic: users\n  cache_max_age_seconds: 1");
  set("APP_KAFKA__CACHE_MAX_AGE", "20s");
  set("APP_RUNTIME__THREADS", "3");
  set("APP_RUNTIME__STACK_SIZE", "3");
  const Config config = good();
  EXPECT_EQ(config.kafka.cache_max_age, std::chrono::seconds(20));
  EXPECT_EQ(config.webservice.threads, 3u);
  sources_.environment = {};
  sources_.text = replaced(*sources_.text, "topic: users", "topic: users\n  cache_max_age: 7s");
  const Config both = good();
  EXPECT_EQ(both.kafka.cache_max_age, std::chrono::seconds(1));
  EXPECT_THAT(both.notes, ElementsAre("config.yaml:5:18: kafka.cache_max_age has no effect beside "
                                      "kafka.cache_max_age_seconds"));
}

TEST_F(Layers, ValuesMayBeInFilesOfTheSecretsDirectory) {
  write("redis/url", "redis://:hunter2@host\n");
  write("sasl", "hunter3\n");
  sources_.text =
      replaced(replaced(kMinimal, "type: in_memory", "type: redis\n      url_file: redis/url"),
               "topic: users", "topic: users\n  properties: {sasl.password_file: sasl}");
  const Config config = good();
  EXPECT_EQ(config.cache.stores[0].url, "redis://:hunter2@host");
  EXPECT_THAT(config.kafka.properties, ElementsAre(Pair("sasl.password", "hunter3")));
  write("redis/url", "hunter2");
  EXPECT_THAT(report(),
              HasSubstr("config.yaml:11:17 (file redis/url): cache.stores[0].url: not a URL"));
  EXPECT_THAT(report(), Not(HasSubstr("hunter2")));
  fs::remove(dir_ / "redis/url");
  EXPECT_THAT(report(), HasSubstr("(file redis/url): cache.stores[0].url_file: cannot be read"));
  sources_.secrets_dir.reset();
  EXPECT_THAT(report(), HasSubstr("a relative file name needs the secrets directory"));
  sources_.text = replaced(kMinimal, "topic: users",
                           "topic: users\n  offset_reset: latest\n  "
                           "offset_reset_file: x");
  EXPECT_THAT(report(),
              HasSubstr("kafka.offset_reset_file: offset_reset is given too; choose one"));
}

}  // namespace
}  // namespace push_cache::config
