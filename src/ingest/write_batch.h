// Records on their way to stores that take many at once: one thread's.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "base/error.h"
#include "ingest/record_reader.h"
#include "store/store.h"

namespace push_cache::ingest {

// Collects what records do and hands it to the stores of the applier's targets. One thread. Records
// of one key must all go through one batch, or through several in turn: a store orders those that
// are under way at the same time by their offsets.
class WriteBatch final : public RecordReader {
 public:
  // `shared` must outlive it.
  explicit WriteBatch(Applier& shared);

  // Adds what the record does, whose key and value must live until the batch is empty again. `tag`
  // is the caller's name for it. kBad: as ApplyLane's, stores that can take it get it all the same.
  Outcome add(const Incoming& record, std::size_t tag);
  // After kWaitsForSchema: adds the record as it is, where all stores of its topic take any schema.
  // Whoever reads it there needs the schema. False when that can't be.
  bool add_unread(const Incoming& record, std::size_t tag);
  bool empty() const { return items_.empty(); }
  std::size_t records() const { return items_.size(); }
  std::size_t bytes() const { return bytes_; }

  enum class Step {
    kDone,      // all is acknowledged and counted, and the batch is empty
    kTooLarge,  // a store can never take `too_large`, which is bad and taken out; call again
    kFailed,    // a store did not take some, see `store_error`; call again, later
  };
  // Hands to the stores what they have not acknowledged yet. Blocks as long as they do.
  Step write();
  struct TooLarge {
    Incoming record;
    std::size_t tag = 0;
    bool was_bad = false;  // for another reason, told by `add`
  };
  const TooLarge& too_large() const { return too_large_; }
  const Error& store_error() const { return store_error_; }

  // Whether something of this partition is not acknowledged.
  bool waits(kafka::TopicPartition at) const;
  // Forgets what is not acknowledged of this partition, and counts nothing of it.
  void drop(kafka::TopicPartition at);
  void drop_all();

 private:
  struct Item {
    Incoming record;
    std::size_t tag = 0;
    std::string_view key = {};  // as text
    bool counts = true;         // false: it is bad, or dropped
    bool unrouted = false;
    bool outdated = false;
    bool changed_type = false;  // took its key out of a store that does not take its type
  };
  // What goes to one store: `items[i]` is the number of the i-th write's item.
  struct Lot {
    store::Store* store;
    std::vector<store::Write> writes = {};
    std::vector<std::uint32_t> items = {};
  };

  void add_write(store::Store* store, const store::Write& write);
  void take_outcomes(Lot& lot);
  // Of a record that is no tombstone: for a store that does not take its type.
  bool is_for_other(const store::Write& write, std::uint32_t item) const {
    return write.tombstone && items_[item].record.value.has_value();
  }
  void take_out(std::uint32_t item, const Lot& refused_by);
  void took_the_place(const Item& item);
  void finish();
  static bool of(const Incoming& record, kafka::TopicPartition at) {
    return record.topic == at.topic && record.partition == at.partition;
  }

  std::vector<Lot> lots_;  // one for each target
  std::vector<Item> items_;
  std::deque<std::string> keys_;  // those that are not in their records
  std::vector<store::WriteOutcome> outcomes_;
  std::size_t bytes_ = 0;
  TooLarge too_large_;
  Error store_error_;
};

}  // namespace push_cache::ingest
