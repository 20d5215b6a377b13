// Which node has which slot.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "redis/answers.h"
#include "redis/client.h"
#include "redis/connection.h"
#include "redis/request.h"

namespace push_cache::redis {

// A node we talk to. Stays where it is while it is known.
struct Peer {
  explicit Peer(Endpoint where) : endpoint(std::move(where)) {}

  const Endpoint endpoint;
  Load load;
  bool master = false;   // has slots by the newest map; another one goes once it is empty
  std::string reported;  // what was logged of it last
  std::string identity;  // Setup::identity at the last connection
  bool was_connected = false;
  // By `Line`; null before its first use. Behind `load`, which they count into.
  std::array<std::unique_ptr<Connection>, 2> lines;

  Connection* line(Line which) const { return lines[static_cast<std::size_t>(which)].get(); }
  bool ready() const { return line(Line::kPoint) != nullptr && line(Line::kPoint)->ready(); }
};

// Not safe from several threads.
class Routes {
 public:
  // Null when nobody is known to have the slot.
  Peer* at(std::uint16_t slot) const { return slots_[slot]; }
  Peer* find(const Endpoint& endpoint) const;
  // The peer; made when there is none yet.
  Peer& get(const Endpoint& endpoint);
  // One slot has moved.
  void set(std::uint16_t slot, Peer& peer);
  // The newest map as a whole. What it does not name has no slots any more.
  void apply(const std::vector<SlotRange>& ranges);
  // Lets go of the peers that are no masters and have nothing on its way.
  void sweep();

  const std::vector<std::unique_ptr<Peer>>& peers() const { return peers_; }

 private:
  std::vector<std::unique_ptr<Peer>> peers_;
  std::array<Peer*, kSlots> slots_{};
};

}  // namespace push_cache::redis
