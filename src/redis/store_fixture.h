// A store before a real redis-server, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "redis/redis_store.h"
#include "redis/test_server.h"
#include "store/test_support.h"

namespace push_cache::redis {

using store::record;
using store::WriteOutcome;

inline RedisStoreOptions options_for(const TestServer& server, std::string prefix) {
  RedisStoreOptions out{.name = "test",
                        .client = {.seeds = {server.endpoint()}},
                        .prefix = std::move(prefix),
                        .topics = {"zero", "one", "two", "three"},
                        .takes_topics = {false, true, false, false}};
  out.client.timeout = std::chrono::seconds(30);
  return out;
}

// A store that takes all of the topics.
inline std::unique_ptr<RedisStore> make_of_topics(const TestServer& server,
                                                  std::string prefix = "") {
  RedisStoreOptions options = options_for(server, std::move(prefix));
  options.takes_topics = {};
  auto made = RedisStore::create(std::move(options));
  EXPECT_TRUE(made.ok());
  const Status claimed = (*made)->claim("kafka");
  EXPECT_TRUE(claimed.ok()) << claimed.error().describe();
  return *std::move(made);
}

inline std::unique_ptr<RedisStore> make(const TestServer& server, std::string prefix = "") {
  auto made = RedisStore::create(options_for(server, std::move(prefix)));
  EXPECT_TRUE(made.ok());
  const Status claimed = (*made)->claim("kafka");
  EXPECT_TRUE(claimed.ok()) << claimed.error().describe();
  return *std::move(made);
}

class RedisStoreTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.ok()) << server_.log(); }

  store::PutOutcome put(std::string_view key, std::string_view datum, int partition,
                        std::int64_t offset) {
    store::RecordView one = record(key, datum, offset);
    one.partition = Partition(partition);
    const auto done = store_->put(one);
    EXPECT_TRUE(done.ok());
    return done.ok() ? *done : store::PutOutcome::kOutdated;
  }
  WriteOutcome erase(std::string_view key, int partition, std::int64_t offset) {
    store::RecordView one = record(key, "", offset);
    one.partition = Partition(partition);
    const store::Write write{one, true};
    WriteOutcome outcome{};
    EXPECT_TRUE(store_->write({&write, 1}, {&outcome, 1}).ok());
    return outcome;
  }
  store::RecordView local(std::string_view key, std::string_view datum, std::int64_t number) {
    store::RecordView one = record(key, datum, number);
    one.partition = Partition(-1);
    return one;
  }

  TestServer server_;
  std::unique_ptr<RedisStore> store_ = make(server_, "pc");
};

}  // namespace push_cache::redis
