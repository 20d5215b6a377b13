#include "store/memory_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <set>
#include <shared_mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/limits.h"

namespace push_cache::store {
namespace {

constexpr std::size_t kShards = 64;
// A page gives up the lock of the key order after this many keys, so that writers are not held up.
constexpr std::size_t kKeysPerLock = 256;

// Frees what the make functions below took with one operator new.
struct RawDelete {
  void operator()(void* place) const { ::operator delete(place); }
};

// The last value of a key: a fixed part with the datum right behind it. Immutable once published.
struct Value {
  std::int64_t offset;
  std::int64_t timestamp_ms;
  std::int32_t schema;
  std::int32_t partition;
  std::uint32_t topic;
  std::uint32_t datum_bytes;

  Bytes datum() const { return {reinterpret_cast<const std::uint8_t*>(this + 1), datum_bytes}; }
};
using ValuePtr = std::unique_ptr<Value, RawDelete>;

ValuePtr make_value(const RecordView& record) {
  void* place = ::operator new(sizeof(Value) + record.datum.size());
  auto* value = new (place) Value{
      record.offset.value,    record.timestamp_ms, record.schema.value,
      record.partition.value, record.topic,        static_cast<std::uint32_t>(record.datum.size())};
  if (!record.datum.empty()) std::memcpy(value + 1, record.datum.data(), record.datum.size());
  return ValuePtr(value);
}

// A key with its place in both indexes: its address stays the same while the values change.
struct Entry {
  ValuePtr value;
  std::uint32_t key_bytes;

  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_bytes}; }
  RecordView view() const {
    return {.key = key(),
            .datum = value->datum(),
            .schema = SchemaId(value->schema),
            .partition = Partition(value->partition),
            .offset = Offset(value->offset),
            .timestamp_ms = value->timestamp_ms,
            .topic = value->topic};
  }
};

struct EntryDelete {
  void operator()(Entry* entry) const {
    entry->~Entry();
    ::operator delete(entry);
  }
};
using EntryPtr = std::unique_ptr<Entry, EntryDelete>;

EntryPtr make_entry(std::string_view key, ValuePtr value) {
  void* place = ::operator new(sizeof(Entry) + key.size());
  auto* entry = new (place) Entry{std::move(value), static_cast<std::uint32_t>(key.size())};
  if (!key.empty()) std::memcpy(static_cast<void*>(entry + 1), key.data(), key.size());
  return EntryPtr(entry);
}

struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view key) const { return std::hash<std::string_view>{}(key); }
  std::size_t operator()(const Entry* entry) const { return (*this)(entry->key()); }
};

struct KeyEqual {
  using is_transparent = void;
  static std::string_view key(std::string_view text) { return text; }
  static std::string_view key(const Entry* entry) { return entry->key(); }
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return key(a) == key(b);
  }
};

struct KeyLess {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return KeyEqual::key(a) < KeyEqual::key(b);
  }
};

// Locks are taken shard first, then order. A `get` needs the shard's only, a `page` the order's
// only.
struct alignas(64) Shard {
  mutable std::shared_mutex mutex;
  std::unordered_set<Entry*, KeyHash, KeyEqual> entries;
};

class MemoryStore final : public Store {
 public:
  ~MemoryStore() override {
    for (Shard& shard : shards_) {
      for (Entry* entry : shard.entries) EntryDelete{}(entry);
    }
  }

  Result<PutOutcome> put(const RecordView& record) override {
    if (Status fits = check_size(record); !fits) return std::move(fits).error();
    ValuePtr value =
        make_value(record);  // before the lock: readers wait for a swap of pointers only
    Shard& shard = shard_of(record.key);
    const std::unique_lock lock(shard.mutex);
    const auto found = shard.entries.find(record.key);
    if (found == shard.entries.end()) {
      add(shard, record.key, std::move(value));
      return PutOutcome::kInserted;
    }
    bytes_ += static_cast<std::int64_t>(value->datum_bytes) - (*found)->value->datum_bytes;
    (*found)->value.swap(value);
    return PutOutcome::kReplaced;
  }

