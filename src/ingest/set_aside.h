// The records whose schema is not known yet, which their partitions do not wait for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/types.h"
#include "ingest/deleted_keys.h"
#include "kafka/message.h"
#include "store/store.h"
#include "store/unread_keys.h"

namespace push_cache::ingest {

// What a wire-format key may be whose schema is not known.
struct PossibleKeys {
  std::vector<std::string> texts;
  bool any = true;  // it may be another one as well
};

// The texts of a key with this datum in the common schemas: a string, bytes, an int, a long, a
// boolean, a UUID, a union of one of the first four with null, a record with such a field alone.
// Where they are long enough to be no accident, it is taken to be one of them.
PossibleKeys possible_keys(Bytes datum);

// One that is set aside. Immutable.
struct SetAsideRecord {
  kafka::RecordCopy record;
  std::optional<std::string> key;   // as text; nothing while the schema of the key is not known
  PossibleKeys possible_keys = {};  // without `key`: what it may be
  SchemaId waits_for = kNotRead;
  // Of one that a snapshot brought: nobody has looked at it yet.
  static constexpr SchemaId kNotRead{std::numeric_limits<std::int32_t>::min()};
  // It was given up as bad, since its schema is of no use. It is kept all the same, as long as
  // there is room: a schema may come late, and a process that starts then applies the record. No
  // reader is told of it here.
  bool given_up = false;
  bool letter_waits = false;   // and is not to be dropped before its dead letter is acknowledged
  bool schema_of_key = false;  // `waits_for` is the schema of its key, not of its value
  std::int64_t since_ms = 0;   // wall clock
};

// Keeps such records within bounds, by their partitions, and their keys where readers find them
// (store::UnreadKeys). What is kept here is applied by the lane of its partition once its schema is
// known, when a later record of the key may have been applied: stores and DeletedKeys tell.
//
// Safe from any thread. Both of the constructor must outlive it.
class SetAside {
 public:
  SetAside(store::UnreadKeys& keys, DeletedKeys& deletions) : keys_(keys), deletions_(deletions) {}

  // Whether there is anything. Takes no lock.
  bool any() const { return records_.load(std::memory_order_acquire) != 0; }
  // Whether one more of so many bytes fits; drops some that were given up when that helps.
  bool make_room(std::size_t bytes);
  // Keeps a record, in the place of what was kept of its offset. An older one of its key and
  // schema goes.
  void add(SetAsideRecord record);

  // A record was applied, to stores that take its topic: what it takes the place of goes (see
  // UnreadKeys::replace).
  void replace(const store::RecordView& came, bool tombstone, bool sole);
  // It needs no keeping any more.
  void remove(kafka::TopicPartition at, Offset offset);
  void erase(kafka::TopicPartition at, Offset below);

  struct Wait {
    Offset offset{0};
    SchemaId schema{0};
    bool given_up = false;
    bool letter_waits = false;
  };
  // All of a partition, by their offsets.
  std::vector<Wait> of(kafka::TopicPartition at) const;
  std::size_t count_of(kafka::TopicPartition at) const;
  // Whether one of the partition's still waits, and was not given up.
  bool waits(kafka::TopicPartition at) const;
  std::shared_ptr<const SetAsideRecord> find(kafka::TopicPartition at, Offset offset) const;
  // The first ones, by topic, partition and offset, with those given up.
  std::vector<std::shared_ptr<const SetAsideRecord>> list(std::size_t max) const;

  struct Counts {
    std::size_t records = 0;  // but those given up
    std::size_t given_up = 0;
    std::size_t bytes = 0;    // of all
    std::uint64_t total = 0;  // records since the start
  };
  Counts counts() const;

 private:
  using Records = std::map<Offset, std::shared_ptr<const SetAsideRecord>>;

  // Both with mutex_.
  void tell_keys(const SetAsideRecord& record, std::vector<store::UnreadKeys::Place>* gone);
  // All but those that `next` tells just so.
  void take_back_keys(const SetAsideRecord& record, const SetAsideRecord* next = nullptr);
  void drop(kafka::TopicPartition at, Offset offset);
  bool drop_given_up();
  bool fits(std::size_t bytes) const;

  store::UnreadKeys& keys_;
  DeletedKeys& deletions_;
  std::atomic<std::size_t> records_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::map<kafka::TopicPartition, Records> partitions_;
  std::size_t given_up_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace push_cache::ingest
