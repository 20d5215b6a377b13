#include "redis/routes.h"

namespace push_cache::redis {

Peer* Routes::find(const Endpoint& endpoint) const {
  for (const auto& peer : peers_) {
    if (peer->endpoint == endpoint) return peer.get();
  }
  return nullptr;
}

Peer& Routes::get(const Endpoint& endpoint) {
  if (Peer* const peer = find(endpoint)) return *peer;
  return *peers_.emplace_back(std::make_unique<Peer>(endpoint));
}

void Routes::set(std::uint16_t slot, Peer& peer) {
  peer.master = true;
  slots_[slot] = &peer;
}

void Routes::apply(const std::vector<SlotRange>& ranges) {
  slots_.fill(nullptr);
  for (const auto& peer : peers_) peer->master = false;
  for (const SlotRange& range : ranges) {
    Peer& peer = get(range.master);
    for (unsigned slot = range.first; slot <= range.last; ++slot) {
      set(static_cast<std::uint16_t>(slot), peer);
    }
  }
}

void Routes::sweep() {
  std::erase_if(peers_, [](const auto& peer) { return !peer->master && peer->load.count == 0; });
}

}  // namespace push_cache::redis
