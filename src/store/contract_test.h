// The tests that every store must pass. Use: instantiate StoreContract with a factory of an empty
// store.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "store/store.h"
#include "store/test_support.h"

namespace push_cache::store {

class StoreContract : public ::testing::TestWithParam<std::function<std::unique_ptr<Store>()>> {
 protected:
  std::unique_ptr<Store> store_ = GetParam()();
};

TEST_P(StoreContract, GetGivesTheLastPut) {
  EXPECT_EQ(get(*store_, "a"), std::nullopt);
  EXPECT_EQ(*store_->put(record("a", "one", 1)), PutOutcome::kInserted);
  EXPECT_EQ(*store_->put(record("a", "two and more", 2)), PutOutcome::kReplaced);
  CopySink sink;
  store_->get("a", sink);
  EXPECT_EQ(sink.datum, "two and more");
  EXPECT_EQ(sink.key, "a");
  EXPECT_EQ(sink.last.schema, SchemaId(7));
  EXPECT_EQ(sink.last.partition, Partition(3));
  EXPECT_EQ(sink.last.offset, Offset(2));
  EXPECT_EQ(sink.last.timestamp_ms, 1'700'000'000'002);
  EXPECT_EQ(sink.last.topic, 1u);
}

TEST_P(StoreContract, KeysOfEveryShape) {
  const std::string shapes[] = {
      "",  std::string(1, '\0'), std::string("a\0b", 3), "a",
      "A", "gr\xC3\xBC\xC3\x9F", "a/b?c=d%20",           std::string(limits::kKeyBytesMax, 'k')};
  for (const std::string& key : shapes) ASSERT_TRUE(store_->put(record(key, "v:" + key)).ok());
  for (const std::string& key : shapes) EXPECT_EQ(get(*store_, key), "v:" + key);
  EXPECT_EQ(store_->counts().records, std::size(shapes));
}

TEST_P(StoreContract, AnEmptyDatumIsNotAnAbsentOne) {
  ASSERT_TRUE(store_->put(record("a", "")).ok());
  EXPECT_EQ(get(*store_, "a"), "");
}

TEST_P(StoreContract, TooLargeIsRefusedAndChangesNothing) {
  ASSERT_TRUE(store_->put(record("a", "kept")).ok());
  const std::string huge(limits::kValueBytesMax + 1, 'x');
  const auto outcome = store_->put(record("a", huge));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, ErrorCode::kTooLarge);
  EXPECT_FALSE(store_->put(record(std::string(limits::kKeyBytesMax + 1, 'k'), "v")).ok());
  EXPECT_EQ(get(*store_, "a"), "kept");
  EXPECT_EQ(store_->counts().records, 1u);
}

TEST_P(StoreContract, EraseRemovesOnce) {
  ASSERT_TRUE(store_->put(record("a", "one")).ok());
  EXPECT_TRUE(*store_->erase("a"));
  EXPECT_FALSE(*store_->erase("a"));
  EXPECT_EQ(get(*store_, "a"), std::nullopt);
  EXPECT_EQ(store_->counts().records, 0u);
  EXPECT_EQ(store_->counts().bytes, 0u);
  ASSERT_TRUE(store_->put(record("a", "back")).ok());
  EXPECT_EQ(get(*store_, "a"), "back");
}

TEST_P(StoreContract, TakeGivesWhatItRemoved) {
  ASSERT_TRUE(store_->put(record("a", "one")).ok());
  CopySink first, second;
  store_->take("a", first);
  store_->take("a", second);
  EXPECT_EQ(first.datum, "one");
  EXPECT_EQ(second.datum, std::nullopt);
  EXPECT_EQ(second.calls, 1);
}

TEST_P(StoreContract, InsertKeepsWhatIsThere) {
  EXPECT_EQ(*store_->insert(record("a", "one")), InsertOutcome::kInserted);
  EXPECT_EQ(*store_->insert(record("a", "two")), InsertOutcome::kExists);
  EXPECT_EQ(get(*store_, "a"), "one");
}

TEST_P(StoreContract, CountsFollowEveryWrite) {
  ASSERT_TRUE(store_->put(record("ab", "12345")).ok());
  ASSERT_TRUE(store_->put(record("cd", "1")).ok());
  EXPECT_EQ(store_->counts().records, 2u);
  EXPECT_EQ(store_->counts().bytes, 10u);
  ASSERT_TRUE(store_->put(record("ab", "1")).ok());
  EXPECT_EQ(store_->counts().bytes, 6u);
  ASSERT_TRUE(store_->erase("cd").ok());
  EXPECT_EQ(store_->counts().records, 1u);
  EXPECT_EQ(store_->counts().bytes, 3u);
}

