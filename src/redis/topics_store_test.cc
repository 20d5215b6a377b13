// A store of several topics in Redis, beside its contract: how its records stand there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "redis/layout.h"
#include "redis/store_fixture.h"
#include "store/local_number.h"
#include "store/test_support.h"

namespace push_cache::redis {
namespace {

using store::of_topic;

class TopicsStoreTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.ok()) << server_.log(); }

  // The answer; a string as it is.
  std::string command(const std::vector<std::string>& words) {
    const std::string shown = server_.ask(words);
    return shown.starts_with('"') ? shown.substr(1, shown.size() - 2) : shown;
  }
  store::RecordView local(std::uint32_t topic, std::string_view datum, std::int64_t time_ms) {
    store::RecordView one = of_topic(topic, datum, time_ms);
    one.partition = Partition(-1);
    one.offset = Offset(store::local_number(7, time_ms * 1000));
    return one;
  }

  TestServer server_;
  std::unique_ptr<RedisStore> store_ = make_of_topics(server_, "pc");
};

TEST_F(TopicsStoreTest, AKeyOfOneTopicIsWhatOtherClientsCanRead) {
  ASSERT_TRUE(store_->put(of_topic(1, "datum", 100)).ok());
  const std::string value = command({"GET", "pc:a"});
  EXPECT_EQ(value.substr(0, kWireHeaderBytes + 5), std::string("\0\0\0\0\7datum", 10));
  ASSERT_TRUE(store_->put(of_topic(2, "another", 90)).ok());
  EXPECT_EQ(command({"GET", "pc:a"}).substr(0, kWireHeaderBytes + 5), value.substr(0, 10))
      << "what is shown stands first";
}

// A tombstone keeps older records away, also while other topics' records are shown.
TEST_F(TopicsStoreTest, ATombstoneStaysBesideTheRecordsOfOtherTopics) {
  store::RecordView first = of_topic(1, "one", 100);
  ASSERT_TRUE(store_->put(first).ok());
  ASSERT_TRUE(*store_->erase(of_topic(1, "", 110)));
  ASSERT_TRUE(store_->put(of_topic(2, "two", 50)).ok());
  EXPECT_EQ(*store_->put(first), store::PutOutcome::kOutdated) << "delivered again";
  EXPECT_EQ(store::get(*store_, "a"), "two");
  ASSERT_TRUE(*store_->erase(of_topic(2, "", 60)));
  EXPECT_EQ(*store_->put(first), store::PutOutcome::kOutdated) << "also when nothing is left";
  EXPECT_EQ(store::get(*store_, "a"), std::nullopt);
  const std::string left = command({"PTTL", "pc:a"});
  EXPECT_GT(std::stoll(left), 0);
  ASSERT_TRUE(store_->put(of_topic(3, "three", 10)).ok());
  EXPECT_EQ(store::get(*store_, "a"), "three");
  EXPECT_EQ(*store_->put(first), store::PutOutcome::kOutdated);
}

TEST_F(TopicsStoreTest, ARecordOfHttpHasItsTimeAndItsTopic) {
  ASSERT_TRUE(*store::insert(*store_, local(1, "by HTTP", 200)));
  EXPECT_EQ(*store_->put(of_topic(2, "older", 100)), store::PutOutcome::kInserted);
  EXPECT_EQ(store::get(*store_, "a"), "by HTTP");
  EXPECT_EQ(*store_->put(of_topic(2, "later", 300)), store::PutOutcome::kReplaced);
  EXPECT_EQ(store::get(*store_, "a"), "later");
  EXPECT_FALSE(*store_->erase(of_topic(3, "", 400)));
  ASSERT_TRUE(*store_->erase(of_topic(2, "", 400)));
  EXPECT_EQ(store::get(*store_, "a"), "by HTTP");
  store::CopySink sink;
  store_->get("a", sink);
  EXPECT_EQ(sink.last.topic, 1u);
  EXPECT_EQ(sink.last.timestamp_ms, 200);
  ASSERT_TRUE(*store_->erase(of_topic(1, "", 0)));
  EXPECT_EQ(store::get(*store_, "a"), std::nullopt);
}

