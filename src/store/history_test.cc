// What readers see while writers write: a checker of histories. Each key has a sequence of versions
// whose writes are announced before they begin and after they have returned, so a reader knows
// which versions it may find: nothing that was overwritten before its read began, nothing that was
// not yet being written when it ended, nothing older than what it saw before, and no bytes of any
// other record.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/epoch.h"
#include "store/memory_store.h"
#include "store/test_support.h"

namespace push_cache::store {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kOperations = 60'000;
#else
constexpr int kOperations = 600'000;
#endif
constexpr int kReaders = 3;

// Which versions are deletes, and the sizes of the others, follow from key and version.
struct Plan {
  std::uint64_t deletes_of_16;

  static std::uint64_t mix(std::uint64_t key, std::uint64_t version) {
    std::uint64_t z = key * 0x9E3779B97F4A7C15ULL + version * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 29)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 32);
  }
  bool is_delete(std::uint64_t key, std::uint64_t version) const {
    return version == 0 || mix(key, version) % 16 < deletes_of_16;
  }
  static std::string datum(std::uint64_t key, std::uint64_t version) {
    const std::uint64_t mixed = mix(key, version);
    const std::size_t words = mixed % 512 == 0 ? 3000 : 1 + mixed / 512 % 24;
    std::string out(words * 8, '\0');
    for (std::size_t i = 0; i < words; ++i) {
      const std::uint64_t word = mix(key + i, version);
      std::memcpy(out.data() + i * 8, &word, 8);
    }
    return out;
  }
};

struct alignas(64) KeyState {
  std::atomic<std::uint64_t> begun = 0;
  std::atomic<std::uint64_t> done = 0;
};

class History {
 public:
  History(Store& store, std::size_t keys, Plan plan) : store_(store), keys_(keys), plan_(plan) {}

  std::string name(std::size_t key) const { return "key-" + std::to_string(key); }

  void write(std::size_t key) {
    KeyState& state = keys_[key];
    const std::uint64_t version = state.done.load(std::memory_order_relaxed) + 1;
    state.begun.store(version, std::memory_order_seq_cst);
    if (plan_.is_delete(key, version)) {
      ASSERT_EQ(*store_.erase(name(key)), !plan_.is_delete(key, version - 1));
    } else {
      ASSERT_TRUE(
          store_
              .put(record(name(key), Plan::datum(key, version), static_cast<std::int64_t>(version)))
              .ok());
    }
    state.done.store(version, std::memory_order_seq_cst);
  }

  // `seen`: the last version this reader saw of each key.
  void read(std::size_t key, std::vector<std::uint64_t>& seen) {
    const std::uint64_t oldest = keys_[key].done.load(std::memory_order_seq_cst);
    CopySink sink;
    store_.get(name(key), sink);
    const std::uint64_t newest = keys_[key].begun.load(std::memory_order_seq_cst);
    if (sink.datum) {
      const auto version = static_cast<std::uint64_t>(sink.last.offset.value);
      ASSERT_GE(version, std::max(oldest, seen[key])) << "an older version of " << key;
      ASSERT_LE(version, newest);
      ASSERT_EQ(sink.key, name(key));
      ASSERT_EQ(*sink.datum, Plan::datum(key, version)) << "torn, or of another record";
      seen[key] = version;
      return;
    }
    // Absent is right if one of the versions that it may have been is a delete.
    const std::uint64_t from = std::max(oldest, seen[key]);
    std::uint64_t version = from;
    while (version <= newest && !plan_.is_delete(key, version)) ++version;
    ASSERT_LE(version, newest) << "key " << key << " was there in all versions " << from << " to "
                               << newest;
    seen[key] = version;
  }

