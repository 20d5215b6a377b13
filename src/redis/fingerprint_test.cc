// Who fills a prefix: one configuration only.
#include "redis/fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/utf8.h"
#include "redis/layout.h"
#include "redis/store_fixture.h"

namespace push_cache::redis {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kOwn =
    R"({"cluster":"kafka","topics":["zero","one","two"],"schemas":[],"layout":2})";
const std::string kPositions = "pc:\xffpositions";

TEST(Fingerprint, IsReadableText) {
  EXPECT_EQ(fingerprint({.topics = {"a"}, .schemas = {"bill", "use\"d"}, .takes = ""}, "k-1"),
            R"({"cluster":"k-1","topics":["a"],"schemas":["bill","use\"d"],"layout":1})");
  EXPECT_EQ(fingerprint(
                {.topics = {"b", "a"}, .schemas = {}, .layout = Layout::kTopics, .takes = ""}, ""),
            R"({"cluster":null,"topics":["b","a"],"schemas":[],"layout":2})");
}

TEST(Fingerprint, AClusterThatIsNotKnownFitsAny) {
  const Filling filling{.topics = {"a"}, .schemas = {}, .takes = ""};
  const Filling other{.topics = {"b"}, .schemas = {}, .takes = ""};
  EXPECT_TRUE(fits(fingerprint(filling, "k"), fingerprint(filling, "k")));
  EXPECT_TRUE(fits(fingerprint(filling, ""), fingerprint(filling, "k")));
  EXPECT_TRUE(fits(fingerprint(filling, "k"), fingerprint(filling, "")));
  EXPECT_FALSE(fits(fingerprint(filling, "k"), fingerprint(filling, "l")));
  EXPECT_FALSE(fits(fingerprint(filling, ""), fingerprint(other, "")));
  EXPECT_FALSE(fits(fingerprint(filling, ""), fingerprint(other, "k")));
  for (const char* odd : {"", "x", "{}", R"({"cluster":)", R"({"cluster":"k)", R"({"cluster":null)",
                          R"({"cluster":"","topics":["a"])"}) {
    EXPECT_FALSE(fits(odd, fingerprint(filling, "k"))) << odd;
    EXPECT_FALSE(fits(fingerprint(filling, ""), odd)) << odd;
  }
}

class FingerprintTest : public RedisStoreTest {
 protected:
  void SetUp() override {
    RedisStoreTest::SetUp();
    EXPECT_EQ(server_.ask({"DEL", kPositions}), "1");
    store_ = other({"zero", "one", "two"});
    ASSERT_TRUE(store_->claim("kafka").ok());
  }
  // One that has claimed nothing yet.
  std::unique_ptr<RedisStore> other(std::vector<std::string> topics,
                                    std::vector<std::string> schemas = {}) {
    RedisStoreOptions options = options_for(server_, "pc");
    options.topics = std::move(topics);
    options.takes_topics = {};
    for (const std::string& schema : schemas) options.takes += schema + '\n';
    options.schemas = std::move(schemas);
    auto made = RedisStore::create(options);
    EXPECT_TRUE(made.ok());
    return *std::move(made);
  }
  std::string stands() { return server_.ask({"HGET", kPositions, "fingerprint"}); }
  void set(const std::string& field, const std::string& value) {
    server_.ask({"HSET", kPositions, field, value});
  }
  // As version 0.1 leaves it.
  void forget() { EXPECT_EQ(server_.ask({"HDEL", kPositions, "fingerprint"}), "1"); }
};

std::string outcome_of(const Status& status) {
  return status.ok() ? "claimed" : status.error().public_text;
}

// Once the store has looked at its connections.
Status health_of(const RedisStore& store) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  Status out = store.health();
  while (!out.ok() && out.error().code != ErrorCode::kConflict &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // then look again
    out = store.health();
  }
  return out;
}

std::string read_of(RedisStore& store, std::string_view key) {
  struct Sink final : store::GetSink {
    std::string outcome;
    void found(const store::RecordView&) override { outcome = "found"; }
    void absent() override { outcome = "absent"; }
    void failed(const Error& error) override {
      outcome = error.code == ErrorCode::kUnavailable ? error.public_text : "not as a fault";
    }
  } sink;
  store.get(key, sink);
  return sink.outcome;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  return out + text + "\"";
}

