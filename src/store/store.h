// What every store of records can do. A store knows no Kafka and no JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace push_cache::store {

// One record as it is kept: its datum in Avro bytes and where it came from. A record is told from
// others by its topic and its key: records of different topics never replace or remove each other.
// Borrowed: who hands it out says how long it lives.
struct RecordView {
  std::string_view key;  // UTF-8, at most limits::kKeyBytesMax
  Bytes datum;           // the Avro datum without its wire header, at most limits::kValueBytesMax
  SchemaId schema{0};
  Partition partition{-1};         // -1: written through HTTP
  Offset offset{-1};               // of a record written through HTTP: a number no other one has
  std::int64_t timestamp_ms = -1;  // Kafka's record timestamp, ms since 1970; -1 = none
  std::uint32_t topic = 0;         // index into the configured topics; of HTTP: its route's topic
  // From a store that keeps with each record which log of the topic's name it is of (a remote one):
  // its mark, which Store::log_identity takes. Else 0, and LogIdentities says it.
  std::uint64_t log = 0;
};

// What tells a record from every other one that its key had or will have.
struct RecordId {
  std::uint32_t topic = 0;
  Partition partition{-1};
  Offset offset{-1};
  std::int64_t timestamp_ms = -1;
  std::uint64_t log = 0;
  bool operator==(const RecordId&) const = default;
};
inline RecordId id_of(const RecordView& record) {
  return {record.topic, record.partition, record.offset, record.timestamp_ms, record.log};
}

// What the record that `take` removes must be.
struct TakeOnly {
  std::optional<std::uint32_t> topic = {};  // else kOtherTopic
  std::optional<RecordId> record = {};      // as `get` of this store gave it, else kConflict
};

// What `take` says when the record is another one than it is to be.
inline constexpr std::string_view kOfOtherRecord = "the record of this key is another one by now";
inline constexpr std::string_view kOfOtherTopic =
    "the record that this key shows is of another topic than the route's";

// Takes the outcome of a `get`. Exactly one of the three is called, once.
class GetSink {
 public:
  virtual ~GetSink() = default;
  // `record` lives only during the call: render or copy it there, take no lock of a store, and be
  // quick.
  virtual void found(const RecordView& record) = 0;
  virtual void absent() = 0;
  virtual void failed(const Error& error) = 0;
};

// Takes the outcome of an `insert`. Exactly one of the three is called, once.
class InsertSink {
 public:
  virtual ~InsertSink() = default;
  virtual void inserted() = 0;
  virtual void exists() = 0;
  virtual void failed(const Error& error) = 0;
};

// Takes the keys of a page.
class KeySink {
 public:
  virtual ~KeySink() = default;
  // `key` lives only during the call. Return false to end the page after this key.
  virtual bool key(std::string_view key) = 0;
};

// Takes the records of a scan.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // `record` lives only during the call: copy it, take no lock of a store, and be quick, since
  // meanwhile no space of replaced records is used again. Return false to end the scan.
  virtual bool record(const RecordView& record) = 0;
  // Comes after some hundred KiB of records at most, when the store holds nothing: the place to
  // write to a disk. Return false to end the scan.
  virtual bool pause() { return true; }
};

// From here on a timestamp counts as none: 2100-01-01T00:00:00Z, in ms since 1970. A fixed bound,
// so that all replicas agree; without it one record from a wrong clock would outdate all later ones
// of its key.
inline constexpr std::int64_t kTimestampMsEnd = 4'102'444'800'000;
// What records are ordered by. No timestamp is the oldest.
constexpr std::int64_t order_time(std::int64_t timestamp_ms) {
  return timestamp_ms < 0 || timestamp_ms >= kTimestampMsEnd ? -1 : timestamp_ms;
}

// Whether `came` must not take the place of `kept`, a record of the same topic and key. Kafka
// orders the records of a key within a partition, by their offsets; one that was set aside comes
// late. When a topic gets more partitions its keys
// move to other ones, and a replay meets the older record of a key and its newer one (or its
// tombstone) in any order. Of records from two partitions of a topic the one with the later
// timestamp is the last one (of equal ones the one of the higher partition, so that replicas
// agree).
constexpr bool is_outdated(const RecordView& came, const RecordView& kept) {
  if (came.topic != kept.topic) return false;
  if (came.partition.value < 0 || kept.partition.value < 0) return false;
  if (came.partition == kept.partition) return came.offset < kept.offset;
  const std::int64_t came_at = order_time(came.timestamp_ms);
  const std::int64_t kept_at = order_time(kept.timestamp_ms);
  if (came_at != kept_at) return came_at < kept_at;
  return came.partition < kept.partition;
}

// Whether a store shows `one` rather than `other`, a record of the same key from another topic: the
// one with the later timestamp, and of equal ones that of the topic configured later. It follows
// from the records alone, so that replicas agree whatever the order in which they read.
constexpr bool is_shown_over(const RecordView& one, const RecordView& other) {
  const std::int64_t one_at = order_time(one.timestamp_ms);
  const std::int64_t other_at = order_time(other.timestamp_ms);
  return one_at != other_at ? one_at > other_at : one.topic > other.topic;
}

