// What fills a prefix in Redis, and whether that is what this process fills it with. Only for
// redis_store.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "redis/client.h"
#include "redis/layout.h"

namespace push_cache::redis {

// All but the id of Kafka's cluster, which is not known at first.
struct Filling {
  std::vector<std::string> topics;   // that the store takes
  std::vector<std::string> schemas;  // of RedisStoreOptions, as what follows
  Layout layout = Layout::kOneTopic;
  std::string takes;
};

// The fingerprint: JSON on one line, such as
//   {"cluster":"4L6g3nShT-eMCtK--X86sw","topics":["a","b"],"schemas":["bill"],"layout":2}
// `cluster_id`: "" = Kafka does not tell it (null). The order counts: of several topics the later
// one goes first in layout.h's values.
std::string fingerprint(const Filling& filling, std::string_view cluster_id);
// Whether both are of one filling. A cluster that is not known may be any.
bool fits(std::string_view fingerprint, std::string_view other);

// The fingerprint stands in each position key (redis/layout.h) as the field "fingerprint", so that
// it is lost with the positions and never without them. It is written where it is missing, first in
// the first key: of two processes that begin at once, that one decides. Positions without a
// fingerprint are those of version 0.1. They are adopted when all of them are of topics that are
// taken, and of the same `takes`.
//
// `make` on the store's loop, the rest from any thread.
class Claim {
 public:
  // `keys`: the position keys.
  Claim(Filling filling, std::vector<std::string> keys, std::string store, std::string_view prefix);

  // See SharedStore::claim. `done` is called once, on the loop.
  void make(Client& client, std::string_view cluster_id, std::function<void(Status)> done);

  // Whether the latest `make` that got all answers was a success; `refusal` says why not, for
  // calls.
  bool is_held() const { return held_; }
  Error refusal() const;
  // Whether another configuration has ever been met here: what it wrote may be found later.
  bool had_conflict() const;
  // kConflict, with both fingerprints, while the latest `make` has found another one.
  Status conflict() const;

  // Whether a record with this position is of a topic that the store does not take.
  bool is_foreign(const Position& position) const;

 private:
  class Run;
  Status ended(Status status);

  const Filling filling_;
  const std::vector<std::string> keys_;
  const std::string store_;
  const std::string prefix_;
  std::set<std::uint32_t> names_;  // the topics' as a position has them
  const Script set_;
  const Script unset_;
  std::atomic<bool> held_ = false;
  mutable std::mutex mutex_;
  std::string conflict_;     // with mutex_; "" = none
  unsigned free_since_ = 0;  // runs that found no conflict after one
  bool had_conflict_ = false;
};

}  // namespace push_cache::redis