TEST_F(FingerprintTest, StandsBesideThePositions) {
  EXPECT_EQ(stands(), quoted(kOwn));
  const auto again = other({"zero", "one", "two"});
  EXPECT_EQ(outcome_of(again->claim("kafka")), "claimed");
  EXPECT_TRUE(health_of(*again).ok());
  EXPECT_EQ(stands(), quoted(kOwn));
}

TEST_F(FingerprintTest, AnotherFillingIsAConflictThatSaysBoth) {
  put("a", "v", 1, 1);
  struct Case {
    std::vector<std::string> topics;
    std::vector<std::string> schemas;
    std::string cluster;
    std::string shown;
  };
  const Case cases[] = {
      {{"zero", "one"}, {}, "kafka", R"("topics":["zero","one"])"},
      {{"zero", "two", "one"}, {}, "kafka", R"("topics":["zero","two","one"])"},
      {{"zero", "one", "two", "x"}, {}, "kafka", R"("topics":["zero","one","two","x"])"},
      {{"x"}, {}, "kafka", R"("topics":["x"],"schemas":[],"layout":1)"},
      {{"zero", "one", "two"}, {"bill"}, "kafka", R"("schemas":["bill"])"},
      {{"zero", "one", "two"}, {}, "other", R"("cluster":"other")"},
      {{"x"}, {}, "", R"("cluster":null)"}};
  for (const Case& one : cases) {
    const auto second = other(one.topics, one.schemas);
    EXPECT_THAT(read_of(*second, "a"), HasSubstr("not known yet"));
    const Status done = second->claim(one.cluster);
    ASSERT_FALSE(done.ok()) << one.shown;
    EXPECT_EQ(done.error().code, ErrorCode::kConflict);
    EXPECT_THAT(done.error().public_text, HasSubstr(kOwn));
    EXPECT_THAT(done.error().public_text, HasSubstr(one.shown));
    const Status health = health_of(*second);
    ASSERT_FALSE(health.ok());
    EXPECT_EQ(health.error().public_text, done.error().public_text);
    EXPECT_THAT(read_of(*second, "a"), HasSubstr("another service's"));
  }
  EXPECT_EQ(stands(), quoted(kOwn));
  EXPECT_EQ(store::get(*store_, "a"), "v");
}

TEST_F(FingerprintTest, WhoHasNoClaimDoesNothing) {
  put("a", "v", 1, 1);
  const auto second = other({"x"});
  for (const bool told : {false, true}) {
    if (told) {
      ASSERT_FALSE(second->claim("kafka").ok());
    }
    const auto is_refused = [](const auto& done) {
      return !done.ok() && done.error().code == ErrorCode::kUnavailable;
    };
    store::RecordView one = record("b", "v", 9);
    EXPECT_TRUE(is_refused(second->put(one)));
    EXPECT_TRUE(is_refused(second->erase(record("a", "", 9))));
    EXPECT_TRUE(is_refused(store::insert(*second, local("c", "v", 70))));
    const store::SharedStore::Source source{0, Partition(1)};
    const store::SharedStore::Progress progress{source, Offset(70)};
    EXPECT_TRUE(is_refused(second->advance({&progress, 1})));
    EXPECT_TRUE(is_refused(second->begin_load(source, true)));
    struct Taken final : store::GetSink {
      bool refused = false;
      void found(const store::RecordView&) override {}
      void absent() override {}
      void failed(const Error&) override { refused = true; }
    } taken;
    second->take("a", {}, taken);
    EXPECT_TRUE(taken.refused);
  }
  EXPECT_EQ(server_.ask({"DBSIZE"}), "3") << "the record, its schema, the positions";
  EXPECT_EQ(server_.ask({"HLEN", kPositions}), "1");
  EXPECT_EQ(store::get(*store_, "a"), "v");
}

