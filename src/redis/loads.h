// Loads of partitions: what was written since they began, and taking out the rest. Only for
// redis_store.
#pragma once

#include <roaring/roaring64map.hh>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "redis/client.h"
#include "redis/fingerprint.h"
#include "redis/key_scan.h"
#include "redis/layout.h"
#include "redis/scripts.h"
#include "store/shared_store.h"

// Newer versions of CRoaring have their names in it, older ones in none.
namespace roaring {}

namespace push_cache::redis {

using namespace ::roaring;  // NOLINT(google-build-using-namespace)

// The offsets that were written of each partition that is being loaded: some two bytes for each, or
// a bit where they are dense. Safe from any thread.
class Loads {
 public:
  using Source = store::SharedStore::Source;
  void begin(Source source);
  void cancel(Source source);
  // Before they are sent.
  void note(std::span<const store::Write> writes);
  // Which load of this partition is under way; 0 = none.
  std::uint64_t number(Source source) const;
  // Whether this load is under way and has not written this offset.
  bool lacks(Source source, std::uint64_t number, Offset offset) const;

 private:
  struct Load {
    std::uint64_t number;
    Roaring64Map written;
  };
  std::atomic<bool> any_ = false;
  mutable std::mutex mutex_;
  std::map<Source, Load> loads_;
  std::uint64_t last_number_ = 0;
};

// One run over all records, on the store's loop.
class Sweep final : private store::KeyScan::Sink {
 public:
  // A partition that was loaded up to `end`, by this load; 0 = all of it is to go, also what tells
  // that a key is deleted.
  struct Part {
    store::SharedStore::Source source;
    std::uint64_t load;
    Offset end;
    std::string place;        // layout.h's partition_part
    std::string incarnation;  // of the topic, as a position has it
    // The same topic under the other cleanup policy, likewise; "" = that is the same one.
    std::string other_policy;
  };
  struct Outcome {
    Status status;
    std::uint64_t erased = 0;
  };
  // All must outlive it; `done` is called once, on the loop, and may not end it. What is of another
  // layout than `layout` goes too, and what is of a topic that the store does not take. Takes out
  // nothing more once `claim` is not held.
  Sweep(Client& client, const Scripts& scripts, const Loads& loads, const Claim& claim,
        std::string prefix, Layout layout, std::vector<Part> parts,
        std::function<void(const Outcome&)> done);
  void start();

 private:
  class Look;
  class Erasure;

  void key(std::string_view key) override;
  void end(bool more) override;
  void failed(const Error& error) override;
  // `positions`: of the records of the key, one behind the other.
  void take(const std::string& key, std::string_view positions);
  bool is_stale(std::string_view position) const;
  void one_done();
  void fail(const Error& error);

  Client& client_;
  const Scripts& scripts_;
  const Loads& loads_;
  const Claim& claim_;
  const std::string key_start_;
  const Layout layout_;
  const std::vector<Part> parts_;
  const std::function<void(const Outcome&)> done_;
  const bool takes_all_;
  RedisKeyScan scan_;
  std::size_t waits_for_ = 0;  // the step, and what each of its keys needs
  bool more_ = true;
  Outcome outcome_;
};

}  // namespace push_cache::redis
