#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "config/config.h"
#include "config/config_test_support.h"
#include "config/parse.h"

namespace push_cache::config {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

std::string report(const Sources& sources) {
  const Result<Config> config = load(sources);
  return config ? "no fault" : config.error().public_text;
}

// The configuration of `yaml`, which must load.
Config good(std::string_view yaml) {
  Result<Config> config = load(sources_of(yaml));
  EXPECT_TRUE(config.ok()) << config.error().public_text;
  return config ? *std::move(config) : Config{};
}

TEST(Load, DefaultsOfTheTableAreThoseOfTheStruct) {
  Config expected;
  expected.kafka.brokers = "localhost:9092";
  expected.kafka.group_id = "g";
  expected.kafka.topics = {"users"};
  expected.kafka.registry.url = "http://localhost:8081";
  expected.cache.stores = {{.name = "s", .type = StoreType::kInMemory}};
  expected.cache.routes = {{.path = "/users", .store = "s"}};
  EXPECT_EQ(good(kMinimal), expected);
}

TEST(Load, TheContractsExample) {
  const Config config = good(R"(
    webservice: {address: "0.0.0.0:8080", prefix: "/api"}
    kafka: {brokers: "localhost:9092", group_id: "push-cache-group", topic: "users",
            schema_registry_url: "http://localhost:8081", cache_max_age_seconds: 60}
    cache:
      stores:
        - {name: "fast_local", type: "in_memory", schemas: ["customer", "bill"]}
        - {name: "global_redis", type: "redis", url: "redis://user:password@redis.internal.net:6379", prefix: "prod_v1"}
      routes:
        - {path: "/local-cache", store: "fast_local"}
        - {path: "/global-cache", store: "global_redis"}
)");
  EXPECT_EQ(config.webservice.address, "0.0.0.0:8080");
  EXPECT_EQ(config.webservice.prefix, "/api");
  EXPECT_EQ(config.kafka.cache_max_age, std::chrono::seconds(60));
  EXPECT_EQ(config.hams.address, "0.0.0.0:8079");
  EXPECT_EQ(config.hams.prefix, "/hams");
  ASSERT_EQ(config.cache.stores.size(), 2u);
  EXPECT_THAT(config.cache.stores[0].schemas, ElementsAre("customer", "bill"));
  EXPECT_EQ(config.cache.stores[1].type, StoreType::kRedis);
  EXPECT_EQ(config.cache.stores[1].url, "redis://user:password@redis.internal.net:6379");
  EXPECT_EQ(config.cache.stores[1].prefix, "prod_v1");
  ASSERT_EQ(config.cache.routes.size(), 2u);
  EXPECT_EQ(config.cache.routes[1].store, "global_redis");
  EXPECT_THAT(config.notes, IsEmpty());
}

// A file with every key that the first form's own files have, in its spelling.
constexpr std::string_view kFirstForm = R"(---
hams:
  address: 127.0.0.1:8079
  prefix: hams
  logging: true
  checks:
    timeout: 5
    fails: 2
    preflights: []
    shutdowns: []
runtime:
  stack_size: 3145728
  threads: 4
  name: push-cache
webservice:
  address: http://0.0.0.0:8080/cache
  forwarding_headers: []
kafka:
  brokers: kafka://localhost:9092
  group_id: pushcgroup
  topic: pcache-data
  schema_registry_url: http://localhost:8081
  cache_max_age: 300s
  fetch_metadata_timeout: 5s
  offset_reset: earliest
  force_reset_earliest: true
startup_checks:
  fails: 2
  timeout: 5s
  enabled: true
cache:
  stores:
    - name: customers
      type: redis
      url: redis://localhost:6379
      prefix: customers
      schemas:
        - com.polecatworks.billing.Customer
  routes:
    - path: /customers
      store: customers
)";