TEST_F(FingerprintTest, AConflictEndsWhenThePrefixIsFree) {
  const auto second = other({"x"});
  ASSERT_FALSE(second->claim("kafka").ok());
  EXPECT_EQ(server_.ask({"DEL", kPositions}), "1");
  // The other process may be late to notice.
  EXPECT_THAT(outcome_of(second->claim("kafka")), HasSubstr("until a moment ago"));
  EXPECT_THAT(read_of(*second, "a"), HasSubstr("another service's"));
  EXPECT_THAT(outcome_of(second->claim("kafka")), HasSubstr("until a moment ago"));
  EXPECT_EQ(outcome_of(second->claim("kafka")), "claimed");
  EXPECT_TRUE(health_of(*second).ok());
  EXPECT_EQ(read_of(*second, "a"), "absent");
  const std::uint64_t before = store_->doubts();
  ASSERT_FALSE(store_->claim("kafka").ok()) << "now it is the other one's";
  EXPECT_GT(store_->doubts(), before) << "what is under way is no answer";
  store_->trust(store_->doubts());
  EXPECT_THAT(read_of(*store_, "a"), HasSubstr("another service's"));
}

TEST_F(FingerprintTest, WhatRedisLostIsClaimedAgain) {
  EXPECT_EQ(server_.ask({"FLUSHALL"}), "+OK");
  EXPECT_EQ(outcome_of(store_->claim("kafka")), "claimed");
  EXPECT_EQ(stands(), quoted(kOwn));
  ASSERT_TRUE(server_.restart());
  EXPECT_EQ(outcome_of(store_->claim("kafka")), "claimed");
  EXPECT_EQ(stands(), quoted(kOwn));
}

TEST_F(FingerprintTest, AServerThatIsAwayTakesNoClaimAway) {
  RedisStoreOptions options = options_for(server_, "pc");
  options.takes_topics = {};
  options.topics = {"zero", "one", "two"};
  options.client.timeout = std::chrono::milliseconds(200);
  const auto made = RedisStore::create(options);
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE((*made)->claim("kafka").ok());
  server_.kill();
  const Status done = (*made)->claim("kafka");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(read_of(**made, "a"), Not(HasSubstr("service")));
}

TEST_F(FingerprintTest, TheClusterIsAddedOnceItIsKnown) {
  EXPECT_EQ(server_.ask({"DEL", kPositions}), "1");
  ASSERT_TRUE(store_->claim("").ok());
  EXPECT_THAT(stands(), HasSubstr(R"({"cluster":null,)"));
  EXPECT_EQ(outcome_of(store_->claim("kafka")), "claimed");
  EXPECT_EQ(stands(), quoted(kOwn));
  EXPECT_EQ(outcome_of(store_->claim("")), "claimed") << "it may be this one";
  EXPECT_EQ(stands(), quoted(kOwn));
  EXPECT_THAT(outcome_of(store_->claim("other")), HasSubstr(R"("cluster":"other")"));
}

TEST_F(FingerprintTest, PositionsOfTheSameFillingAreAdopted) {
  forget();
  EXPECT_EQ(server_.ask({"EXISTS", kPositions}), "0");
  set("one/3 -", "70");
  set("zero/0 0QT1mE2sQ0m1Q8tB5lTzKA", "7");
  set("zero/0 OfTheTopicOfTheNameBefore-_", "9");
  set(position_field("two", Partition(0), "id" + std::string(RedisStore::kCompactedMark), ""), "9");
  set("without a slash", "x");
  EXPECT_EQ(outcome_of(store_->claim("kafka")), "claimed");
  EXPECT_EQ(stands(), quoted(kOwn));
  const store::SharedStore::Source source{1, Partition(3)};
  EXPECT_EQ((*store_->positions({&source, 1}))[0].position, Offset(70));
}

