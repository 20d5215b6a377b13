#include "snapshot/snapshot.h"

#include <zstd.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "snapshot/file.h"
#include "snapshot/format.h"
#include "snapshot/record_block.h"

namespace push_cache::snapshot {
namespace {

// Bytes without the cost of setting them to zero first.
class Scratch {
 public:
  std::span<std::uint8_t> of(std::size_t bytes) {
    buffer_.clear();
    return {reinterpret_cast<std::uint8_t*>(buffer_.reserve(bytes)), bytes};
  }

 private:
  Buffer buffer_;
};

// Where the bytes are: in a file or in memory.
class Source {
 public:
  explicit Source(InputFile file) : file_(std::move(file)) {}
  explicit Source(Bytes memory) : memory_(memory) {}

  std::uint64_t bytes() const { return file_ ? file_->bytes() : memory_.size(); }
  // The place is within it. The outcome lives until `scratch` is used again.
  Result<Bytes> read(std::uint64_t offset, std::size_t bytes, Scratch& scratch) const {
    if (!file_) return memory_.subspan(offset, bytes);
    const std::span<std::uint8_t> into = scratch.of(bytes);
    if (Status done = file_->read(offset, into); !done) return std::move(done).error();
    return Bytes(into);
  }

 private:
  std::optional<InputFile> file_;
  Bytes memory_;
};

// Runs `body(i)` on `threads` threads, this one among them; the first error of all.
template <typename Body>
Status on_threads(std::size_t threads, const Body& body) {
  std::mutex mutex;
  Status first;
  const auto guarded = [&](std::size_t i) {
    Status status;
    try {
      status = body(i);
    } catch (const std::bad_alloc&) {
      status = Error{ErrorCode::kFull, "there is no memory to read the snapshot with"};
    }
    const std::lock_guard lock(mutex);
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  std::vector<std::thread> others;
  std::size_t started = 1;
  try {
    for (; started < threads; ++started) others.emplace_back(guarded, started);
  } catch (const std::system_error&) {
    // The system gives no more threads: this one does what is left.
  }
  guarded(0);
  for (std::size_t i = started; i < threads; ++i) guarded(i);
  for (std::thread& other : others) other.join();
  return first;
}

class OpenSnapshot final : public Snapshot {
 public:
  OpenSnapshot(Source source, Footer footer)
      : source_(std::move(source)), footer_(std::move(footer)) {}

  const Description& description() const override { return footer_.description; }
  const std::vector<Schema>& schemas() const override { return footer_.schemas; }
  std::uint64_t records() const override { return footer_.records; }
  std::uint64_t bytes() const override { return source_.bytes(); }

  // Of all blocks.
  Status verify(unsigned threads) const {
    std::atomic<std::size_t> next = 0;
    return on_threads(threads_for(threads), [&](std::size_t) -> Status {
      Scratch scratch;
      for (std::size_t i = next++; i < footer_.blocks.size(); i = next++) {
        const Result<Bytes> bytes = checked(footer_.blocks[i], scratch);
        if (!bytes) {
          next = footer_.blocks.size();
          return bytes.error();
        }
      }
      return {};
    });
  }

  Status load(std::span<store::Store* const> stores, unsigned threads,
              std::atomic<std::uint64_t>* progress) override {
    if (stores.size() != footer_.description.stores.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   "the snapshot has " + std::to_string(footer_.description.stores.size()) +
                       " stores, not " + std::to_string(stores.size())};
    }
    std::vector<std::uint64_t> records(stores.size(), 0);
    for (const BlockEntry& block : footer_.blocks) records[block.store] += block.records;
    for (std::size_t i = 0; i < stores.size(); ++i) stores[i]->reserve(records[i]);

    Partitions partitions;
    std::mutex mutex;  // of `partitions`
    const std::vector<std::size_t> parts = split(threads_for(threads));
    std::atomic<bool> failed = false;
    Status outcome = on_threads(parts.size() - 1, [&](std::size_t i) -> Status {
      Partitions met;
      Status status =
          load_blocks(std::span(footer_.blocks).subspan(parts[i], parts[i + 1] - parts[i]), stores,
                      progress, failed, met);
      if (!status) failed = true;
      const std::lock_guard lock(mutex);
      partitions.merge(met);
      return status;
    });
    if (!outcome) {
      for (store::Store* store : stores) {
        for (const auto& [topic, partition] : partitions) {
          (void)store->erase_partition(topic, Partition(partition));
        }
      }
      if (progress != nullptr) *progress = 0;
    }
    return outcome;
  }

 private:
  using Partitions = std::set<std::pair<std::uint32_t, std::int32_t>>;

  std::size_t threads_for(unsigned threads) const {
    return std::clamp<std::size_t>(threads, 1, std::max<std::size_t>(footer_.blocks.size(), 1));
  }

  // The compressed bytes of a block.
  Result<Bytes> checked(const BlockEntry& block, Scratch& scratch) const {
    Result<Bytes> bytes = source_.read(block.offset, block.compressed_bytes, scratch);
    if (!bytes) return std::move(bytes).error();
    if (checksum_of(*bytes) != block.checksum) {
      return damaged("block " + std::to_string(&block - footer_.blocks.data()) + " (byte " +
                     std::to_string(block.offset) + " of the file) has another checksum");
    }
    return bytes;
  }

  // Where each thread's blocks begin, and the end of the last one's: runs of about as many bytes,
  // so that each has a range of keys of its own.
  std::vector<std::size_t> split(std::size_t threads) const {
    std::uint64_t total = 0;
    for (const BlockEntry& block : footer_.blocks) total += block.raw_bytes;
    std::vector<std::size_t> parts = {0};
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < footer_.blocks.size(); ++i) {
      sum += footer_.blocks[i].raw_bytes;
      if (parts.size() < threads && sum >= total / threads * parts.size()) parts.push_back(i + 1);
    }
    parts.resize(threads, footer_.blocks.size());
    parts.push_back(footer_.blocks.size());
    return parts;
  }

