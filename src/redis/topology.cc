// The part of the dispatcher that follows the masters: what servers refuse because of where and
// when, and what is found of the topology.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "redis/dispatcher.h"
#include "redis/known_servers.h"

namespace push_cache::redis {
namespace {

using std::chrono::milliseconds;

// For a command that its server wants again "soon": a key on its move takes milliseconds.
constexpr std::array kWaitTimes{milliseconds(5),  milliseconds(10), milliseconds(20),
                                milliseconds(40), milliseconds(80), milliseconds(160)};
// As many nodes may disagree for a moment; then their gossip gets time.
constexpr unsigned kRedirectsAtOnce = 5;

void add(std::vector<Endpoint>& list, const Endpoint& endpoint) {
  if (std::find(list.begin(), list.end(), endpoint) == list.end()) list.push_back(endpoint);
}

}  // namespace

// Whether the refusal was a matter of where or when, so that the request is on its way again.
bool Dispatcher::settle(Connection& connection, Request& request, std::string_view text) {
  using Kind = Refusal::Kind;
  static_assert(kWaitTimes.size() == kWaits);
  using Event = ClientStats::Event;
  const Refusal refusal = read_refusal(text, connection.endpoint());
  switch (refusal.kind) {
    case Kind::kNone:
      return false;
    case Kind::kMoved:
    case Kind::kAsk: {
      if (options_.topology != Topology::kCluster) return false;
      Peer& peer = routes_.get(refusal.endpoint);
      stats_.count(refusal.kind == Kind::kMoved ? Event::kMoved : Event::kAsked);
      line(peer, Line::kPoint);  // each master has one: it says whether the master is well
      if (refusal.kind == Kind::kMoved) {
        routes_.set(refusal.slot, peer);
        note_masters();
        moved_ = true;
        refresh();
      }
      request.asking = refusal.kind == Kind::kAsk;
      redirect(request, peer);
      return true;
    }
    case Kind::kTryAgain:
      stats_.count(Event::kRetried);
      try_later(request);
      return true;
    case Kind::kServerAway:
    case Kind::kReadOnly:
      // All of this server waits, so that nothing overtakes: the present master, when it is found,
      // gets it in this order.
      stats_.count(Event::kRetried);
      again(connection, request);
      connection.pause(refusal.kind == Kind::kReadOnly && options_.topology == Topology::kSingle);
      refresh();
      return true;
    case Kind::kNoScript:
      if (request.script == nullptr || request.whole_script) return false;
      stats_.count(Event::kRetried);
      connection.forget(*request.script);
      again(connection, request);
      return true;
  }
  return false;
}

// To the same server, unless the slot is elsewhere by now.
void Dispatcher::again(Connection& connection, Request& request) {
  const Peer* const peer = routes_.find(connection.endpoint());
  const bool stays =
      peer != nullptr && peer->master && (request.pinned || routes_.at(request.slot) == peer);
  stays ? connection.send_again(request) : dispatch(request);
}

void Dispatcher::redirect(Request& request, Peer& peer) {
  if (request.pinned) {
    return fail(request, CallOutcome::kLost,
                {ErrorCode::kUnavailable, "this node of Redis has the key no more"});
  }
  if (request.redirects >= kRedirectsAtOnce) {
    request.asking = false;
    return try_later(request);
  }
  ++request.redirects;
  line(peer, request.line).send(request);
}

void Dispatcher::try_later(Request& request) {
  const std::size_t level = std::min<std::size_t>(request.retries, kWaits - 1);
  request.retries = static_cast<std::uint8_t>(level + 1);
  request.wake_at = Clock::now() + kWaitTimes[level];
  waiting_[level].push_back(request);
  arm(request.wake_at);
}

// Sends what a peer has not sent yet to where it belongs now: that may be the peer itself.
void Dispatcher::reroute(Peer& peer) {
  for (const auto& connection : peer.lines) {
    if (connection == nullptr) continue;
    RequestList unsent;
    connection->take_unsent(unsent);
    while (Request* const request = unsent.first()) {
      unsent.remove(*request);
      if (request->asking && connection->ready()) {
        connection->send(*request);
        continue;
      }
      request->asking = false;
      dispatch(*request);
    }
  }
}

// ---- What connections tell

void Dispatcher::on_connected(Connection& connection) {
  Peer* const peer = routes_.find(connection.endpoint());
  if (peer == nullptr) return;
  if (peer->line(Line::kPoint) != &connection) {
    return note_identity(*peer, connection, Line::kBulk);
  }
  log("redis").info("connected to {}", to_text(peer->endpoint));
  peer->reported.clear();
  note_identity(*peer, connection, Line::kPoint);
  was_well_ = was_well_ || health().ok();
}

// The doubt comes before other clients may use the server.
void Dispatcher::note_identity(Peer& peer, const Connection& connection, Line which) {
  const std::string& identity = connection.identity();
  // Nobody can tell by this line; the other one will be lost too when the server was restarted.
  if (identity.empty() && which == Line::kBulk) return;
  const bool is_other = identity.empty() || identity != peer.identity;
  const bool was_used = was_well_ || peer.was_connected;
  peer.identity = identity;
  peer.was_connected = true;
  if (was_used && is_other && options_.on_doubt) options_.on_doubt();
  publish();
}

// Some have become masters, or are so no more.
void Dispatcher::note_masters() {
  for (const auto& peer : routes_.peers()) {
    for (const auto& connection : peer->lines) {
      if (peer->master && connection != nullptr) connection->set_free(false);
    }
  }
  publish();
}

// Of a master that is lost what is known stays: it may come back as the same server.
void Dispatcher::publish() {
  if (options_.servers == nullptr || !options_.leads) return;
  std::vector<KnownServers::Server> known;
  for (const auto& peer : routes_.peers()) {
    if (peer->master && peer->was_connected) known.push_back({peer->endpoint, peer->identity});
  }
  options_.servers->publish(std::move(known));
}

void Dispatcher::on_down(Connection& connection) {
  Peer* const peer = routes_.find(connection.endpoint());
  if (peer == nullptr) return;
  std::string text = connection.error().describe();
  if (text != peer->reported) {
    repeats_.log(text, spdlog::level::warn, "{}", text);
    peer->reported = std::move(text);
  }
  if (peer->master) return refresh();
  reroute(*peer);
}

// ---- What is found

std::vector<Endpoint> Dispatcher::candidates() {
  if (options_.topology == Topology::kSentinel) return options_.seeds;
  std::vector<Endpoint> list;
  // Another one each time, so that one with an old map is not asked for ever.
  const auto& peers = routes_.peers();
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const Peer& peer = *peers[(i + rounds_) % peers.size()];
    if (peer.ready()) add(list, peer.endpoint);
  }
  ++rounds_;
  for (const SlotRange& range : map_) {
    for (const Endpoint& replica : range.replicas) add(list, replica);
  }
  for (const Endpoint& seed : options_.seeds) add(list, seed);
  for (const auto& peer : peers) add(list, peer->endpoint);
  return list;
}