  Result<InsertOutcome> insert(const RecordView& record) override {
    if (Status fits = check_size(record); !fits) return std::move(fits).error();
    ValuePtr value = make_value(record);
    Shard& shard = shard_of(record.key);
    const std::unique_lock lock(shard.mutex);
    if (shard.entries.contains(record.key)) return InsertOutcome::kExists;
    add(shard, record.key, std::move(value));
    return InsertOutcome::kInserted;
  }

  Result<bool> erase(std::string_view key) override { return remove(key) != nullptr; }

  void take(std::string_view key, GetSink& sink) override {
    const EntryPtr entry = remove(key);
    if (entry == nullptr) return sink.absent();
    sink.found(entry->view());
  }

  void get(std::string_view key, GetSink& sink) override {
    const Shard& shard = shard_of(key);
    const std::shared_lock lock(shard.mutex);
    const auto found = shard.entries.find(key);
    if (found == shard.entries.end()) return sink.absent();
    sink.found((*found)->view());
  }

  Result<bool> page(PageStart start, std::size_t keys_max, KeySink& sink) override {
    std::string after(start.after);
    bool from_start = start.from_start;
    while (keys_max > 0) {
      const std::shared_lock lock(order_mutex_);
      auto at = from_start ? order_.begin() : order_.upper_bound(std::string_view(after));
      for (; start.skip > 0 && at != order_.end(); --start.skip) ++at;
      std::size_t left = std::min(keys_max, kKeysPerLock);
      keys_max -= left;
      std::string_view last;
      for (; at != order_.end() && left > 0; ++at, --left) {
        last = (*at)->key();
        if (!sink.key(last)) return std::next(at) != order_.end();
      }
      if (at == order_.end()) return false;
      if (keys_max == 0) return true;
      after = last;
      from_start = false;
    }
    const std::shared_lock lock(order_mutex_);
    return from_start ? !order_.empty()
                      : order_.upper_bound(std::string_view(after)) != order_.end();
  }

  Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition) override {
    std::uint64_t erased = 0;
    for (Shard& shard : shards_) {
      std::vector<std::string> keys;
      {
        const std::shared_lock lock(shard.mutex);
        for (const Entry* entry : shard.entries) {
          const RecordView view = entry->view();
          if (view.topic == topic && view.partition == partition) keys.emplace_back(view.key);
        }
      }
      for (const std::string& key : keys) erased += remove(key) == nullptr ? 0 : 1;
    }
    return erased;
  }

  Counts counts() const override {
    return {static_cast<std::uint64_t>(records_.load(std::memory_order_relaxed)),
            static_cast<std::uint64_t>(bytes_.load(std::memory_order_relaxed))};
  }

  Status health() const override { return {}; }

 private:
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

  // The shard comes from other bits of the hash than the bucket within it.
  Shard& shard_of(std::string_view key) {
    return shards_[(KeyHash{}(key)*0x9E3779B97F4A7C15ULL) >> 58];
  }

  // With the shard's lock held.
  void add(Shard& shard, std::string_view key, ValuePtr value) {
    bytes_ += static_cast<std::int64_t>(key.size() + value->datum_bytes);
    ++records_;
    Entry* entry = make_entry(key, std::move(value)).release();
    shard.entries.insert(entry);
    const std::unique_lock order_lock(order_mutex_);
    order_.insert(entry);
  }

  // Takes the entry out of both indexes; null when the key is absent.
  EntryPtr remove(std::string_view key) {
    Shard& shard = shard_of(key);
    const std::unique_lock lock(shard.mutex);
    const auto found = shard.entries.find(key);
    if (found == shard.entries.end()) return nullptr;
    EntryPtr entry(*found);
    shard.entries.erase(found);
    {
      const std::unique_lock order_lock(order_mutex_);
      order_.erase(entry.get());
    }
    --records_;
    bytes_ -= static_cast<std::int64_t>(entry->key_bytes + entry->value->datum_bytes);
    return entry;
  }

  std::array<Shard, kShards> shards_;
  mutable std::shared_mutex order_mutex_;
  std::set<Entry*, KeyLess> order_;
  std::atomic<std::int64_t> records_ = 0;
  std::atomic<std::int64_t> bytes_ = 0;
};

static_assert(kShards == 64, "shard_of takes the top 6 bits");

}  // namespace

std::unique_ptr<Store> make_memory_store(const MemoryStoreOptions&) {
  return std::make_unique<MemoryStore>();
}

}  // namespace push_cache::store
