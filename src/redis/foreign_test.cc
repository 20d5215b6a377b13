// What others write under the store's prefix: never taken for "no record", and never in the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "redis/key_error.h"
#include "redis/layout.h"
#include "redis/store_fixture.h"

namespace push_cache::redis {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

// Something under `key`, and how TYPE calls it.
struct Foreign {
  std::string name;
  std::string type;
  std::function<Words(std::string key)> write;
};

void PrintTo(const Foreign& one, std::ostream* out) { *out << one.name; }

std::vector<Foreign> all_kinds() {
  using std::string;
  // The end of the position that `record` has: partition, topic, mark.
  const auto tail = [](std::size_t bytes) {
    const auto position = position_of(record("", ""), topic_mark("one", ""), Layout::kOneTopic);
    return string(position.data(), position.size()).substr(kPositionBytes - bytes);
  };
  const auto set = [](const string& value) {
    return [value](const string& key) { return Words{"SET", key, value}; };
  };
  return {
      {"List", "list",
       [](const string& key) {
         return Words{"LPUSH", key, "x"};
       }},
      {"Set", "set",
       [](const string& key) {
         return Words{"SADD", key, "x"};
       }},
      {"SortedSet", "zset",
       [](const string& key) {
         return Words{"ZADD", key, "1", "x"};
       }},
      {"Stream", "stream",
       [](const string& key) {
         return Words{"XADD", key, "*", "f", "x"};
       }},
      {"Hash", "hash",
       [](const string& key) {
         return Words{"HSET", key, "f", "x"};
       }},
      {"HashWithShortPosition", "hash",
       [](const string& key) {
         return Words{"HSET", key, "position", "x"};
       }},
      {"HashWithUnmarkedPosition", "hash",
       [](const string& key) {
         return Words{"HSET", key, "position", string(40, 'x')};
       }},
      {"EmptyString", "string", set("")},
      {"ShortString", "string", set("x")},
      {"EndOfAPosition", "string", set(tail(16))},
      {"MoreOfAPosition", "string", set(tail(39))},
      {"LongString", "string", set(string(100, 'x'))},
  };
}

class ForeignTest : public RedisStoreTest, public testing::WithParamInterface<Foreign> {
 protected:
  void SetUp() override {
    RedisStoreTest::SetUp();
    ASSERT_NE(write("a").substr(0, 1), "-");
  }
  std::string write(const std::string& key) { return server_.ask(GetParam().write("pc:" + key)); }
  std::string type_of(const std::string& key) { return server_.ask({"TYPE", "pc:" + key}); }
};

INSTANTIATE_TEST_SUITE_P(Foreign, ForeignTest, testing::ValuesIn(all_kinds()),
                         [](const auto& one) { return one.param.name; });

// An error with the key for the log.
struct FailedSink final : store::GetSink {
  std::optional<Error> error;
  void found(const store::RecordView&) override { ADD_FAILURE(); }
  void absent() override { ADD_FAILURE() << "nobody knows that"; }
  void failed(const Error& why) override { error = why; }
};

TEST_P(ForeignTest, IsAnErrorForReadersWhoLeaveItThere) {
  FailedSink got;
  store_->get("a", got);
  ASSERT_TRUE(got.error.has_value());
  EXPECT_EQ(got.error->code, ErrorCode::kMalformed);
  EXPECT_THAT(got.error->detail, HasSubstr("key \"a\""));
  FailedSink taken;
  store_->take("a", {}, taken);
  ASSERT_TRUE(taken.error.has_value());
  EXPECT_EQ(taken.error->code, ErrorCode::kMalformed);
  EXPECT_THAT(taken.error->detail, HasSubstr("key \"a\""));
  const auto inserted = store::insert(*store_, local("a", "v", 77));
  ASSERT_FALSE(inserted.ok());
  EXPECT_EQ(inserted.error().code, ErrorCode::kMalformed);
  EXPECT_EQ(type_of("a"), "+" + GetParam().type);
}

TEST_P(ForeignTest, GivesItsPlaceToARecord) {
  EXPECT_TRUE(store_->put(record("a", "v")).ok());
  EXPECT_EQ(store::get(*store_, "a"), "v");
  write("b");
  erase("b", 1, 7);
  EXPECT_EQ(store::get(*store_, "b"), std::nullopt);
  EXPECT_EQ(put("b", "older", 1, 6), store::PutOutcome::kOutdated);
  write("c");
  ASSERT_TRUE(store_->erase(record("c", "")).ok());
  EXPECT_EQ(store::get(*store_, "c"), std::nullopt);
}

TEST_P(ForeignTest, HoldsUpNoOtherKeyOfItsBatch) {
  std::vector<std::string> keys;
  std::vector<store::Write> writes;
  for (int i = 0; i < 100; ++i) keys.push_back("k" + std::to_string(i));
  for (int i = 0; i < 100; ++i) {
    const std::string& key = keys[static_cast<std::size_t>(i)];
    if (i % 7 == 0) write(key);
    if (i % 5 == 0) erase(key, 2, i);
    writes.push_back({record(key, i % 3 == 0 ? "" : "v"), i % 3 == 0});
  }
  std::vector<WriteOutcome> outcomes(writes.size());
  const Status done = store_->write(writes, outcomes);
  ASSERT_TRUE(done.ok()) << done.error().describe();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(store::get(*store_, keys[static_cast<std::size_t>(i)]).has_value(), i % 3 != 0) << i;
  }
}

