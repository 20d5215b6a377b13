// Everything that the stores hold, in one file, so that a start need not replay its topics from
// their beginning. The file's format, and why it is so: docs/internals/snapshot-format.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "registry/schema_source.h"
#include "store/store.h"
#include "store/unread_keys.h"

namespace push_cache::snapshot {

// The file's name in its folder.
inline constexpr std::string_view kFileName = "push-cache.snapshot";

struct Topic {
  std::string name;
  std::string id;  // tells it from others of its name; "" = unknown
  friend bool operator==(const Topic&, const Topic&) = default;
};

// How far the records of a partition are in the snapshot.
struct PartitionPosition {
  std::uint32_t topic = 0;  // index into Description::topics
  Partition partition{0};
  Offset log_start{0};
  Offset position{0};  // of the next record to apply: all before it are in the snapshot
  friend bool operator==(const PartitionPosition&, const PartitionPosition&) = default;
};

// A record as it came from its topic, which is in no store: its schema was not known yet.
struct RawRecord {
  struct Header {
    std::string name;
    std::optional<std::string> value;  // nothing = null
    friend bool operator==(const Header&, const Header&) = default;
  };
  std::uint32_t topic = 0;
  Partition partition{0};
  Offset offset{0};
  std::int64_t timestamp_ms = -1;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<Header> headers;
  friend bool operator==(const RawRecord&, const RawRecord&) = default;
};

// See store::UnreadKeys.
struct BadKey {
  std::string key;
  store::UnreadKeys::Record record;  // its stores by their places in Description::stores
  friend bool operator==(const BadKey&, const BadKey&) = default;
};

struct Description {
  std::string configuration;  // opaque: whoever opens the snapshot compares it
  std::int64_t taken_ms = 0;  // wall clock when the positions were captured, ms since 1970
  std::vector<Topic> topics;  // those that RecordView::topic means
  std::vector<PartitionPosition> positions;
  std::vector<std::string> stores;  // names
  // Which of the stores (indices, ascending) are not what their topics make them, since records
  // were added or removed through HTTP: some are in the snapshot, or are missing from it.
  std::vector<std::uint32_t> local_writes;
  // Records before the positions that were set aside. Captured
  // behind the positions and before the stores' records are read, as the bad keys are: what is
  // applied meanwhile is then in the snapshot twice, and never not at all.
  std::vector<RawRecord> set_aside;
  std::vector<BadKey> bad_keys;
  friend bool operator==(const Description&, const Description&) = default;
};

struct Schema {
  SchemaId id;
  registry::SchemaText text;
};

struct WriteOptions {
  std::filesystem::path dir;  // must be there
  // Asked now and then: true gives the snapshot up. May be empty.
  std::function<bool()> stop;
  // Whether records were added to a store or removed from it through HTTP. Asked after its records
  // were read, for Description::local_writes. May be empty: then none were.
  std::function<bool(std::size_t store)> local_writes;
  // Text of a schema, so that a start need not ask the registry for it; nothing when it is not
  // known. Called from the writing thread. May be empty.
  std::function<std::optional<registry::SchemaText>(SchemaId)> schema_text;
};

struct Written {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // of the file
  double seconds = 0;
};

// Writes the records of `stores` (as many as description.stores, in its order) while they are read
// and written. `description.local_writes` comes from the options, whatever it is. The positions
// must have been captured before the call: then whatever was applied before them is in the
// snapshot, and applying the records from there on again leads to the truth, be they in it or not.
//
// The file takes its name only when it is complete and on the disk; after an error (kUnavailable:
// the disk, or `stop`) the snapshot before it is still there and nothing else is left, or, when
// only the new name could not be made sure of, the new one. Blocks the caller, whose
// thread scans; what takes most of the time, to compress and to write, is done on another one with
// the lowest priority. For one caller at a time and folder.
Result<Written> write(const Description& description, std::span<store::Store* const> stores,
                      const WriteOptions& options);

// A snapshot that was read and found to be whole. Safe from any thread but for `load`.
class Snapshot {
 public:
  // Opens the snapshot of `dir` and verifies every byte of it: with `threads` threads, as fast as
  // the disk reads. Removes what killed processes have left there of unfinished ones. kNotFound:
  // there is none. kMalformed, kUnsupported (another version's), kUnavailable (not readable): it is
  // of no use; the text says why.
  static Result<std::unique_ptr<Snapshot>> open(const std::filesystem::path& dir, unsigned threads);
  // The same of bytes in memory, which must outlive it.
  static Result<std::unique_ptr<Snapshot>> parse(Bytes file);
  virtual ~Snapshot() = default;

  virtual const Description& description() const = 0;
  // One for each schema of its records whose text was known.
  virtual const std::vector<Schema>& schemas() const = 0;
  virtual std::uint64_t records() const = 0;
  virtual std::uint64_t bytes() const = 0;  // of the file

  // Puts the records into `stores` (as many as description().stores, in its order), which should be
  // empty and not be written by others meanwhile. `progress`, unless null, counts the records that
  // are in. After an error the stores hold no record any more of the partitions that the snapshot
  // has records of: kFull when a store has no room, kMalformed, kUnavailable.
  virtual Status load(std::span<store::Store* const> stores, unsigned threads,
                      std::atomic<std::uint64_t>* progress = nullptr) = 0;
};

}  // namespace push_cache::snapshot
