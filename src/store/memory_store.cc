#include "store/memory_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/epoch.h"
#include "base/limits.h"
#include "store/arena.h"
#include "store/block.h"
#include "store/digest.h"
#include "store/hash_index.h"
#include "store/hidden_records.h"
#include "store/key_order.h"
#include "store/slabs.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::store {
namespace {

constexpr std::size_t kShards = std::size_t{1} << kShardBits;
// Space to be reused waits for readers in lots, since one barrier serves all of a lot: of a part of
// the shard's records, within these bounds.
constexpr std::size_t kRetiredMin = 32;
constexpr std::size_t kRetiredMax = 256;
constexpr std::size_t kRetiredPart = 32;
constexpr std::size_t kRetiredBytesMax = 256 * 1024;
constexpr std::size_t kBatch = 16;  // lookups that wait for memory together
constexpr std::size_t kRecentOrigins = 8;
// What is done at once of a load: some records for each shard.
constexpr std::size_t kLoadBatch = 2048;
// A load does not come nearer than this to the cap of memory; the rest is put one by one.
constexpr std::size_t kLoadReserveBytes = 4 * 1024 * 1024;
// What a scan holds at once: a writer waits for so many buckets, and replaced records for so many
// keys and bytes.
constexpr std::size_t kScanBuckets = 128;
constexpr std::size_t kScanKeys = 256;
constexpr std::size_t kScanBytes = 256 * 1024;

// What readers may still look at: a block, or a table when the lowest bit is set.
class Retired {
 public:
  explicit Retired(const Block* block) : bits_(reinterpret_cast<std::uintptr_t>(block)) {}
  explicit Retired(HashIndex::Table* table) : bits_(reinterpret_cast<std::uintptr_t>(table) | 1) {}
  Block* block() const { return (bits_ & 1) != 0 ? nullptr : reinterpret_cast<Block*>(bits_); }
  HashIndex::Table* table() const { return reinterpret_cast<HashIndex::Table*>(bits_ - 1); }