TEST_P(StoreContract, PagesComeInByteOrder) {
  std::vector<std::string> expected;
  for (int i = 0; i < 2000; ++i) expected.push_back("key-" + std::to_string(i * 7919 % 2000));
  for (const std::string& key : expected) ASSERT_TRUE(store_->put(record(key, "v")).ok());
  std::sort(expected.begin(), expected.end());

  ListSink all;
  EXPECT_FALSE(*store_->page({}, SIZE_MAX, all));
  EXPECT_EQ(all.keys, expected);

  std::vector<std::string> paged;
  Store::PageStart start;
  for (bool more = true; more;) {
    ListSink page;
    const auto result = store_->page(start, 300, page);
    ASSERT_TRUE(result.ok());
    more = *result;
    EXPECT_LE(page.keys.size(), 300u);
    paged.insert(paged.end(), page.keys.begin(), page.keys.end());
    start = {.after = paged.back(), .from_start = false};
  }
  EXPECT_EQ(paged, expected);
}

TEST_P(StoreContract, PageStopsWhereAskedAndKnowsOfMore) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(store_->put(record(key, "v")).ok());
  ListSink two;
  two.stop_after = 2;
  EXPECT_TRUE(*store_->page({}, 10, two));
  EXPECT_EQ(two.keys, (std::vector<std::string>{"a", "b"}));
  ListSink exact;
  EXPECT_FALSE(*store_->page({.after = "a", .from_start = false}, 2, exact));
  EXPECT_EQ(exact.keys, (std::vector<std::string>{"b", "c"}));
  ListSink past;
  EXPECT_FALSE(*store_->page({.after = "zzz", .from_start = false}, 2, past));
  EXPECT_TRUE(past.keys.empty());
}

TEST_P(StoreContract, PagesSkip) {
  std::vector<std::string> expected;
  for (int i = 1000; i < 4000; ++i) expected.push_back("key-" + std::to_string(i));
  for (const std::string& key : expected) ASSERT_TRUE(store_->put(record(key, "v")).ok());
  for (const std::size_t skip : {0u, 1u, 127u, 128u, 129u, 1500u, 2999u, 3000u, 9000u}) {
    ListSink page;
    ASSERT_TRUE(store_->page({.skip = skip}, 3, page).ok());
    const auto from =
        expected.begin() + static_cast<std::ptrdiff_t>(std::min(skip, expected.size()));
    const auto count = std::min<std::ptrdiff_t>(3, expected.end() - from);
    EXPECT_EQ(page.keys, std::vector<std::string>(from, from + count)) << skip;
  }
  ListSink after;
  ASSERT_TRUE(
      store_->page({.after = "key-1999x", .from_start = false, .skip = 500}, 1, after).ok());
  EXPECT_EQ(after.keys, std::vector<std::string>{"key-2500"});
}

TEST_P(StoreContract, ErasePartitionTakesItsRecordsOnly) {
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(i);
    RecordView from = record(key, "v", i);
    from.partition = Partition(i % 5);
    from.topic = static_cast<std::uint32_t>(i % 2);
    ASSERT_TRUE(store_->put(from).ok());
  }
  EXPECT_EQ(*store_->erase_partition(1, Partition(3)), 50u);
  EXPECT_EQ(*store_->erase_partition(1, Partition(3)), 0u);
  EXPECT_EQ(store_->counts().records, 450u);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(get(*store_, "key" + std::to_string(i)).has_value(), i % 10 != 3) << i;
  }
}

TEST_P(StoreContract, ABatchIsAsSingleLookups) {
  std::vector<std::string> keys;
  for (int i = 0; i < 40; ++i) {
    keys.push_back("key" + std::to_string(i % 37));
    if (i % 3 != 0) {
      ASSERT_TRUE(store_->put(record(keys.back(), "v" + keys.back())).ok());
    }
  }
  std::vector<CopySink> outcomes(keys.size());
  const std::vector<std::string_view> asked(keys.begin(), keys.end());
  std::vector<GetSink*> sinks;
  for (CopySink& sink : outcomes) sinks.push_back(&sink);
  store_->get_batch(asked, sinks);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(outcomes[i].calls, 1);
    EXPECT_EQ(outcomes[i].datum, get(*store_, keys[i])) << keys[i];
  }
  store_->get_batch({}, {});
}