TEST_F(FingerprintTest, PositionsOfAnythingElseAreAConflict) {
  const std::string marked = position_field("one", Partition(3), "", "bill\n");
  for (const std::string& field : {std::string("three/0 -"), marked, std::string("one/x -"),
                                   std::string("one/3"), std::string("/")}) {
    server_.ask({"DEL", kPositions});
    set("one/3 -", "70");
    set(field, "1");
    const Status done = store_->claim("kafka");
    ASSERT_FALSE(done.ok()) << field;
    EXPECT_EQ(done.error().code, ErrorCode::kConflict);
    EXPECT_THAT(done.error().public_text, HasSubstr("'" + field + "'"));
    EXPECT_THAT(done.error().public_text, HasSubstr(kOwn));
    EXPECT_EQ(stands(), "nil");
  }
  server_.ask({"DEL", kPositions});
  set(marked, "70");
  const auto second = other({"zero", "one"}, {"bill"});
  EXPECT_EQ(outcome_of(second->claim("kafka")), "claimed");
}

TEST_F(FingerprintTest, AStoreThatTakesSomeTopicsIsFilledByThese) {
  server_.ask({"DEL", kPositions});
  RedisStoreOptions options = options_for(server_, "pc");
  options.takes_topics = {false, true, false, false};
  const auto made = RedisStore::create(options);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(outcome_of((*made)->claim("kafka")), "claimed");
  EXPECT_THAT(stands(), HasSubstr(R"("topics":["one"])"));
  const auto one = other({"one"});
  EXPECT_EQ(outcome_of(one->claim("kafka")), "claimed");
}

TEST_F(FingerprintTest, WhatOthersWroteThereIsShownAsText) {
  set("fingerprint", std::string("x\ny\xff") + std::string(5000, 'z'));
  const Status done = store_->claim("kafka");
  ASSERT_FALSE(done.ok());
  const std::string& text = done.error().public_text;
  EXPECT_THAT(text, HasSubstr("x?y"));
  EXPECT_TRUE(is_utf8(text));
  EXPECT_LT(text.size(), 2000u);
}

TEST_F(FingerprintTest, ALoadTakesOutWhatIsOfTopicsThatItDoesNotTake) {
  for (int i = 0; i < 100; ++i) {
    const std::string key = "k" + std::to_string(i);
    store::RecordView one = record(key, "v", i);
    one.topic = static_cast<std::uint32_t>(i % 3);
    ASSERT_TRUE(store_->put(one).ok());
  }
  for (const std::uint32_t topic : {0, 1}) {
    const std::string datum = "v" + std::to_string(topic);
    const std::string by_http = "by HTTP in " + std::to_string(topic);
    store::RecordView one = record("both", datum, 200);
    one.topic = topic;
    one.timestamp_ms = 10 - topic;  // the other one's is shown
    ASSERT_TRUE(store_->put(one).ok());
    one = local(by_http, "v", 79);
    one.topic = topic;
    ASSERT_TRUE(*store::insert(*store_, one));
  }
  EXPECT_EQ(store::get(*store_, "both"), "v0");
  EXPECT_EQ(server_.ask({"SET", "pc:of others", "x"}), "+OK");
  EXPECT_EQ(server_.ask({"DEL", kPositions}), "1");
  const auto second = other({"one", "new"});
  ASSERT_TRUE(second->claim("kafka").ok());
  const store::SharedStore::Source source{1, Partition(0)};
  ASSERT_TRUE(*second->begin_load(source, false));
  std::promise<Status> ended;
  second->end_loads({{source, Offset(0)}}, [&](Status done) { ended.set_value(std::move(done)); });
  ASSERT_TRUE(ended.get_future().get().ok());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(store::get(*second, "k" + std::to_string(i)).has_value(), i % 3 == 1) << i;
  }
  EXPECT_EQ(store::get(*second, "both"), "v1");
  EXPECT_FALSE(store::get(*second, "by HTTP in 0").has_value());
  EXPECT_TRUE(store::get(*second, "by HTTP in 1").has_value());
  EXPECT_EQ(server_.ask({"GET", "pc:of others"}), "\"x\"") << "it is no record";
}