 private:
  std::uintptr_t bits_;
};

// Where a record comes from, as blocks have it.
struct Source {
  Origin origin;
  std::uint32_t number = 0;           // 0 = it has none
  PartitionDigest* digest = nullptr;  // null: written through HTTP
};

// The origins that came last: most records have the one of some record before.
using RecentOrigins = std::array<Source, kRecentOrigins>;

struct alignas(64) Shard {
  HashIndex index;
  alignas(64) mutable std::mutex mutex;  // of the writers; guards what follows
  HiddenRecords hidden;
  RecentOrigins recent_origins;
  std::vector<Retired> retired;   // since the last lot
  std::size_t retired_count = 0;  // these two since `reclaim` was last tried
  std::size_t retired_bytes = 0;
  std::vector<Retired> lot;  // waits until readers have passed `lot_epoch`
  std::uint64_t lot_epoch = 0;
  // Written under the lock, read by anyone.
  std::atomic<std::uint64_t> records = 0;
  std::atomic<std::uint64_t> payload_bytes = 0;  // keys and datums
  std::atomic<std::uint64_t> block_bytes = 0;    // and their heads
  std::atomic<std::uint64_t> index_bytes = 0;
};

void add(std::atomic<std::uint64_t>& sum, std::uint64_t delta) {
  sum.store(sum.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
}

class MemoryStore final : public Store, public KeySource {
 public:
  using Store::erase;
  explicit MemoryStore(const MemoryStoreOptions& options)
      : bytes_max_(options.bytes_max),
        hash_mask_(options.hash_bits >= 64 ? ~std::uint64_t{0}
                                           : (std::uint64_t{1} << options.hash_bits) - 1),
        order_(options.ordered ? std::make_unique<KeyOrder>(*this) : nullptr) {
    std::random_device random;  // so that nobody can choose keys whose hashes collide
    seed_ = std::uint64_t{random()} << 32 | random();
  }

  ~MemoryStore() override {
    for (Shard& shard : shards_) {
      free_lot(shard.lot);
      free_lot(shard.retired);
      for (HashIndex* const index : {&shard.index, &shard.hidden.index()}) {
        if (slabs_.large_bytes() > 0) {
          index->for_each([this](const Block& block) {
            if (Slabs::is_large(block.bytes())) free_block(&block);
          });
        }
        if (HashIndex::Table* table = index->detach()) HashIndex::release(arena_, table);
      }
    }
  }

  Result<PutOutcome> put(const RecordView& record) override {
    if (Status fits = check_size(record); !fits) return std::move(fits).error();
    const std::uint64_t hash = hash_of(record.key);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    const auto place = shard.index.locate(hash, KeyIs{record.key});
    if (!place) {
      if (Status added = add_new(shard, hash, record); !added) return std::move(added).error();
      return PutOutcome::kInserted;
    }
    const RecordView shown = place.block->view(origins_);
    if (shown.topic != record.topic || !shard.hidden.empty()) {
      return put_beside(shard, hash, place, record);
    }
    if (is_outdated(record, shown)) return PutOutcome::kOutdated;
    const Source& source = source_of(shard.recent_origins, record);
    replace(shard, place, make_block(source, record, Slabs::Grow::kMay), source, record.offset);
    return PutOutcome::kReplaced;
  }

  void insert(const RecordView& record, InsertSink& sink) override {
    const auto outcome = insert_now(record);
    if (!outcome.ok()) return sink.failed(outcome.error());
    *outcome == PutOutcome::kInserted ? sink.inserted() : sink.exists();
  }

  Result<bool> erase(const RecordView& tombstone) override {
    const std::uint64_t hash = hash_of(tombstone.key);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    return erase_if(shard, hash, tombstone.key, tombstone.topic, [&](const Block& block) {
      return !is_outdated(tombstone, block.view(origins_));
    });
  }

  void take(std::string_view key, const TakeOnly& only, GetSink& sink) override {
    const epoch::Pin pin;  // the block lives on while the sink reads it
    const std::uint64_t hash = hash_of(key);
    Shard& shard = shard_of(hash);
    const Block* block = nullptr;
    std::optional<Error> refused;
    {
      const std::lock_guard lock(shard.mutex);
      if (const auto place = shard.index.locate(hash, KeyIs{key})) {
        block = place.block;
        refused = refusal(*block, only);
        if (!refused) remove(shard, hash, place);
      }
    }
    if (block == nullptr) return sink.absent();
    if (refused) return sink.failed(*refused);
    sink.found(block->view(origins_));
  }

  void get(std::string_view key, GetSink& sink) override {
    const std::uint64_t hash = hash_of(key);
    const epoch::Pin pin;
    const Block* block = shard_of(hash).index.find(hash, KeyIs{key});
    if (block == nullptr) return sink.absent();
    sink.found(block->view(origins_));
  }

  void get_batch(std::span<const std::string_view> keys, std::span<GetSink* const> sinks) override {
    const epoch::Pin pin;
    for (std::size_t from = 0; from < keys.size(); from += kBatch) {
      const std::size_t count = std::min(kBatch, keys.size() - from);
      std::array<std::uint64_t, kBatch> hashes;
      std::array<HashIndex::Probe, kBatch> probes;
      for (std::size_t i = 0; i < count; ++i) {
        hashes[i] = hash_of(keys[from + i]);
        shard_of(hashes[i]).index.prefetch(hashes[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        probes[i] = shard_of(hashes[i]).index.probe(hashes[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        const KeyIs matches{keys[from + i]};
        const Block* block = probes[i].block;
        if (!probes[i].absent && (block == nullptr || !matches(*block))) {
          block = shard_of(hashes[i]).index.find(hashes[i], matches);
        }
        if (block == nullptr) {
          sinks[from + i]->absent();
        } else {
          sinks[from + i]->found(block->view(origins_));
        }
      }
    }
  }

  void prefetch(std::span<const std::string_view> keys) const override {
    const epoch::Pin pin;
    std::array<std::uint64_t, kBatch> hashes;
    for (std::size_t from = 0; from < keys.size(); from += kBatch) {
      const std::size_t count = std::min(kBatch, keys.size() - from);
      for (std::size_t i = 0; i < count; ++i) {
        hashes[i] = hash_of(keys[from + i]);
        shard_of(hashes[i]).index.prefetch(hashes[i]);
      }
      for (std::size_t i = 0; i < count; ++i) {
        (void)shard_of(hashes[i]).index.probe(hashes[i]);
      }
    }
  }

  Result<bool> page(PageStart start, std::size_t keys_max, KeySink& sink) override {
    if (order_ == nullptr) {
      return Error{ErrorCode::kUnsupported, "this store does not keep its keys in order"};
    }
    return order_->page(start, keys_max, sink);
  }

  Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition,
                                        Offset below = kAllOffsets) override {
    const auto goes = [&](const Block& block) {
      const Origin origin = block.origin(origins_);
      return origin.topic == topic && origin.partition == partition.value &&
             (below == kAllOffsets || block.offset(origin) < below);
    };
    std::uint64_t erased = 0;
    std::vector<std::string> keys;
    for (Shard& shard : shards_) {
      for (std::uint64_t at = 0; at < HashIndex::kEnd;) {
        keys.clear();
        at = for_slice(shard, at, [&](const Block& block) {
          if (goes(block)) keys.emplace_back(block.key());
          return true;
        });
        for (const std::string& key : keys) {
          const std::lock_guard lock(shard.mutex);
          erased += erase_if(shard, hash_of(key), key, topic, goes) ? 1 : 0;
        }
      }
    }
    return erased;
  }

  Status scan(RecordSink& sink) override {
    if (order_ != nullptr) {
      scan_in_order(sink);
    } else {
      scan_by_shard(sink);
    }
    return {};
  }

  Status load(std::span<const RecordView> records) override {
    for (const RecordView& record : records) {
      if (Status fits = check_size(record); !fits) return fits;
    }
    const auto batch = std::make_unique<Batch>();
    while (!records.empty()) {
      const std::size_t count = std::min(kLoadBatch, records.size());
      if (Status done = load_batch(*batch, records.first(count)); !done) return done;
      records = records.subspan(count);
    }
    return {};
  }

  void reserve(std::uint64_t records) override {
    // The shards' shares differ by chance: six standard deviations hold for all of them.
    const double mean = static_cast<double>(records) / kShards;
    const auto most = static_cast<std::size_t>(mean + 6 * std::sqrt(mean)) + 1;
    if (is_full(HashIndex().grown_bytes(most) * kShards)) return;
    for (Shard& shard : shards_) {
      const std::lock_guard lock(shard.mutex);
      const std::size_t more = most - std::min(most, shard.index.size());
      if (more > 0 && shard.index.needs_growth(more)) grow_index(shard, shard.index, most);
    }
  }

  std::uint64_t digest(std::uint32_t topic, Partition partition) const override {
    return digests_.sum(topic, partition);
  }

  Counts counts() const override {
    Counts sum;
    for (const Shard& shard : shards_) {
      sum.records += shard.records.load(std::memory_order_relaxed);
      sum.hidden += shard.hidden.count();
      sum.bytes += shard.payload_bytes.load(std::memory_order_relaxed);
    }
    return sum;
  }

  MemoryUse memory() const override {
    MemoryUse use;
    for (const Shard& shard : shards_) {
      use.index += shard.index_bytes.load(std::memory_order_relaxed);
      use.records += shard.block_bytes.load(std::memory_order_relaxed);
    }
    use.order = order_ == nullptr ? 0 : order_->bytes();
    const std::uint64_t all = bytes_used();
    use.slack = all - std::min(all, use.index + use.order + use.records);
    use.max = bytes_max_;
    use.refused = refused_.load(std::memory_order_relaxed);
    return use;
  }

  Status health() const override {
    const std::uint64_t refused = refused_.load(std::memory_order_acquire);
    if (refused == 0) return {};
    return Error{ErrorCode::kFull,
                 "memory_max_bytes is reached: " + std::to_string(refused) +
                     " records with a new key were not taken since the start; raise it and "
                     "restart"};
  }

 private:
  std::optional<Error> refusal(const Block& block, const TakeOnly& only) const {
    const RecordView record = block.view(origins_);
    if (only.record && *only.record != id_of(record)) {
      return Error{ErrorCode::kConflict, std::string(kOfOtherRecord)};
    }
    if (only.topic && *only.topic != record.topic) {
      return Error{ErrorCode::kOtherTopic, std::string(kOfOtherTopic)};
    }
    return std::nullopt;
  }

  struct KeyIs {
    std::string_view key;
    bool operator()(const Block& block) const { return block.key() == key; }
  };

  static Status check_size(const RecordView& record) {
    if (record.key.size() > limits::kKeyBytesMax) {
      return Error{ErrorCode::kTooLarge, "the key has " + std::to_string(record.key.size()) +
                                             " bytes, more than " +
                                             std::to_string(limits::kKeyBytesMax)};
    }
    if (record.datum.size() > limits::kValueBytesMax) {
      return Error{ErrorCode::kTooLarge, "the value has " + std::to_string(record.datum.size()) +
                                             " bytes, more than " +
                                             std::to_string(limits::kValueBytesMax)};
    }
    return {};
  }

  std::uint64_t hash_of(std::string_view key) const {
    return XXH3_64bits_withSeed(key.data(), key.size(), seed_) & hash_mask_;
  }
  static std::size_t shard_number(std::uint64_t hash) { return hash >> (64 - kShardBits); }
  Shard& shard_of(std::uint64_t hash) { return shards_[shard_number(hash)]; }
  const Shard& shard_of(std::uint64_t hash) const { return shards_[shard_number(hash)]; }

  // All memory that is taken, used or not.
  std::uint64_t bytes_used() const {
    return arena_.bytes() + slabs_.large_bytes() + small_tables_.load(std::memory_order_relaxed) +
           (order_ == nullptr ? 0 : order_->bytes());
  }
  bool is_full(std::uint64_t more = 0) const {
    return bytes_max_ != 0 && bytes_used() + more >= bytes_max_;
  }

  // What follows is called with the shard's lock held.

  const Source& source_of(RecentOrigins& recent, const RecordView& record) {
    const Origin origin = Block::origin_of(record);
    Source& known = recent[static_cast<std::uint32_t>(origin.partition) % kRecentOrigins];
    if (known.number == 0 || known.origin != origin) {
      const std::uint32_t number = origins_.number(origin);
      known = {origin, number,
               number != 0 ? origins_.at(number).digest
                           : digests_.at(origin.topic, Partition(origin.partition))};
    }
    return known;
  }
  Source source_of(const Block& block) {
    const std::uint32_t number = block.origin_number();
    if (number != 0) {
      const NumberedOrigin& known = origins_.at(number);
      return {known.origin, number, known.digest};
    }
    const Origin origin = block.origin(origins_);
    return {origin, 0, digests_.at(origin.topic, Partition(origin.partition))};
  }

  // Null when it would need more memory and must not take it.
  const Block* make_block(const Source& source, const RecordView& record, Slabs::Grow grow) {
    void* place = slabs_.allocate(Block::bytes_for(record, source.number), grow);
    return place == nullptr ? nullptr : Block::write(place, record, source.number);
  }

  // kInserted, or kOutdated when the key is there.
  Result<PutOutcome> insert_now(const RecordView& record) {
    if (Status fits = check_size(record); !fits) return std::move(fits).error();
    const std::uint64_t hash = hash_of(record.key);
    Shard& shard = shard_of(hash);
    const std::lock_guard lock(shard.mutex);
    if (shard.index.locate(hash, KeyIs{record.key})) return PutOutcome::kOutdated;
    if (Status added = add_new(shard, hash, record); !added) return std::move(added).error();
    return PutOutcome::kInserted;
  }

  // A block for a record of a topic and key that are new here; null when the cap of memory forbids
  // it. Then there is room for it in `index`, which is where it belongs.
  const Block* make_new(Shard& shard, HashIndex& index, const Source& source,
                        const RecordView& record) {
    const bool grows = index.needs_growth();
    const bool full = is_full(grows ? index.grown_bytes() : 0);
    const Block* block =
        full && grows
            ? nullptr
            : make_block(source, record, full ? Slabs::Grow::kMustNot : Slabs::Grow::kMay);
    if (block == nullptr) {
      refused_.fetch_add(1, std::memory_order_release);
    } else if (grows) {
      grow_index(shard, index);
    }
    return block;
  }
  Error full() const {
    return {ErrorCode::kFull, "the store has reached its memory_max_bytes of " +
                                  std::to_string(bytes_max_) + " bytes and takes no new key"};
  }

  Status add_new(Shard& shard, std::uint64_t hash, const RecordView& record) {
    const Source& source = source_of(shard.recent_origins, record);
    const Block* block = make_new(shard, shard.index, source, record);
    if (block == nullptr) return full();
    const bool twin = order_ != nullptr && has_twin(shard, hash);
    shard.index.insert(hash, block);
    if (order_ != nullptr) order_->insert(hash, record.key, twin);
    add(shard.records, 1);
    count_added(shard, block, source, record.offset);
    return {};
  }

  // `source` and `offset` are those of `block`, here and below.
  void replace(Shard& shard, const HashIndex::Place& place, const Block* block,
               const Source& source, Offset offset) {
    HashIndex::replace(place, block);
    count_replaced(shard, place.block, block, source, offset);
    retire(shard, place.block);
  }

  void count_added(Shard& shard, const Block* block, const Source& source, Offset offset) {
    if (source.digest != nullptr) source.digest->add(source.digest->of(offset));
    add(shard.payload_bytes, block->payload_bytes());
    add(shard.block_bytes, block->bytes());
  }

  void count_replaced(Shard& shard, const Block* before, const Block* block, const Source& source,
                      Offset offset) {
    const Source old = source_of(*before);
    const std::uint64_t gone =
        old.digest == nullptr ? 0 : old.digest->of(before->offset(old.origin));
    if (source.digest != nullptr) {
      const std::uint64_t come = source.digest->of(offset);
      source.digest->add(old.digest == source.digest ? come - gone : come);
    }
    if (old.digest != nullptr && old.digest != source.digest) old.digest->add(0 - gone);
    add(shard.payload_bytes, block->payload_bytes() - before->payload_bytes());
    add(shard.block_bytes, block->bytes() - before->bytes());
  }

  // --- Keys of several topics ---

  // A `put` of a record whose key is there, shown at `place`: of another topic, or perhaps of
  // several.
  Result<PutOutcome> put_beside(Shard& shard, std::uint64_t hash, const HashIndex::Place& place,
                                const RecordView& record) {
    const HashIndex::Place old = own_place(shard, hash, place, record);
    if (old && is_outdated(record, old.block->view(origins_))) return PutOutcome::kOutdated;
    const Source& source = source_of(shard.recent_origins, record);
    const Block* block = old ? make_block(source, record, Slabs::Grow::kMay)
                             : make_new(shard, shard.hidden.index(), source, record);
    if (block == nullptr) return full();
    set_beside(shard, hash, place, old, block, source, record.offset);
    return old ? PutOutcome::kReplaced : PutOutcome::kInserted;
  }

  // Where the record of the topic of `record` and of its key is, which is shown at `place`.
  HashIndex::Place own_place(const Shard& shard, std::uint64_t hash, const HashIndex::Place& place,
                             const RecordView& record) const {
    return place.block->origin(origins_).topic == record.topic
               ? place
               : shard.hidden.find(origins_, hash, record.key, record.topic);
  }

  // Puts `block` into the place of `old`, the record of its topic and key if there is one, and
  // shows of the key's records the one that is to be shown. Readers see that in one step. Without
  // `old` there must be room among the hidden ones.
  void set_beside(Shard& shard, std::uint64_t hash, const HashIndex::Place& place,
                  const HashIndex::Place& old, const Block* block, const Source& source,
                  Offset offset) {
    const RecordView now = block->view(origins_);
    if (old.word == place.word) {
      const HashIndex::Place rival = shard.hidden.best(origins_, hash, now.key);
      if (rival && is_shown_over(rival.block->view(origins_), now)) {
        HashIndex::replace(place, rival.block);
        HashIndex::replace(rival, block);
      } else {
        HashIndex::replace(place, block);
      }
    } else {
      const bool shows = is_shown_over(now, place.block->view(origins_));
      const Block* below = shows ? place.block : block;
      // Before it is shown: who reads without the lock sees that there is something hidden.
      if (old) {
        HashIndex::replace(old, below);
      } else {
        shard.hidden.insert(hash, below);
      }
      if (shows) HashIndex::replace(place, block);
    }
    if (!old) return count_added(shard, block, source, offset);
    count_replaced(shard, old.block, block, source, offset);
    retire(shard, old.block);
  }

  // Removes the record of this topic and key when `goes(block)` says so.
  template <typename Goes>
  bool erase_if(Shard& shard, std::uint64_t hash, std::string_view key, std::uint32_t topic,
                const Goes& goes) {
    const auto place = shard.index.locate(hash, KeyIs{key});
    if (!place) return false;
    if (place.block->origin(origins_).topic == topic) {
      if (!goes(*place.block)) return false;
      remove(shard, hash, place);
      return true;
    }
    const auto hidden = shard.hidden.find(origins_, hash, key, topic);
    if (!hidden || !goes(*hidden.block)) return false;
    remove_hidden(shard, hidden);
    count_removed(shard, hidden.block);
    return true;
  }

  void remove_hidden(Shard& shard, const HashIndex::Place& hidden) {
    shard.hidden.remove(hidden, [this](const Block& block) { return hash_of(block.key()); });
  }

  // Whether another key has the very same hash: next to never, but then the order must know.
  bool has_twin(const Shard& shard, std::uint64_t hash) const {
    return static_cast<bool>(
        shard.index.locate(hash, [&](const Block& block) { return hash_of(block.key()) == hash; }));
  }

  // `index`: the shard's, or that of its hidden records.
  void grow_index(Shard& shard, HashIndex& index, std::size_t keys = 0) {
    const std::uint64_t before = index.bytes();
    HashIndex::Table* old = index.grow(
        arena_, [this](const Block& block) { return hash_of(block.key()); }, keys);
    const std::uint64_t now = index.bytes();
    add(shard.index_bytes, now - before);
    if (now < Arena::kPageBytes) small_tables_.fetch_add(now, std::memory_order_relaxed);
    if (old == nullptr) return;
    if (before < Arena::kPageBytes) small_tables_.fetch_sub(before, std::memory_order_relaxed);
    if (&index != &shard.index) return HashIndex::release(arena_, old);  // no reader looks there
    shard.retired.emplace_back(old);
    // While a store fills up nothing else would give a large one back.
    retired(shard, before >= Arena::kPageBytes ? kRetiredBytesMax : before);
  }

  // Removes the record that is shown at `place`; the next one of its key, if any, is shown then.
  void remove(Shard& shard, std::uint64_t hash, const HashIndex::Place& place) {
    const HashIndex::Place next = shard.hidden.empty()
                                      ? HashIndex::Place()
                                      : shard.hidden.best(origins_, hash, place.block->key());
    if (next) {
      HashIndex::replace(place, next.block);
      remove_hidden(shard, next);
    } else {
      if (order_ != nullptr) order_->erase(hash, place.block->key());
      shard.index.remove(place, [this](const Block& block) { return hash_of(block.key()); });
      add(shard.records, std::uint64_t(0) - 1);
    }
    count_removed(shard, place.block);
  }

  // Of a record that no index has any more: its space is used again once no reader looks at it.
  void count_removed(Shard& shard, const Block* block) {
    const Source source = source_of(*block);
    if (source.digest != nullptr) {
      source.digest->add(0 - source.digest->of(block->offset(source.origin)));
    }
    add(shard.payload_bytes, std::uint64_t(0) - block->payload_bytes());
    add(shard.block_bytes, std::uint64_t(0) - block->bytes());
    retire(shard, block);
  }

  void retire(Shard& shard, const Block* block) {
    shard.retired.emplace_back(block);
    retired(shard, block->bytes());
  }

  void retired(Shard& shard, std::size_t bytes) {
    shard.retired_bytes += bytes;
    const std::size_t lot = std::clamp(shard.index.size() / kRetiredPart, kRetiredMin, kRetiredMax);
    if (++shard.retired_count >= lot || shard.retired_bytes >= kRetiredBytesMax) reclaim(shard);
  }

  void reclaim(Shard& shard) {
    const epoch::Advance now = epoch::advance();
    shard.retired_count = shard.retired_bytes = 0;
    if (!shard.lot.empty()) {
      if (now.safe < shard.lot_epoch)
        return;  // a reader is long at it; more will have come by then
      free_lot(shard.lot);
    }
    shard.lot.swap(shard.retired);
    shard.lot_epoch = now.epoch;
    if (now.safe >= now.epoch) free_lot(shard.lot);
  }

  void free_lot(std::vector<Retired>& lot) {
    for (const Retired one : lot) {
      if (const Block* block = one.block()) {
        free_block(block);
      } else {
        HashIndex::release(arena_, one.table());
      }
    }
    lot.clear();
  }

  void free_block(const Block* block) { slabs_.release(const_cast<Block*>(block), block->bytes()); }

  // --- Loading ---

  struct Batch {
    std::array<std::uint64_t, kLoadBatch> hashes;
    std::array<std::uint32_t, kLoadBatch> sizes;
    std::array<void*, kLoadBatch> places;
    std::array<std::uint16_t, kLoadBatch> by_shard;  // numbers of records
    std::array<bool, kLoadBatch> is_new;
    std::vector<std::uint16_t> left;  // for want of memory; to be put one by one
    std::vector<KeyOrder::Entry> entries;
    RecentOrigins recent_origins = {};
  };

  // Each lock is taken once: of the size classes, of the shards, of the order.
  Status load_batch(Batch& batch, std::span<const RecordView> records) {
    std::array<std::uint32_t, kShards + 1> ends = {};
    std::uint64_t bytes = kLoadReserveBytes;
    for (std::size_t i = 0; i < records.size(); ++i) {
      batch.hashes[i] = hash_of(records[i].key);
      ++ends[shard_number(batch.hashes[i]) + 1];
      const Source& source = source_of(batch.recent_origins, records[i]);
      batch.sizes[i] = static_cast<std::uint32_t>(Block::bytes_for(records[i], source.number));
      bytes += batch.sizes[i];
    }
    if (is_full(bytes)) {
      for (const RecordView& record : records) {
        if (auto done = put(record); !done) return std::move(done).error();
      }
      return {};
    }
    slabs_.allocate_many({batch.sizes.data(), records.size()},
                         {batch.places.data(), records.size()});
    for (std::size_t i = 0; i < records.size(); ++i) {
      Block::write(batch.places[i], records[i], source_of(batch.recent_origins, records[i]).number);
    }
    for (std::size_t i = 1; i < ends.size(); ++i) ends[i] += ends[i - 1];
    for (std::uint16_t i = 0; i < records.size(); ++i) {
      batch.by_shard[ends[shard_number(batch.hashes[i])]++] = i;
    }
    batch.left.clear();
    batch.is_new.fill(false);
    for (std::size_t shard = 0, from = 0; shard < kShards; from = ends[shard++]) {
      if (from < ends[shard]) {
        load_group(batch, shards_[shard], records,
                   {batch.by_shard.data() + from, ends[shard] - from});
      }
    }
    if (order_ != nullptr) {
      batch.entries.clear();
      for (std::size_t i = 0; i < records.size(); ++i) {
        if (batch.is_new[i]) batch.entries.push_back({batch.hashes[i], records[i].key});
      }
      order_->insert_many(batch.entries);
    }
    for (const std::uint16_t i : batch.left) {
      if (auto done = put(records[i]); !done) return std::move(done).error();
    }
    return {};
  }

  // The records `numbers`, all of this shard.
  void load_group(Batch& batch, Shard& shard, std::span<const RecordView> records,
                  std::span<const std::uint16_t> numbers) {
    const std::lock_guard lock(shard.mutex);
    if (shard.index.needs_growth(numbers.size())) {
      const std::size_t keys = shard.index.size() + numbers.size();
      if (is_full(shard.index.grown_bytes(keys))) {
        for (const std::uint16_t i : numbers) {
          free_block(static_cast<const Block*>(batch.places[i]));
          batch.left.push_back(i);
        }
        return;
      }
      grow_index(shard, shard.index, keys);
    }
    for (const std::uint16_t i : numbers) shard.index.prefetch(batch.hashes[i]);
    std::uint64_t added = 0, payload = 0, bytes = 0;
    for (const std::uint16_t i : numbers) {
      const RecordView& record = records[i];
      const std::uint64_t hash = batch.hashes[i];
      const auto* block = static_cast<const Block*>(batch.places[i]);
      const Source& source = source_of(batch.recent_origins, record);
      const bool twin = has_twin(shard, hash);
      if (twin) {
        if (const auto place = shard.index.locate(hash, KeyIs{record.key})) {
          load_again(shard, hash, place, block, source, record);
          continue;
        }
      }
      shard.index.insert(hash, block);
      if (twin && order_ != nullptr) order_->insert(hash, record.key, true);
      batch.is_new[i] = !twin;
      if (source.digest != nullptr) source.digest->add(source.digest->of(record.offset));
      ++added;
      payload += block->payload_bytes();
      bytes += block->bytes();
    }
    add(shard.records, added);
    add(shard.payload_bytes, payload);
    add(shard.block_bytes, bytes);
  }

  // A record whose key is there.
  void load_again(Shard& shard, std::uint64_t hash, const HashIndex::Place& place,
                  const Block* block, const Source& source, const RecordView& record) {
    const HashIndex::Place old = own_place(shard, hash, place, record);
    HashIndex& hidden = shard.hidden.index();
    if (!old && hidden.needs_growth()) grow_index(shard, hidden);
    set_beside(shard, hash, place, old, block, source, record.offset);
  }

  // --- Scanning ---

  // Calls `take(block)` for the blocks of a shard, shown or not, whose keys stand at `from` or
  // behind it, until it returns false or there were some hundred; gives where to go on. The shard's
  // lock is held only to collect them, and a Pin while they are looked at.
  template <typename Take>
  std::uint64_t for_slice(Shard& shard, std::uint64_t from, const Take& take) {
    const std::uint64_t records = shard.records.load(std::memory_order_relaxed);
    const std::uint64_t mean =
        records == 0 ? 1 : shard.payload_bytes.load(std::memory_order_relaxed) / records + 1;
    const epoch::Pin pin;
    std::vector<const Block*> blocks;
    const auto keep = [&blocks](const Block& block) { blocks.push_back(&block); };
    std::uint64_t end = 0;
    {
      const std::lock_guard lock(shard.mutex);
      const std::size_t buckets = std::clamp<std::size_t>(kScanBytes / 4 / mean, 1, kScanBuckets);
      end = shard.index.collect(from, buckets, keep);
      if (!shard.hidden.empty())
        end = std::min(end, shard.hidden.index().collect(from, buckets, keep));
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i + kBatch < blocks.size()) {
        __builtin_prefetch(blocks[i + kBatch]);
        __builtin_prefetch(reinterpret_cast<const char*>(blocks[i + kBatch]) + 64);
      }
      const std::uint64_t position = HashIndex::position(hash_of(blocks[i]->key()));
      if (position >= from && position < end && !take(*blocks[i])) return HashIndex::kEnd;
    }
    return end;
  }

  void scan_by_shard(RecordSink& sink) {
    bool wanted = true;
    for (Shard& shard : shards_) {
      for (std::uint64_t at = 0; at < HashIndex::kEnd;) {
        at = for_slice(shard, at, [&](const Block& block) {
          return wanted = sink.record(block.view(origins_));
        });
        if (!wanted || !sink.pause()) return;
      }
    }
  }

  // Keys that were copied, since the order may change before their records are looked at.
  struct Keys final : KeySink {
    std::string texts;
    std::vector<std::size_t> ends;
    bool key(std::string_view text) override {
      texts.append(text);
      ends.push_back(texts.size());
      return texts.size() < kScanBytes;
    }
    std::string_view at(std::size_t i) const {
      const std::size_t from = i == 0 ? 0 : ends[i - 1];
      return {texts.data() + from, ends[i] - from};
    }
  };

  void scan_in_order(RecordSink& sink) {
    Keys keys;
    std::string after;
    for (bool more = true, first = true; more; first = false) {
      keys.texts.clear();
      keys.ends.clear();
      more = order_->page({.after = after, .from_start = first}, kScanKeys, keys);
      if (keys.ends.empty()) return;
      for (std::size_t at = 0; at < keys.ends.size();) {
        const bool wanted = visit(keys, at, sink);
        if (!wanted || !sink.pause()) return;
      }
      after = keys.at(keys.ends.size() - 1);
    }
  }

  // Hands out the records of the keys from `at`, up to kScanBytes of them, and moves `at`.
  bool visit(const Keys& keys, std::size_t& at, RecordSink& sink) {
    const epoch::Pin pin;
    std::size_t bytes = 0;
    std::vector<const Block*> blocks;
    while (at < keys.ends.size() && bytes < kScanBytes) {
      const std::size_t count = std::min(kBatch, keys.ends.size() - at);
      std::array<std::uint64_t, kBatch> hashes;
      for (std::size_t i = 0; i < count; ++i) hashes[i] = hash_of(keys.at(at + i));
      for (std::size_t i = 0; i < count; ++i) (void)shard_of(hashes[i]).index.probe(hashes[i]);
      for (std::size_t i = 0; i < count && bytes < kScanBytes; ++i, ++at) {
        blocks.clear();
        collect_records(hashes[i], keys.at(at), blocks);
        for (const Block* block : blocks) {
          bytes += block->bytes();
          if (!sink.record(block->view(origins_))) return false;
        }
      }
    }
    return true;
  }

  // All records of a key, those that are not shown too; none when it was erased meanwhile.
  void collect_records(std::uint64_t hash, std::string_view key,
                       std::vector<const Block*>& out) const {
    const Shard& shard = shard_of(hash);
    const std::uint64_t changes = shard.hidden.changes();
    const auto nothing_hidden = [&] {
      return shard.hidden.empty() && shard.hidden.changes() == changes;
    };
    if (nothing_hidden()) {
      const Block* block = shard.index.find(hash, KeyIs{key});
      if (nothing_hidden()) {
        if (block != nullptr) out.push_back(block);
        return;
      }
    }
    const std::lock_guard lock(shard.mutex);
    if (const auto place = shard.index.locate(hash, KeyIs{key})) out.push_back(place.block);
    shard.hidden.for_each_of(hash, key, [&out](const Block& block) { out.push_back(&block); });
  }

  // --- KeySource ---

  void find_keys(std::span<const std::uint64_t> hashes,
                 std::span<std::string_view> keys) const override {
    if (hashes.size() > 1) {
      for (const std::uint64_t hash : hashes) shard_of(hash).index.prefetch(hash);
      for (const std::uint64_t hash : hashes) (void)shard_of(hash).index.probe(hash);
    }
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      const std::uint64_t hash = hashes[i];
      const Block* block = shard_of(hash).index.find(hash, [&](const Block& candidate) {
        const std::string_view key = candidate.key();
        return hash_of(key) == hash && !order_->is_twin(key);
      });
      keys[i] = block->key();
    }
  }

  const std::uint64_t bytes_max_;
  const std::uint64_t hash_mask_;
  std::uint64_t seed_ = 0;
  Arena arena_;
  Slabs slabs_{arena_};
  Digests digests_;
  Origins origins_{digests_};
  std::array<Shard, kShards> shards_;
  std::unique_ptr<KeyOrder> order_;
  std::atomic<std::uint64_t> small_tables_ = 0;  // bytes of tables that are not in the arena
  std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace

std::unique_ptr<Store> make_memory_store(const MemoryStoreOptions& options) {
  return std::make_unique<MemoryStore>(options);
}

}  // namespace push_cache::store
