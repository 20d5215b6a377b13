// How far each partition is in a store in Redis, as Redis itself keeps it: see redis/layout.h. Only
// for redis_store; on the store's own loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "redis/client.h"
#include "redis/scripts.h"
#include "store/shared_store.h"

namespace push_cache::redis {

class Positions {
 public:
  // `client` and `scripts` must outlive it.
  Positions(Client& client, const Scripts& scripts, std::vector<std::string> keys);

  using Kept = store::SharedStore::Kept;
  // See SharedStore::positions. `done` is called once, on the loop, as that of what follows.
  void read(std::vector<std::string> fields, std::function<void(Result<std::vector<Kept>>)> done);
  struct Step {
    std::string field;
    Offset reached;
  };
  using Reached = Result<std::vector<std::optional<Offset>>>;
  // See SharedStore::advance.
  void advance(std::vector<Step> steps, std::function<void(Reached)> done);
  // Nothing is kept of this field any more.
  void forget(const std::string& field, std::function<void(Status)> done);
  // Why the servers refused the last `read`, with the key that it is about; success when they did
  // not. What they do not tell now nobody can compare with what they had.
  const Status& refused() const { return refused_; }

 private:
  class Call;
  std::vector<std::int64_t>& seen_of(const std::string& field);

  Client& client_;
  const Scripts& scripts_;
  const std::vector<std::string> keys_;
  // By field: what each key had when `read` or `advance` were answered last. A lower value there is
  // a loss.
  std::unordered_map<std::string, std::vector<std::int64_t>> seen_;
  Status refused_;
};

}  // namespace push_cache::redis
