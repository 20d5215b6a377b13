// A stand-in for a remote store, for tests of feeds: several processes' stores before one backend,
// which takes batches and refuses what is older than what it has, and can be told to fail.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "store/memory_store.h"
#include "store/store.h"

namespace push_cache::ingest {

// What is on the other side of the network.
struct RemoteBackend {
  std::mutex mutex;
  std::unique_ptr<store::Store> records = store::make_memory_store();
  // The latest offset of each key's records, tombstones too: by topic and partition.
  std::map<std::string, std::map<std::pair<std::uint32_t, Partition>, Offset>> latest;
  std::size_t largest_batch = 0;
  std::size_t erasures = 0;
};

class FakeRemoteStore final : public store::Store {
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
  void take(std::string_view key, store::GetSink& sink) override {
    backend_.records->take(key, sink);
  }
  void get(std::string_view key, store::GetSink& sink) override {
    backend_.records->get(key, sink);
  }
  Result<bool> page(PageStart, std::size_t, store::KeySink&) override {
    return Error{ErrorCode::kUnsupported, "remote"};
  }
  Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition,
                                        Offset below) override {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    const std::lock_guard lock(backend_.mutex);
    ++backend_.erasures;
    for (auto& [key, offsets] : backend_.latest) {
      const auto found = offsets.find({topic, partition});
      if (found != offsets.end() && found->second < below) offsets.erase(found);
    }
    return backend_.records->erase_partition(topic, partition, below);
  }
  store::Counts counts() const override { return backend_.records->counts(); }
  Status health() const override { return {}; }

 private:
  Status refusal(const store::Write& write) {
    if (failing_) return Error{ErrorCode::kUnavailable, "the fake store is away"};
    if (write.record.datum.size() > bytes_max_) return Error{ErrorCode::kTooLarge, "too large"};
    const std::size_t nth = fail_every_;
    if (nth != 0 && ++writes_ % nth == 0) return Error{ErrorCode::kUnavailable, "now and then"};
    return {};
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