// What a write has done.
enum class PutOutcome { kInserted, kReplaced, kOutdated };

// One write of a batch: a record as for `put`, or a tombstone as for `erase`.
struct Write {
  RecordView record;
  bool tombstone = false;
};
// What became of it. kFailed: not done, or, of a remote store, perhaps done; it can be done again.
// Whether there was a record a remote store knows only for the first write of a key in a batch.
enum class WriteOutcome : std::uint8_t {
  kInserted,
  kReplaced,
  kErased,    // a tombstone, and there was a record
  kAbsent,    // a tombstone, and there was none
  kOutdated,  // not done: a later record of the key, or its tombstone, was there
  kFailed,
};

// Goes through the keys of a remote store.
class KeyScan {
 public:
  // Takes one step's keys, then its end.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void key(std::string_view key) = 0;  // lives only during the call
    virtual void end(bool more) = 0;             // `more`: another step may bring more
    virtual void failed(const Error& error) = 0;
  };
  // Ends a step under way: its sink is not called any more.
  virtual ~KeyScan() = default;
  // Hands the next keys (some hundred; perhaps none although more come) to `sink`, then calls `end`
  // or `failed`, before it returns or later on the calling thread's event loop. One step at a time.
  virtual void next(Sink& sink) = 0;
};

struct Counts {
  std::uint64_t records = 0;  // that are shown: one per key
  std::uint64_t hidden = 0;   // that a record of another topic is shown over
  std::uint64_t bytes = 0;    // keys and datums of all, without the store's own overhead
};

// What a store holds of this process's memory, in bytes by kind; all 0 for a remote one.
struct MemoryUse {
  std::uint64_t index = 0;    // from a key's hash to its record
  std::uint64_t order = 0;    // the keys' order, for lists
  std::uint64_t records = 0;  // keys, datums and the header of each record
  std::uint64_t slack = 0;    // kept for records to come, and lost to rounding
  std::uint64_t max = 0;      // beyond this no new key is taken; 0 = no cap
  std::uint64_t refused = 0;  // records with a new key that were not taken since the start
  std::uint64_t total() const { return index + order + records + slack; }
};

// Thread safety: everything may be called from any thread at any time, but of `put`, `load`,
// `erase` and `write` two for one key are applied in an unspecified order, so one key has one
// ingest thread. Each call sees every write that had returned before it began.
//
// What hands its outcome to a sink does it before it returns (a store in memory) or later on the
// calling thread's event loop (a remote one on a thread of net::this_loop); a remote store on any
// other thread waits. A sink must live until it was called, what is passed only during the call. A
// sink is called exactly once, but never again when its loop has ended.
//
// A store keeps the last record of each topic and key. Of a key that several topics have it shows
// one (is_shown_over): that is "the record of the key" below. When it goes, the next one is shown
// at once: no reader ever finds a key absent of which a record is kept.
class Store {
 public:
  virtual ~Store() = default;

  // Keeps a copy of `record` as the last one of its topic and key, unless that is outdated (see
  // above). An error means that nothing has changed: kTooLarge for this record, kFull when the
  // store has none of this topic and key and its cap of memory is reached.
  virtual Result<PutOutcome> put(const RecordView& record) = 0;
  // The same only if the key is absent; atomic, so of several at once one inserts.
  virtual void insert(const RecordView& record, InsertSink& sink) = 0;
  // Removes the record of the topic and key of `tombstone`, a record without a datum, unless that
  // is outdated. True when there was one and it has gone.
  virtual Result<bool> erase(const RecordView& tombstone) = 0;
  // Removes the record of the key and gives it to `sink`, atomically: of several at once one gets
  // it. With `only`, no other record: `failed` is then called with the code that stands there, and
  // nothing has changed. As with `insert`, a remote store that fails otherwise may have done it all
  // the same.
  virtual void take(std::string_view key, const TakeOnly& only, GetSink& sink) = 0;
  // Removes the record of the key, whatever its topic; for callers that may wait. True when there
  // was one.
  Result<bool> erase(std::string_view key);

  // Writes in their order, `outcomes[i]` of the i-th; both spans have the same size. A remote store
  // has them all under way at once, and may leave out what a later one makes needless. Waits for
  // all; the error is the one of the first that failed.
  virtual Status write(std::span<const Write> writes, std::span<WriteOutcome> outcomes);

  // Hands the record of `key` to `sink`.
  virtual void get(std::string_view key, GetSink& sink) = 0;
  // As one `get` for each key, with the i-th outcome to `sinks[i]`, in any order: several at once
  // wait for memory (or the network) together. Both spans have the same size.
  virtual void get_batch(std::span<const std::string_view> keys, std::span<GetSink* const> sinks);
  // Says that these keys will be asked for or written soon, best some sixteen at once: their places
  // and the records they have now are asked from memory together. Changes nothing.
  virtual void prefetch(std::span<const std::string_view> keys) const { (void)keys; }

