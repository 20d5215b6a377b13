#include "store/memory_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "store/contract_test.h"
#include "store/topics_contract_test.h"

namespace push_cache::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract,
                         ::testing::Values([] { return make_memory_store(); }),
                         [](const auto&) { return std::string("MemoryStore"); });
INSTANTIATE_TEST_SUITE_P(Memory, TopicsContract,
                         ::testing::Values([] { return make_memory_store(); }),
                         [](const auto&) { return std::string("MemoryStore"); });
INSTANTIATE_TEST_SUITE_P(Memory, LocalTopicsContract,
                         ::testing::Values([] { return make_memory_store(); }),
                         [](const auto&) { return std::string("MemoryStore"); });
INSTANTIATE_TEST_SUITE_P(Memory, LocalStoreContract,
                         ::testing::Values([] { return make_memory_store(); }),
                         [](const auto&) { return std::string("MemoryStore"); });

INSTANTIATE_TEST_SUITE_P(Unordered, TopicsContract,
                         ::testing::Values([] { return make_memory_store({.ordered = false}); }),
                         [](const auto&) { return std::string("MemoryStore"); });

// Without an order: scans go by the index.
class UnorderedScans : public ::testing::TestWithParam<unsigned> {};

TEST_P(UnorderedScans, GiveEveryRecordOnceWhileTheIndexChanges) {
  const auto store = make_memory_store({.ordered = false, .hash_bits = GetParam()});
  constexpr int kStay = 3000;
  const int others_max = GetParam() < 32 ? 500 : 60'000;
  const auto key_of = [](int i) { return "stay" + std::to_string(i); };
  for (int i = 0; i < kStay; ++i) ASSERT_TRUE(store->put(record(key_of(i), "v", i)).ok());
  std::atomic<bool> done = false;
  std::thread writer([&] {
    std::mt19937 random(3);
    for (int step = 0; !done; ++step) {
      const std::string other = std::to_string(static_cast<int>(random()) % others_max);
      if (step % (2 * others_max) < others_max) {
        ASSERT_TRUE(store->put(record(other, "x")).ok());
      } else {
        ASSERT_TRUE(store->erase(other).ok());
      }
    }
  });
  for (int round = 0; round < 30; ++round) {
    ScanSink all;
    ASSERT_TRUE(store->scan(all).ok());
    std::vector<std::string> keys;
    for (const ScanSink::Kept& one : all.records) keys.push_back(one.key);
    std::sort(keys.begin(), keys.end());
    ASSERT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
    ASSERT_EQ(std::count_if(keys.begin(), keys.end(),
                            [](const std::string& key) { return key.starts_with("stay"); }),
              kStay);
  }
  done = true;
  writer.join();
  ScanSink large;
  ASSERT_TRUE(store->put(record("large", std::string(5'000'000, 'x'), 1)).ok());
  ASSERT_TRUE(store->scan(large).ok());
  EXPECT_EQ(large.records.size(), store->counts().records);
  EXPECT_GT(*store->erase_partition(1, Partition(3), Offset(1000)), 0u);
  EXPECT_EQ(store->digest(1, Partition(3)), expected_digest(*store, 1, Partition(3)));
}

INSTANTIATE_TEST_SUITE_P(HashBits, UnorderedScans, ::testing::Values(64u, 30u, 8u));

// Keys whose hashes are alike as a whole, which happens by chance to next to nobody.
INSTANTIATE_TEST_SUITE_P(Twins, StoreContract,
                         ::testing::Values([] { return make_memory_store({.hash_bits = 5}); }),
                         [](const auto&) { return std::string("MemoryStore"); });
INSTANTIATE_TEST_SUITE_P(Twins, TopicsContract,
                         ::testing::Values([] { return make_memory_store({.hash_bits = 5}); }),
                         [](const auto&) { return std::string("MemoryStore"); });
INSTANTIATE_TEST_SUITE_P(Twins, LocalTopicsContract,
                         ::testing::Values([] { return make_memory_store({.hash_bits = 5}); }),
                         [](const auto&) { return std::string("MemoryStore"); });
INSTANTIATE_TEST_SUITE_P(Twins, LocalStoreContract,
                         ::testing::Values([] { return make_memory_store({.hash_bits = 5}); }),
                         [](const auto&) { return std::string("MemoryStore"); });

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSteps = 500'000;
constexpr int kMany = 100'000;
#else
constexpr int kSteps = 10'000'000;
constexpr int kMany = 200'000;
#endif

std::string key_of(int i) { return "customer-" + std::to_string(i * 7919 % 1'000'003); }