TEST_P(ForeignTest, StaysWhenALogIsTakenOut) {
  const store::SharedStore::Source source{1, Partition(1)};
  put("b", "old", 1, 900);
  const auto begun = store_->begin_load(source, true);
  ASSERT_TRUE(begun.ok()) << begun.error().describe();
  EXPECT_EQ(store::get(*store_, "b"), std::nullopt);
  EXPECT_EQ(type_of("a"), "+" + GetParam().type);
}

TEST_F(RedisStoreTest, AKeyThatCannotBeWrittenIsNamedAndHoldsUpNoOther) {
  ASSERT_EQ(server_.ask({"ACL", "SETUSER", "default", "resetkeys", "~pc:good*", "~pc:\xff*"}),
            "+OK");
  const std::vector<std::string> keys = {"good1", "other", "good2"};
  std::vector<store::Write> writes;
  for (const std::string& key : keys) writes.push_back({record(key, "v"), false});
  std::vector<WriteOutcome> outcomes(writes.size());
  const Status done = store_->write(writes, outcomes);
  ASSERT_FALSE(done.ok());
  EXPECT_THAT(done.error().detail, HasSubstr("NOPERM"));
  EXPECT_THAT(done.error().detail, HasSubstr("key \"other\""));
  EXPECT_EQ(outcomes[0], WriteOutcome::kInserted);
  EXPECT_EQ(outcomes[1], WriteOutcome::kFailed);
  EXPECT_EQ(outcomes[2], WriteOutcome::kInserted);
}

class OwnKeys : public RedisStoreTest {
 protected:
  static bool names(const Status& status, std::string_view text) {
    return !status.ok() && status.error().public_text.find(text) != std::string::npos;
  }
  bool wait_for(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // then look again
    }
    return true;
  }
};

TEST_F(OwnKeys, WithoutPositionsNothingIsKnownAndTheKeyIsNamed) {
  const store::SharedStore::Source source{1, Partition(1)};
  put("a", "v", 1, 1);
  ASSERT_EQ(server_.ask({"SET", "pc:\xffpositions", "x"}), "+OK");
  const auto kept = store_->positions({&source, 1});
  ASSERT_FALSE(kept.ok());
  EXPECT_EQ(kept.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(kept.error().public_text, HasSubstr(R"(key "pc:\xffpositions")"));
  const store::SharedStore::Progress progress{source, Offset(7)};
  const auto advanced = store_->advance({&progress, 1});
  ASSERT_FALSE(advanced.ok());
  EXPECT_THAT(advanced.error().public_text, HasSubstr(R"(key "pc:\xffpositions")"));
  const auto begun = store_->begin_load(source, false);
  ASSERT_FALSE(begun.ok());
  EXPECT_THAT(begun.error().public_text, HasSubstr(R"(key "pc:\xffpositions")"));
  ASSERT_TRUE(wait_for([&] { return names(store_->health(), R"(key "pc:\xffpositions")"); }));
  FailedSink sink;
  store_->get("a", sink);
  ASSERT_TRUE(sink.error.has_value());
  EXPECT_EQ(sink.error->code, ErrorCode::kUnavailable);
  ASSERT_EQ(server_.ask({"DEL", "pc:\xffpositions"}), "1");
  ASSERT_TRUE(store_->positions({&source, 1}).ok());
  ASSERT_TRUE(wait_for([&] { return store_->health().ok(); }));
  EXPECT_EQ(store::get(*store_, "a"), "v");
}

TEST_F(OwnKeys, TheSchemasKeyIsNamed) {
  ASSERT_EQ(server_.ask({"SET", "pc:\xffschemas", "x"}), "+OK");
  put("a", "v", 1, 1);
  const auto known = store_->schemas();
  ASSERT_FALSE(known.ok());
  EXPECT_THAT(known.error().public_text, HasSubstr(R"(key "pc:\xffschemas")"));
  ASSERT_TRUE(wait_for([&] { return names(store_->health(), R"(key "pc:\xffschemas")"); }));
  EXPECT_EQ(store::get(*store_, "a"), "v") << "records are right all the same";
  ASSERT_EQ(server_.ask({"DEL", "pc:\xffschemas"}), "1");
  ASSERT_TRUE(store_->schemas().ok());
  ASSERT_TRUE(wait_for([&] { return store_->health().ok(); }));
}

TEST(KeyText, IsAsRedisCliShowsIt) {
  EXPECT_EQ(key_text("pc:a b"), R"("pc:a b")");
  EXPECT_EQ(key_text("\xff\n\"\\"), R"("\xff\x0a\"\\")");
  EXPECT_EQ(key_text(std::string(300, 'k')), '"' + std::string(200, 'k') + "...\"");
}

}  // namespace
}  // namespace push_cache::redis
