// What is not a whole snapshot is refused, whatever is wrong with it, and nothing of it reaches a
// store.
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "base/limits.h"
#include "snapshot/format.h"
#include "snapshot/record_block.h"
#include "snapshot/test_support.h"

namespace push_cache::snapshot {
namespace {

// Some blocks of two stores, as bytes.
std::string small_snapshot() {
  const TemporaryFolder folder;
  const auto first = store::make_memory_store();
  const auto second = store::make_memory_store({.ordered = false});
  for (int i = 0; i < 40; ++i) put(*first, "key-" + std::to_string(i), "datum", i, i % 3 - 1);
  put(*second, "ü", "", 5);
  store::Store* const stores[] = {first.get(), second.get()};
  const Description description{
      .configuration = "configuration",
      .taken_ms = 77,
      .topics = {{"topic", "id"}},
      .positions = {{0, Partition(0), Offset(1), Offset(40)}},
      .stores = {"first", "second"},
      .set_aside = {{.key = "k", .value = "v", .headers = {{"h", "v"}}}},
      .bad_keys = {{"k", {.kind = store::UnreadKeys::Kind::kBad, .stores = {1}}}}};
  const auto written =
      write(description, stores, {.dir = folder.path(), .schema_text = [](SchemaId) {
                                    return registry::SchemaText{"\"int\"", {"x"}};
                                  }});
  EXPECT_TRUE(written.ok());
  return read_file(folder.file());
}

// In a heap block of exactly its size, so that a sanitizer sees each byte read beyond it.
Result<std::unique_ptr<Snapshot>> parse(const std::string& bytes,
                                        std::unique_ptr<std::uint8_t[]>& block) {
  block = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block.get());
  return Snapshot::parse({block.get(), bytes.size()});
}

ErrorCode refusal(const std::string& bytes) {
  std::unique_ptr<std::uint8_t[]> block;
  const auto parsed = parse(bytes, block);
  if (parsed.ok()) return ErrorCode::kConflict;  // which no refusal has
  EXPECT_FALSE(parsed.error().public_text.empty());
  return parsed.error().code;
}

TEST(SnapshotDamage, EveryBitCounts) {
  const std::string whole = small_snapshot();
  std::unique_ptr<std::uint8_t[]> block;
  ASSERT_TRUE(parse(whole, block).ok());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ 1 << bit);
      const ErrorCode code = refusal(flipped);
      ASSERT_TRUE(code == ErrorCode::kMalformed ||
                  (code == ErrorCode::kUnsupported && i >= 8 && i < 12))
          << "byte " << i << " of " << whole.size() << ", bit " << bit;
    }
  }
}

TEST(SnapshotDamage, EveryLengthCounts) {
  const std::string whole = small_snapshot();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_EQ(refusal(whole.substr(0, size)), ErrorCode::kMalformed) << size;
  }
  for (const std::size_t more : {1u, 32u, 4096u}) {
    EXPECT_EQ(refusal(whole + std::string(more, '\0')), ErrorCode::kMalformed);
    EXPECT_EQ(refusal(std::string(more, '\0') + whole), ErrorCode::kMalformed);
  }
  EXPECT_EQ(refusal(whole + whole), ErrorCode::kMalformed);
  EXPECT_EQ(refusal(whole.substr(0, 16) + whole.substr(17)), ErrorCode::kMalformed);
}

TEST(SnapshotDamage, OfAFileIsToldWithItsPlace) {
  const TemporaryFolder folder;
  std::string bytes = small_snapshot();
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  write_file(folder.file(), bytes);
  const auto opened = Snapshot::open(folder.path(), 2);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().describe(),
            "the snapshot is damaged: block 0 (byte 16 of the file) has another checksum (" +
                folder.file().string() + ")");
  write_file(folder.file(), "");
  EXPECT_EQ(Snapshot::open(folder.path(), 2).error().code, ErrorCode::kMalformed);
  for (const int version : {1, 9}) {  // version 1 does not say whether DELETE took records out
    bytes = small_snapshot();
    bytes[8] = static_cast<char>(version);
    write_file(folder.file(), bytes);
    const auto other = Snapshot::open(folder.path(), 2);
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(other.error().public_text.find("format version " + std::to_string(version)),
              std::string::npos);
  }
}