// A cheap one whose numbers depend on each other in no simple way (SplitMix64).
struct Random {
  std::uint64_t state;
  std::uint64_t operator()() {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
};

// Every operation beside a map, over keys of several shapes: short and long, alike at their
// beginning and not; in waves, so that the store grows, shrinks and is emptied in between.
TEST(MemoryStore, AgreesWithAMapForTenMillionSteps) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random{seed};
  const auto store = make_memory_store();
  std::map<std::string, std::pair<std::uint32_t, std::uint32_t>> model;  // size and fill of a datum
  const auto make_key = [&random](std::uint64_t n) {
    switch (n % 4) {
      case 0:
        return "customer-" + std::to_string(n);
      case 1:
        return std::to_string(n);
      case 2:
        return std::string(n % 200, 'k') + std::to_string(n);
      default: {
        std::string text(8, '\0');
        std::memcpy(text.data(), &n, sizeof n);
        return text;
      }
    }
  };
  std::string datum;
  std::uint64_t keys = 1000;
  for (int step = 0; step < kSteps; ++step) {
    if (step % (kSteps / 20) == 0) keys = std::uint64_t{100} << (random() % 9);
    const bool shrinking = step / (kSteps / 40) % 2 == 1;
    const std::string key = make_key(random() % keys);
    const auto what = random() % 16;
    if (what < (shrinking ? 1u : 6u)) {
      const auto size = static_cast<std::uint32_t>(random() % (step % 1000 == 0 ? 40'000 : 100));
      const auto fill = static_cast<std::uint32_t>(random() % 256);
      datum.assign(size, static_cast<char>(fill));
      const auto [at, added] = model.insert_or_assign(key, std::pair(size, fill));
      ASSERT_EQ(*store->put(record(key, datum, step)),
                added ? PutOutcome::kInserted : PutOutcome::kReplaced);
    } else if (what < 7) {
      const auto [at, added] = model.try_emplace(key, 3, 'i');
      ASSERT_EQ(*insert(*store, record(key, "iii", step)), added);
    } else if (what < (shrinking ? 12u : 9u)) {
      ASSERT_EQ(*store->erase(key), model.erase(key) == 1);
    } else if (what < 13 && step % 64 == 0) {
      const std::string from = make_key(random() % keys);
      const std::uint64_t skip = random() % 300;
      ListSink page;
      const auto more = store->page({.after = from, .from_start = false, .skip = skip}, 20, page);
      auto expected = model.upper_bound(from);
      for (std::uint64_t i = 0; i < skip && expected != model.end(); ++i) ++expected;
      for (const std::string& listed : page.keys) ASSERT_EQ(listed, (expected++)->first);
      ASSERT_EQ(*more, expected != model.end());
    } else {
      const auto found = model.find(key);
      CopySink sink;
      store->get(key, sink);
      ASSERT_EQ(sink.datum.has_value(), found != model.end()) << step;
      if (sink.datum) {
        const auto [size, fill] = found->second;
        ASSERT_EQ(*sink.datum, std::string(size, static_cast<char>(fill)));
      }
    }
  }
  ASSERT_EQ(store->counts().records, model.size());
  ListSink all;
  ASSERT_TRUE(store->page({}, SIZE_MAX, all).ok());
  auto expected = model.begin();
  ASSERT_EQ(all.keys.size(), model.size());
  for (const std::string& key : all.keys) ASSERT_EQ(key, (expected++)->first);
}

TEST(MemoryStore, MemoryIsFlatWhenEveryKeyIsOverwrittenTenTimes) {
  const auto store = make_memory_store();
  const auto fill = [&store](int round) {
    for (int i = 0; i < kMany; ++i) {
      // Sizes change from round to round, as they do in life.
      const std::string datum(static_cast<std::size_t>(60 + (i + round * 13) % 40), 'd');
      ASSERT_TRUE(store->put(record(key_of(i), datum, i)).ok());
    }
  };
  fill(0);
  const MemoryUse first = store->memory();
  for (int round = 1; round <= 10; ++round) fill(round);
  const MemoryUse last = store->memory();
  EXPECT_EQ(last.index, first.index);
  EXPECT_EQ(last.order, first.order);
  EXPECT_LT(last.total(), first.total() + first.total() / 25) << "more than 4 % grown";
}

TEST(MemoryStore, MemoryIsFlatWhenAllIsErasedAndPutBack) {
  const auto store = make_memory_store();
  const auto fill = [&store] {
    for (int i = 0; i < kMany; ++i) {
      ASSERT_TRUE(store->put(record(key_of(i), std::string(80, 'd'), i)).ok());
    }
  };
  fill();
  const MemoryUse first = store->memory();
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < kMany; ++i) ASSERT_TRUE(*store->erase(key_of(i)));
    const MemoryUse empty = store->memory();
    EXPECT_EQ(store->counts().records, 0u);
    EXPECT_EQ(empty.records, 0u);
    EXPECT_EQ(empty.order, 0u);
    fill();
  }
  const MemoryUse last = store->memory();
  EXPECT_EQ(last.index, first.index) << "deletes leave nothing in the index";
  EXPECT_LT(last.total(), first.total() + first.total() / 25);
}

