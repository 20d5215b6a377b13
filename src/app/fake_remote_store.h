// A stand-in for a remote store, for tests of feeds: several processes' stores before one backend,
// which takes batches and refuses what is older than what it has, and can be told to fail.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "store/memory_store.h"
#include "store/shared_store.h"

namespace push_cache::ingest {

// What is on the other side of the network.
struct RemoteBackend {
  std::mutex mutex;
  std::unique_ptr<store::Store> records = store::make_memory_store();
  // The latest offset of each key's records, tombstones too: by topic and partition.
  std::map<std::string, std::map<std::pair<std::uint32_t, Partition>, Offset>> latest;
  std::size_t largest_batch = 0;
  std::string fingerprint;        // "" = none
  std::vector<SchemaId> schemas;  // set by tests, before any feed
  // By the names that processes have for the log (SharedStore::set_topic_id).
  std::map<std::pair<store::SharedStore::Source, std::string>, Offset> positions;
  // By which of these a partition was loaded last.
  std::map<store::SharedStore::Source, std::string> logs;
  std::size_t loads = 0;  // begun, and ended
  std::size_t load_ends = 0;
};

class FakeRemoteStore final : public store::SharedStore {
 public:
  explicit FakeRemoteStore(RemoteBackend& backend) : backend_(backend) {}

  // Each `write` fails as a whole; or only every `nth` of its writes does.
  void fail(bool on) { failing_ = on; }
  void fail_every(std::size_t nth) { fail_every_ = nth; }
  // `write` does not return until it is let go.
  void block(bool on) {
    const std::lock_guard lock(gate_mutex_);
    blocked_ = on;
    gate_.notify_all();
  }
  bool is_in_blocked_write() const { return waiting_ > 0; }
  // What this process would fill the backend with.
  void fill_with(std::string fingerprint) { fingerprint_ = std::move(fingerprint); }
  std::size_t claims() const { return claims_; }
  void refuse_beyond(std::size_t bytes) { bytes_max_ = bytes; }

  Status write(std::span<const store::Write> writes,
               std::span<store::WriteOutcome> outcomes) override {
    {
      std::unique_lock lock(gate_mutex_);
      ++waiting_;
      gate_.wait(lock, [this] { return !blocked_; });
      --waiting_;
    }
    Status first;
    const std::lock_guard lock(backend_.mutex);
    backend_.largest_batch = std::max(backend_.largest_batch, writes.size());
    for (std::size_t i = 0; i < writes.size(); ++i) {
      outcomes[i] = store::WriteOutcome::kFailed;
      const auto load = loads_.find({writes[i].record.topic, writes[i].record.partition});
      if (load != loads_.end()) load->second.insert(writes[i].record.offset);
      Status done = refusal(writes[i]);
      if (done.ok()) {
        outcomes[i] = apply(writes[i]);
      } else if (first.ok()) {
        first = std::move(done);
      }
    }
    return first;
  }

  Result<store::PutOutcome> put(const store::RecordView& record) override {
    return backend_.records->put(record);
  }
  void insert(const store::RecordView& record, store::InsertSink& sink) override {
    backend_.records->insert(record, sink);
  }
  Result<bool> erase(const store::RecordView& tombstone) override {
    return backend_.records->erase(tombstone);
  }
  void take(std::string_view key, const store::TakeOnly& only, store::GetSink& sink) override {
    backend_.records->take(key, only, sink);
  }
  void get(std::string_view key, store::GetSink& sink) override {
    backend_.records->get(key, sink);
  }
  Result<bool> page(PageStart, std::size_t, store::KeySink&) override {
    return Error{ErrorCode::kUnsupported, "remote"};
  }
  Status claim(std::string_view cluster_id) override {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    const std::lock_guard lock(backend_.mutex);
    ++claims_;
    const std::string own = fingerprint_ + " of " + std::string(cluster_id);
    if (backend_.fingerprint.empty()) backend_.fingerprint = own;
    held_ = backend_.fingerprint == own;
    if (held_) return {};
    return Error{ErrorCode::kConflict, "there stands " + backend_.fingerprint + ", not " + own};
  }
  void set_topic_id(std::uint32_t, std::string_view id) override {
    const std::lock_guard lock(backend_.mutex);
    if (id != topic_id_) seen_.clear();
    topic_id_ = id;
  }
  Result<std::vector<Kept>> positions(std::span<const Source> sources) override {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    const std::lock_guard lock(backend_.mutex);
    std::vector<Kept> out;
    for (const Source& source : sources) {
      const std::optional<Offset> kept = kept_of(source);
      std::optional<Offset>& seen = seen_[source];
      out.push_back({kept, kept < seen});
      seen = kept;
    }
    return out;
  }
  Result<std::vector<std::optional<Offset>>> advance(std::span<const Progress> all) override {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    const std::lock_guard lock(backend_.mutex);
    std::vector<std::optional<Offset>> out;
    for (const Progress& one : all) {
      std::optional<Offset>& seen = seen_[one.source];
      if (kept_of(one.source) >= seen && kept_of(one.source) < one.reached) {
        backend_.positions[{one.source, topic_id_}] = one.reached;
      }
      out.push_back(kept_of(one.source));
      seen = std::max(seen, out.back());
    }
    return out;
  }
  Result<std::vector<SchemaId>> schemas() override {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    return backend_.schemas;
  }
  Result<bool> begin_load(Source source, bool replaced) override {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    const std::lock_guard lock(backend_.mutex);
    // Of another log, also the same one under another policy, no offset is earlier or later.
    const std::string before = std::exchange(backend_.logs[source], topic_id_);
    if (replaced || (!before.empty() && before != topic_id_)) {
      for (auto& [key, offsets] : backend_.latest) offsets.erase({source.topic, source.partition});
    }
    if (replaced) {
      (void)backend_.records->erase_partition(source.topic, source.partition);
    }
    ++backend_.loads;
    std::erase_if(backend_.positions, [&](const auto& one) { return one.first.first == source; });
    seen_.erase(source);
    if (backend_.records->counts().records == 0) return false;
    loads_[source] = {};
    return true;
  }
  void cancel_load(Source source) override {
    const std::lock_guard lock(backend_.mutex);
    loads_.erase(source);
  }
  void end_loads(std::vector<LoadEnd> ends, std::function<void(Status)> done) override {
    if (failing_) return done(Error{ErrorCode::kUnavailable, "the fake store is away"});
    {
      const std::lock_guard lock(backend_.mutex);
      for (const LoadEnd& end : ends) clear(end);
    }
    done({});
  }
  std::uint64_t doubts() const override { return doubts_; }
  void trust(std::uint64_t doubts) override { trusted_ = doubts; }
  void on_doubt(std::function<void()> listener) override {
    const std::lock_guard lock(gate_mutex_);
    listener_ = std::move(listener);
  }
  // As a connection that is made again.
  void doubt() {
    ++doubts_;
    const std::lock_guard lock(gate_mutex_);
    if (listener_) listener_();
  }
  bool trusted() const { return trusted_ == doubts_; }