bool Dispatcher::settled() const {
  return std::all_of(routes_.peers().begin(), routes_.peers().end(),
                     [](const auto& peer) { return !peer->master || peer->ready(); });
}

void Dispatcher::on_found(std::vector<SlotRange> ranges) {
  if (ranges != map_ || moved_) {
    map_ = std::move(ranges);
    moved_ = false;
    routes_.apply(map_);
    note_masters();
    for (std::size_t i = 0; i < routes_.peers().size(); ++i) {
      Peer& peer = *routes_.peers()[i];
      if (peer.master) line(peer, Line::kPoint);
      reroute(peer);
    }
  }
  RequestList parked;
  parked.take_all(parked_);
  while (Request* const request = parked.first()) {
    parked.remove(*request);
    dispatch(*request);
  }
  routes_.sweep();
}

std::vector<Node> Dispatcher::masters() const {
  std::vector<Node> nodes;
  for (const auto& peer : routes_.peers()) {
    if (peer->master) nodes.push_back({peer->endpoint});
  }
  return nodes;
}

// Without a discovery only a new connection shows who answers now.
void Dispatcher::look_again(std::span<const Endpoint> doubtful) {
  refresh();
  for (const Endpoint& endpoint : doubtful) {
    const Peer* const peer = routes_.find(endpoint);
    if (peer != nullptr && peer->ready()) peer->line(Line::kPoint)->pause(true);
  }
}

Status Dispatcher::health() const {
  bool any = false;
  for (const auto& peer : routes_.peers()) {
    if (!peer->master) continue;
    any = true;
    if (!peer->ready()) return peer->line(Line::kPoint)->error();
  }
  if (any) return {};
  if (discovery_.has_value() && !discovery_->status().ok()) return discovery_->status();
  return Error{ErrorCode::kUnavailable, "Redis is not connected yet"};
}

}  // namespace push_cache::redis