TEST(Load, FilesOfTheFirstForm) {
  const Config config = good(kFirstForm);
  EXPECT_EQ(config.webservice.address, "0.0.0.0:8080");
  EXPECT_EQ(config.webservice.prefix, "/cache");
  EXPECT_EQ(config.webservice.threads, 4u);
  EXPECT_EQ(config.hams.address, "127.0.0.1:8079");
  EXPECT_EQ(config.hams.prefix, "/hams");
  EXPECT_EQ(config.kafka.brokers, "localhost:9092");
  EXPECT_EQ(config.kafka.cache_max_age, std::chrono::seconds(300));
  EXPECT_TRUE(config.kafka.force_reset_earliest);
  EXPECT_EQ(config.startup_checks.timeout, std::chrono::seconds(5));
  EXPECT_EQ(config.cache.stores[0].prefix, "customers");
  EXPECT_THAT(config.notes, Contains("config.yaml:12:15: runtime.stack_size has no effect"));
  EXPECT_EQ(config.notes.size(), 5u);
}

TEST(Load, AnAddressThatIsAUrlGivesThePrefixOnlyWithoutOne) {
  const std::string yaml = "webservice: {address: 'http://127.0.0.1:9000/cache/', prefix: /api}\n";
  const Config config = good(yaml + std::string(kMinimal));
  EXPECT_EQ(config.webservice.address, "127.0.0.1:9000");
  EXPECT_EQ(config.webservice.prefix, "/api");
  const Config no_port =
      good("webservice: {address: 'http://127.0.0.1'}\n" + std::string(kMinimal));
  EXPECT_EQ(no_port.webservice.address, "127.0.0.1:80");
  EXPECT_EQ(no_port.webservice.prefix, "/api");
  Sources sources = sources_of(kMinimal);
  sources.environment["APP_WEBSERVICE__ADDRESS"] = "http://[::1]:9000/other";
  Result<Config> over = load(sources);
  ASSERT_TRUE(over.ok()) << over.error().public_text;
  EXPECT_EQ(over->webservice.address, "[::1]:9000");
  EXPECT_EQ(over->webservice.prefix, "/other");
}

TEST(Load, Examples) {
  struct Case {
    std::string_view name;
    std::size_t stores;
  };
  for (const Case& c :
       {Case{"local", 4}, Case{"mixed", 2}, Case{"redis", 3}, Case{"sasl_ssl", 1}}) {
    Sources sources;
    sources.file = std::string(PUSH_CACHE_SOURCE_DIR "/examples/") + std::string(c.name) + ".yaml";
    sources.hostname = "test-host";
    Result<Config> config = load(sources);
    ASSERT_TRUE(config.ok()) << config.error().public_text;
    EXPECT_EQ(config->cache.stores.size(), c.stores);
    EXPECT_EQ(config->cache.routes.size(), c.stores);
    EXPECT_THAT(config->notes, IsEmpty());
  }
}

// One kind of fault each: what `from` of the smallest configuration becomes, and what is said of
// it.
struct FaultCase {
  std::string_view name;
  std::string_view from;
  std::string_view to;
  std::string_view says;
};

class LoadFault : public ::testing::TestWithParam<FaultCase> {};