// Files whose checksums are right, made from blocks and a footer.
class Forged {
 public:
  Footer footer{.description = {.topics = {{"topic", ""}}, .stores = {"s"}}};

  Forged() { append_header(file_); }
  // `raw_bytes`, `records`: what the directory says.
  void add(std::string_view raw, std::uint32_t raw_bytes, std::uint32_t records) {
    std::string compressed(ZSTD_compressBound(raw.size()), '\0');
    compressed.resize(
        ZSTD_compress(compressed.data(), compressed.size(), raw.data(), raw.size(), 1));
    add_compressed(compressed, raw_bytes, records);
  }
  void add_compressed(std::string_view compressed, std::uint32_t raw_bytes, std::uint32_t records) {
    file_.append(compressed);
    footer.blocks.push_back({.compressed_bytes = static_cast<std::uint32_t>(compressed.size()),
                             .raw_bytes = raw_bytes,
                             .records = records,
                             .checksum = checksum_of(as_bytes(compressed))});
    footer.records += records;
  }
  std::string bytes() {
    Buffer end;
    append_end(end, footer, file_.size());
    return std::string(file_.view()) + std::string(end.view());
  }

 private:
  Buffer file_;
};

std::string good_block(std::uint32_t records = 3) {
  BlockBuilder builder;
  for (std::uint32_t i = 0; i < records; ++i) {
    const std::string key = "k" + std::to_string(i);
    builder.add({.key = key,
                 .datum = as_bytes("datum"),
                 .schema = SchemaId(1),
                 .partition = Partition(0),
                 .offset = Offset(i),
                 .timestamp_ms = 5});
  }
  Buffer raw;
  builder.finish(raw);
  return std::string(raw.view());
}

// A store that must stay empty, with something in it before its partition -1 was loaded.
void expect_refused_by_load(Forged& forged) {
  const std::string bytes = forged.bytes();
  std::unique_ptr<std::uint8_t[]> block;
  const auto snapshot = parse(bytes, block);
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().describe();
  const auto store = store::make_memory_store();
  store::Store* const stores[] = {store.get()};
  const Status loaded = (*snapshot)->load(stores, 1);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().code, ErrorCode::kMalformed);
  EXPECT_EQ(store->counts().records, 0u);
}

TEST(SnapshotDamage, BlocksThatAreNotWhatTheDirectorySays) {
  const std::string good = good_block();
  const auto size = static_cast<std::uint32_t>(good.size());
  {
    Forged right;
    right.add(good, size, 3);
    std::unique_ptr<std::uint8_t[]> block;
    const auto snapshot = parse(right.bytes(), block);
    ASSERT_TRUE(snapshot.ok());
    const auto store = store::make_memory_store();
    store::Store* const stores[] = {store.get()};
    ASSERT_TRUE((*snapshot)->load(stores, 1).ok());
    EXPECT_EQ(store->counts().records, 3u);
  }
  for (const auto& [raw_bytes, records] :
       std::initializer_list<std::pair<std::uint32_t, std::uint32_t>>{
           {size, 2}, {size, 4}, {size, 0}, {size - 1, 3}, {size + 1, 3}, {4096, 4000}}) {
    Forged wrong;
    wrong.add(good, size, 3);  // what is in before must go again
    wrong.add(good, raw_bytes, records);
    expect_refused_by_load(wrong);
  }
  Forged not_compressed;
  not_compressed.add_compressed(good, size, 3);
  expect_refused_by_load(not_compressed);
  Forged bomb;  // a block that grows to more than it says
  bomb.add(std::string(10'000'000, '\0'), 1000, 3);
  expect_refused_by_load(bomb);
  Forged empty;
  empty.add_compressed("", 0, 0);
  expect_refused_by_load(empty);
}

