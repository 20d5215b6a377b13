#include "redis/loop_clients.h"

#include <utility>

namespace push_cache::redis {

boost::asio::execution_context::id LoopClients::id;

Client* LoopClients::of(boost::asio::io_context& loop, std::uint64_t owner,
                        const ClientOptions& options) {
  LoopClients& self = boost::asio::use_service<LoopClients>(loop);
  for (const Entry& entry : self.entries_) {
    if (entry.owner == owner) return entry.client.get();
  }
  auto made = Client::create(self.loop_, options);
  if (!made.ok()) return nullptr;
  self.entries_.push_back({owner, *std::move(made)});
  return self.entries_.back().client.get();
}

}  // namespace push_cache::redis