TEST(MemoryStore, SpaceOfOneSizeServesAnother) {
  const auto store = make_memory_store({.ordered = false});
  for (int i = 0; i < kMany; ++i) {
    ASSERT_TRUE(store->put(record(key_of(i), std::string(100, 'd'), i)).ok());
  }
  const std::uint64_t first = store->memory().total();
  for (int i = 0; i < kMany; ++i) {
    ASSERT_TRUE(store->put(record(key_of(i), std::string(60, 'd'), i)).ok());
  }
  EXPECT_LT(store->memory().total(), first);
}

// The figures of the design's table; the benchmark has them at 1 and 16 million.
TEST(MemoryStore, ARecordCostsFewBytesBeyondItself) {
  const auto store = make_memory_store({.ordered = false});
  for (int i = 0; i < kMany; ++i) {
    const std::string datum(static_cast<std::size_t>(70 + i % 30), 'd');
    ASSERT_TRUE(store->put(record(key_of(i), datum, i)).ok());
  }
  const auto beyond = static_cast<double>(store->memory().total() - store->counts().bytes) /
                      static_cast<double>(store->counts().records);
  EXPECT_LT(beyond, 36) << "with what small stores lose to half-filled pages";
}

TEST(MemoryStore, LargeValuesComeAndGo) {
  const auto store = make_memory_store();
  const std::string large(limits::kValueBytesMax, 'x');
  ASSERT_TRUE(store->put(record("large", large)).ok());
  EXPECT_GT(store->memory().total(), limits::kValueBytesMax);
  EXPECT_EQ(get(*store, "large"), large);
  ASSERT_TRUE(store->put(record("large", "small")).ok());
  EXPECT_LT(store->memory().total(), limits::kValueBytesMax / 4) << "the space is free again";
  for (std::size_t size = 400; size < 300'000; size = size * 5 / 4) {
    const std::string key = "of " + std::to_string(size);
    ASSERT_TRUE(store->put(record(key, std::string(size, 's'))).ok());
    ASSERT_TRUE(store->put(record(key, std::string(size + 1, 't'))).ok());
    EXPECT_EQ(get(*store, key), std::string(size + 1, 't'));
  }
}

TEST(MemoryStore, EveryNumberOfARecordIsKept) {
  const std::int64_t numbers[] = {INT64_MIN, -1, 0, 1, INT32_MAX, std::int64_t{1} << 40, INT64_MAX};
  for (const std::int64_t number : numbers) {
    RecordView kept = record("key", "datum");
    kept.offset = Offset(number);
    kept.timestamp_ms = -number - 1;
    kept.partition = Partition(static_cast<std::int32_t>(number % 1000));
    kept.schema = SchemaId(static_cast<std::int32_t>(number % 77));
    kept.topic = static_cast<std::uint32_t>(number & 0xFFFFFFFF);
    const auto store = make_memory_store();
    ASSERT_TRUE(store->put(kept).ok());
    CopySink sink;
    store->get("key", sink);
    EXPECT_EQ(sink.last.offset, kept.offset);
    EXPECT_EQ(sink.last.timestamp_ms, kept.timestamp_ms);
    EXPECT_EQ(sink.last.partition, kept.partition);
    EXPECT_EQ(sink.last.schema, kept.schema);
    EXPECT_EQ(sink.last.topic, kept.topic);
  }
}

// More kinds of origin than have numbers: a producer with random timestamps.
TEST(MemoryStore, RandomTimestampsCostMemoryOnlyByTheRecord) {
  const auto store = make_memory_store();
  for (std::int64_t i = 0; i < 100'000; ++i) {
    const std::string key = std::to_string(i);
    RecordView kept = record(key, "datum", i);
    kept.timestamp_ms = i << 33;
    ASSERT_TRUE(store->put(kept).ok());
  }
  for (std::int64_t i = 0; i < 100'000; i += 37) {
    CopySink sink;
    store->get(std::to_string(i), sink);
    ASSERT_EQ(sink.last.timestamp_ms, i << 33);
    ASSERT_EQ(sink.last.offset, Offset(i));
    ASSERT_EQ(sink.datum, "datum");
  }
}