TEST_F(FingerprintTest, ALoadThatHasLostItsClaimTakesOutNothing) {
  put("a", "v", 1, 1);
  put("b", "v", 1, 2);
  const store::SharedStore::Source source{0, Partition(1)};
  ASSERT_TRUE(*store_->begin_load(source, false));
  set("fingerprint", fingerprint({.topics = {"x"}, .schemas = {}, .takes = ""}, "kafka"));
  ASSERT_FALSE(store_->claim("kafka").ok());
  std::promise<Status> ended;
  store_->end_loads({{source, Offset(9)}}, [&](Status done) { ended.set_value(std::move(done)); });
  EXPECT_FALSE(ended.get_future().get().ok());
  EXPECT_EQ(server_.ask({"EXISTS", "pc:a", "pc:b"}), "2");
}

// All slots at one server.
class ClusterFingerprintTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.ok()) << server_.log();
    ASSERT_EQ(server_.ask({"CLUSTER", "ADDSLOTSRANGE", "0", "16383"}), "+OK");
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (server_.ask({"CLUSTER", "INFO"}).find("cluster_state:ok") == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // then look again
    }
    own_ = make({"a", "b"});
  }
  std::unique_ptr<RedisStore> make(std::vector<std::string> topics) {
    RedisStoreOptions options = options_for(server_, "pc");
    options.client.topology = Topology::kCluster;
    options.topics = std::move(topics);
    options.takes_topics = {};
    auto made = RedisStore::create(options);
    EXPECT_TRUE(made.ok());
    return *std::move(made);
  }
  // How many keys have this store's fingerprint.
  std::size_t count(const std::string& topic) {
    std::size_t out = 0;
    for (const std::string& key : keys_) {
      const std::string stands = server_.ask({"HGET", key, "fingerprint"});
      out += stands.find("\"" + topic + "\"") == std::string::npos ? 0 : 1;
    }
    return out;
  }

  TestServer server_{{.args = {"--cluster-enabled", "yes", "--cluster-port", "{bus}"}}};
  const std::vector<std::string> keys_ = position_keys("pc", true);
  std::unique_ptr<RedisStore> own_;
};

TEST_F(ClusterFingerprintTest, StandsInEachPositionKeyAndIsPutWhereItIsMissing) {
  EXPECT_EQ(outcome_of(own_->claim("kafka")), "claimed");
  EXPECT_EQ(count("b"), 128u);
  for (std::size_t i = 0; i < 40; ++i) server_.ask({"DEL", keys_[i]});
  const auto second = make({"a", "c"});
  EXPECT_THAT(outcome_of(second->claim("kafka")), HasSubstr(R"("topics":["a","b"])"));
  EXPECT_EQ(count("c"), 0u) << "what a failover lost is not free";
  EXPECT_EQ(outcome_of(own_->claim("kafka")), "claimed");
  EXPECT_EQ(count("b"), 128u);
}

TEST_F(ClusterFingerprintTest, OneOfTwoThatBeginAtOnceHasIt) {
  // Who meets the other one has to find the keys free several times.
  const auto claims = [](RedisStore& store) {
    bool held = false;
    for (int i = 0; i < 4; ++i) held = store.claim("kafka").ok();
    return held;
  };
  for (int round = 0; round < 20; ++round) {
    for (const std::string& key : keys_) server_.ask({"DEL", key});
    const auto second = make({"a", "c"});
    auto other = std::async(std::launch::async, [&] { return claims(*second); });
    const bool mine = claims(*own_);
    const bool others = other.get();
    EXPECT_NE(mine, others);
    EXPECT_EQ(claims(*own_), mine);
    EXPECT_EQ(count("b"), mine ? 128u : 0u);
    EXPECT_EQ(count("c"), others ? 128u : 0u);
  }
}

TEST_F(ClusterFingerprintTest, PositionsOfAnythingElseAreAConflictAndNothingIsLeftBehind) {
  server_.ask({"HSET", keys_[77], "c/0 -", "1"});
  EXPECT_THAT(outcome_of(own_->claim("kafka")), HasSubstr("'c/0 -'"));
  EXPECT_EQ(count("b"), 0u);
  server_.ask({"DEL", keys_[77]});
  for (int i = 0; i < 2; ++i) (void)own_->claim("kafka");  // the other one may be late to notice
  EXPECT_EQ(outcome_of(own_->claim("kafka")), "claimed");
}

}  // namespace
}  // namespace push_cache::redis
