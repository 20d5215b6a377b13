// Fuzz body: any bytes as a snapshot. When the first byte is odd, the checksums of the rest are
// made right first, so that changes get past them; and where the trailer says nonsense, it is made
// anew.
#include <zstd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "snapshot/format.h"
#include "snapshot/snapshot.h"
#include "store/memory_store.h"

namespace {

using namespace push_cache;            // NOLINT: a program of its own
using namespace push_cache::snapshot;  // NOLINT

void check(bool holds) {
  if (!holds) std::abort();
}

void put_u64(std::uint8_t* at, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

// `file` has room for header, directory and trailer.
void mend(std::span<std::uint8_t> file) {
  const std::size_t end = file.size() - kTrailerBytes;
  std::uint8_t* trailer = file.data() + end;
  std::uint64_t footer = read_u64(trailer);
  // The footer stays as long as it was said to be, be there more or fewer bytes before it.
  if (const std::uint64_t size = read_u64(trailer + 8); size <= end - kHeaderBytes) {
    footer = end - size;
  }
  if (footer < kHeaderBytes || footer > end) return;
  std::uint64_t at = kHeaderBytes;
  if (end - footer >= 4) {
    const std::uint32_t blocks = read_u32(file.data() + footer);
    for (std::uint32_t i = 0; i < blocks; ++i) {
      const std::uint64_t place = footer + 4 + std::uint64_t{i} * kBlockEntryBytes;
      if (place + kBlockEntryBytes > end) break;
      const std::uint32_t size = read_u32(file.data() + place);
      if (size > footer - at) break;
      put_u64(file.data() + place + 16, checksum_of(file.subspan(at, size)));
      at += size;
    }
  }
  put_u64(trailer, footer);
  put_u64(trailer + 8, end - footer);
  put_u64(trailer + 16, checksum_of(file.subspan(footer, end - footer)));
}

// A snapshot with this block.
std::vector<std::uint8_t> wrap(Bytes raw, std::uint32_t records) {
  Buffer file;
  append_header(file);
  const std::size_t most = ZSTD_compressBound(raw.size());
  const std::size_t size = ZSTD_compress(file.reserve(most), most, raw.data(), raw.size(), 1);
  check(!ZSTD_isError(size));
  file.commit(size);
  const Footer footer{
      .blocks = {{.compressed_bytes = static_cast<std::uint32_t>(size),
                  .raw_bytes = static_cast<std::uint32_t>(raw.size()),
                  .records = records,
                  .checksum = checksum_of(file.bytes().subspan(kHeaderBytes))}},
      .records = records,
      .description = {.topics = {{"a", ""}, {"b", ""}}, .stores = {"s"}},
  };
  append_end(file, footer, file.size());
  return {file.bytes().begin(), file.bytes().end()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::vector<std::uint8_t> file(data + 1, data + size);
  if (data[0] == '2' && !file.empty()) {
    file = wrap(Bytes(file).subspan(1), file[0]);
  } else if (data[0] % 2 == 1 && file.size() >= kHeaderBytes + kTrailerBytes) {
    mend(file);
  }
  const Result<std::unique_ptr<Snapshot>> parsed = Snapshot::parse(file);
  if (!parsed.ok()) {
    check(!parsed.error().public_text.empty());
    return 0;
  }
  Snapshot& snapshot = **parsed;
  check(snapshot.bytes() == file.size());
  // One store for all: making one costs most of the time.
  static const std::unique_ptr<store::Store> store = store::make_memory_store();
  const std::vector<store::Store*> stores(snapshot.description().stores.size(), store.get());
  std::atomic<std::uint64_t> progress = 0;
  const Status loaded = snapshot.load(stores, 1, &progress);
  if (loaded.ok()) {
    check(progress == snapshot.records());
    check(store->counts().records <= snapshot.records());
    struct Eraser final : store::RecordSink {
      store::Store& from;
      explicit Eraser(store::Store& of) : from(of) {}
      std::vector<std::string> keys;
      bool record(const store::RecordView& record) override {
        keys.emplace_back(record.key);
        return true;
      }
      bool pause() override {
        for (const std::string& key : keys) check(*from.erase(key));
        keys.clear();
        return true;
      }
    } eraser(*store);
    check(store->scan(eraser).ok());
  }
  check(store->counts().records == 0);
  return 0;
}
