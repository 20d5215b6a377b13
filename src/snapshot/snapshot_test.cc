#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include "base/limits.h"
#include "snapshot/test_support.h"

namespace push_cache::snapshot {
namespace {

Description describe(std::size_t stores = 1) {
  Description out{.configuration = "any bytes \x01\xFF",
                  .taken_ms = 1'700'000'123'456,
                  .topics = {{"customers", "NtZ2IY3xQ3-id"}, {"bills", ""}},
                  .positions = {{0, Partition(0), Offset(5), Offset(5000)},
                                {0, Partition(1), Offset(0), Offset(0)},
                                {1, Partition(7), Offset(1), Offset(std::int64_t{1} << 40)}}};
  for (std::size_t i = 0; i < stores; ++i) out.stores.push_back("store " + std::to_string(i));
  out.set_aside = {{.topic = 1,
                    .partition = Partition(7),
                    .offset = Offset(3),
                    .timestamp_ms = -1,
                    .key = "any bytes \xFF",
                    .value = std::nullopt,
                    .headers = {{"name", "value"}, {"", std::nullopt}}},
                   {.key = std::nullopt, .value = "", .headers = {}}};
  out.bad_keys = {{"ü",
                   {.kind = store::UnreadKeys::Kind::kBad,
                    .topic = 1,
                    .partition = Partition(7),
                    .offset = Offset(9),
                    .timestamp_ms = 5,
                    .stores = {0}}},
                  {"", {.kind = store::UnreadKeys::Kind::kBad}}};
  return out;
}

Result<Written> write_one(const TemporaryFolder& folder, store::Store& store) {
  store::Store* const stores[] = {&store};
  return write(describe(), stores, {.dir = folder.path()});
}

std::unique_ptr<Snapshot> open(const TemporaryFolder& folder, unsigned threads = 2) {
  Result<std::unique_ptr<Snapshot>> opened = Snapshot::open(folder.path(), threads);
  EXPECT_TRUE(opened.ok()) << opened.error().describe();
  return opened.ok() ? *std::move(opened) : nullptr;
}

TEST(Snapshot, StoresOfEveryKindComeBack) {
  const TemporaryFolder folder;
  const auto ordered = store::make_memory_store();
  const auto unordered = store::make_memory_store({.ordered = false});
  const auto empty = store::make_memory_store();
  std::mt19937 random(1);
  for (int i = 0; i < 30'000; ++i) {
    const std::string key = "customer-" + std::to_string(i * 7919 % 30'000);
    const std::string datum(random() % 150, static_cast<char>('a' + i % 26));
    put(*ordered, key, datum, i * 3, i % 5 - 1, static_cast<std::uint32_t>(i % 2), i % 3);
    if (i % 10 == 0) put(*unordered, key + "\xC3\xBC", datum, 1'000'000'000'000 - i);
  }
  for (const std::int64_t number : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX}) {
    ASSERT_TRUE(unordered
                    ->put({.key = std::to_string(number),
                           .datum = {},
                           .schema = SchemaId(INT32_MAX),
                           .partition = Partition(-1),
                           .offset = Offset(number),
                           .timestamp_ms = number == 0 ? -1 : ~number,
                           .topic = 0})
                    .ok());
  }
  put(*unordered, "", "of the empty key", 1);
  put(*unordered, std::string(limits::kKeyBytesMax, 'k'), "of a long key", 2);
  for (int i = 0; i < 5; ++i) {
    std::string large(1'000'000, '\0');
    for (char& byte : large) byte = static_cast<char>(random());
    put(*ordered, "large-" + std::to_string(i), large, i);
  }
  put(*ordered, "largest", std::string(limits::kValueBytesMax, 'x'), 3);

  store::Store* const stores[] = {ordered.get(), empty.get(), unordered.get()};
  const Description description = describe(3);
  const auto text_of = [](SchemaId id) -> std::optional<registry::SchemaText> {
    if (id == SchemaId(2)) return std::nullopt;
    return registry::SchemaText{"schema " + std::to_string(id.value), {"a", "", "b"}};
  };
  const Result<Written> written =
      write(description, stores, {.dir = folder.path(), .schema_text = text_of});
  ASSERT_TRUE(written.ok()) << written.error().describe();
  EXPECT_EQ(written->records, ordered->counts().records + unordered->counts().records);
  EXPECT_EQ(written->bytes, std::filesystem::file_size(folder.file()));
  EXPECT_EQ(folder.names(), std::vector<std::string>{std::string(kFileName)});

  for (const unsigned threads : {1u, 2u, 7u}) {
    const auto snapshot = open(folder, threads);
    ASSERT_NE(snapshot, nullptr);
    EXPECT_EQ(snapshot->description(), description);
    EXPECT_EQ(snapshot->records(), written->records);
    EXPECT_EQ(snapshot->bytes(), written->bytes);
    std::map<std::int32_t, std::string> schemas;
    for (const Schema& schema : snapshot->schemas()) {
      schemas[schema.id.value] = schema.text.schema;
      EXPECT_EQ(schema.text.references, (std::vector<std::string>{"a", "", "b"}));
    }
    EXPECT_EQ(schemas, (std::map<std::int32_t, std::string>{
                           {0, "schema 0"}, {1, "schema 1"}, {INT32_MAX, "schema 2147483647"}}));

    const auto a = store::make_memory_store({.ordered = threads != 7});
    const auto b = store::make_memory_store();
    const auto c = store::make_memory_store({.ordered = threads != 2});
    store::Store* const into[] = {a.get(), b.get(), c.get()};
    std::atomic<std::uint64_t> progress = 0;
    const Status loaded = snapshot->load(into, threads, &progress);
    ASSERT_TRUE(loaded.ok()) << loaded.error().describe();
    EXPECT_EQ(progress, written->records);
    EXPECT_TRUE(content_of(*a) == content_of(*ordered));
    EXPECT_EQ(b->counts().records, 0u);
    EXPECT_TRUE(content_of(*c) == content_of(*unordered));
    for (int partition = -1; partition < 5; ++partition) {
      for (const std::uint32_t topic : {0u, 1u}) {
        EXPECT_EQ(a->digest(topic, Partition(partition)),
                  ordered->digest(topic, Partition(partition)));
      }
    }
  }
}

TEST(Snapshot, SaysWhichStoresWereChangedThroughHttp) {
  const TemporaryFolder folder;
  const auto a = store::make_memory_store(), b = store::make_memory_store();
  const auto c = store::make_memory_store();
  store::Store* const stores[] = {a.get(), b.get(), c.get()};
  for (store::Store* const store : stores) put(*store, "key", "v", 1);
  bool changed = false;
  const WriteOptions options{
      .dir = folder.path(),
      .stop =
          [&] {
            changed = true;  // while the stores are read, and whatever the caller knew before
            return false;
          },
      .local_writes = [&](std::size_t store) { return changed && store != 1; }};
  Description description = describe(3);
  description.local_writes = {1};
  ASSERT_TRUE(write(description, stores, options).ok());
  const auto snapshot = open(folder);
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->description().local_writes, (std::vector<std::uint32_t>{0, 2}));
}

TEST(Snapshot, OfNothing) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write({}, {}, {.dir = folder.path()}).ok());
  const auto snapshot = open(folder);
  ASSERT_NE(snapshot, nullptr);
  EXPECT_EQ(snapshot->records(), 0u);
  EXPECT_EQ(snapshot->description(), Description());
  EXPECT_TRUE(snapshot->load({}, 4).ok());
  const auto store = store::make_memory_store();
  store::Store* const stores[] = {store.get()};
  EXPECT_EQ(snapshot->load(stores, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(write({}, stores, {.dir = folder.path()}).error().code, ErrorCode::kInvalidArgument);
}

TEST(Snapshot, ThereIsNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(Snapshot::open(folder.path(), 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Snapshot::open(folder.path() / "nowhere", 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(write({}, {}, {.dir = folder.path() / "nowhere"}).error().code,
            ErrorCode::kUnavailable);
  std::filesystem::create_directory(folder.file());
  EXPECT_EQ(Snapshot::open(folder.path(), 1).error().code, ErrorCode::kUnavailable);
}

TEST(Snapshot, GivenUpTheOneBeforeStays) {
  const TemporaryFolder folder;
  const auto store = store::make_memory_store();
  put(*store, "first", "v", 1);
  ASSERT_TRUE(write_one(folder, *store).ok());
  const std::string before = read_file(folder.file());
  for (int i = 0; i < 20'000; ++i) put(*store, std::to_string(i), "v", i);
  store::Store* const stores[] = {store.get()};
  for (const int after : {0, 1, 10}) {
    int asked = 0;
    const auto given_up =
        write(describe(), stores, {.dir = folder.path(), .stop = [&] { return asked++ >= after; }});
    ASSERT_FALSE(given_up.ok());
    EXPECT_EQ(given_up.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(folder.names().size(), 1u);
    EXPECT_EQ(read_file(folder.file()), before);
  }
}

// RLIMIT_FSIZE: a write beyond it fails with EFBIG, at any place of the file.
TEST(Snapshot, ADiskThatIsFullLeavesTheOneBefore) {
  const TemporaryFolder folder;
  const auto store = store::make_memory_store();
  put(*store, "first", "v", 1);
  ASSERT_TRUE(write_one(folder, *store).ok());
  const std::string before = read_file(folder.file());
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string datum(200, '\0');
    for (char& byte : datum) byte = static_cast<char>(random());
    put(*store, std::to_string(i), datum, i);
  }
  rlimit unlimited;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t most : {0u, 10u, 1'000'000u, 3'000'000u}) {
    const rlimit limit{most, unlimited.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const Result<Written> written = write_one(folder, *store);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    ASSERT_FALSE(written.ok()) << most;
    EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(written.error().public_text.find("File too large"), std::string::npos)
        << written.error().public_text;
    EXPECT_EQ(folder.names().size(), 1u);
    EXPECT_EQ(read_file(folder.file()), before);
  }
  (void)std::signal(SIGXFSZ, handler);
  const Result<Written> written = write_one(folder, *store);
  ASSERT_TRUE(written.ok());
  EXPECT_GT(written->bytes, 4'000'000u);
  EXPECT_EQ(open(folder)->records(), 20'001u);
}

TEST(Snapshot, WhatKilledWritersLeftIsRemovedAndNothingElse) {
  const TemporaryFolder folder;
  const auto store = store::make_memory_store();
  put(*store, "a", "v", 1);
  const auto stale = folder.path() / (std::string(kFileName) + ".tmp-abcdef");
  const auto others = folder.path() / "push-cache.yaml";
  const auto alive = folder.path() / (std::string(kFileName) + ".tmp-living");
  write_file(others, "x");
  write_file(alive, "half of a snapshot");
  const int writer = ::open(alive.c_str(), O_RDWR);
  ASSERT_EQ(::flock(writer, LOCK_EX), 0);
  write_file(stale, "half of a snapshot");
  ASSERT_TRUE(write_one(folder, *store).ok());
  EXPECT_FALSE(std::filesystem::exists(stale));
  write_file(stale, "half of a snapshot");
  ASSERT_NE(open(folder), nullptr);
  EXPECT_FALSE(std::filesystem::exists(stale));
  EXPECT_TRUE(std::filesystem::exists(others));
  EXPECT_TRUE(std::filesystem::exists(alive)) << "its writer lives";
  ::close(writer);
}

// A log of puts and deletes, applied while the snapshot is taken. What was applied before the
// positions were captured and what comes after them give the truth together.
void check_replay(bool ordered) {
  struct Entry {
    int key;
    bool is_delete;
  };
  constexpr int kKeys = 3000;
  constexpr std::size_t kWriters = 2;
  std::vector<std::vector<Entry>> logs(kWriters);
  std::vector<std::atomic<std::int64_t>> positions(kWriters);
  const auto apply = [](store::Store& to, std::size_t partition, std::int64_t offset,
                        const Entry& entry) {
    const std::string key = std::to_string(partition) + "-" + std::to_string(entry.key);
    if (entry.is_delete) {
      ASSERT_TRUE(to.erase(key).ok());
    } else {
      put(to, key, key + ":" + std::to_string(offset), offset, static_cast<int>(partition));
    }
  };
  const auto store = store::make_memory_store({.ordered = ordered});
  // Each snapshot has some of it to itself, however long it takes.
  constexpr std::int64_t kEachRound = 40'000;
  constexpr int kRounds = 5;
  std::atomic<std::int64_t> allowed = 0;
  std::vector<std::thread> writers;
  for (std::size_t w = 0; w < kWriters; ++w) {
    logs[w].reserve(kRounds * kEachRound);
    writers.emplace_back([&, w] {
      std::mt19937 random(static_cast<unsigned>(w));
      for (std::int64_t offset = 0; offset < kRounds * kEachRound; ++offset) {
        for (std::int64_t until = allowed; offset >= until; until = allowed) allowed.wait(until);
        const Entry entry{static_cast<int>(random() % kKeys), random() % 4 == 0};
        logs[w].push_back(entry);
        apply(*store, w, offset, entry);
        positions[w] = offset + 1;
      }
    });
  }
  std::vector<std::unique_ptr<TemporaryFolder>> folders;
  for (int round = 0; round < kRounds; ++round) {
    const std::int64_t from = round * kEachRound;
    allowed = from + kEachRound;
    allowed.notify_all();
    while (positions[0] < from + 1000) std::this_thread::yield();
    Description description{.topics = {{"t", ""}}, .stores = {"s"}};
    for (std::size_t w = 0; w < kWriters; ++w) {
      description.positions.push_back(
          {0, Partition(static_cast<std::int32_t>(w)), Offset(0), Offset(positions[w])});
    }
    folders.push_back(std::make_unique<TemporaryFolder>());
    store::Store* const stores[] = {store.get()};
    ASSERT_TRUE(write(description, stores, {.dir = folders.back()->path()}).ok());
  }
  for (std::thread& writer : writers) writer.join();
  const Content truth = content_of(*store);
  for (const auto& folder : folders) {
    const auto snapshot = open(*folder);
    ASSERT_NE(snapshot, nullptr);
    const auto again = store::make_memory_store();
    store::Store* const stores[] = {again.get()};
    ASSERT_TRUE(snapshot->load(stores, 2).ok());
    for (const PartitionPosition& one : snapshot->description().positions) {
      const auto w = static_cast<std::size_t>(one.partition.value);
      for (auto at = static_cast<std::size_t>(one.position.value); at < logs[w].size(); ++at) {
        apply(*again, w, static_cast<std::int64_t>(at), logs[w][at]);
      }
    }
    EXPECT_TRUE(content_of(*again) == truth);
    for (std::size_t w = 0; w < kWriters; ++w) {
      const Partition partition(static_cast<std::int32_t>(w));
      EXPECT_EQ(again->digest(0, partition), store->digest(0, partition));
    }
  }
}

TEST(Snapshot, TakenWhileRecordsAndTombstonesComeItLeadsToTheTruth) { check_replay(true); }
TEST(Snapshot, TheSameOfAStoreWithoutAnOrder) { check_replay(false); }

TEST(Snapshot, AStoreWithoutRoomIsEmptyAgain) {
  const TemporaryFolder folder;
  const auto store = store::make_memory_store();
  for (int i = 0; i < 200'000; ++i) {
    put(*store, std::to_string(1'000'000 + i), std::string(100, 'd'), i, i % 4 - 1);
  }
  ASSERT_TRUE(write_one(folder, *store).ok());
  const auto snapshot = open(folder);
  const auto small = store::make_memory_store({.bytes_max = 16 * 1024 * 1024});
  store::Store* const stores[] = {small.get()};
  std::atomic<std::uint64_t> progress = 0;
  const Status loaded = snapshot->load(stores, 2, &progress);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kFull);
  EXPECT_EQ(small->counts().records, 0u);
  EXPECT_EQ(progress, 0u);
  EXPECT_EQ(small->digest(0, Partition(0)), 0u);
}

TEST(Snapshot, AStoreThatCannotBeScannedIsAnError) {
  struct Remote final : store::Store {
    Result<store::PutOutcome> put(const store::RecordView&) override {
      return store::PutOutcome::kInserted;
    }
    void insert(const store::RecordView&, store::InsertSink& sink) override { sink.inserted(); }
    Result<bool> erase(const store::RecordView&) override { return false; }
    void take(std::string_view, const store::TakeOnly&, store::GetSink& sink) override {
      sink.absent();
    }
    void get(std::string_view, store::GetSink& sink) override { sink.absent(); }
    Result<bool> page(PageStart, std::size_t, store::KeySink&) override { return false; }
    Result<std::uint64_t> erase_partition(std::uint32_t, Partition, Offset) override {
      return std::uint64_t{0};
    }
    store::Counts counts() const override { return {}; }
    Status health() const override { return {}; }
  } remote;
  const TemporaryFolder folder;
  EXPECT_EQ(write_one(folder, remote).error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace push_cache::snapshot
