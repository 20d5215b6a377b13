// What a store's own client does for the clients of other loops, which follow it: see
// redis/known_servers.h. Only for redis_store; on the store's own loop.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "redis/client.h"
#include "redis/known_servers.h"

namespace push_cache::redis {

class Leader final : private ReplySink {
 public:
  // All outlive it, and the loop does not run any more when it ends.
  Leader(boost::asio::io_context& loop, Client& client, KnownServers& servers);
  ~Leader() override { servers_.on_request({}); }
  Leader(const Leader&) = delete;
  Leader& operator=(const Leader&) = delete;

  // Does what is asked for. It is called by itself; once more now and then for what has failed.
  void look();

 private:
  void reply(const Reply& reply) override;
  void failed(const Error& error) override;
  void one_done();

  Client& client_;
  KnownServers& servers_;
  std::uint64_t question_ = 0;  // which the present proof answers
  std::size_t waits_for_ = 0;   // servers, of the present proof
  bool has_failed_ = false;
};

}  // namespace push_cache::redis