  store::Counts counts() const override { return backend_.records->counts(); }
  Status health() const override { return {}; }

 private:
  Status refusal(const store::Write& write) {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    if (write.record.datum.size() > bytes_max_) return Error{ErrorCode::kTooLarge, "too large"};
    if (!held_) return Error{ErrorCode::kUnavailable, "the fake store is another's"};
    const std::size_t nth = fail_every_;
    if (nth != 0 && ++writes_ % nth == 0) return Error{ErrorCode::kUnavailable, "now and then"};
    return {};
  }

  std::optional<Offset> kept_of(Source source) const {
    const auto found = backend_.positions.find({source, topic_id_});
    return found == backend_.positions.end() ? std::nullopt : std::optional(found->second);
  }

  void clear(const LoadEnd& end) {
    const auto load = loads_.find(end.source);
    if (load == loads_.end()) return;
    ++backend_.load_ends;
    for (auto& [key, offsets] : backend_.latest) {
      const auto found = offsets.find({end.source.topic, end.source.partition});
      if (found == offsets.end() || found->second >= end.end) continue;
      if (load->second.contains(found->second)) continue;
      offsets.erase(found);
      (void)backend_.records->erase(key);
    }
    loads_.erase(load);
  }

  store::WriteOutcome apply(const store::Write& write) {
    const store::RecordView& record = write.record;
    const auto [latest, is_new] = backend_.latest[std::string(record.key)].try_emplace(
        {record.topic, record.partition}, record.offset);
    if (!is_new && record.offset < latest->second) return store::WriteOutcome::kOutdated;
    latest->second = record.offset;
    if (write.tombstone) {
      return *backend_.records->erase(record) ? store::WriteOutcome::kErased
                                              : store::WriteOutcome::kAbsent;
    }
    switch (*backend_.records->put(record)) {
      case store::PutOutcome::kInserted:
        return store::WriteOutcome::kInserted;
      case store::PutOutcome::kReplaced:
        return store::WriteOutcome::kReplaced;
      case store::PutOutcome::kOutdated:
        break;
    }
    return store::WriteOutcome::kOutdated;
  }

  RemoteBackend& backend_;
  std::string topic_id_;                          // with backend_.mutex, as what follows
  std::map<Source, std::optional<Offset>> seen_;  // with backend_.mutex, as what follows
  std::map<Source, std::set<Offset>> loads_;
  std::string fingerprint_ = "all";  // set before any feed
  bool held_ = false;
  std::atomic<std::size_t> claims_ = 0;
  std::atomic<std::uint64_t> doubts_ = 0;
  std::atomic<std::uint64_t> trusted_ = 0;
  std::function<void()> listener_;  // with gate_mutex_
  std::atomic<bool> failing_ = false;
  std::atomic<std::size_t> fail_every_ = 0;
  std::atomic<std::size_t> writes_ = 0;
  std::atomic<std::size_t> bytes_max_ = static_cast<std::size_t>(-1);
  std::mutex gate_mutex_;
  std::condition_variable gate_;
  bool blocked_ = false;
  std::atomic<int> waiting_ = 0;
};

}  // namespace push_cache::ingest
