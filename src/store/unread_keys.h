// The keys whose last record cannot be shown: its schema is not known yet, or it is bad.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "store/store.h"

namespace push_cache::store {

// What lies beside stores that one ingest fills. Such a key exists, so that "absent" would be
// false, and what a store has of it may not be its last value. Each record is told by its topic,
// partition and offset; of each only the key is here, the rest is with the ingest.
//
// Safe from any thread. A reader asks `find` first and its store then: who puts a record into a
// store does so before it takes it out here, so that a reader never misses both.
class UnreadKeys {
 public:
  enum class Kind : std::uint8_t {
    kSetAside,    // its schema is not known yet
    kMayBeOfKey,  // the schema of its key is not known yet either, and this may be the key
    kBad,         // it is for good of no use
  };
  struct Record {
    Kind kind = Kind::kSetAside;
    std::uint32_t topic = 0;
    Partition partition{0};
    Offset offset{0};
    std::int64_t timestamp_ms = -1;
    SchemaId schema{0};
    // Of kBad: which of the stores it concerns, by their numbers; empty = all that take the topic.
    std::vector<std::uint32_t> stores = {};
    std::vector<std::uint32_t> forgotten = {};  // of kBad: stores that tell it no more
    friend bool operator==(const Record&, const Record&) = default;

    RecordView view(std::string_view key) const {
      return {.key = key,
              .datum = {},
              .schema = schema,
              .partition = partition,
              .offset = offset,
              .timestamp_ms = timestamp_ms,
              .topic = topic};
    }
  };
  struct Place {
    std::uint32_t topic = 0;
    Partition partition{0};
    Offset offset{0};
  };

  // --- for readers ---

  // Whether there is anything at all. Takes no lock.
  bool any() const { return records_.load(std::memory_order_acquire) != 0; }
  struct Found {
    // Of those set aside the one that would be shown over the others.
    std::optional<Record> set_aside;
    bool bad = false;
    // A record is set aside whose key can be any.
    bool any_key = false;
  };
  // Whether what is set aside, and not `shown`, would be what a store shows of the key.
  static bool is_shown_over(const Record& set_aside, const RecordView& shown) {
    const RecordView view = set_aside.view(shown.key);
    return view.topic == shown.topic ? !is_outdated(view, shown)
                                     : store::is_shown_over(view, shown);
  }
  // What there is of `key` for a store: its number, and the topics it takes (empty = all).
  Found find(std::string_view key, std::uint32_t store, const std::vector<bool>& topics) const;
  // A record of the topic and key was removed from the store through HTTP: what is bad of it is not
  // told any more of this store.
  void forget_bad(std::string_view key, std::uint32_t store, std::uint32_t topic);

  // --- for the ingest ---

  // Adds a record in the place of an older one of its topic, key, kind and schema, or, with `sole`
  // (see `replace`), of any schema; its place goes to `gone`. Of kBad: one that concerns the same
  // stores, and false when there is no room (limits::kBadKeysMax, kBadKeysBytesMax).
  bool add(std::string_view key, Record record, bool sole = false,
           std::vector<Place>* gone = nullptr);
  // A record that is set aside and can be of any key, one more (1) or less (-1).
  void count_any_key(std::uint32_t topic, int delta);
  // `came` was applied: what it takes the place of goes, and their places are added to `gone`.
  // `tombstone`, or `sole` (no record of another type stays beside it): all that is not later; else
  // what is of the same schema, and what is bad and of an unknown one.
  void replace(const RecordView& came, bool tombstone, bool sole, std::vector<Place>& gone);
  // Removes what is of this kind, schema and place.
  void remove(std::string_view key, const Record& record);
  // Whether what is of this place is told to be bad.
  bool is_bad(std::string_view key, const Place& place) const;
  // Removes what came from the partition and has a lower offset.
  void erase(std::uint32_t topic, Partition partition, Offset below);

  struct Counts {
    std::size_t bad = 0;
    std::uint64_t bad_dropped = 0;  // since the start, for want of room
    bool full = false;              // no more of a long key, at least, can be added
  };
  Counts counts() const;
  // Hands out all that are bad, shard by shard; `take` must not call this object.
  void for_each_bad(const std::function<void(std::string_view, const Record&)>& take) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>{}(key);
    }
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, std::vector<Record>, Hash, std::equal_to<>> keys;
  };

  const Shard& shard_of(std::string_view key) const {
    return shards_[Hash{}(key) % shards_.size()];
  }
  Shard& shard_of(std::string_view key) { return shards_[Hash{}(key) % shards_.size()]; }
  // Removes those of a key that `goes` names; with the shard's lock.
  template <typename Goes>
  void remove_if(Shard& shard, std::string_view key, const Goes& goes);
  template <typename Goes>
  std::size_t remove_some(std::string_view key, std::vector<Record>& records, const Goes& goes);

  std::array<Shard, 16> shards_;
  std::atomic<std::size_t> records_ = 0;  // with those of any key
  std::atomic<std::size_t> bad_ = 0;
  std::atomic<std::size_t> bad_bytes_ = 0;
  std::atomic<std::uint64_t> bad_dropped_ = 0;
  mutable std::mutex any_key_mutex_;
  std::unordered_map<std::uint32_t, std::size_t> any_key_;  // by topic
};

}  // namespace push_cache::store
