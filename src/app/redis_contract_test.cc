// The contract of stores against a Redis that somebody else has started: PUSH_CACHE_TEST_REDIS has
// its URL as a store's configuration has it, PUSH_CACHE_TEST_REDIS_CA the file of its authority.
// Without the former there is nothing to test (tests/e2e/test_redis_contract.py gives both).
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/url.h"
#include "redis/redis_store.h"
#include "store/contract_test.h"
#include "store/topics_contract_test.h"

namespace push_cache::store {
namespace {

std::string setting(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

// Each with a part of the keys of its own.
std::unique_ptr<Store> make(bool of_topics) {
  static std::atomic<int> number = 0;
  const auto url = config::parse_redis_url(setting("PUSH_CACHE_TEST_REDIS"));
  if (!url.ok()) {
    ADD_FAILURE() << url.error().describe();
    return nullptr;
  }
  redis::RedisStoreOptions options{
      .name = "given",
      .prefix = "pc:" + std::to_string(::getpid()) + "-" + std::to_string(++number),
      .topics = {"zero", "one", "two", "three"}};
  if (!of_topics) options.takes_topics = {false, true, false, false};
  redis::ClientOptions& client = options.client;
  using config::RedisTopology;
  client.topology = url->topology == RedisTopology::kCluster    ? redis::Topology::kCluster
                    : url->topology == RedisTopology::kSentinel ? redis::Topology::kSentinel
                                                                : redis::Topology::kSingle;
  for (const config::HostPort& host : url->hosts) client.seeds.push_back({host.host, host.port});
  client.master_name = url->master_name;
  client.username = url->username;
  client.password = url->password;
  client.tls = url->tls;
  client.ca_file = setting("PUSH_CACHE_TEST_REDIS_CA");
  client.timeout = std::chrono::seconds(30);
  auto store = redis::RedisStore::create(std::move(options));
  EXPECT_TRUE(store.ok());
  EXPECT_TRUE((*store)->claim("kafka").ok());
  return *std::move(store);
}

std::vector<std::function<std::unique_ptr<Store>()>> given(bool of_topics) {
  if (setting("PUSH_CACHE_TEST_REDIS").empty()) return {};
  return {[of_topics] { return make(of_topics); }};
}

INSTANTIATE_TEST_SUITE_P(GivenRedis, StoreContract, ::testing::ValuesIn(given(false)),
                         [](const auto&) { return std::string("RedisStore"); });
INSTANTIATE_TEST_SUITE_P(GivenRedisOfTopics, StoreContract, ::testing::ValuesIn(given(true)),
                         [](const auto&) { return std::string("RedisStore"); });
INSTANTIATE_TEST_SUITE_P(GivenRedis, TopicsContract, ::testing::ValuesIn(given(true)),
                         [](const auto&) { return std::string("RedisStore"); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TopicsContract);

}  // namespace
}  // namespace push_cache::store
