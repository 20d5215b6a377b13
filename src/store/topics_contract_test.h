// The part of the contract that is about records of several topics under one key: a record of one
// topic never replaces or removes another's, and what a key shows follows from the records alone.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/contract_test.h"

namespace push_cache::store {

class TopicsContract : public StoreContract {};
class LocalTopicsContract : public StoreContract {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LocalTopicsContract);

TEST_P(TopicsContract, ATombstoneRemovesNoRecordOfAnotherTopic) {
  ASSERT_TRUE(store_->put(of_topic(1, "customer", 100)).ok());
  EXPECT_FALSE(*store_->erase(of_topic(0, "", 200)));
  EXPECT_FALSE(*store_->erase(of_topic(2, "", 200)));
  EXPECT_EQ(get(*store_, "a"), "customer");
  EXPECT_TRUE(*store_->erase(of_topic(1, "", 200)));
  EXPECT_EQ(get(*store_, "a"), std::nullopt);
}

TEST_P(TopicsContract, TheLatestRecordIsShownWhateverTheOrder) {
  const std::string_view expected[] = {"equal, later", "equal, first", "oldest",
                                       "from a wrong clock"};
  const std::uint32_t topics[] = {2, 1, 0, 3};
  std::vector<std::size_t> order = {0, 1, 2, 3};
  do {
    SCOPED_TRACE(::testing::PrintToString(order));
    // Of equal timestamps the topic that is configured later; one of the year 2100 counts as none.
    const RecordView records[] = {of_topic(0, "oldest", 100), of_topic(1, "equal, first", 200),
                                  of_topic(2, "equal, later", 200),
                                  of_topic(3, "from a wrong clock", kTimestampMsEnd)};
    for (const std::size_t i : order) {
      ASSERT_EQ(*store_->put(records[i]), PutOutcome::kInserted);
    }
    expect_records(1);
    for (std::size_t i = 0; i < 4; ++i) {
      CopySink sink;
      store_->get("a", sink);
      EXPECT_EQ(sink.datum, expected[i]);
      EXPECT_EQ(sink.last.topic, topics[i]);
      // A later tombstone of this topic brings the next record to light.
      RecordView gone = of_topic(topics[i], "", 300);
      ASSERT_TRUE(*store_->erase(gone));
    }
    EXPECT_EQ(get(*store_, "a"), std::nullopt);
    expect_records(0);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(TopicsContract, WithinATopicTheOffsetDecidesAndTheTimestampWhatIsShown) {
  ASSERT_TRUE(store_->put(of_topic(1, "one", 100)).ok());
  ASSERT_TRUE(store_->put(of_topic(2, "two", 200)).ok());
  EXPECT_EQ(*store_->put(of_topic(1, "one, later", 300)), PutOutcome::kReplaced);
  EXPECT_EQ(get(*store_, "a"), "one, later");
  EXPECT_EQ(*store_->put(of_topic(1, "one, its clock set back", 50)), PutOutcome::kReplaced);
  EXPECT_EQ(get(*store_, "a"), "two");
  EXPECT_EQ(*store_->put(of_topic(2, "two, its clock set back", 40)), PutOutcome::kReplaced);
  EXPECT_EQ(get(*store_, "a"), "one, its clock set back");
  EXPECT_EQ(*store_->put(of_topic(2, "two again", 30)), PutOutcome::kReplaced);
  EXPECT_EQ(get(*store_, "a"), "one, its clock set back");
}

TEST_P(TopicsContract, OutdatedIsAskedWithinATopic) {
  RecordView hidden = of_topic(1, "hidden", 100);
  ASSERT_TRUE(store_->put(hidden).ok());
  ASSERT_TRUE(store_->put(of_topic(2, "shown", 200)).ok());
  RecordView older = of_topic(1, "older", 99);
  older.partition = Partition(0);
  EXPECT_EQ(*store_->put(older), PutOutcome::kOutdated);
  older.datum = {};
  EXPECT_FALSE(*store_->erase(older));
  ASSERT_TRUE(*store_->erase(of_topic(2, "", 300)));
  EXPECT_EQ(get(*store_, "a"), "hidden");
}

TEST_P(TopicsContract, InsertFindsTheKeyWhateverItsTopic) {
  ASSERT_TRUE(store_->put(of_topic(1, "there", 100)).ok());
  EXPECT_FALSE(*insert(*store_, of_topic(2, "new", 200)));
  EXPECT_EQ(get(*store_, "a"), "there");
}

TEST_P(TopicsContract, TakeOfATopicLeavesTheOthers) {
  struct Sink final : GetSink {
    std::string outcome;
    void found(const RecordView& record) override {
      outcome.assign(reinterpret_cast<const char*>(record.datum.data()), record.datum.size());
    }
    void absent() override { outcome = "absent"; }
    void failed(const Error& error) override { outcome = to_string(error.code); }
  };
  const auto take = [this](std::optional<std::uint32_t> topic) {
    Sink sink;
    store_->take("a", {.topic = topic}, sink);
    return sink.outcome;
  };
  EXPECT_EQ(take(1), "absent");
  ASSERT_TRUE(store_->put(of_topic(1, "one", 100)).ok());
  ASSERT_TRUE(store_->put(of_topic(2, "two", 200)).ok());
  EXPECT_EQ(take(1), to_string(ErrorCode::kOtherTopic));
  EXPECT_EQ(get(*store_, "a"), "two");
  EXPECT_EQ(take(2), "two");
  EXPECT_EQ(get(*store_, "a"), "one");
  EXPECT_EQ(take(std::nullopt), "one");
  EXPECT_EQ(take(std::nullopt), "absent");
}

TEST_P(TopicsContract, TakeOfOneRecordLeavesAnotherTopicsRecord) {
  ASSERT_TRUE(store_->put(of_topic(1, "one", 100)).ok());
  CopySink seen;
  store_->get("a", seen);
  ASSERT_TRUE(store_->put(of_topic(2, "two", 200)).ok());
  const auto take = [this](const TakeOnly& only) {
    TakeSink sink;
    store_->take("a", only, sink);
    return sink.outcome;
  };
  EXPECT_EQ(take({.record = id_of(seen.last)}), to_string(ErrorCode::kConflict));
  EXPECT_EQ(get(*store_, "a"), "two");
  CopySink shown;
  store_->get("a", shown);
  EXPECT_EQ(take({.topic = 1, .record = id_of(shown.last)}), to_string(ErrorCode::kOtherTopic));
  EXPECT_EQ(take({.topic = 2, .record = id_of(shown.last)}), "two");
  EXPECT_EQ(get(*store_, "a"), "one");
}

// --- of a store in memory ---

TEST_P(LocalTopicsContract, ErasingAPartitionShowsTheNextTopicsRecords) {
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_TRUE(store_->put(of_topic(1, "one", 100 + i % 2 * 200, key)).ok());
    ASSERT_TRUE(store_->put(of_topic(2, "two", 200, key)).ok());
  }
  EXPECT_EQ(*store_->erase_partition(2, Partition(3)), 500u);
  expect_records(500);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(get(*store_, "key" + std::to_string(i)), "one");
  EXPECT_EQ(store_->digest(2, Partition(3)), 0u);
  EXPECT_EQ(store_->counts().hidden, 0u);
}

// Every write beside a model of topics and keys, over stores that are filled by `put` and `load`.
TEST_P(LocalTopicsContract, AgreesWithAModel) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  struct Kept {
    std::string datum;
    std::int64_t timestamp_ms;
    std::int64_t offset;
  };
  std::map<std::string, std::map<std::uint32_t, Kept>> model;
  const auto shown = [&](const std::string& key) -> std::optional<std::string> {
    const auto found = model.find(key);
    if (found == model.end() || found->second.empty()) return std::nullopt;
    std::pair<std::int64_t, std::uint32_t> best{-2, 0};
    for (const auto& [topic, kept] : found->second) {
      best = std::max(best, {order_time(kept.timestamp_ms), topic});
    }
    return found->second.at(best.second).datum;
  };
  for (int step = 0; step < 60'000; ++step) {
    const std::string key = "key-" + std::to_string(random() % (step % 3000 < 1500 ? 40 : 2000));
    const std::uint32_t topic = random() % 8 < 5 ? 1 : random() % 3;
    auto& kept = model[key];
    const unsigned what = random() % 10;
    if (what < 6) {
      const std::string datum = std::to_string(step);
      const RecordView one = of_topic(topic, datum, static_cast<std::int64_t>(random() % 50), key);
      if (what == 5) {
        ASSERT_TRUE(store_->load({&one, 1}).ok());
      } else {
        ASSERT_EQ(*store_->put(one),
                  kept.contains(topic) ? PutOutcome::kReplaced : PutOutcome::kInserted);
      }
      kept[topic] = {datum, one.timestamp_ms, one.offset.value};
    } else if (what < 9) {
      ASSERT_EQ(*store_->erase(of_topic(topic, "", 0, key)), kept.erase(topic) == 1);
    }
    ASSERT_EQ(get(*store_, key), shown(key));
    if (step % 10'000 != 9'999) continue;
    ScanSink all;
    ASSERT_TRUE(store_->scan(all).ok());
    std::map<std::string, std::map<std::uint32_t, std::string>> found;
    for (const ScanSink::Kept& one : all.records) {
      EXPECT_TRUE(found[one.key].emplace(one.numbers.topic, one.datum).second);
    }
    std::size_t keys = 0, records = 0;
    for (const auto& [name, topics] : model) {
      keys += topics.empty() ? 0 : 1;
      records += topics.size();
      for (const auto& [number, one] : topics) ASSERT_EQ(found[name][number], one.datum);
    }
    EXPECT_EQ(all.records.size(), records);
    EXPECT_EQ(store_->counts().records, keys);
    EXPECT_EQ(store_->counts().hidden, records - keys);
    ListSink list;
    ASSERT_TRUE(store_->page({}, SIZE_MAX, list).ok());
    EXPECT_EQ(list.keys.size(), keys);
    for (std::uint32_t number = 0; number < 3; ++number) {
      EXPECT_EQ(store_->digest(number, Partition(3)),
                expected_digest(*store_, number, Partition(3)));
    }
  }
}

// Two writers replace and remove the records of one topic each, and never both at once: a reader
// that finds nothing is wrong.
TEST_P(LocalTopicsContract, NoReaderFindsAKeyAbsentOfWhichARecordIsKept) {
  constexpr int kKeys = 20;
  const auto key_of = [](int i) { return "key" + std::to_string(i); };
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(store_->put(of_topic(0, "stays", 50, key_of(i))).ok());
  }
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  std::atomic<std::uint64_t> wrong = 0;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      for (int i = reader; !done; ++i) {
        if (!get(*store_, key_of(i % kKeys))) ++wrong;
        if (i % 64 != 0) continue;
        ScanSink all;
        ASSERT_TRUE(store_->scan(all).ok());
        int stays = 0;
        for (const ScanSink::Kept& one : all.records) stays += one.numbers.topic == 0 ? 1 : 0;
        if (stays != kKeys) ++wrong;
      }
    });
  }
  std::thread writer([&] {
    for (int step = 0; step < 30'000; ++step) {
      const std::string key = key_of(step % kKeys);
      const std::uint32_t topic = 1 + step / kKeys % 2;
      ASSERT_TRUE(store_->put(of_topic(topic, "comes and goes", step % 100, key)).ok());
      if (step % 3 != 0) {
        ASSERT_TRUE(store_->erase(of_topic(topic, "", step, key)).ok());
      }
      // What stays moves between the shown and the hidden ones, and is replaced there.
      if (step % 7 == 0) {
        ASSERT_TRUE(store_->put(of_topic(0, "stays", step % 90, key)).ok());
      }
    }
    done = true;
  });
  writer.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace push_cache::store
