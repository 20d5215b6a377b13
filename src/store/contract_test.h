// The tests that every store must pass: StoreContract; one in memory LocalStoreContract too. Use:
// instantiate them with a factory of an empty store.
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
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "store/local_number.h"
#include "store/store.h"
#include "store/test_support.h"

namespace push_cache::store {

class StoreContract : public ::testing::TestWithParam<std::function<std::unique_ptr<Store>()>> {
 protected:
  // Where the store itself knows it exactly.
  void expect_records(std::uint64_t count) const {
    ListSink none;
    if (store_->page({}, 0, none).ok()) {
      EXPECT_EQ(store_->counts().records, count);
    }
  }

  std::unique_ptr<Store> store_ = GetParam()();
};

class LocalStoreContract : public StoreContract {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LocalStoreContract);

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

// The outcome of `take` as a word.
struct TakeSink final : GetSink {
  std::string outcome;
  int calls = 0;
  void found(const RecordView& record) override {
    ++calls;
    outcome.assign(reinterpret_cast<const char*>(record.datum.data()), record.datum.size());
  }
  void absent() override {
    ++calls;
    outcome = "absent";
  }
  void failed(const Error& error) override {
    ++calls;
    outcome = to_string(error.code);
  }
};

// A record of a key that moved between the partitions of a topic.
inline RecordView moved(std::string_view datum, int partition, std::int64_t timestamp_ms) {
  RecordView out = record("a", datum);
  out.partition = Partition(partition);
  out.timestamp_ms = timestamp_ms;
  return out;
}

TEST_P(StoreContract, OfTwoPartitionsTheLaterRecordStays) {
  ASSERT_TRUE(store_->put(moved("newer", 1, 200)).ok());
  EXPECT_EQ(*store_->put(moved("older", 2, 100)), PutOutcome::kOutdated);
  EXPECT_EQ(get(*store_, "a"), "newer");
  EXPECT_EQ(*store_->put(moved("within its partition", 1, 50)), PutOutcome::kReplaced)
      << "where the order is Kafka's";
  EXPECT_EQ(*store_->put(moved("later", 0, 60)), PutOutcome::kReplaced);
  EXPECT_EQ(*store_->put(moved("at once, higher", 5, 60)), PutOutcome::kReplaced);
  EXPECT_EQ(*store_->put(moved("at once, lower", 4, 60)), PutOutcome::kOutdated);
  EXPECT_EQ(get(*store_, "a"), "at once, higher");
  EXPECT_EQ(*store_->put(moved("by HTTP", -1, 0)), PutOutcome::kReplaced);
  EXPECT_EQ(*store_->put(moved("by Kafka", 0, 0)), PutOutcome::kReplaced);
}

TEST_P(StoreContract, ATimestampOfTheYear2100CountsAsNone) {
  ASSERT_TRUE(store_->put(moved("from a wrong clock", 1, 9'000'000'000'000)).ok());
  EXPECT_EQ(*store_->put(moved("newer", 2, 200)), PutOutcome::kReplaced);
  EXPECT_EQ(*store_->put(moved("again", 1, kTimestampMsEnd)), PutOutcome::kOutdated);
  EXPECT_EQ(get(*store_, "a"), "newer");
  EXPECT_EQ(*store_->put(moved("the last moment", 1, kTimestampMsEnd - 1)), PutOutcome::kReplaced);
  EXPECT_FALSE(*store_->erase(moved("", 2, 9'000'000'000'000)));
  EXPECT_EQ(*store_->put(moved("within its partition", 1, 300)), PutOutcome::kReplaced);
  EXPECT_EQ(get(*store_, "a"), "within its partition");
}

TEST_P(StoreContract, ATombstoneOfAnotherPartitionRemovesWhatIsOlder) {
  ASSERT_TRUE(store_->put(moved("kept", 1, 200)).ok());
  EXPECT_FALSE(*store_->erase(moved("", 0, 199)));
  EXPECT_EQ(get(*store_, "a"), "kept");
  EXPECT_TRUE(*store_->erase(moved("", 0, 201)));
  EXPECT_EQ(get(*store_, "a"), std::nullopt);
}

TEST_P(StoreContract, KeysOfEveryShape) {
  const std::string shapes[] = {
      "",  std::string(1, '\0'), std::string("a\0b", 3), "a",
      "A", "gr\xC3\xBC\xC3\x9F", "a/b?c=d%20",           std::string(limits::kKeyBytesMax, 'k')};
  for (const std::string& key : shapes) ASSERT_TRUE(store_->put(record(key, "v:" + key)).ok());
  for (const std::string& key : shapes) EXPECT_EQ(get(*store_, key), "v:" + key);
  expect_records(std::size(shapes));
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
  expect_records(1u);
}

TEST_P(StoreContract, EraseRemovesOnce) {
  ASSERT_TRUE(store_->put(record("a", "one")).ok());
  EXPECT_TRUE(*store_->erase("a"));
  EXPECT_FALSE(*store_->erase("a"));
  EXPECT_EQ(get(*store_, "a"), std::nullopt);
  expect_records(0u);
  ASSERT_TRUE(store_->put(record("a", "back")).ok());
  EXPECT_EQ(get(*store_, "a"), "back");
}

TEST_P(StoreContract, TakeGivesWhatItRemoved) {
  ASSERT_TRUE(store_->put(record("a", "one")).ok());
  CopySink first, second;
  store_->take("a", {}, first);
  store_->take("a", {}, second);
  EXPECT_EQ(first.datum, "one");
  EXPECT_EQ(second.datum, std::nullopt);
  EXPECT_EQ(second.calls, 1);
}

TEST_P(StoreContract, TakeOfOneRecordLeavesAnyOther) {
  const auto take = [this](const RecordId& only) {
    TakeSink sink;
    store_->take("a", {.record = only}, sink);
    EXPECT_EQ(sink.calls, 1);
    return sink.outcome;
  };
  ASSERT_TRUE(store_->put(record("a", "one", 1)).ok());
  CopySink first;
  store_->get("a", first);
  const RecordId id = id_of(first.last);
  ASSERT_TRUE(store_->put(record("a", "two", 2)).ok());
  EXPECT_EQ(take(id), to_string(ErrorCode::kConflict));
  EXPECT_EQ(get(*store_, "a"), "two");
  CopySink second;
  store_->get("a", second);
  const RecordId now = id_of(second.last);
  std::vector<RecordId> others(3, now);
  others[0].partition = Partition(now.partition.value + 1);
  others[1].offset = Offset(now.offset.value + 1);
  others[2].timestamp_ms += 1;
  for (const RecordId& other : others) EXPECT_EQ(take(other), to_string(ErrorCode::kConflict));
  EXPECT_EQ(take(now), "two");
  EXPECT_EQ(take(now), "absent");
}

TEST_P(StoreContract, TakeOfOneRecordOfHttp) {
  RecordView local = record("a", "one");
  local.partition = Partition(-1);
  local.offset = Offset(local_number(7, 1'700'000'000'000'000));
  ASSERT_TRUE(*insert(*store_, local));
  CopySink found;
  store_->get("a", found);
  RecordId id = id_of(found.last);
  TakeSink other, same;
  id.offset = Offset(id.offset.value + 1000);
  store_->take("a", {.record = id}, other);
  EXPECT_EQ(other.outcome, to_string(ErrorCode::kConflict));
  store_->take("a", {.record = id_of(found.last)}, same);
  EXPECT_EQ(same.outcome, "one");
}

TEST_P(StoreContract, InsertKeepsWhatIsThere) {
  EXPECT_TRUE(*insert(*store_, record("a", "one")));
  EXPECT_FALSE(*insert(*store_, record("a", "two")));
  EXPECT_EQ(get(*store_, "a"), "one");
}

TEST_P(LocalStoreContract, CountsFollowEveryWrite) {
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

TEST_P(LocalStoreContract, PagesComeInByteOrder) {
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

TEST_P(LocalStoreContract, PageStopsWhereAskedAndKnowsOfMore) {
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

TEST_P(LocalStoreContract, PagesSkip) {
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

TEST_P(LocalStoreContract, ErasePartitionTakesItsRecordsOnly) {
  for (int i = 0; i < 500; ++i) {
    const std::string key = "key" + std::to_string(i);
    RecordView from = record(key, "v", i);
    from.partition = Partition(i % 5);
    from.topic = static_cast<std::uint32_t>(i % 2);
    ASSERT_TRUE(store_->put(from).ok());
  }
  EXPECT_EQ(*store_->erase_partition(1, Partition(3)), 50u);
  EXPECT_EQ(*store_->erase_partition(1, Partition(3)), 0u);
  expect_records(450u);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(get(*store_, "key" + std::to_string(i)).has_value(), i % 10 != 3) << i;
  }
}

TEST_P(LocalStoreContract, ErasePartitionBelowAnOffset) {
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key" + std::to_string(i);
    RecordView from = record(key, "v", i);
    from.partition = Partition(i % 2);
    ASSERT_TRUE(store_->put(from).ok());
  }
  EXPECT_EQ(*store_->erase_partition(1, Partition(0), Offset(0)), 0u);
  EXPECT_EQ(*store_->erase_partition(1, Partition(0), Offset(100)), 50u);
  EXPECT_EQ(*store_->erase_partition(1, Partition(0), Offset(101)), 1u);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(get(*store_, "key" + std::to_string(i)).has_value(), i % 2 == 1 || i > 100) << i;
  }
  EXPECT_EQ(*store_->erase_partition(1, Partition(0)), 99u);
  expect_records(150u);
}

TEST_P(LocalStoreContract, AScanGivesEveryRecordOnceAsItIs) {
  ScanSink none;
  ASSERT_TRUE(store_->scan(none).ok());
  EXPECT_TRUE(none.records.empty());

  std::map<std::string, std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key-" + std::to_string(i * 7919 % 3000);
    expected[key] = std::string(static_cast<std::size_t>(i == 77 ? 700'000 : i % 90), 'd') + key;
    RecordView one = record(key, expected[key], i);
    if (i % 7 == 0) one.partition = Partition(-1);
    ASSERT_TRUE(store_->put(one).ok());
  }
  ScanSink all;
  std::size_t pauses = 0;
  all.at_pause = [&pauses] { return ++pauses > 0; };
  ASSERT_TRUE(store_->scan(all).ok());
  EXPECT_GT(pauses, 3u);
  ASSERT_EQ(all.records.size(), expected.size());
  ListSink page;
  const bool ordered = store_->page({}, 1, page).ok();
  if (!ordered) {
    std::sort(all.records.begin(), all.records.end(),
              [](const auto& a, const auto& b) { return a.key < b.key; });
  }
  auto next = expected.begin();
  for (const ScanSink::Kept& one : all.records) {
    ASSERT_EQ(one.key, next->first);
    ASSERT_EQ(one.datum, next->second);
    CopySink now;
    store_->get(one.key, now);
    EXPECT_EQ(one.numbers.offset, now.last.offset);
    EXPECT_EQ(one.numbers.partition, now.last.partition);
    EXPECT_EQ(one.numbers.timestamp_ms, now.last.timestamp_ms);
    EXPECT_EQ(one.numbers.schema, now.last.schema);
    EXPECT_EQ(one.numbers.topic, now.last.topic);
    ++next;
  }
}

TEST_P(LocalStoreContract, AScanEndsWhenTheSinkSaysSo) {
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(store_->put(record("key-" + std::to_string(i), "v")).ok());
  }
  ScanSink some;
  some.stop_after = 700;
  ASSERT_TRUE(store_->scan(some).ok());
  EXPECT_EQ(some.records.size(), 700u);
  ScanSink paused;
  paused.at_pause = [] { return false; };
  ASSERT_TRUE(store_->scan(paused).ok());
  EXPECT_FALSE(paused.records.empty());
}

// Records that stay come once each, with a version that they had between the scan's begin and end;
// others come and go beside them, so that the index grows and shrinks its runs, and the order too.
TEST_P(LocalStoreContract, AScanStaysTrueWhileKeysComeAndGo) {
  constexpr int kStay = 1500;
  std::vector<std::atomic<std::int64_t>> versions(kStay);
  const auto key_of = [](int i) { return "stay" + std::to_string(i); };
  for (int i = 0; i < kStay; ++i) ASSERT_TRUE(store_->put(record(key_of(i), "0", 0)).ok());
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::mt19937 random(5);
    for (int step = 1; !done; ++step) {
      const auto i = static_cast<std::size_t>(random() % kStay);
      const std::int64_t version = versions[i].load() + 1;
      ASSERT_TRUE(
          store_->put(record(key_of(static_cast<int>(i)), std::to_string(version), version)).ok());
      versions[i] = version;
      const std::string other = "stay" + std::to_string(random() % 2000) + "x";
      if (step % 2000 < 1000) {
        ASSERT_TRUE(store_->put(record(other, "x", -2)).ok());
      } else {
        ASSERT_TRUE(store_->erase(other).ok());
      }
    }
  });
  for (int round = 0; round < 20; ++round) {
    std::vector<std::int64_t> before(kStay);
    for (std::size_t i = 0; i < kStay; ++i) before[i] = versions[i];
    ScanSink all;
    ASSERT_TRUE(store_->scan(all).ok());
    std::vector<int> times(kStay, 0);
    std::vector<std::string> others;
    for (const ScanSink::Kept& one : all.records) {
      if (one.key.back() == 'x') {
        others.push_back(one.key);
        continue;
      }
      const auto i = static_cast<std::size_t>(std::stoi(one.key.substr(4)));
      ++times[i];
      ASSERT_EQ(one.datum, std::to_string(one.numbers.offset.value));
      ASSERT_GE(one.numbers.offset.value, before[i]);
      ASSERT_LE(one.numbers.offset.value, versions[i] + 1);
    }
    ASSERT_EQ(std::count(times.begin(), times.end(), 1), kStay);
    std::sort(others.begin(), others.end());
    ASSERT_EQ(std::adjacent_find(others.begin(), others.end()), others.end());
  }
  done = true;
  writer.join();
}

TEST_P(LocalStoreContract, LoadedRecordsAreAsPutOnes) {
  std::vector<std::string> keys, datums;
  for (int i = 0; i < 9000; ++i) {
    keys.push_back("key-" + std::to_string(100'000 + i * 3));
    datums.push_back(std::string(static_cast<std::size_t>(i % 700 == 0 ? 20'000 : i % 80), 'd') +
                     keys.back());
  }
  for (int i = 0; i < 9000; i += 100) {  // some are there, and some between
    ASSERT_TRUE(store_->put(record(keys[static_cast<std::size_t>(i)], "old", 1)).ok());
    ASSERT_TRUE(store_->put(record(keys[static_cast<std::size_t>(i)] + "-", "other", 2)).ok());
  }
  std::vector<RecordView> records;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    records.push_back(record(keys[i], datums[i], static_cast<std::int64_t>(i) + 5));
    records.back().partition = Partition(static_cast<std::int32_t>(i % 11) - 1);
  }
  store_->reserve(keys.size());
  ASSERT_TRUE(store_->load({}).ok());
  ASSERT_TRUE(store_->load(std::span(records).subspan(6000)).ok());
  ASSERT_TRUE(store_->load(std::span(records).first(6000)).ok());
  EXPECT_EQ(store_->counts().records, 9090u);
  std::uint64_t bytes = 90 * (keys[0].size() + 1 + 5);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(get(*store_, keys[i]), datums[i]);
    bytes += keys[i].size() + datums[i].size();
  }
  EXPECT_EQ(store_->counts().bytes, bytes);
  ScanSink all;
  ASSERT_TRUE(store_->scan(all).ok());
  EXPECT_EQ(all.records.size(), 9090u);
  ListSink listed;
  ASSERT_TRUE(store_->page({}, SIZE_MAX, listed).ok());
  EXPECT_EQ(listed.keys.size(), 9090u);
  EXPECT_TRUE(std::is_sorted(listed.keys.begin(), listed.keys.end()));
  for (int p = -1; p < 10; ++p) {
    EXPECT_EQ(store_->digest(1, Partition(p)),
              p < 0 ? 0 : expected_digest(*store_, 1, Partition(p)));
  }
  for (const std::string& key : keys) ASSERT_TRUE(*store_->erase(key));
  EXPECT_EQ(store_->counts().records, 90u);
}

TEST_P(LocalStoreContract, OfALoadsRecordsWithOneKeyTheLastOneStays) {
  std::vector<RecordView> records;
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) keys.push_back("key" + std::to_string(i / 3));
  for (int i = 0; i < 300; ++i) {
    records.push_back(record(keys[static_cast<std::size_t>(i)], "v", i));
  }
  ASSERT_TRUE(store_->load(records).ok());
  EXPECT_EQ(store_->counts().records, 100u);
  for (int i = 0; i < 100; ++i) {
    CopySink last;
    store_->get("key" + std::to_string(i), last);
    EXPECT_EQ(last.last.offset, Offset(i * 3 + 2));
  }
  EXPECT_EQ(store_->digest(1, Partition(3)), expected_digest(*store_, 1, Partition(3)));
}

TEST_P(LocalStoreContract, TheDigestTellsWhichRecordsAreKept) {
  const auto put = [this](std::string_view key, int topic, int partition, std::int64_t offset) {
    RecordView one = record(key, "v", offset);
    one.topic = static_cast<std::uint32_t>(topic);
    one.partition = Partition(partition);
    ASSERT_TRUE(store_->put(one).ok());
  };
  const auto digest = [this](int topic, int partition) {
    return store_->digest(static_cast<std::uint32_t>(topic), Partition(partition));
  };
  const auto sum = [](int topic, int partition, std::initializer_list<std::int64_t> offsets) {
    std::uint64_t all = 0;
    for (const std::int64_t offset : offsets) {
      all += digest_of(digest_base(static_cast<std::uint32_t>(topic), Partition(partition)),
                       Offset(offset));
    }
    return all;
  };
  EXPECT_EQ(digest(0, 0), 0u);
  put("first", 0, 0, 0);
  EXPECT_NE(digest(0, 0), 0u) << "also the very first record counts";
  EXPECT_EQ(digest(1, 0), 0u);
  put("a", 1, 0, 10);
  put("b", 1, 0, 11);
  put("c", 1, 4, 10);
  EXPECT_EQ(digest(1, 0), sum(1, 0, {11, 10}));
  EXPECT_EQ(digest(1, 4), sum(1, 4, {10}));
  EXPECT_NE(digest(1, 4), sum(1, 0, {10}));
  put("a", 1, 0, 12);  // overwritten
  EXPECT_EQ(digest(1, 0), sum(1, 0, {11, 12}));
  put("a", 1, 4, 13);  // moved to another partition
  EXPECT_EQ(digest(1, 0), sum(1, 0, {11}));
  EXPECT_EQ(digest(1, 4), sum(1, 4, {10, 13}));
  put("a", 1, 0, 12);  // which is outdated
  EXPECT_EQ(digest(1, 0), sum(1, 0, {11}));
  put("b", 2, 0, 11);  // of another topic, which is another record
  EXPECT_EQ(digest(1, 0), sum(1, 0, {11}));
  EXPECT_EQ(digest(2, 0), sum(2, 0, {11}));
  put("b", 2, -1, 5);  // by HTTP
  EXPECT_EQ(digest(2, 0), 0u);
  EXPECT_EQ(digest(2, -1), 0u);
  put("b", 2, 0, std::int64_t{1} << 40);
  EXPECT_EQ(digest(2, 0), sum(2, 0, {std::int64_t{1} << 40}));
  ASSERT_FALSE(*insert(*store_, record("b", "v")));
  ASSERT_TRUE(*insert(*store_, record("d", "v", 77)));
  EXPECT_EQ(digest(1, 3), sum(1, 3, {77}));
  ASSERT_TRUE(*store_->erase("d"));
  EXPECT_EQ(digest(1, 3), 0u);
  CopySink taken;
  store_->take("c", {}, taken);
  EXPECT_EQ(digest(1, 4), sum(1, 4, {13}));
  ASSERT_EQ(*store_->erase_partition(1, Partition(4)), 1u);
  EXPECT_EQ(digest(1, 4), 0u);
}

// By different ways to the same records: the same digest; and by the sum over all records.
TEST_P(LocalStoreContract, TheDigestIsExactAfterWritesOfManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 5000; ++i) {
        const std::string key = "key" + std::to_string(random() % 300);  // shared by all threads
        RecordView one = record(key, "v", t * 1'000'000 + i);
        one.partition = Partition(static_cast<std::int32_t>(random() % 4) - 1);
        if (i % 3 == 0) {
          (void)store_->erase(key);
        } else if (i % 7 == 0) {
          ASSERT_TRUE(store_->load({&one, 1}).ok());
        } else if (i % 100 == 0) {
          (void)store_->erase_partition(1, one.partition, one.offset);
        } else {
          ASSERT_TRUE(store_->put(one).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int p = 0; p < 4; ++p) {
    EXPECT_EQ(store_->digest(1, Partition(p)), expected_digest(*store_, 1, Partition(p)));
  }
  ListSink listed;
  ASSERT_TRUE(store_->page({}, SIZE_MAX, listed).ok());
  EXPECT_EQ(listed.keys.size(), store_->counts().records);
  EXPECT_TRUE(std::is_sorted(listed.keys.begin(), listed.keys.end()));
}

// Ranges that ascend, each of a thread, while others read, list, erase and put the same keys.
TEST_P(LocalStoreContract, LoadsOfManyThreadsBesideEverythingElse) {
  constexpr int kThreads = 3;
  constexpr int kEach = 2000;
  const auto key_of = [](int i) { return "key-" + std::to_string(100'000 + i); };
  std::atomic<int> loading = kThreads;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int from = t * kEach; from < (t + 1) * kEach; from += 250) {
        std::vector<std::string> keys;
        std::vector<RecordView> records;
        for (int i = from; i < from + 250; ++i) keys.push_back(key_of(i));
        for (int i = from; i < from + 250; ++i) {
          records.push_back(record(keys[static_cast<std::size_t>(i - from)], "loaded", i));
        }
        ASSERT_TRUE(store_->load(records).ok());
      }
      --loading;
    });
  }
  threads.emplace_back([&] {
    std::mt19937 random(1);
    while (loading > 0) {
      const std::string key = key_of(static_cast<int>(random() % (kThreads * kEach)));
      const auto what = random() % 3;
      if (what != 0) (void)store_->erase(key);
      if (what != 1) {
        ASSERT_TRUE(store_->put(record(key, "put", -5)).ok());
      }
    }
  });
  threads.emplace_back([&] {
    while (loading > 0) {
      ListSink page;
      ASSERT_TRUE(store_->page({}, 1000, page).ok());
      ASSERT_TRUE(std::is_sorted(page.keys.begin(), page.keys.end()));
      ASSERT_EQ(std::adjacent_find(page.keys.begin(), page.keys.end()), page.keys.end());
    }
  });
  for (std::thread& thread : threads) thread.join();
  ListSink listed;
  ASSERT_TRUE(store_->page({}, SIZE_MAX, listed).ok());
  EXPECT_EQ(listed.keys.size(), store_->counts().records);
  EXPECT_TRUE(std::is_sorted(listed.keys.begin(), listed.keys.end()));
  for (const std::string& key : listed.keys) ASSERT_TRUE(get(*store_, key).has_value());
  EXPECT_EQ(store_->digest(1, Partition(3)), expected_digest(*store_, 1, Partition(3)));
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

TEST_P(StoreContract, WritesOfABatchAreDoneInOrder) {
  ASSERT_TRUE(store_->put(record("old", "0")).ok());
  RecordView outdated = moved("older", 5, 1);
  outdated.key = "old";
  const Write writes[] = {{record("a", "1")},
                          {record("a", "2")},
                          {record("b", ""), true},
                          {record("c", "1")},
                          {record("c", ""), true},
                          {record("old", ""), true},
                          {record("d", ""), true},
                          {record("d", "after")},
                          {record("e", "1")},
                          {record("old", "anew")},
                          {outdated}};
  std::vector<WriteOutcome> outcomes(std::size(writes));
  ASSERT_TRUE(store_->write(writes, outcomes).ok());
  for (std::size_t i = 0; i < std::size(writes); ++i) {
    using enum WriteOutcome;
    const bool is_last = i + 1 == std::size(writes);
    EXPECT_EQ(outcomes[i] == kOutdated, is_last) << i;
    if (is_last) continue;
    EXPECT_EQ(outcomes[i] == kErased || outcomes[i] == kAbsent, writes[i].tombstone) << i;
    EXPECT_EQ(outcomes[i] == kInserted || outcomes[i] == kReplaced, !writes[i].tombstone) << i;
  }
  EXPECT_EQ(get(*store_, "a"), "2");
  EXPECT_EQ(get(*store_, "c"), std::nullopt);
  EXPECT_EQ(get(*store_, "d"), "after");
  EXPECT_EQ(get(*store_, "old"), "anew");
  expect_records(4);
  ASSERT_TRUE(store_->write({}, {}).ok());
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
        ASSERT_EQ(*insert(*store_, record(key, datum)), model.try_emplace(key, datum).second);
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
  expect_records(model.size());
  ListSink all;
  if (!store_->page({}, SIZE_MAX, all).ok()) return;
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
      threads.emplace_back(
          [this, &inserted] { inserted += *insert(*store_, record("one", "v")) ? 1 : 0; });
    }
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([this, &taken] {
        CopySink sink;
        store_->take("one", {}, sink);
        if (sink.datum) ++taken;
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(inserted, 1);
    ASSERT_EQ(taken, 1);
  }
}

TEST_P(LocalStoreContract, PagesStayTrueWhileKeysComeAndGo) {
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
