#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>

#include "base/buffer.h"
#include "snapshot/file.h"
#include "snapshot/format.h"
#include "snapshot/record_block.h"
#include "snapshot/snapshot.h"

namespace push_cache::snapshot {
namespace {

// Large enough to compress well and to cost little beside its records, small enough that some fit
// into a core's cache.
constexpr std::size_t kBlockBytes = 256 * 1024;
// Large records end a block before the next pause of the scan.
constexpr std::size_t kBlockBytesAtOnce = 1024 * 1024;
// Why this one: docs/dead-ends.md.
constexpr int kCompressionLevel = 1;

Error given_up() { return {ErrorCode::kUnavailable, "the snapshot was given up"}; }

// Takes the records of one store after the other, and writes their blocks.
class Writer final : public store::RecordSink {
 public:
  Writer(const WriteOptions& options, OutputFile& file)
      : options_(options), file_(file), compressor_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    if (compressor_ == nullptr) throw std::bad_alloc();
  }

  Status write_store(store::Store& from, std::uint32_t number) {
    store_ = number;
    if (Status scanned = from.scan(*this); !scanned) return scanned;
    if (status_.ok()) end_block();
    return std::move(status_);
  }

  bool record(const store::RecordView& record) override {
    if (block_.bytes() >= kBlockBytesAtOnce && !end_block()) return false;
    block_.add(record);
    return true;
  }

  bool pause() override {
    if (options_.stop && options_.stop()) {
      status_ = given_up();
      return false;
    }
    return block_.bytes() < kBlockBytes || end_block();
  }

  Footer& footer() { return footer_; }
  const std::unordered_set<std::int32_t>& schemas() const { return schemas_; }

 private:
  // False after an error, which is in `status_`.
  bool end_block() {
    BlockEntry entry{.records = block_.records(), .store = store_};
    if (entry.records == 0) return true;
    for (const RecordOrigin& origin : block_.origins()) schemas_.insert(origin.schema);
    raw_.clear();
    block_.finish(raw_);
    compressed_.clear();
    const std::size_t most = ZSTD_compressBound(raw_.size());
    const std::size_t size = ZSTD_compressCCtx(compressor_.get(), compressed_.reserve(most), most,
                                               raw_.data(), raw_.size(), kCompressionLevel);
    if (ZSTD_isError(size)) {
      status_ = Error{ErrorCode::kInternal, "the snapshot could not be compressed",
                      ZSTD_getErrorName(size)};
      return false;
    }
    compressed_.commit(size);
    entry.raw_bytes = static_cast<std::uint32_t>(raw_.size());
    entry.compressed_bytes = static_cast<std::uint32_t>(size);
    entry.checksum = checksum_of(compressed_.bytes());
    footer_.blocks.push_back(entry);
    footer_.records += entry.records;
    status_ = file_.append(compressed_.bytes());
    return status_.ok();
  }

  const WriteOptions& options_;
  OutputFile& file_;
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> compressor_;
  std::uint32_t store_ = 0;
  BlockBuilder block_;
  Buffer raw_;
  Buffer compressed_;
  Footer footer_;
  std::unordered_set<std::int32_t> schemas_;
  Status status_;
};

Result<Written> write_all(const Description& description, std::span<store::Store* const> stores,
                          const WriteOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const std::filesystem::path path = options.dir / kFileName;
  remove_stale(path);
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return std::move(file).error();
  Buffer header;
  append_header(header);
  if (Status done = file->append(header.bytes()); !done) return std::move(done).error();

  Writer writer(options, *file);
  for (std::size_t i = 0; i < stores.size(); ++i) {
    if (Status done = writer.write_store(*stores[i], static_cast<std::uint32_t>(i)); !done) {
      return std::move(done).error();
    }
  }
  Footer& footer = writer.footer();
  footer.description = description;
  for (const std::int32_t id : writer.schemas()) {
    if (!options.schema_text) break;
    if (auto text = options.schema_text(SchemaId(id))) {
      footer.schemas.push_back({SchemaId(id), std::move(*text)});
    }
  }
  Buffer end;
  append_end(end, footer, file->bytes());
  if (Status done = file->append(end.bytes()); !done) return std::move(done).error();
  // A stop that comes while the disk is waited for is not worth the work that was done.
  if (options.stop && options.stop()) return given_up();
  const std::uint64_t bytes = file->bytes();
  if (Status done = file->commit(); !done) return std::move(done).error();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return Written{footer.records, bytes, took.count()};
}

}  // namespace

Result<Written> write(const Description& description, std::span<store::Store* const> stores,
                      const WriteOptions& options) {
  if (stores.size() != description.stores.size()) {
    return Error{ErrorCode::kInvalidArgument, "a snapshot needs a name for each of its stores"};
  }
  Result<Written> outcome = given_up();
  // On a thread of its own: a priority that was lowered cannot be raised again without privileges.
  std::thread thread([&] {
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
    try {
      outcome = write_all(description, stores, options);
    } catch (const std::bad_alloc&) {
      outcome = Error{ErrorCode::kFull, "there is no memory to write a snapshot with"};
    }
  });
  thread.join();
  return outcome;
}

}  // namespace push_cache::snapshot
