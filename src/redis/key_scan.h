// The keys of a store in Redis, by SCAN on one master after the other.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "redis/client.h"
#include "store/store.h"

namespace push_cache::redis {

struct ScanOptions {
  std::string prefix;
  bool deleted = false;                // also the keys that are deleted for some time
  std::function<Status()> check = {};  // an error ends a step; none = all is well
  std::size_t count = 1000;            // looked at in one step: what a server does at once
};

// `client` must outlive it.
class RedisKeyScan final : public store::KeyScan {
 public:
  RedisKeyScan(Client& client, ScanOptions options);
  ~RedisKeyScan() override;

  void next(Sink& sink) override;

 private:
  // The sink of a command under way: it may live longer than the scan.
  struct Step;

  void take(const Reply& reply, Sink& sink);
  void take_keys(std::span<const Reply> keys, Sink& sink) const;

  Client& client_;
  const ScanOptions options_;
  const std::string pattern_;
  std::vector<Node> nodes_;  // to be asked, the present one last
  bool begun_ = false;
  std::string cursor_ = "0";
  std::shared_ptr<Step> step_;
};

}  // namespace push_cache::redis