TEST_F(TopicsStoreTest, ARecordOfAnotherConfigurationIsNeitherShownNorListedNorRemoved) {
  const auto stranger = [&](Layout layout, std::string_view topic) {
    std::string value;
    append_value(value, of_topic(0, "not ours", 100), topic_mark(topic, ""), layout);
    if (layout == Layout::kTopics)
      value.insert(value.size() - kPositionBytes, std::string(4, '\0'));
    return value;
  };
  struct Sink final : store::GetSink {
    std::string outcome;
    void found(const store::RecordView&) override { outcome = "found"; }
    void absent() override { outcome = "absent"; }
    void failed(const Error& error) override { outcome = to_string(error.code); }
  };
  const auto one = make(server_, "one");  // takes the topic "one" alone
  const std::pair<RedisStore*, std::string> cases[] = {
      {store_.get(), stranger(Layout::kTopics, "elsewhere")},
      {store_.get(), stranger(Layout::kOneTopic, "one")},  // as 0.1 wrote it
      {one.get(), stranger(Layout::kOneTopic, "elsewhere")},
      {one.get(), stranger(Layout::kOneTopic, "two")},
      {one.get(), stranger(Layout::kTopics, "one")}};
  int number = 0;
  for (const auto& [store, value] : cases) {
    SCOPED_TRACE(++number);
    const std::string key = store == one.get() ? "one:a" : "pc:a";
    command({"SET", key, value});
    Sink got, taken;
    store->get("a", got);
    EXPECT_EQ(got.outcome, to_string(ErrorCode::kMalformed));
    store->take("a", {}, taken);
    EXPECT_EQ(taken.outcome, to_string(ErrorCode::kMalformed));
    EXPECT_FALSE(*store->erase(of_topic(1, "", 200)));
    EXPECT_EQ(command({"GET", key}), value);
    // A record of the topic is the key's, whatever was there.
    EXPECT_TRUE(store->put(of_topic(1, "ours", 50)).ok());
    EXPECT_EQ(store::get(*store, "a"), "ours");
    command({"DEL", key});
  }
}

// What is shown may be of a topic that the store took once: its own record behind it still goes.
TEST_F(TopicsStoreTest, ATombstoneReachesARecordBehindOneOfATopicThatIsNotTaken) {
  ASSERT_TRUE(store_->put(of_topic(1, "ours", 50)).ok());
  ASSERT_TRUE(store_->put(of_topic(3, "shown", 100)).ok());
  RedisStoreOptions options = options_for(server_, "pc");
  options.takes_topics = {true, true, true, false};
  auto narrowed = RedisStore::create(std::move(options));
  ASSERT_TRUE(narrowed.ok());
  command({"DEL", "pc:\xffpositions"});  // as the guide says for another configuration
  ASSERT_TRUE((*narrowed)->claim("kafka").ok());
  EXPECT_TRUE(*(*narrowed)->erase(of_topic(1, "", 200)));
  EXPECT_EQ(store::get(**narrowed, "a"), std::nullopt);
}

// Sizes that cannot be: the value is none of ours, and a record takes its place.
TEST_F(TopicsStoreTest, ADamagedValueHoldsNothingUp) {
  std::string shown, hidden;
  append_value(shown, of_topic(1, "shown", 100), topic_mark("one", ""), Layout::kTopics);
  append_value(hidden, of_topic(2, "", 50), topic_mark("two", ""), Layout::kTopics);
  const std::string position = hidden.substr(hidden.size() - kPositionBytes);
  const std::string entries[] = {
      std::string("\x80\0\0\0", 4) + position,  // a tombstone of no bytes
      std::string(8, '\x7f') + std::string("\x80\0\0\x08", 4) + position,
      std::string("\x7f\xff\xff\xff", 4) + position, std::string(3, 'x')};
  for (const std::string& entry : entries) {
    std::string value = shown;
    value.insert(value.size() - kPositionBytes,
                 entry + std::string{0, 0, 0, static_cast<char>(entry.size())});
    command({"SET", "pc:a", value});
    EXPECT_TRUE(store_->put(of_topic(2, "next", 200)).ok());
    EXPECT_EQ(store::get(*store_, "a"), "next");
    command({"SET", "pc:a", value});
    EXPECT_TRUE(store_->erase(of_topic(2, "", 300)).ok());
    command({"DEL", "pc:a"});
  }
}

// Writes as a group makes them, in batches, beside a model.
TEST_F(TopicsStoreTest, AgreesWithAModel) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::string, std::map<std::uint32_t, std::pair<std::int64_t, std::string>>> model;
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> keys, datums;
    std::vector<store::Write> writes;
    keys.reserve(200);
    datums.reserve(200);
    for (int i = 0; i < 200; ++i) {
      keys.push_back("k" + std::to_string(random() % 50));
      const auto topic = static_cast<std::uint32_t>(random() % 3);
      const bool tombstone = random() % 3 == 0;
      datums.push_back(tombstone ? "" : std::to_string(round * 1000 + i));
      const auto time = static_cast<std::int64_t>(random() % 10);
      writes.push_back({of_topic(topic, datums.back(), time, keys.back()), tombstone});
      if (tombstone) {
        model[keys.back()].erase(topic);
      } else {
        model[keys.back()][topic] = {time, datums.back()};
      }
    }
    std::vector<WriteOutcome> outcomes(writes.size());
    ASSERT_TRUE(store_->write(writes, outcomes).ok());
    for (const auto& [key, topics] : model) {
      std::optional<std::string> expected;
      std::pair<std::int64_t, std::uint32_t> best{-2, 0};
      for (const auto& [topic, kept] : topics) {
        if (std::pair(kept.first, topic) < best) continue;
        best = {kept.first, topic};
        expected = kept.second;
      }
      ASSERT_EQ(store::get(*store_, key), expected) << key;
    }
  }
}

}  // namespace
}  // namespace push_cache::redis
