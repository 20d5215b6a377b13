#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

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
// Blocks that wait to be compressed when a scan goes on.
constexpr std::size_t kWaitingMax = 2;

Error given_up() { return {ErrorCode::kUnavailable, "the snapshot was given up"}; }

// Compresses blocks and appends them to the file, on a thread of its own with the lowest priority.
// The scan stays with the caller's: it holds locks of the store now and then, which must not wait
// for a thread that everybody goes before.
class Packer {
 public:
  explicit Packer(OutputFile& file) : file_(file), compressor_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    if (compressor_ == nullptr) throw std::bad_alloc();
    thread_ = std::thread([this] { run(); });
  }
  ~Packer() {
    {
      const std::lock_guard lock(mutex_);
      waiting_.clear();
      ended_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  // `entry` has its store and number of records. Never waits.
  void push(BlockEntry entry, Buffer raw) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back({entry, std::move(raw)});
    }
    changed_.notify_all();
  }
  // Waits until next to nothing is left to do; false after an error.
  bool wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kWaitingMax || !status_.ok(); });
    return status_.ok();
  }
  // Waits until all is done: the entries, complete.
  Result<std::vector<BlockEntry>> finish() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
    if (!status_.ok()) return std::move(status_).error();
    return std::move(done_);
  }

 private:
  struct Job {
    BlockEntry entry;
    Buffer raw;
  };

  void run() {
    // A priority that was lowered cannot be raised again without privileges: hence the own thread.
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !waiting_.empty() || ended_; });
      if (waiting_.empty()) return;
      Job job = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      changed_.notify_all();
      Status packed;
      try {
        packed = pack(job);
      } catch (const std::bad_alloc&) {
        packed = Error{ErrorCode::kFull, "there is no memory to write a snapshot with"};
      }
      lock.lock();
      if (!packed) {
        status_ = std::move(packed);
        waiting_.clear();
        lock.unlock();
        changed_.notify_all();
        return;
      }
    }
  }

  Status pack(Job& job) {
    compressed_.clear();
    const std::size_t most = ZSTD_compressBound(job.raw.size());
    const std::size_t size = ZSTD_compressCCtx(compressor_.get(), compressed_.reserve(most), most,
                                               job.raw.data(), job.raw.size(), kCompressionLevel);
    if (ZSTD_isError(size)) {
      return Error{ErrorCode::kInternal, "the snapshot could not be compressed",
                   ZSTD_getErrorName(size)};
    }
    compressed_.commit(size);
    job.entry.raw_bytes = static_cast<std::uint32_t>(job.raw.size());
    job.entry.compressed_bytes = static_cast<std::uint32_t>(size);
    job.entry.checksum = checksum_of(compressed_.bytes());
    done_.push_back(job.entry);
    return file_.append(compressed_.bytes());
  }

  OutputFile& file_;
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> compressor_;
  Buffer compressed_;
  std::vector<BlockEntry> done_;  // the thread's until it has ended
  std::mutex mutex_;              // guards what follows
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  bool ended_ = false;
  Status status_;
  std::thread thread_;
};

// Takes the records of one store after the other and makes blocks of them.
class Gatherer final : public store::RecordSink {
 public:
  Gatherer(const WriteOptions& options, Packer& packer) : options_(options), packer_(packer) {}

  // An error of the packer comes from itself.
  Status gather(store::Store& from, std::uint32_t number) {
    store_ = number;
    if (Status scanned = from.scan(*this); !scanned) return scanned;
    end_block();
    return given_up_ ? Status(given_up()) : Status();
  }

  bool record(const store::RecordView& record) override {
    if (block_.bytes() >= kBlockBytesAtOnce) end_block();
    block_.add(record);
    return true;
  }

  bool pause() override {
    given_up_ = options_.stop && options_.stop();
    if (given_up_) return false;
    if (block_.bytes() >= kBlockBytes) end_block();
    return packer_.wait();
  }

  std::uint64_t records() const { return records_; }
  const std::unordered_set<std::int32_t>& schemas() const { return schemas_; }

 private:
  void end_block() {
    const BlockEntry entry{.records = block_.records(), .store = store_};
    if (entry.records == 0) return;
    records_ += entry.records;
    for (const RecordOrigin& origin : block_.origins()) schemas_.insert(origin.schema);
    Buffer raw;
    block_.finish(raw);
    packer_.push(entry, std::move(raw));
  }

  const WriteOptions& options_;
  Packer& packer_;
  std::uint32_t store_ = 0;
  BlockBuilder block_;
  std::uint64_t records_ = 0;
  std::unordered_set<std::int32_t> schemas_;
  bool given_up_ = false;
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

  Packer packer(*file);
  Gatherer gatherer(options, packer);
  for (std::size_t i = 0; i < stores.size(); ++i) {
    if (Status done = gatherer.gather(*stores[i], static_cast<std::uint32_t>(i)); !done) {
      return std::move(done).error();
    }
  }
  Result<std::vector<BlockEntry>> blocks = packer.finish();
  if (!blocks) return std::move(blocks).error();
  Footer footer{
      .blocks = *std::move(blocks), .records = gatherer.records(), .description = description};
  footer.description.local_writes.clear();
  for (std::size_t i = 0; i < stores.size(); ++i) {
    if (!options.local_writes || !options.local_writes(i)) continue;
    footer.description.local_writes.push_back(static_cast<std::uint32_t>(i));
  }
  for (const std::int32_t id : gatherer.schemas()) {
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
  try {
    return write_all(description, stores, options);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kFull, "there is no memory to write a snapshot with"};
  } catch (const std::system_error& error) {
    return Error{ErrorCode::kUnavailable, "there is no thread to write a snapshot with",
                 error.what()};
  }
}

}  // namespace push_cache::snapshot