TEST_P(StoreContract, AgreesWithAMapOverRandomSteps) {
  const auto seed = std::random_device{}();
  RecordProperty("seed", static_cast<int>(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::map<std::string, std::string> model;
  for (int step = 0; step < 20'000; ++step) {
    const std::string key = "k" + std::to_string(random() % 500);
    const std::string datum(random() % 64, static_cast<char>('a' + random() % 26));
    switch (random() % 5) {
      case 0:
      case 1:
        ASSERT_EQ(*store_->put(record(key, datum)),
                  model.contains(key) ? PutOutcome::kReplaced : PutOutcome::kInserted);
        model[key] = datum;
        break;
      case 2:
        ASSERT_EQ(*store_->insert(record(key, datum)) == InsertOutcome::kInserted,
                  model.try_emplace(key, datum).second);
        break;
      case 3:
        ASSERT_EQ(*store_->erase(key), model.erase(key) == 1);
        break;
      default: {
        const auto found = model.find(key);
        ASSERT_EQ(get(*store_, key),
                  found == model.end() ? std::nullopt : std::optional(found->second));
      }
    }
  }
  ASSERT_EQ(store_->counts().records, model.size());
  ListSink all;
  ASSERT_TRUE(store_->page({}, SIZE_MAX, all).ok());
  ASSERT_EQ(all.keys.size(), model.size());
  auto expected = model.begin();
  for (const std::string& key : all.keys) EXPECT_EQ(key, (expected++)->first);
}

// Each value says its key and version twice; a reader that sees two halves of different writes, or
// a version older than one it saw before, fails.
TEST_P(StoreContract, ReadersNeverSeeATornOrOlderRecord) {
  constexpr int kKeys = 50;
  constexpr int kVersions = 400;
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([this, &done, r] {
      std::vector<std::int64_t> seen(kKeys, -1);
      std::mt19937 random(static_cast<unsigned>(r));
      do {
        const auto k = static_cast<std::size_t>(random() % kKeys);
        CopySink sink;
        store_->get("key" + std::to_string(k), sink);
        if (sink.datum) {
          const std::string half =
              std::to_string(k) + ":" + std::to_string(sink.last.offset.value) + ";";
          ASSERT_EQ(*sink.datum, half + std::string(half.size() * 3, 'x') + half);
          ASSERT_GE(sink.last.offset.value, seen[k]);
          seen[k] = sink.last.offset.value;
        }
      } while (!done);
    });
  }
  for (int version = 0; version < kVersions; ++version) {
    for (int k = 0; k < kKeys; ++k) {
      const std::string half = std::to_string(k) + ":" + std::to_string(version) + ";";
      const std::string key = "key" + std::to_string(k);
      if ((version + k) % 17 == 0) {
        ASSERT_TRUE(store_->erase(key).ok());
      }
      ASSERT_TRUE(
          store_->put(record(key, half + std::string(half.size() * 3, 'x') + half, version)).ok());
    }
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_P(StoreContract, OneOfManyInsertsWinsAndOneOfManyTakes) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> inserted = 0, taken = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([this, &inserted] {
        inserted += *store_->insert(record("one", "v")) == InsertOutcome::kInserted ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([this, &taken] {
        CopySink sink;
        store_->take("one", sink);
        if (sink.datum) ++taken;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(inserted, 1);
    ASSERT_EQ(taken, 1);
  }
}

TEST_P(StoreContract, PagesStayTrueWhileKeysComeAndGo) {
  for (int i = 0; i < 1000; i += 2) {
    ASSERT_TRUE(store_->put(record("stay" + std::to_string(i), "v")).ok());
  }
  std::atomic<bool> done = false;
  std::thread writer([this, &done] {
    for (int i = 1; !done; i = (i + 2) % 1000 | 1) {
      const std::string key = "stay" + std::to_string(i);
      ASSERT_TRUE(store_->put(record(key, "v")).ok());
      ASSERT_TRUE(store_->erase(key).ok());
    }
  });
  for (int round = 0; round < 50; ++round) {
    ListSink all;
    ASSERT_TRUE(store_->page({}, SIZE_MAX, all).ok());
    EXPECT_TRUE(std::is_sorted(all.keys.begin(), all.keys.end()));
    EXPECT_EQ(std::adjacent_find(all.keys.begin(), all.keys.end()), all.keys.end());
    const auto stayed = std::count_if(all.keys.begin(), all.keys.end(), [](const std::string& key) {
      return std::stoi(key.substr(4)) % 2 == 0;
    });
    EXPECT_EQ(stayed, 500);
  }
  done = true;
  writer.join();
}

}  // namespace push_cache::store