TEST_P(LoadFault, IsReportedWithItsPlace) {
  const std::string yaml = replaced(kMinimal, GetParam().from, GetParam().to);
  ASSERT_FALSE(yaml.empty());
  const std::string text = report(sources_of(yaml));
  EXPECT_THAT(text, HasSubstr("1 fault in the configuration:"));
  EXPECT_THAT(text, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Each, LoadFault,
    ::testing::Values(
        FaultCase{"UnknownKey", "topic: users", "topic: users\n  topics: x",
                  "config.yaml:5:3: kafka.topics: unknown key; did you mean 'topic'?"},
        FaultCase{"UnknownSection", "kafka:", "kafak: {}\nkafka:",
                  "config.yaml:1:1: kafak: unknown key; did you mean 'kafka'?"},
        FaultCase{"UnknownFarOff",
                  "kafka:", "zzzzzzzzz: 1\nkafka:", "config.yaml:1:1: zzzzzzzzz: unknown key"},
        FaultCase{"UnknownInList", "type: in_memory", "type: in_memory\n      schema: [x]",
                  "cache.stores[0].schema: unknown key; did you mean 'schemas'?"},
        FaultCase{"MapForString", "group_id: g", "group_id: {x: 1}",
                  "config.yaml:3:13: kafka.group_id: should be a string or {use_hostname: true}"},
        FaultCase{"HostnameFalse", "group_id: g", "group_id: {use_hostname: false}",
                  "kafka.group_id: with use_hostname false, give a string instead"},
        FaultCase{"EmptyGroup", "group_id: g", "group_id: ''",
                  "kafka.group_id: '': must not be empty"},
        FaultCase{"ListForString", "name: s", "name: [s]",
                  "cache.stores[0].name: should be a single value (string), not a list"},
        FaultCase{"StringForSection",
                  "kafka:", "hams: 5\nkafka:", "config.yaml:1:7: hams: should be a map of keys"},
        FaultCase{"StringForList", "type: in_memory", "type: in_memory\n      schemas: customer",
                  "cache.stores[0].schemas: should be a list of strings"},
        FaultCase{"NotANumber", "kafka:", "webservice: {threads: many}\nkafka:",
                  "config.yaml:1:23: webservice.threads: 'many': not a whole number"},
        FaultCase{"TooLarge", "kafka:", "webservice: {threads: 1025}\nkafka:",
                  "webservice.threads: '1025': not in 0 to 1024"},
        FaultCase{"Negative", "kafka:", "webservice: {threads: -1}\nkafka:",
                  "webservice.threads: '-1': not in 0 to 1024"},
        FaultCase{"Overflow", "kafka:", "webservice: {threads: 99999999999999999999}\nkafka:",
                  "webservice.threads: '99999999999999999999': not a whole number"},
        FaultCase{"NotABool", "kafka:", "startup_checks: {enabled: maybe}\nkafka:",
                  "startup_checks.enabled: 'maybe': not true (on) or false (off)"},
        FaultCase{"NotADuration", "kafka:", "startup_checks: {timeout: 5 parsecs}\nkafka:",
                  "startup_checks.timeout: '5 parsecs': not a duration"},
        FaultCase{"ZeroTimeout", "kafka:", "startup_checks: {timeout: 0}\nkafka:",
                  "startup_checks.timeout: '0': not in 1ms to 3600s"},
        FaultCase{"DurationMap", "kafka:", "startup_checks: {timeout: {secs: x}}\nkafka:",
                  "startup_checks.timeout: not a duration"},
        FaultCase{"NegativeAge", "topic: users", "topic: users\n  cache_max_age_seconds: -1",
                  "kafka.cache_max_age_seconds: '-1': not a duration"},
        FaultCase{"MissingKey", "  topic: users\n", "",
                  "config.yaml: kafka.topic: required, and set nowhere; it can also be given as "
                  "APP_KAFKA__TOPIC"},
        FaultCase{"NullIsMissing", "topic: users", "topic: ~", "kafka.topic: required"},
        FaultCase{
            "MissingInList", "- name: s\n      type", "- type",
            "config.yaml:8:7: cache.stores[0].name: required, and set nowhere; it can also be "
            "given as APP_CACHE__STORES__0__NAME"},
        FaultCase{"EmptyRoutes", "routes:\n    - path: /users\n      store: s\n", "routes: []\n",
                  "cache.routes: required: a list with at least one item"},
        FaultCase{"ScalarInList", "routes:\n", "routes:\n    - x\n",
                  "config.yaml:11:7: cache.routes[0]: should be a map of keys"},
        FaultCase{
            "UnknownStore", "store: s", "store: t",
            "config.yaml:12:14: cache.routes[0].store: there is no store 't'; did you mean 's'?"},
        FaultCase{"DuplicateStore", "type: in_memory",
                  "type: in_memory\n    - {name: s, type: in_memory}",
                  "config.yaml:10:14: cache.stores[1].name: 's' is the name of cache.stores[0] too "
                  "(config.yaml:8:13)"},
        FaultCase{"DuplicateRoute", "store: s", "store: s\n    - {path: users/, store: s}",
                  "cache.routes[1].path: '/users' is served by cache.routes[0] too"},
        FaultCase{"RouteByBodyTaken", "store: s",
                  "store: s\n      key_from_body: id\n    - {path: users_by_body, store: s}",
                  "cache.routes[1].path: '/users_by_body' is served by cache.routes[0] too"},
        FaultCase{"BadReaderSchema", "store: s", "store: s\n      schema: newest",
                  "config.yaml:13:15: cache.routes[0].schema: 'newest': not writer, latest, "
                  "SUBJECT:VERSION"},
        FaultCase{"NoSubject", "store: s", "store: s\n      schema: ':1'", "not writer, latest"},
        FaultCase{"BadVersion", "store: s", "store: s\n      schema: 'a:b:0'",
                  "'a:b:0': the version behind the subject is neither"},
        FaultCase{"HugeVersion", "store: s", "store: s\n      schema: 'a:2147483648'",
                  "the version behind the subject is neither"},
        FaultCase{"NoSchemaFile", "store: s", "store: s\n      schema: 'file:'",
                  "file: needs the path of a file behind it"},
        FaultCase{"EmptyRoute", "path: /users", "path: /",
                  "cache.routes[0].path: must not be empty"},
        FaultCase{"BadPath", "path: /users", "path: /us ers", "'/us ers': a path of letters"},
        FaultCase{"BadAddress", "kafka:", "webservice: {address: 'localhost'}\nkafka:",
                  "webservice.address: 'localhost': not an IP address and port"},
        FaultCase{"BadPort", "kafka:", "webservice: {address: '0.0.0.0:65536'}\nkafka:",
                  "not an IP address and port"},
        FaultCase{"HttpsAddress", "kafka:", "webservice: {address: 'https://0.0.0.0:1/x'}\nkafka:",
                  "not an IP address and port"},
        FaultCase{"SameAddress", "kafka:", "hams: {address: '0.0.0.0:8080'}\nkafka:",
                  "hams.address: '0.0.0.0:8080' is the address of the API too"},
        FaultCase{"BadRegistryUrl", "http://localhost:8081", "localhost:8081",
                  "kafka.schema_registry_url: not a URL"},
        FaultCase{"RegistryScheme", "http://localhost:8081", "ftp://localhost:8081",
                  "begins with http:// or https://"},
        FaultCase{"BadRedisUrl", "type: in_memory", "type: redis\n      url: http://x",
                  "config.yaml:10:12: cache.stores[0].url: a Redis URL begins with redis://"},
        FaultCase{"RedisWithoutUrl", "type: in_memory", "type: redis",
                  "cache.stores[0].url: required for redis"},
        FaultCase{"BadChoice", "type: in_memory", "type: memory",
                  "cache.stores[0].type: 'memory': should be in_memory or redis"},
        FaultCase{"ReservedStore", "type: in_memory", "type: mongo",
                  "'mongo': not available in this version; use in_memory or redis"},
        FaultCase{"ReservedWrites", "cache:\n", "cache:\n  writes: kafka\n",
                  "cache.writes: 'kafka': not available in this version; use local or off"},
        FaultCase{"BadBroker", "brokers: localhost:9092", "brokers: 'a:b,c'",
                  "kafka.brokers: 'a:b,c': not a list of brokers"},
        FaultCase{"BadTopic", "topic: users", "topic: ^users", "not the name of a topic"},
        FaultCase{"TopicTwice", "topic: users", "topic: [a, a]",
                  "kafka.topic[1]: 'a': listed twice"},
        FaultCase{"NoTopic", "topic: users", "topic: []", "kafka.topic: names no topic"},
        FaultCase{"BadId", "topic: users", "topic: users\n  preload_schemas: [1, x]",
                  "kafka.preload_schemas[1]: 'x': not a whole number"},
        FaultCase{"IdTooLarge", "topic: users", "topic: users\n  preload_schemas: [2147483648]",
                  "kafka.preload_schemas[0]: '2147483648': not in 1 to 2147483647"},
        FaultCase{"OwnProperty", "topic: users",
                  "topic: users\n  properties: {bootstrap.servers: x}",
                  "kafka.properties.bootstrap.servers: cannot be set here: use kafka.brokers"},
        FaultCase{"PropertyList", "topic: users", "topic: users\n  properties: {a: [1]}",
                  "kafka.properties.a: should be a single value"},
        FaultCase{"PropertyTwice", "topic: users",
                  "topic: users\n  properties: {a.b: 1, a: {b: 2}}",
                  "kafka.properties.a.b: given twice"},
        FaultCase{"TokenAndUser", "topic: users",
                  "topic: users\n  schema_registry: {username: u, token: t}",
                  "kafka.schema_registry.token: a user name or password is given too"},
        FaultCase{"DuplicateKey", "topic: users", "topic: users\n  topic: bills",
                  "config.yaml:5:3: kafka.topic: given twice in the same place"},
        FaultCase{"MergeKey", "topic: users", "<<: {topic: users}\n  topic: users",
                  "the merge key '<<' is not supported"},
        FaultCase{"TwoDocuments", "kafka:", "---\n{}\n---\nkafka:", "more than one YAML document"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(Load, EveryFaultIsInOneReport) {
  Sources sources = sources_of(R"(webservice: {adress: x, threads: lots}
kafka:
  brokers: 'a b'
  schema_registry_url: nowhere
cache:
  stores: [{name: a, type: in_memory}, {name: a, type: what}]
  routes: [{path: /x, store: b}, {path: /x, store: a}]
)");
  sources.environment["APP_HAMS__ADDRESS"] = "nowhere";
  sources.environment["APP_CACHE__STORES__7__NAME"] = "z";
  Faults faults;
  EXPECT_FALSE(load(sources, faults).has_value());
  std::vector<std::string> paths;
  for (const Fault& fault : faults.list()) paths.push_back(fault.path);
  EXPECT_THAT(paths, ::testing::UnorderedElementsAre(
                         "cache.stores", "webservice.adress", "webservice.threads", "kafka.brokers",
                         "kafka.group_id", "kafka.topic", "kafka.schema_registry_url",
                         "cache.stores[1].type", "cache.stores[1].name", "cache.routes[0].store",
                         "cache.routes[1].path", "hams.address"));
  EXPECT_THAT(
      faults.format(),
      AllOf(HasSubstr("12 faults in the configuration:\n  "),
            HasSubstr("environment APP_HAMS__ADDRESS: hams.address: 'nowhere': not an IP"),
            HasSubstr("environment APP_CACHE__STORES__7__NAME: cache.stores: the list has 2 "
                      "items: the next one is number 2, not 7")));
}

TEST(Load, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_THAT(report(sources_of("kafka:\n  topic: [a, b\n")),
              HasSubstr("config.yaml:3:1: not valid YAML"));
  EXPECT_THAT(report(sources_of("a: b: c\n")), HasSubstr("config.yaml:1:5: not valid YAML"));
  // The library's own text would repeat the name.
  EXPECT_THAT(report(sources_of("a: *hunter2\n")),
              AllOf(HasSubstr("not valid YAML"), Not(HasSubstr("hunter2"))));
}

TEST(Load, EdgesOfYaml) {
  EXPECT_THAT(report(sources_of("")), HasSubstr("kafka.brokers: required"));
  EXPECT_THAT(report(sources_of("# only a comment\n")), HasSubstr("cache.stores: required"));
  EXPECT_THAT(report(sources_of("- a\n")), HasSubstr("config.yaml:1:1: a configuration is a map"));
  EXPECT_THAT(report(sources_of("just text")), HasSubstr("a configuration is a map"));
  EXPECT_THAT(report(sources_of("kafka: \xff\n")), HasSubstr("config.yaml: not UTF-8 text"));
  EXPECT_THAT(report(sources_of("[a]: b\n")), HasSubstr("a key must be a plain name"));
  EXPECT_THAT(report(sources_of(std::string(2'000'000, ' '))), HasSubstr("larger than"));
  EXPECT_THAT(report(sources_of("a: " + std::string(200, '['))),
              HasSubstr("nested deeper than 32 levels"));
  EXPECT_THAT(report(sources_of("a: " + std::string(200'000, '['))),
              HasSubstr("nested deeper than 32 levels"));
  EXPECT_THAT(report(sources_of("a: " + std::string(100, '[') + std::string(100, ']'))),
              HasSubstr("nested deeper than 32 levels"));
  std::string nested;
  for (int i = 0; i < 300; ++i) nested += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(report(sources_of(nested)), HasSubstr("nested deeper than 32 levels"));
  EXPECT_THAT(report(sources_of("a: &x [*x]\n")), HasSubstr("config"));
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j > 0 ? ",*a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(report(sources_of(bomb)), HasSubstr("more than 10000 values"));
  const Config aliased = good(
      replaced(kMinimal, "- name: s\n      type: in_memory", "- &a {name: &n s, type: in_memory}")
          .replace(0, 0, "# \xc3\xa9\n"));
  EXPECT_EQ(aliased.cache.stores[0].name, "s");
  const Config alias =
      good(replaced(replaced(kMinimal, "name: s", "name: &store s"), "store: s", "store: *store"));
  EXPECT_EQ(alias.cache.routes[0].store, "s");
}

TEST(Load, TheFileItselfMayBeMissing) {
  Sources sources;
  sources.file = "/nowhere/config.yaml";
  EXPECT_THAT(report(sources), HasSubstr("1 fault in the configuration:\n  /nowhere/config.yaml: "
                                         "cannot be read"));
  sources.file = PUSH_CACHE_SOURCE_DIR;
  EXPECT_THAT(report(sources), HasSubstr("cannot be read"));
}

TEST(Load, TakesTheOtherShapesOfValues) {
  const Config config = good(R"(
webservice: {prefix: /, serve_while_loading: TRUE, threads: 8, address: 'localhost:9000'}
kafka:
  brokers: [a:1, 'tcp://b:2/', SASL_SSL://c:3]
  group_id: {use_hostname: true}
  topic: [x, y]
  schema_registry_url: https://us%40er:p%3Aw@registry/apis/
  cache_max_age_seconds: 1m 30s
  offset_reset: latest
  preload_schemas: [1, 2]
  fetch_metadata_timeout: {secs: 1, nanos: 500000000}
  properties: {sasl: {username: u}, ssl.ca.location: /ca, queue.size: 5, on: true}
cache:
  writes: off
  stores: [{name: s, type: in_memory, schemas: [], prefix: }]
  routes: [{path: users/, store: s, key_from_body: accountId, etag: position, schema: 'a:b:7'}]
startup_checks: {fails: 0, timeout: 250ms, enabled: false}
json: {logical_types: readable}
log: {format: json, requests: 100}
)");
  EXPECT_EQ(config.webservice.prefix, "");
  EXPECT_TRUE(config.webservice.serve_while_loading);
  EXPECT_EQ(config.webservice.threads, 8u);
  EXPECT_EQ(config.webservice.address, "127.0.0.1:9000");
  EXPECT_EQ(config.kafka.brokers, "a:1,b:2,SASL_SSL://c:3");
  EXPECT_EQ(config.kafka.group_id, "test-host");
  EXPECT_THAT(config.kafka.topics, ElementsAre("x", "y"));
  EXPECT_EQ(config.kafka.registry.url, "https://registry/apis");
  EXPECT_EQ(config.kafka.registry.username, "us@er");
  EXPECT_EQ(config.kafka.registry.password, "p:w");
  EXPECT_EQ(config.kafka.cache_max_age, std::chrono::seconds(90));
  EXPECT_EQ(config.kafka.offset_reset, OffsetReset::kLatest);
  EXPECT_THAT(config.kafka.preload_schemas, ElementsAre(1, 2));
  EXPECT_EQ(config.kafka.fetch_metadata_timeout, std::chrono::milliseconds(1500));
  EXPECT_THAT(config.kafka.properties,
              ElementsAre(Pair("on", "true"), Pair("queue.size", "5"), Pair("sasl.username", "u"),
                          Pair("ssl.ca.location", "/ca")));
  EXPECT_EQ(config.cache.writes, Writes::kOff);
  EXPECT_EQ(config.cache.routes[0].path, "/users");
  EXPECT_EQ(config.cache.routes[0].key_from_body, "accountId");
  EXPECT_EQ(config.cache.routes[0].etag, Etag::kPosition);
  EXPECT_EQ(config.cache.routes[0].schema, "a:b:7");
  EXPECT_EQ(config.startup_checks.fails, 0u);
  EXPECT_EQ(config.startup_checks.timeout, std::chrono::milliseconds(250));
  EXPECT_FALSE(config.startup_checks.enabled);
  EXPECT_EQ(config.json.logical_types, LogicalTypes::kReadable);
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.log.requests, 100u);
}

TEST(Load, WhatBecomesOfBadRecordsHasATopicWhereItNeedsOne) {
  const auto with = [](std::string_view more) {
    return sources_of(replaced(kMinimal, "topic: users", "topic: users\n" + std::string(more)));
  };
  const auto good = load(with("  on_bad_record: dead_letter\n  dead_letter_topic: bad\n"));
  ASSERT_TRUE(good.ok()) << good.error().public_text;
  EXPECT_EQ(good->kafka.on_bad_record, OnBadRecord::kDeadLetter);
  EXPECT_EQ(good->kafka.dead_letter_topic, "bad");
  const auto missing = load(with("  on_bad_record: dead_letter\n"));
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().public_text, HasSubstr("kafka.dead_letter_topic: required"));
  const auto loop = load(with("  on_bad_record: dead_letter\n  dead_letter_topic: users\n"));
  ASSERT_FALSE(loop.ok());
  EXPECT_THAT(loop.error().public_text, HasSubstr("come back for ever"));
  const auto idle = load(with("  dead_letter_topic: bad\n"));
  ASSERT_TRUE(idle.ok());
  EXPECT_THAT(idle->notes, ElementsAre(HasSubstr("has no effect")));
}

TEST(Load, FormatsOfKeysAndRecords) {
  const auto with = [](std::string_view more, std::string_view url = "http://localhost:8081") {
    return load(sources_of(replaced(replaced(kMinimal, "http://localhost:8081", url),
                                    "topic: users", "topic: users\n" + std::string(more))));
  };
  const auto plain = with("");
  ASSERT_TRUE(plain.ok()) << plain.error().public_text;
  EXPECT_EQ(plain->kafka.key_format, KeyFormat::kAuto);
  EXPECT_EQ(plain->kafka.wire_format, WireFormat::kConfluent);
  EXPECT_EQ(record_formats(*plain), "");
  EXPECT_EQ(record_formats(*with("  key_format: auto\n  wire_format: confluent\n")), "");
  const auto other = with("  key_format: long\n  wire_format: apicurio_content_id\n");
  ASSERT_TRUE(other.ok()) << other.error().public_text;
  EXPECT_EQ(other->kafka.key_format, KeyFormat::kLong);
  EXPECT_EQ(record_formats(*other), "key_format long\nwire_format apicurio_content_id\n");
  const auto none = with("  key_format: varint\n");
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().public_text, HasSubstr("kafka.key_format"));
  // Its globalIds are asked for beside the Confluent-compatible API.
  const auto elsewhere = with("  wire_format: apicurio\n");
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_THAT(elsewhere.error().public_text, HasSubstr("/apis/ccompat/v7"));
  EXPECT_TRUE(with("  wire_format: apicurio\n", "http://a:8080/apis/ccompat/v7").ok());
}

TEST(Load, TopicsOfStoresAndRoutes) {
  const auto with = [](std::string_view store, std::string_view route) {
    std::string text = replaced(kMinimal, "topic: users", "topic: [users, bills]");
    text = replaced(text, "type: in_memory", "type: in_memory\n      " + std::string(store));
    return sources_of(replaced(text, "store: s", "store: s\n      " + std::string(route)));
  };
  Result<Config> config = load(with("topics: [bills]", "topic: bills"));
  ASSERT_TRUE(config.ok()) << config.error().public_text;
  const Cache& cache = config->cache;
  EXPECT_EQ(topics_of(*config, cache.stores[0]), (std::vector<bool>{false, true}));
  EXPECT_EQ(topic_of(*config, cache.routes[0]), 1u);
  config = load(with("topics: [bills]", "list: true"));
  EXPECT_EQ(topic_of(*config, cache.routes[0]), 1u) << "the first that the store takes";
  config = load(with("topics: []", "list: true"));
  ASSERT_TRUE(config.ok()) << config.error().public_text;
  EXPECT_EQ(topics_of(*config, cache.stores[0]), (std::vector<bool>{true, true}));
  EXPECT_EQ(topic_of(*config, cache.routes[0]), 0u);

  const auto fault = [&with](std::string_view store, std::string_view route) {
    const Result<Config> bad = load(with(store, route));
    return bad.ok() ? "none" : bad.error().public_text;
  };
  EXPECT_THAT(fault("topics: [bils]", "list: true"),
              HasSubstr("'bils' is no topic of kafka.topic; did you mean 'bills'?"));
  EXPECT_THAT(fault("topics: [bills]", "topic: users"),
              HasSubstr("the route's store takes no topic 'users'"));
}

TEST(Load, StalenessAndSnapshots) {
  const auto with = [](std::string_view more) {
    return load(sources_of(std::string(kMinimal) + std::string(more)));
  };
  const auto off = with("");
  ASSERT_TRUE(off.ok());
  EXPECT_EQ(off->readiness.max_staleness.count(), 0);
  EXPECT_EQ(off->snapshot.dir, "");
  const auto on = with("readiness: {max_staleness: 30s}\nsnapshot: {dir: /data, interval: 90s}\n");
  ASSERT_TRUE(on.ok()) << on.error().public_text;
  EXPECT_EQ(on->readiness.max_staleness, std::chrono::seconds(30));
  EXPECT_EQ(on->snapshot.dir, "/data");
  EXPECT_EQ(on->snapshot.interval, std::chrono::seconds(90));
  const auto quick = with("readiness: {max_staleness: 100ms}\n");
  ASSERT_FALSE(quick.ok());
  EXPECT_THAT(quick.error().public_text, HasSubstr("at least 1s"));
}

TEST(Load, NeverCrashesOnDamagedFiles) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string whole = std::string(kFirstForm) + "x: &a {b: [c, 'd', \"e\"]}\ny: *a\n";
  std::size_t faulty = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    faulty += load(sources_of(whole.substr(0, size))).ok() ? 0 : 1;
  }
  EXPECT_GT(faulty, 0u);
  constexpr std::string_view kBytes = "[]{}:,-'\"&*!|>%@`#\n \t~?<\\\xc3\x28\x00z0";
  for (int round = 0; round < 3000; ++round) {
    std::string text = whole;
    for (unsigned edits = 1 + random() % 8; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      const char byte = kBytes[random() % kBytes.size()];
      switch (random() % 3) {
        case 0:
          text[at] = byte;
          break;
        case 1:
          text.insert(at, 1 + random() % 3, byte);
          break;
        default:
          text.erase(at, 1 + random() % 20);
          break;
      }
      if (text.empty()) break;
    }
    const Result<Config> config = load(sources_of(text));
    if (!config) {
      EXPECT_THAT(config.error().public_text, HasSubstr("in the configuration:"));
    }
  }
}

TEST(ReaderSchema, EachForm) {
  using Kind = ReaderSchema::Kind;
  EXPECT_EQ(parse_reader_schema("writer")->kind, Kind::kWriter);
  EXPECT_EQ(parse_reader_schema("latest")->kind, Kind::kLatest);
  const auto pinned = parse_reader_schema("a:b:12");
  EXPECT_EQ(pinned->kind, Kind::kSubject);
  EXPECT_EQ(pinned->subject, "a:b");
  EXPECT_EQ(pinned->version, 12);
  const auto latest = parse_reader_schema("users-value:latest");
  EXPECT_EQ(latest->kind, Kind::kSubject);
  EXPECT_EQ(latest->subject, "users-value");
  EXPECT_EQ(latest->version, 0);
  const auto file = parse_reader_schema("file:a/b:3.avsc");
  EXPECT_EQ(file->kind, Kind::kFile);
  EXPECT_EQ(file->path, "a/b:3.avsc");
}

}  // namespace
}  // namespace push_cache::config
