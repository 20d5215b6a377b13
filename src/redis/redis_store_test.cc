// The store against a real redis-server.
#include "redis/redis_store.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "net/loop.h"
#include "redis/layout.h"
#include "redis/store_fixture.h"
#include "redis/test_server.h"
#include "store/contract_test.h"
#include "store/log_identities.h"
#include "store/topics_contract_test.h"

namespace push_cache::redis {
namespace {

// A store with a server of its own.
class Whole final : public store::Store {
 public:
  using Make = std::unique_ptr<RedisStore> (*)(const TestServer& server, std::string prefix);
  explicit Whole(Make make_store) : inner_(make_store(server_, "p*")) {}
  Result<store::PutOutcome> put(const store::RecordView& r) override { return inner_->put(r); }
  void insert(const store::RecordView& r, store::InsertSink& sink) override {
    inner_->insert(r, sink);
  }
  Result<bool> erase(const store::RecordView& r) override { return inner_->erase(r); }
  using Store::erase;
  void take(std::string_view key, const store::TakeOnly& only, store::GetSink& sink) override {
    inner_->take(key, only, sink);
  }
  Status write(std::span<const store::Write> writes, std::span<WriteOutcome> outcomes) override {
    return inner_->write(writes, outcomes);
  }
  void get(std::string_view key, store::GetSink& sink) override { inner_->get(key, sink); }
  Result<bool> page(PageStart start, std::size_t most, store::KeySink& sink) override {
    return inner_->page(start, most, sink);
  }
  store::Counts counts() const override { return inner_->counts(); }
  Status health() const override { return inner_->health(); }

 private:
  TestServer server_;
  std::unique_ptr<RedisStore> inner_;
};

}  // namespace
}  // namespace push_cache::redis

namespace push_cache::store {

INSTANTIATE_TEST_SUITE_P(Redis, StoreContract, ::testing::Values([] {
                           return std::make_unique<redis::Whole>(redis::make);
                         }),
                         [](const auto&) { return std::string("RedisStore"); });
INSTANTIATE_TEST_SUITE_P(RedisTopics, StoreContract, ::testing::Values([] {
                           return std::make_unique<redis::Whole>(redis::make_of_topics);
                         }),
                         [](const auto&) { return std::string("RedisStore"); });
INSTANTIATE_TEST_SUITE_P(Redis, TopicsContract, ::testing::Values([] {
                           return std::make_unique<redis::Whole>(redis::make_of_topics);
                         }),
                         [](const auto&) { return std::string("RedisStore"); });

}  // namespace push_cache::store

