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
  // Whether a record is one to be named, by the last kTopicBytes of its value; none = all are, and
  // no value is looked at.
  std::function<bool(std::string_view end)> names = {};
  std::size_t count = 1000;  // looked at in one step: what a server does at once
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
  // The ends of the values of a step's keys, asked one by one; it may live longer, too.
  struct Ends;

  void take(const Reply& reply, Sink& sink);
  void take_keys(std::span<const Reply> keys, Sink& sink, bool more);

  Client& client_;
  const ScanOptions options_;
  const std::string pattern_;
  std::vector<Node> nodes_;  // to be asked, the present one last
  bool begun_ = false;
  std::string cursor_ = "0";
  std::shared_ptr<Step> step_;
  std::shared_ptr<Ends> ends_;  // of the present step
};

}  // namespace push_cache::redis