  Status load_blocks(std::span<const BlockEntry> blocks, std::span<store::Store* const> stores,
                     std::atomic<std::uint64_t>* progress, const std::atomic<bool>& failed,
                     Partitions& partitions) const {
    const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> decompressor(ZSTD_createDCtx(),
                                                                               ZSTD_freeDCtx);
    if (decompressor == nullptr) throw std::bad_alloc();
    Scratch compressed_scratch, raw_scratch;
    std::vector<RecordOrigin> origins;
    std::vector<store::RecordView> records;
    for (const BlockEntry& block : blocks) {
      if (failed.load(std::memory_order_relaxed)) return {};
      // Once more: what is in memory now may not be what was verified.
      const Result<Bytes> compressed = checked(block, compressed_scratch);
      if (!compressed) return compressed.error();
      const std::span<std::uint8_t> raw = raw_scratch.of(block.raw_bytes);
      const std::size_t size = ZSTD_decompressDCtx(decompressor.get(), raw.data(), raw.size(),
                                                   compressed->data(), compressed->size());
      if (ZSTD_isError(size) || size != raw.size()) {
        return damaged("a block cannot be decompressed");
      }
      if (Status parsed =
              parse_block(raw, block.records, footer_.description.topics.size(), origins, records);
          !parsed) {
        return parsed;
      }
      for (const RecordOrigin& origin : origins) {
        partitions.emplace(origin.topic, origin.partition);
      }
      if (Status loaded = stores[block.store]->load(records); !loaded) return loaded;
      if (progress != nullptr) progress->fetch_add(records.size(), std::memory_order_relaxed);
    }
    return {};
  }

  Source source_;
  Footer footer_;
};

Result<std::unique_ptr<Snapshot>> open_source(Source source, unsigned threads) {
  const std::uint64_t bytes = source.bytes();
  if (bytes < kHeaderBytes + kTrailerBytes) return damaged("it is cut");
  Scratch scratch;
  Result<Bytes> part = source.read(0, kHeaderBytes, scratch);
  if (!part) return std::move(part).error();
  if (Status header = check_header(*part); !header) return std::move(header).error();
  part = source.read(bytes - kTrailerBytes, kTrailerBytes, scratch);
  if (!part) return std::move(part).error();
  const Result<FooterPlace> place = parse_trailer(*part, bytes);
  if (!place) return place.error();
  part = source.read(place->offset, place->bytes, scratch);
  if (!part) return std::move(part).error();
  Result<Footer> footer = parse_footer(*part, *place);
  if (!footer) return std::move(footer).error();
  auto opened = std::make_unique<OpenSnapshot>(std::move(source), *std::move(footer));
  if (Status whole = opened->verify(threads); !whole) return std::move(whole).error();
  return std::unique_ptr<Snapshot>(std::move(opened));
}

}  // namespace

Result<std::unique_ptr<Snapshot>> Snapshot::open(const std::filesystem::path& dir,
                                                 unsigned threads) {
  const std::filesystem::path path = dir / kFileName;
  remove_stale(path);
  Result<InputFile> file = InputFile::open(path);
  if (!file) return std::move(file).error();
  Result<std::unique_ptr<Snapshot>> opened = open_source(Source(*std::move(file)), threads);
  if (!opened) {
    Error error = std::move(opened).error();
    if (error.detail.empty()) error.detail = path.string();
    return error;
  }
  return opened;
}

Result<std::unique_ptr<Snapshot>> Snapshot::parse(Bytes file) {
  return open_source(Source(file), 1);
}

}  // namespace push_cache::snapshot
