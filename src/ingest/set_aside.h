// The records whose schema is not known yet, which their partitions do not wait for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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

// One that is set aside. Immutable.
struct SetAsideRecord {
  kafka::RecordCopy record;
  std::optional<std::string> key;  // as text; nothing while the schema of the key is not known
  std::vector<std::string> possible_keys = {};  // without `key`: what it may be; empty = anything
  SchemaId waits_for = kNotRead;
  // Of one that a snapshot brought: nobody has looked at it yet.
  static constexpr SchemaId kNotRead{-1};
  // It was found to be bad and is kept until its dead letter is acknowledged: no reader is told of
  // it.
  bool settled = false;
  bool schema_of_key = false;  // `waits_for` is the schema of its key, not of its value
  std::int64_t since_ms = 0;   // wall clock
};

// The keys that a wire-format key with this datum may be, whatever its schema: the texts of the
// common ones (a string, bytes, an int, a long, a boolean, a UUID, a union of one of the first four
// with null, a record with such a field alone). Empty: nothing can be said.
std::vector<std::string> possible_keys(Bytes datum);

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
  // Whether one more of so many bytes fits.
  bool has_room(std::size_t bytes) const;
  // Keeps a record, in the place of what was kept of its offset. An older one of the same key and
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
    bool settled = false;
  };
  // All of a partition, by their offsets.
  std::vector<Wait> of(kafka::TopicPartition at) const;
  std::size_t count_of(kafka::TopicPartition at) const;
  std::shared_ptr<const SetAsideRecord> find(kafka::TopicPartition at, Offset offset) const;
  // The first ones, by topic, partition and offset.
  std::vector<std::shared_ptr<const SetAsideRecord>> list(std::size_t max) const;

  struct Counts {
    std::size_t records = 0;
    std::size_t bytes = 0;
    std::uint64_t total = 0;  // since the start
  };
  Counts counts() const;

 private:
  using Records = std::map<Offset, std::shared_ptr<const SetAsideRecord>>;

  // Both with mutex_.
  void tell_keys(const SetAsideRecord& record, std::vector<store::UnreadKeys::Place>* gone);
  void take_back_keys(const SetAsideRecord& record);
  void drop(kafka::TopicPartition at, Offset offset);

  store::UnreadKeys& keys_;
  DeletedKeys& deletions_;
  std::atomic<std::size_t> records_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::map<kafka::TopicPartition, Records> partitions_;
  std::size_t bytes_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace push_cache::ingest