TEST(MemoryStore, RefusesNewKeysBeyondItsCapOnly) {
  const std::uint64_t cap = 8 * 1024 * 1024;
  const auto store = make_memory_store({.bytes_max = cap});
  EXPECT_TRUE(store->health().ok());
  int taken = 0;
  for (;; ++taken) {
    ASSERT_LT(taken, 1'000'000);
    const auto put = store->put(record(key_of(taken), std::string(100, 'd')));
    if (put.ok()) continue;
    ASSERT_EQ(put.error().code, ErrorCode::kFull);
    break;
  }
  EXPECT_GT(taken, 40'000);
  EXPECT_LT(store->memory().total(), cap + cap / 20);
  const Status health = store->health();
  ASSERT_FALSE(health.ok());
  EXPECT_EQ(health.error().code, ErrorCode::kFull);
  EXPECT_EQ(store->memory().refused, 1u);
  const auto inserted = insert(*store, record(key_of(taken), std::string(100, 'd')));
  ASSERT_FALSE(inserted.ok());
  EXPECT_EQ(inserted.error().code, ErrorCode::kFull);
  EXPECT_EQ(get(*store, key_of(taken)), std::nullopt);

  // Updates and deletes go on, and what deletes leave is used again.
  for (int i = 0; i < taken; ++i) {
    ASSERT_EQ(*store->put(record(key_of(i), std::string(100, 'e'))), PutOutcome::kReplaced);
  }
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(*store->erase(record(key_of(i), "")));
  int again = 0;
  for (int i = 0; i < 1000; ++i) again += store->put(record(key_of(i), std::string(100, 'f'))).ok();
  EXPECT_GT(again, 500);
  EXPECT_LT(store->memory().total(), cap + cap / 20);
  EXPECT_FALSE(store->health().ok()) << "what was refused is still missing";
}

TEST(MemoryStore, ALoadKeepsToTheCap) {
  const std::uint64_t cap = 24 * 1024 * 1024;
  const auto store = make_memory_store({.bytes_max = cap});
  store->reserve(100'000'000);
  EXPECT_EQ(store->memory().index, 0u) << "more than the cap is not made";
  std::vector<std::string> keys;
  std::vector<RecordView> records;
  const std::string datum(100, 'd');
  for (int i = 0; i < 1'000'000; ++i) keys.push_back(std::to_string(1'000'000 + i));
  for (const std::string& key : keys) records.push_back(record(key, datum));
  const Status loaded = store->load(records);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kFull);
  EXPECT_GT(store->counts().records, 150'000u);
  EXPECT_LT(store->memory().total(), cap + cap / 20);
  ListSink listed;
  ASSERT_TRUE(store->page({}, SIZE_MAX, listed).ok());
  EXPECT_EQ(listed.keys.size(), store->counts().records);
}

TEST(MemoryStore, LoadedKeysFillTheirLeavesAndTheIndexIsMadeOnce) {
  std::vector<std::string> keys;
  std::vector<RecordView> records;
  for (int i = 0; i < kMany; ++i) keys.push_back("customer-" + std::to_string(1'000'000 + i));
  for (const std::string& key : keys) records.push_back(record(key, "d"));
  const auto store = make_memory_store();
  store->reserve(keys.size());
  const std::uint64_t index = store->memory().index;
  std::thread half([&] { ASSERT_TRUE(store->load(std::span(records).subspan(kMany / 2)).ok()); });
  ASSERT_TRUE(store->load(std::span(records).first(kMany / 2)).ok());
  half.join();
  EXPECT_EQ(store->memory().index, index);
  EXPECT_LT(static_cast<double>(index) / kMany, 22.0) << "a small shard has whole pages";
  EXPECT_LT(static_cast<double>(store->memory().order) / kMany, 14.0);
  ListSink listed;
  ASSERT_TRUE(store->page({}, SIZE_MAX, listed).ok());
  EXPECT_EQ(listed.keys, keys);
}

TEST(MemoryStore, WithoutAnOrderThereIsNoPageAndNoMemoryForIt) {
  const auto store = make_memory_store({.ordered = false});
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(store->put(record(key_of(i), "d")).ok());
  ListSink page;
  const auto result = store->page({}, 10, page);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(store->memory().order, 0u);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(*store->erase(key_of(i)));
}

TEST(MemoryStore, KeysInOrderFillTheirLeaves) {
  for (const bool falling : {false, true}) {
    const auto store = make_memory_store();
    for (int i = 0; i < kMany; ++i) {
      std::string number = std::to_string(1'000'000 + (falling ? kMany - i : i));
      ASSERT_TRUE(store->put(record("customer-" + number, "d")).ok());
    }
    EXPECT_LT(static_cast<double>(store->memory().order) / kMany, 14.0);
    ListSink page;
    ASSERT_TRUE(store->page({.skip = kMany / 2}, 1, page).ok());
    EXPECT_EQ(page.keys.front(),
              "customer-" + std::to_string(1'000'000 + kMany / 2 + (falling ? 1 : 0)));
  }
}

}  // namespace
}  // namespace push_cache::store
