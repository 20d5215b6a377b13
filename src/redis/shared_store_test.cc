// What the store does as one that several processes fill: positions, loads, doubts.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "redis/store_fixture.h"

namespace push_cache::redis {
namespace {

using SharedRedisStoreTest = RedisStoreTest;
using Source = store::SharedStore::Source;
using Kept = store::SharedStore::Kept;

Kept kept(RedisStore& store, Source source) {
  auto all = store.positions({&source, 1});
  EXPECT_TRUE(all.ok()) << all.error().describe();
  return all.ok() ? (*all)[0] : Kept{};
}

std::optional<Offset> advance(RedisStore& store, Source source, std::int64_t reached) {
  const store::SharedStore::Progress one{source, Offset(reached)};
  const auto all = store.advance({&one, 1});
  EXPECT_TRUE(all.ok()) << all.error().describe();
  return all.ok() ? (*all)[0] : std::nullopt;
}

TEST_F(SharedRedisStoreTest, KeepsPositionsAndNeverAnEarlierOne) {
  const Source source{1, Partition(3)};
  EXPECT_EQ(kept(*store_, source).position, std::nullopt);
  EXPECT_EQ(advance(*store_, source, 0), Offset(0));
  EXPECT_EQ(advance(*store_, source, 70), Offset(70));
  EXPECT_EQ(advance(*store_, source, 50), Offset(70));
  EXPECT_EQ(kept(*store_, {1, Partition(4)}).position, std::nullopt);
  const auto other = make(server_, "pc");
  EXPECT_EQ(kept(*other, source).position, Offset(70));
  EXPECT_EQ(server_.ask({"HGET", "pc:\xffpositions", "one/3 -"}), "\"70\"");
  store_->set_topic_id(1, "second");
  EXPECT_EQ(kept(*store_, source).position, std::nullopt) << "it is another topic";
}

TEST_F(SharedRedisStoreTest, ALostPositionIsToldOnceAndNotWrittenOver) {
  const Source source{1, Partition(3)};
  advance(*store_, source, 70);
  EXPECT_EQ(server_.ask({"HSET", "pc:\xffpositions", "one/3 -", "40"}), "0");
  EXPECT_EQ(advance(*store_, source, 80), Offset(40));
  const Kept lost = kept(*store_, source);
  EXPECT_TRUE(lost.went_back);
  EXPECT_EQ(lost.position, Offset(40));
  EXPECT_FALSE(kept(*store_, source).went_back);
  EXPECT_EQ(advance(*store_, source, 45), Offset(45));
  EXPECT_EQ(server_.ask({"FLUSHALL"}), "+OK");
  EXPECT_EQ(advance(*store_, source, 90), std::nullopt);
  const Kept all = kept(*store_, source);
  EXPECT_TRUE(all.went_back);
  EXPECT_EQ(all.position, std::nullopt);
}

TEST_F(SharedRedisStoreTest, AFullServerKeepsThePositionItHas) {
  const Source source{1, Partition(3)};
  advance(*store_, source, 70);
  EXPECT_EQ(server_.ask({"CONFIG", "SET", "maxmemory", "1"}), "+OK");
  EXPECT_EQ(advance(*store_, source, 80), Offset(70));
  EXPECT_FALSE(kept(*store_, source).went_back);
  EXPECT_EQ(server_.ask({"CONFIG", "SET", "maxmemory", "0"}), "+OK");
  EXPECT_EQ(advance(*store_, source, 80), Offset(80));
}

TEST_F(SharedRedisStoreTest, NotesTheSchemasOfItsRecords) {
  EXPECT_TRUE(store_->schemas()->empty());
  store::RecordView one = record("a", "v", 1);
  one.schema = SchemaId(7);
  ASSERT_TRUE(store_->put(one).ok());
  one.schema = SchemaId(100'000);
  ASSERT_TRUE(store_->put(one).ok());
  const auto other = make(server_, "pc");
  const auto known = other->schemas();
  ASSERT_TRUE(known.ok());
  EXPECT_EQ(known->size(), 2u);
  EXPECT_NE(std::find(known->begin(), known->end(), SchemaId(100'000)), known->end());
}

Status end_loads(RedisStore& store, std::vector<store::SharedStore::LoadEnd> ends) {
  std::promise<Status> done;
  store.end_loads(std::move(ends), [&](Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

TEST_F(SharedRedisStoreTest, ALoadTakesOutWhatItDidNotBring) {
  EXPECT_EQ(server_.ask({"SET", "of others", "x"}), "+OK");
  for (int i = 0; i < 3000; ++i) put("k" + std::to_string(i), "v", i % 3, i);
  erase("deleted", 1, 5000);
  ASSERT_TRUE(*store::insert(*store_, local("by HTTP", "v", 79)));
  const Source source{1, Partition(1)};
  advance(*store_, source, 3000);
  const auto begun = store_->begin_load(source, false);
  ASSERT_TRUE(begun.ok());
  EXPECT_TRUE(*begun);
  EXPECT_EQ(kept(*store_, source).position, std::nullopt);
  // Every second of it comes again, and new ones, of which the last is beyond what has been read.
  for (int i = 1; i < 3000; i += 6) put("k" + std::to_string(i), "v", 1, i);
  put("new", "v", 1, 3001);
  put("beyond", "v", 1, 3500);
  ASSERT_TRUE(end_loads(*store_, {{source, Offset(3002)}}).ok());
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(store::get(*store_, "k" + std::to_string(i)).has_value(), i % 3 != 1 || i % 6 == 1)
        << i;
  }
  EXPECT_TRUE(store::get(*store_, "new").has_value());
  EXPECT_TRUE(store::get(*store_, "beyond").has_value());
  EXPECT_TRUE(store::get(*store_, "by HTTP").has_value());
  EXPECT_EQ(put("deleted", "v", 1, 4000), store::PutOutcome::kOutdated) << "fences stay";
  EXPECT_EQ(server_.ask({"GET", "of others"}), "\"x\"");
}

TEST_F(SharedRedisStoreTest, ALoadTakesOutWhatIsOfAnotherTopicOfTheName) {
  store_->set_topic_id(1, "first");
  put("a", "old", 1, 900);
  put("b", "old", 7, 900);
  store_->set_topic_id(1, "second");
  ASSERT_TRUE(*store_->begin_load({1, Partition(1)}, false));
  put("c", "new", 1, 0);
  ASSERT_TRUE(end_loads(*store_, {{{1, Partition(1)}, Offset(1)}}).ok());
  EXPECT_EQ(store::get(*store_, "a"), std::nullopt);
  EXPECT_EQ(store::get(*store_, "b"), std::nullopt) << "also of partitions that it has no more";
  EXPECT_EQ(store::get(*store_, "c"), "new");
}

// Of two processes, the one that has not noticed it yet sees that the other one loads.
TEST_F(SharedRedisStoreTest, ALoadOfWhatHasBecomeCompactedForgetsThePositionFromBefore) {
  RedisStoreOptions options = options_for(server_, "narrow");
  options.schemas = {"customer"};
  auto made = RedisStore::create(std::move(options));
  ASSERT_TRUE(made.ok());
  RedisStore& narrow = **made;
  ASSERT_TRUE(narrow.claim("kafka").ok());
  const std::pair<const char*, const char*> names[] = {
      {"id", "id compact"}, {"id compact", "id"}, {"", "- compact"}, {"- compact", ""}};
  int number = 0;
  for (const auto& [before, now] : names) {
    const Source source{1, Partition(++number)};
    narrow.set_topic_id(1, before);
    advance(narrow, source, 3000);
    narrow.set_topic_id(1, now);
    EXPECT_EQ(kept(narrow, source).position, std::nullopt) << now;
    const auto begun = narrow.begin_load(source, false);
    ASSERT_FALSE(begun.ok()) << "others may not have missed the position yet";
    EXPECT_EQ(begun.error().code, ErrorCode::kUnavailable);
    narrow.set_topic_id(1, before);
    const auto seen = kept(narrow, source);
    EXPECT_EQ(seen.position, std::nullopt) << before;
    EXPECT_FALSE(seen.went_back) << "by this process itself";
    narrow.set_topic_id(1, now);
    if (number > 1) continue;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!narrow.begin_load(source, false).ok()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    narrow.cancel_load(source);
  }
}

// A store that takes every schema holds the same under either policy.
TEST_F(SharedRedisStoreTest, AStoreThatTakesEverySchemaKeepsItsPositionUnderAnotherPolicy) {
  const Source source{1, Partition(1)};
  store_->set_topic_id(1, "id");
  advance(*store_, source, 3000);
  store_->set_topic_id(1, "id compact");
  EXPECT_EQ(kept(*store_, source).position, Offset(3000));
  EXPECT_TRUE(store_->begin_load(source, false).ok());
}

TEST_F(SharedRedisStoreTest, WhatIsOfALogThatWasReplacedGoesFirst) {
  put("a", "old", 1, 900);
  erase("b", 1, 901);
  put("c", "other", 2, 900);
  EXPECT_FALSE(*store_->begin_load({1, Partition(1)}, true));
  EXPECT_EQ(store::get(*store_, "a"), std::nullopt);
  EXPECT_EQ(put("a", "new", 1, 3), store::PutOutcome::kInserted);
  EXPECT_EQ(put("b", "new", 1, 4), store::PutOutcome::kInserted);
  EXPECT_EQ(store::get(*store_, "c"), "other");
}

TEST_F(SharedRedisStoreTest, ALoadIntoNothingNeedsNoEnd) {
  EXPECT_FALSE(*store_->begin_load({1, Partition(1)}, false));
  put("a", "v", 1, 0);
  EXPECT_FALSE(*store_->begin_load({1, Partition(2)}, false)) << "what is there has come since";
}

TEST_F(SharedRedisStoreTest, AServerThatWasRestartedIsDoubted) {
  put("a", "v", 1, 1);
  std::atomic<int> told = 0;
  store_->on_doubt([&] { ++told; });
  const std::uint64_t before = store_->doubts();
  ASSERT_TRUE(server_.restart());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (told == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  EXPECT_GT(store_->doubts(), before);
  EXPECT_FALSE(store_->health().ok());
  struct Sink final : store::GetSink {
    std::string outcome;
    void found(const store::RecordView&) override { outcome = "found"; }
    void absent() override { outcome = "absent"; }
    void failed(const Error& error) override { outcome = error.public_text; }
  } sink;
  store_->get("a", sink);
  EXPECT_NE(sink.outcome.find("being checked"), std::string::npos) << sink.outcome;
  store_->trust(before);
  store_->get("a", sink);
  EXPECT_NE(sink.outcome.find("being checked"), std::string::npos) << sink.outcome;
  store_->trust(store_->doubts());
  store_->get("a", sink);
  EXPECT_EQ(sink.outcome, "absent") << "it kept nothing";
  store_->on_doubt({});
}

TEST_F(SharedRedisStoreTest, ALostConnectionToTheSameServerIsNot) {
  put("a", "v", 1, 1);
  EXPECT_NE(server_.ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}), "0");
  EXPECT_EQ(store::get(*store_, "a"), "v");
  EXPECT_EQ(store_->doubts(), 0u);
}

}  // namespace
}  // namespace push_cache::redis