  // Gives `sink` the keys greater than `after` in byte order (all from the first when
  // `from_start`) but for the first `skip` of them, at most `keys_max`, each at most once and each
  // key that was there throughout exactly once. True when there may be more. Other calls are never
  // blocked for more than some hundred keys' time. kUnsupported when the store was made without an
  // order, and for a remote one, which has `scan_keys`.
  struct PageStart {
    std::string_view after = {};
    bool from_start = true;
    std::uint64_t skip = 0;
  };
  virtual Result<bool> page(PageStart start, std::size_t keys_max, KeySink& sink) = 0;
  // Of a remote store: all keys in its own order. A key that was there throughout comes at least
  // once. For one event loop, and gone before it; null for a store that has `page`.
  virtual std::unique_ptr<KeyScan> scan_keys() { return nullptr; }

  // Removes every record that came from this partition and has an offset less than `below`; how
  // many there were. May take as long as reading all records does; other calls go on meanwhile.
  // kUnsupported for a shared one, which has loads (store/shared_store.h).
  static constexpr Offset kAllOffsets{std::numeric_limits<std::int64_t>::max()};
  virtual Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition,
                                                Offset below = kAllOffsets);

  // Hands every record to `sink`, also those that are not shown, in the order of its keys when the
  // store keeps one. Each record that was there throughout comes exactly once, with a value that it
  // had at some time of the scan; one that came or went meanwhile may or may not come. Readers
  // never wait for it, writers for less than a millisecond. kUnsupported for a remote store, which
  // keeps its records by itself.
  virtual Status scan(RecordSink& sink);

  // As a `put` of each, in any order but several times as fast when there are many and their keys
  // ascend; for records of one topic and key the last one stays. Several threads may do it at once,
  // best each with a range of keys of its own. The records need not live on. An error is the one of
  // the first that was not taken; others may have been.
  virtual Status load(std::span<const RecordView> records);
  // Says that the store will soon hold so many records: what they need of it is made at once. Keeps
  // to the cap of memory.
  virtual void reserve(std::uint64_t records) { (void)records; }

  // Tells which records of this partition are kept (store/digest.h): two replicas that have applied
  // a partition up to the same position have the same digest exactly when they keep the same of its
  // records. Exact while no write is under way. Takes no lock. 0 for a remote store.
  virtual std::uint64_t digest(std::uint32_t topic, Partition partition) const {
    (void)topic, (void)partition;
    return 0;
  }

  // As LogIdentities::of, of a record whose `log` is not 0, as `get` gave it.
  virtual std::uint64_t log_identity(const RecordView& record) const { return record.log; }

  virtual Counts counts() const = 0;
  virtual MemoryUse memory() const { return {}; }
  // Success when the store can take reads and writes now; the error says why not. A store that had
  // to refuse a key stays kFull: from then on it can't know what is missing.
  virtual Status health() const = 0;
};

inline Status Store::write(std::span<const Write> writes, std::span<WriteOutcome> outcomes) {
  Status first;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    outcomes[i] = WriteOutcome::kFailed;
    if (writes[i].tombstone) {
      auto erased = erase(writes[i].record);
      if (erased.ok()) {
        outcomes[i] = *erased ? WriteOutcome::kErased : WriteOutcome::kAbsent;
      } else if (first.ok()) {
        first = std::move(erased).error();
      }
      continue;
    }
    auto put_ = put(writes[i].record);
    if (put_.ok()) {
      outcomes[i] = *put_ == PutOutcome::kInserted   ? WriteOutcome::kInserted
                    : *put_ == PutOutcome::kReplaced ? WriteOutcome::kReplaced
                                                     : WriteOutcome::kOutdated;
    } else if (first.ok()) {
      first = std::move(put_).error();
    }
  }
  return first;
}

inline Result<bool> Store::erase(std::string_view key) {
  struct Sink final : GetSink {
    Result<bool> outcome = false;
    void found(const RecordView&) override { outcome = true; }
    void absent() override {}
    void failed(const Error& error) override { outcome = error; }
  } sink;
  take(key, {}, sink);
  return sink.outcome;
}

inline void Store::get_batch(std::span<const std::string_view> keys,
                             std::span<GetSink* const> sinks) {
  for (std::size_t i = 0; i < keys.size(); ++i) get(keys[i], *sinks[i]);
}

inline Result<std::uint64_t> Store::erase_partition(std::uint32_t topic, Partition partition,
                                                    Offset below) {
  (void)topic, (void)partition, (void)below;
  return Error{ErrorCode::kUnsupported, "this store takes out no partitions"};
}

inline Status Store::scan(RecordSink& sink) {
  (void)sink;
  return Error{ErrorCode::kUnsupported, "this store does not hand out all of its records"};
}

inline Status Store::load(std::span<const RecordView> records) {
  for (const RecordView& record : records) {
    if (auto done = put(record); !done) return std::move(done).error();
  }
  return {};
}

}  // namespace push_cache::store