namespace push_cache::redis {
namespace {

TEST_F(RedisStoreTest, ADeliveryOnceMoreMakesNoKeyOlder) {
  using enum store::PutOutcome;
  EXPECT_EQ(put("a", "one", 1, 10), kInserted);
  EXPECT_EQ(put("a", "two", 1, 12), kReplaced);
  EXPECT_EQ(put("a", "one", 1, 10), kOutdated);
  EXPECT_EQ(put("a", "two", 1, 12), kOutdated) << "it is there";
  EXPECT_EQ(store::get(*store_, "a"), "two");
  EXPECT_EQ(erase("a", 1, 11), WriteOutcome::kOutdated);
  EXPECT_EQ(store::get(*store_, "a"), "two");
  EXPECT_EQ(erase("a", 1, 13), WriteOutcome::kErased);
  EXPECT_EQ(put("a", "two", 1, 12), kOutdated) << "the tombstone is remembered";
  EXPECT_EQ(erase("a", 1, 13), WriteOutcome::kOutdated);
  EXPECT_EQ(store::get(*store_, "a"), std::nullopt);
  EXPECT_EQ(put("a", "three", 1, 14), kInserted);
  EXPECT_EQ(erase("never", 1, 20), WriteOutcome::kAbsent);
  EXPECT_EQ(put("never", "older", 1, 19), kOutdated);
}

TEST_F(RedisStoreTest, OffsetsBeyondWhatLuaCountsAreTold) {
  constexpr std::int64_t kFar = (std::int64_t{1} << 62) + 1;
  EXPECT_EQ(put("a", "one", 1, kFar), store::PutOutcome::kInserted);
  EXPECT_EQ(put("a", "older", 1, kFar - 1), store::PutOutcome::kOutdated);
  EXPECT_EQ(put("a", "newer", 1, kFar + 1), store::PutOutcome::kReplaced);
  EXPECT_EQ(put("a", "older", 1, 0x80000000), store::PutOutcome::kOutdated);
}

TEST_F(RedisStoreTest, AnotherTopicOfTheNameStartsAnew) {
  store_->set_topic_id(1, "first");
  EXPECT_EQ(put("a", "old", 3, 1000), store::PutOutcome::kInserted);
  EXPECT_EQ(erase("b", 3, 1001), WriteOutcome::kAbsent);
  store_->set_topic_id(1, "second");
  EXPECT_EQ(put("a", "new", 3, 0), store::PutOutcome::kReplaced);
  EXPECT_EQ(put("b", "new", 3, 1), store::PutOutcome::kInserted);
  EXPECT_EQ(store::get(*store_, "a"), "new");
}

TEST_F(RedisStoreTest, ADeletedKeyIsKeptForSomeTimeAndNoRecord) {
  put("a", "one", 1, 10);
  erase("a", 1, 11);
  EXPECT_EQ(server_.ask({"TYPE", "pc:a"}), "+hash");
  EXPECT_EQ(server_.ask({"HLEN", "pc:a"}), "1");
  const std::string ttl = server_.ask({"PTTL", "pc:a"});
  EXPECT_GT(std::stoll(ttl), 23LL * 3600 * 1000);
  EXPECT_LE(std::stoll(ttl), 24LL * 3600 * 1000);
  put("a", "two", 1, 12);
  EXPECT_EQ(server_.ask({"PTTL", "pc:a"}), "-1") << "nothing but a tombstone removes a record";
}

TEST_F(RedisStoreTest, WhatHttpRemovedIsNotDeliveredAgain) {
  put("a", "one", 1, 10);
  store::CopySink taken;
  store_->take("a", {}, taken);
  EXPECT_EQ(taken.datum, "one");
  EXPECT_EQ(put("a", "one", 1, 10), store::PutOutcome::kOutdated);
  EXPECT_EQ(store::get(*store_, "a"), std::nullopt);
  EXPECT_TRUE(*store::insert(*store_, local("a", "by HTTP", 77)));
  EXPECT_EQ(put("a", "one", 1, 10), store::PutOutcome::kOutdated);
  store::CopySink sink;
  store_->get("a", sink);
  EXPECT_EQ(sink.datum, "by HTTP");
  EXPECT_EQ(sink.last.partition, Partition(-1));
  EXPECT_EQ(sink.last.offset, Offset(77));
  EXPECT_EQ(put("a", "two", 1, 11), store::PutOutcome::kReplaced);
}

TEST_F(RedisStoreTest, AnInsertThatIsSentTwiceIsOne) {
  EXPECT_TRUE(*store::insert(*store_, local("a", "v", 78)));
  EXPECT_TRUE(*store::insert(*store_, local("a", "v", 78)));
  EXPECT_FALSE(*store::insert(*store_, local("a", "v", 79)));
}

TEST_F(RedisStoreTest, KeepsTheTopicOfARecord) {
  for (const bool several : {false, true}) {
    const auto store = several ? make_of_topics(server_, "many") : make(server_, "one");
    store::RecordView one = record("a", "v");
    one.topic = several ? 2 : 1;
    ASSERT_TRUE(store->put(one).ok());
    ASSERT_TRUE(*store::insert(*store, local("b", "v", 7)));
    for (const char* key : {"a", "b"}) {
      store::CopySink sink;
      store->get(key, sink);
      EXPECT_EQ(sink.last.topic, key[0] == 'a' ? one.topic : 1u);
    }
  }
}

TEST_F(RedisStoreTest, AFullServerTakesNoWritesUntilThereIsRoom) {
  EXPECT_EQ(server_.ask({"CONFIG", "SET", "maxmemory", "1"}), "+OK");
  const auto refused = store_->put(record("a", "v"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().public_text.find("maxmemory"), std::string::npos);
  EXPECT_EQ(server_.ask({"CONFIG", "SET", "maxmemory", "0"}), "+OK");
  EXPECT_TRUE(store_->put(record("a", "v")).ok());
}

TEST_F(RedisStoreTest, SurvivesItsServersEndAndForgottenScripts) {
  put("a", "one", 1, 1);
  EXPECT_EQ(server_.ask({"SCRIPT", "FLUSH"}), "+OK");
  EXPECT_EQ(put("a", "two", 1, 2), store::PutOutcome::kReplaced);
  ASSERT_TRUE(server_.restart());
  EXPECT_EQ(put("a", "three", 1, 3), store::PutOutcome::kInserted) << "it kept nothing";
}

TEST_F(RedisStoreTest, ManyWritesOfAllKindsAtOnceAreFencedEach) {
  put("newer", "kept", 1, 500);
  put("older", "old", 1, 1);
  store::RecordView moved = record("moved", "of 2", 900);
  moved.partition = Partition(2);
  moved.timestamp_ms = 0;
  ASSERT_TRUE(store_->put(moved).ok());
  erase("gone", 1, 600);
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<store::Write> writes;
  const auto add = [&](std::string_view key, int offset, bool tombstone = false,
                       int partition = 1) {
    store::RecordView one = record(key, tombstone ? "" : "new", offset);
    one.partition = Partition(partition);
    one.timestamp_ms = 0;
    writes.push_back({one, tombstone});
  };
  for (int i = 0; i < 1000; ++i) add(keys[static_cast<std::size_t>(i)], 100 + i, i % 10 == 9);
  add("newer", 400);
  add("older", 401);
  add("moved", 402);
  add("gone", 403);
  add("k0", 1200);
  add("k0", 1201, true);
  add("k1", 7, false, 3);
  std::vector<WriteOutcome> outcomes(writes.size());
  ASSERT_TRUE(store_->write(writes, outcomes).ok());
  EXPECT_EQ(store::get(*store_, "newer"), "kept");
  EXPECT_EQ(store::get(*store_, "older"), "new");
  EXPECT_EQ(store::get(*store_, "gone"), std::nullopt);
  EXPECT_EQ(store::get(*store_, "k0"), std::nullopt);
  EXPECT_EQ(outcomes[1000], WriteOutcome::kOutdated);
  EXPECT_EQ(outcomes[1001], WriteOutcome::kReplaced);
  EXPECT_EQ(outcomes[1003], WriteOutcome::kOutdated);
  // Of equal times the higher partition's is the last.
  EXPECT_EQ(outcomes[1002], WriteOutcome::kOutdated);
  EXPECT_EQ(outcomes[1006], WriteOutcome::kReplaced);
  for (int i = 2; i < 1000; ++i) {
    EXPECT_EQ(store::get(*store_, keys[static_cast<std::size_t>(i)]).has_value(), i % 10 != 9);
  }
}

// Runs a loop with the store's calls on it.
class RedisLoopTest : public RedisStoreTest {
 protected:
  RedisLoopTest()
      : work_(loop_.get_executor()), thread_([this] {
          const net::LoopScope scope(loop_);
          loop_.run();
        }) {}
  ~RedisLoopTest() override {
    work_.reset();
    loop_.stop();
    thread_.join();
  }

  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

TEST_F(RedisLoopTest, ManyLookUpsAreUnderWayAtOnce) {
  for (int i = 0; i < 100; ++i) put("k" + std::to_string(i), std::to_string(i), 1, i);
  constexpr int kMany = 5000;
  std::vector<store::CopySink> sinks(kMany);
  std::atomic<bool> all = false;
  struct Last final : store::GetSink {
    std::atomic<bool>* done;
    void found(const store::RecordView&) override { *done = true; }
    void absent() override { *done = true; }
    void failed(const Error& error) override { ADD_FAILURE() << error.describe(), *done = true; }
  } last;
  last.done = &all;
  boost::asio::post(loop_, [&] {
    for (int i = 0; i < kMany; ++i) store_->get("k" + std::to_string(i % 120), sinks[i]);
    store_->get("k0", last);
  });
  while (!all) std::this_thread::yield();
  for (int i = 0; i < kMany; ++i) {
    const auto& sink = sinks[static_cast<std::size_t>(i)];
    EXPECT_EQ(sink.calls, 1);
    EXPECT_EQ(sink.datum, i % 120 < 100 ? std::optional(std::to_string(i % 120)) : std::nullopt);
  }
}

TEST_F(RedisLoopTest, AScanGivesTheRecordsKeys) {
  std::set<std::string> expected;
  for (int i = 0; i < 2500; ++i) {
    const std::string key = "k" + std::to_string(i);
    put(key, "v", 1, i);
    if (i % 5 == 0) {
      erase(key, 1, i + 10'000);
    } else {
      expected.insert(key);
    }
  }
  EXPECT_EQ(server_.ask({"SET", "other:key", "x"}), "+OK");
  struct Sink final : store::KeyScan::Sink {
    std::set<std::string> keys;
    int steps = 0;
    std::unique_ptr<store::KeyScan> scan;
    std::atomic<bool> done = false;
    void key(std::string_view key) override { keys.emplace(key); }
    void end(bool more) override {
      ++steps;
      if (more) return scan->next(*this);
      done = true;
    }
    void failed(const Error& error) override { ADD_FAILURE() << error.describe(), done = true; }
  } sink;
  boost::asio::post(loop_, [&] {
    sink.scan = store_->scan_keys();
    sink.scan->next(sink);
  });
  while (!sink.done) std::this_thread::yield();
  EXPECT_EQ(sink.keys, expected);
  EXPECT_GT(sink.steps, 1);
  boost::asio::post(loop_, [&] { sink.scan.reset(), sink.done = false; });
  while (sink.done) std::this_thread::yield();
}

TEST_F(RedisLoopTest, CountsItsRecordsInTheBackground) {
  for (int i = 0; i < 50; ++i) put("k" + std::to_string(i), "v", 1, i);
  erase("k0", 1, 1000);
  const auto counted = make(server_, "pc");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (counted->counts().records != 49) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << counted->counts().records;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // then look again
  }
}

TEST(RedisStoreAway, SaysSoInTime) {
  RedisStoreOptions options{.name = "away", .client = {.seeds = {{"127.0.0.1", 1}}}};
  options.client.timeout = std::chrono::milliseconds(100);
  const auto made = RedisStore::create(options);
  ASSERT_TRUE(made.ok());
  const auto refused = (*made)->put(record("a", "v"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE((*made)->health().ok());
}

// The ETags of a store in memory are made of the same numbers.
TEST_F(RedisStoreTest, TheIdentityOfALogIsThatOfTheTopicsIdWhileThatIsKnown) {
  const auto identity = [this] {
    store::CopySink found;
    store_->get("a", found);
    return store_->log_identity(found.last);
  };
  ASSERT_TRUE(store_->put(store::record("a", "x", 1)).ok());
  const std::uint64_t unknown = identity();
  EXPECT_NE(unknown, 0u);
  store_->set_topic_id(1, "first");
  EXPECT_EQ(identity(), unknown) << "it was written before that";
  ASSERT_TRUE(store_->put(store::record("a", "y", 2)).ok());
  EXPECT_EQ(identity(), store::log_identity("", "first"));
  store_->set_topic_id(1, "second");
  EXPECT_NE(identity(), store::log_identity("", "first"));
  EXPECT_NE(identity(), store::log_identity("", "second")) << "it is of the log before";
  ASSERT_TRUE(store_->put(store::record("a", "z", 0)).ok());
  EXPECT_EQ(identity(), store::log_identity("", "second"));
  store_->set_topic_id(1, "first");
  store_->set_topic_id(1, "second compact");
  EXPECT_EQ(identity(), store::log_identity("", "second"))
      << "the cleanup policy makes no other log of it";
}

}  // namespace
}  // namespace push_cache::redis
