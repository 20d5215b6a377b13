// The keys that were deleted lately, and the partitions of the records that deleted them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "store/store.h"

namespace push_cache::ingest {

// A key that moved to another partition (see store::is_outdated) may be deleted there, and its
// older record in the former partition may be met after that: in a load, or while that partition
// waits or lags. A store knows nothing of a key that is not there, so its tombstones are
// remembered: some 80 bytes for each key that is deleted. So are, in a compacted topic, the records
// whose type some stores do not take: these lose the key (some 80 bytes for each key and type, of
// topics that have such stores). While no partition is behind, `forget_older` lets go of them in
// the end.
//
// Safe from any thread.
class DeletedKeys {
 public:
  DeletedKeys();

  using Stores = std::vector<store::Store*>;

  // Whether deletions are to be remembered; off at first. Off forgets all.
  void watch(bool on);
  // Remembers them whatever `watch` says, and forgets none, from the first 1 until as many -1.
  void hold(int delta);
  // Call it before the key is erased from `stores`, which must live on; null = from all.
  void remember(const store::RecordView& tombstone, const Stores* stores = nullptr);
  // Those of `stores` in which `record` is outdated by a deletion that is remembered, into `out`.
  // Call it after it was put: then, of a put and a deletion at the same time, one sees the other.
  void outdates(const store::RecordView& record, const Stores& stores, Stores& out) const;
  // Forgets what was remembered before the last call of this; not while a partition is behind. Does
  // nothing while it is held.
  void forget_older();
  // Forgets what records of this topic have deleted.
  void forget(std::uint32_t topic);

 private:
  struct Hash {
    std::uint64_t low;
    std::uint64_t high;
    friend bool operator==(const Hash&, const Hash&) = default;
  };
  struct Low {
    std::size_t operator()(const Hash& hash) const { return hash.low; }
  };
  struct Deletion {
    std::int64_t timestamp_ms;
    Offset offset;
    Partition partition;
    std::uint32_t topic;
    const Stores* stores;      // null = all
    std::uint64_t generation;  // when it was remembered
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    // By a hash of topic and key, of 128 bits that nobody can foresee: no two of a load have the
    // same.
    std::unordered_multimap<Hash, Deletion, Low> deletions;
  };

  Hash hash_of(const store::RecordView& record) const;
  // What tells whether a record of this topic is outdated by the deletion.
  static store::RecordView as_record(const Deletion& deletion) {
    return {.partition = deletion.partition,
            .offset = deletion.offset,
            .timestamp_ms = deletion.timestamp_ms,
            .topic = deletion.topic};
  }

  void set_watching();  // with mutex_

  std::uint64_t seed_;
  std::mutex mutex_;  // guards these two
  bool wanted_ = false;
  int holds_ = 0;
  std::atomic<bool> held_ = false;
  std::atomic<bool> watching_ = false;
  std::atomic<bool> any_ = false;
  std::atomic<std::uint64_t> generation_ = 0;  // calls of `forget_older`
  std::array<Shard, 64> shards_;
};

}  // namespace push_cache::ingest
