#include "redis/loop_clients.h"

#include <utility>

#include "net/loop.h"

namespace push_cache::redis {

boost::asio::execution_context::id LoopClients::id;

LoopClients::LoopClients(boost::asio::execution_context& loop)
    : service(loop), loop_(static_cast<boost::asio::io_context&>(loop)) {
  net::at_end([this] { end(); });
}

void LoopClients::end() {
  ended_ = true;
  entries_.clear();
}

Client* LoopClients::of(boost::asio::io_context& loop, std::uint64_t owner,
                        const ClientOptions& options) {
  LoopClients& self = boost::asio::use_service<LoopClients>(loop);
  for (const Entry& entry : self.entries_) {
    if (entry.owner == owner) return entry.client.get();
  }
  if (self.ended_) return nullptr;
  auto made = Client::create(self.loop_, options);
  if (!made.ok()) return nullptr;
  self.entries_.push_back({owner, *std::move(made)});
  return self.entries_.back().client.get();
}

}  // namespace push_cache::redis