TEST(SnapshotDamage, FootersWithImpossibleNumbers) {
  const std::string good = good_block();
  const auto size = static_cast<std::uint32_t>(good.size());
  const auto expect_refused = [&](auto change) {
    Forged forged;
    forged.add(good, size, 3);
    change(forged.footer);
    EXPECT_EQ(refusal(forged.bytes()), ErrorCode::kMalformed);
  };
  expect_refused([](Footer& f) { f.records = 4; });
  expect_refused([](Footer& f) { f.blocks[0].store = 1; });
  expect_refused([](Footer& f) { f.blocks[0].compressed_bytes += 1; });
  expect_refused([](Footer& f) { f.blocks[0].compressed_bytes -= 1; });
  expect_refused([](Footer& f) { f.blocks[0].raw_bytes = UINT32_MAX; });
  expect_refused([](Footer& f) {
    f.blocks[0].raw_bytes = static_cast<std::uint32_t>(limits::kSnapshotBlockBytesMax) + 1;
  });
  expect_refused([](Footer& f) { f.blocks[0].records = f.records = 1'000'000; });
  expect_refused([](Footer& f) { f.blocks.clear(); });
  expect_refused([](Footer& f) { f.blocks.push_back(f.blocks[0]); });
  expect_refused([](Footer& f) { f.description.stores.clear(); });
  expect_refused([](Footer& f) { f.description.topics = {{"\xFF", ""}}; });
  expect_refused([](Footer& f) { f.description.positions = {{1, Partition(0), {}, {}}}; });
  expect_refused([](Footer& f) { f.description.positions = {{0, Partition(-1), {}, {}}}; });
  expect_refused([](Footer& f) { f.description.positions = {{0, Partition(0), {}, Offset(-1)}}; });
  expect_refused([](Footer& f) { f.description.set_aside = {{.topic = 9}}; });
  expect_refused([](Footer& f) { f.description.set_aside = {{.partition = Partition(-1)}}; });
  expect_refused([](Footer& f) { f.description.set_aside = {{.offset = Offset(-1)}}; });
  expect_refused([](Footer& f) { f.description.bad_keys = {{"k", {.topic = 9}}}; });
  expect_refused([](Footer& f) { f.description.bad_keys = {{"\xFF", {}}}; });
  expect_refused([](Footer& f) { f.description.bad_keys = {{"k", {.stores = {9}}}}; });
  expect_refused([](Footer& f) { f.description.local_writes = {1}; });
  expect_refused([](Footer& f) { f.description.local_writes = {0, 0}; });
}

// Any byte of a block changed, with its checksum made right: refused, or other records of the same
// number, but never a fault.
TEST(SnapshotDamage, BlocksOfOtherBytes) {
  const std::string good = good_block(10);
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string raw = good;
    for (unsigned i = random() % 3 + 1; i > 0; --i) {
      raw[random() % raw.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) raw.resize(random() % raw.size());
    const auto block = std::make_unique<std::uint8_t[]>(raw.size());
    std::copy(raw.begin(), raw.end(), block.get());
    std::vector<RecordOrigin> origins;
    std::vector<store::RecordView> records;
    const Status parsed = parse_block({block.get(), raw.size()}, 10, 1, origins, records);
    if (parsed.ok()) {
      ASSERT_EQ(records.size(), 10u);
    } else {
      ++refused;
      ASSERT_EQ(parsed.error().code, ErrorCode::kMalformed);
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(SnapshotDamage, KeysAreUtf8EachByItself) {
  for (const auto& [first, second, good] :
       std::initializer_list<std::tuple<std::string, std::string, bool>>{
           {"a", "\xC3\xBC", true},
           {"\xC3", "\xBC", false},  // only together
           {"\xFF", "", false},
           {"", "\xF0\x9F\x98\x80", true},
           {"a\xC3",
            "\xBC"
            "b",
            false}}) {
    BlockBuilder builder;
    builder.add({.key = first, .datum = {}});
    builder.add({.key = second, .datum = {}});
    Buffer raw;
    builder.finish(raw);
    std::vector<RecordOrigin> origins;
    std::vector<store::RecordView> records;
    EXPECT_EQ(parse_block(raw.bytes(), 2, 1, origins, records).ok(), good);
  }
}

}  // namespace
}  // namespace push_cache::snapshot
