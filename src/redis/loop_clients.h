// The clients of an event loop: made at their first use, and gone with the loop.
#pragma once

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <memory>
#include <vector>

#include "redis/client.h"

namespace push_cache::redis {

// For the thread that runs the loop; ends with it. Its clients end before, by net::end_loop, since
// their connections would keep the loop running.
class LoopClients final : public boost::asio::execution_context::service {
 public:
  using key_type = LoopClients;
  static boost::asio::execution_context::id id;

  explicit LoopClients(boost::asio::execution_context& loop);

  // The client of this loop and this owner, a number that no other owner ever has. Null when the
  // options are no good, which `create` of another one has checked, or the loop is at its end.
  static Client* of(boost::asio::io_context& loop, std::uint64_t owner,
                    const ClientOptions& options);

 private:
  struct Entry {
    std::uint64_t owner;
    std::unique_ptr<Client> client;
  };
  void shutdown() override { end(); }
  void end();

  boost::asio::io_context& loop_;
  std::vector<Entry> entries_;
  bool ended_ = false;
};

}  // namespace push_cache::redis