  // One scan: each key at most once, with a version that it had at some time of the scan, and only
  // those missing that may have been deleted in it.
  void scan() {
    std::vector<std::uint64_t> oldest(keys_.size());
    for (std::size_t key = 0; key < keys_.size(); ++key) {
      oldest[key] = keys_[key].done.load(std::memory_order_seq_cst);
    }
    ScanSink all;
    ASSERT_TRUE(store_.scan(all).ok());
    std::vector<bool> came(keys_.size(), false);
    for (const ScanSink::Kept& one : all.records) {
      const auto key = static_cast<std::size_t>(std::stoul(one.key.substr(4)));
      ASSERT_EQ(one.key, name(key));
      ASSERT_FALSE(came[key]) << one.key << " came twice";
      came[key] = true;
      const auto version = static_cast<std::uint64_t>(one.numbers.offset.value);
      ASSERT_GE(version, oldest[key]);
      ASSERT_LE(version, keys_[key].begun.load(std::memory_order_seq_cst));
      ASSERT_EQ(one.datum, Plan::datum(key, version)) << "torn, or of another record";
    }
    for (std::size_t key = 0; key < keys_.size(); ++key) {
      if (came[key]) continue;
      const std::uint64_t newest = keys_[key].begun.load(std::memory_order_seq_cst);
      std::uint64_t version = oldest[key];
      while (version <= newest && !plan_.is_delete(key, version)) ++version;
      ASSERT_LE(version, newest) << "key " << key << " was there throughout and did not come";
    }
  }

  // Writers share the keys among them, readers read them all, one scans; all at once.
  void run(std::size_t writers, int operations) {
    std::atomic<std::size_t> writing = writers;
    std::vector<std::thread> threads;
    for (std::size_t w = 0; w < writers; ++w) {
      threads.emplace_back([this, w, writers, operations, &writing] {
        std::mt19937 random(static_cast<unsigned>(w));
        for (int i = 0; i < operations / static_cast<int>(writers); ++i) {
          write(random() % (keys_.size() / writers) * writers + w);
        }
        --writing;
      });
    }
    threads.emplace_back([this, &writing] {
      do {
        scan();
      } while (writing > 0 && !::testing::Test::HasFatalFailure());
    });
    for (int r = 0; r < kReaders; ++r) {
      threads.emplace_back([this, r, &writing] {
        std::mt19937 random(static_cast<unsigned>(1000 + r));
        std::vector<std::uint64_t> seen(keys_.size(), 0);
        do {
          for (int i = 0; i < 100; ++i) read(random() % keys_.size(), seen);
        } while (writing > 0 && !::testing::Test::HasFatalFailure());
      });
    }
    for (std::thread& thread : threads) thread.join();
    const auto in_store = store_.digest(1, Partition(3));
    ASSERT_EQ(in_store, expected_digest(store_, 1, Partition(3)));
  }

 private:
  Store& store_;
  std::vector<KeyState> keys_;
  Plan plan_;
};

TEST(History, OneWriterFewKeys) {
  const auto store = make_memory_store();
  History(*store, 64, {.deletes_of_16 = 2}).run(1, kOperations);
}

TEST(History, ManyWritersThatDeleteAsOftenAsTheyWrite) {
  const auto store = make_memory_store();
  History(*store, 4096, {.deletes_of_16 = 8}).run(3, kOperations);
}

// Each shard's index grows many times while it is read.
TEST(History, GrowthWithoutOrder) {
  const auto store = make_memory_store({.ordered = false});
  History(*store, 120'000, {.deletes_of_16 = 1}).run(2, kOperations);
}

// All keys in one shard, in few buckets: words move on every delete.
TEST(History, OneShardAndLongRunsOfFullBuckets) {
  const auto store = make_memory_store({.hash_bits = 30});
  History(*store, 3000, {.deletes_of_16 = 6}).run(2, kOperations / 2);
}

TEST(History, ReadersThatFenceForThemselves) {
  std::thread([] {
    epoch::force_fences();
    const auto store = make_memory_store();
    History(*store, 256, {.deletes_of_16 = 4}).run(2, kOperations / 4);
  }).join();
}

}  // namespace
}  // namespace push_cache::store
