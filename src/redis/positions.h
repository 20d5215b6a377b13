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

  struct Ask {
    std::string field;
    std::optional<Offset> reached;
  };
  using Answers = Result<std::vector<store::SharedStore::Kept>>;
  // See SharedStore::advance. `done` is called once, on the loop.
  void advance(std::vector<Ask> asks, std::function<void(Answers)> done);
  // Nothing is kept of this field any more. `done` as above.
  void forget(const std::string& field, std::function<void(Status)> done);

 private:
  class Call;

  Client& client_;
  const Scripts& scripts_;
  const std::vector<std::string> keys_;
  // By field: what each key had last. A lower value there is a loss.
  std::unordered_map<std::string, std::vector<std::int64_t>> seen_;
};

}  // namespace push_cache::redis
