// The client: takes commands, finds their nodes, and sees each through to its one outcome.
#pragma once

#include <boost/asio/io_context.hpp>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log_limiter.h"
#include "redis/client.h"
#include "redis/connection.h"
#include "redis/discovery.h"
#include "redis/request.h"
#include "redis/routes.h"

namespace push_cache::redis {

// Sinks are called from two places only, `on_answer` (last thing it does) and `deliver`: a sink may
// send, and may destroy the client.
class Dispatcher final : public Client, Connection::Owner, Discovery::Owner {
 public:
  Dispatcher(boost::asio::io_context& loop, const ClientOptions& options,
             std::shared_ptr<boost::asio::ssl::context> tls);
  ~Dispatcher() override;

  void send(std::string_view key, std::span<const std::string_view> args, ReplySink& sink,
            SendOptions options) override;
  using Client::eval;
  void eval(const Script& script, std::span<const std::string_view> keys,
            std::span<const std::string_view> args, ReplySink& sink, SendOptions options) override;
  void send_to(const Node& node, std::span<const std::string_view> args, ReplySink& sink,
               SendOptions options) override;
  std::vector<Node> masters() const override;
  void look_again(std::span<const Endpoint> doubtful) override;
  Status health() const override;

 private:
  static constexpr std::size_t kWaits = 6;

  void on_connected(Connection& connection) override;
  void note_identity(Peer& peer, const Connection& connection, Line which);
  void note_masters();
  void publish();
  void on_down(Connection& connection) override;
  void on_answer(Connection& connection, Request& request, const Reply& reply) override;
  void on_lost(Request& request, const Error& error) override;

  std::vector<Endpoint> candidates() override;
  bool settled() const override;
  void on_found(std::vector<SlotRange> ranges) override;

  // Made and timed; null when it failed already.
  Request* start(std::span<const std::string_view> args, const Peer* peer, ReplySink& sink,
                 const SendOptions& options);
  const Script& keep(const Script& script);
  void dispatch(Request& request);
  Connection& line(Peer& peer, Line which);
  void finish(Request& request);
  void fail(Request& request, CallOutcome outcome, Error error);

  bool settle(Connection& connection, Request& request, std::string_view text);
  void again(Connection& connection, Request& request);
  void redirect(Request& request, Peer& peer);
  void try_later(Request& request);
  void reroute(Peer& peer);
  void refresh();

  void arm(Clock::time_point when);
  void on_tick();
  void expire(Request& request, const Error& error);
  void deliver();

  boost::asio::io_context& loop_;
  const ClientOptions options_;
  const std::shared_ptr<Stats> all_stats_;
  ClientStats& stats_;
  const LinkOptions link_options_;
  RequestPool pool_;
  DeadlineList deadlines_;
  Load parked_load_;
  RequestList parked_{parked_load_};  // no node is known for them
  Load waiting_load_;
  // For another try, by how long they wait.
  std::array<RequestList, kWaits> waiting_{RequestList(waiting_load_), RequestList(waiting_load_),
                                           RequestList(waiting_load_), RequestList(waiting_load_),
                                           RequestList(waiting_load_), RequestList(waiting_load_)};
  RequestList failed_;  // their sinks will be told
  std::vector<std::unique_ptr<Script>> scripts_;
  std::vector<std::string_view> args_;  // of the present call
  Routes routes_;
  std::vector<SlotRange> map_;  // as it was found last
  bool moved_ = false;          // `routes_` has changed since
  bool was_well_ = false;       // all masters were connected once
  std::size_t rounds_ = 0;      // of the discovery
  std::optional<Discovery> discovery_;
  Alarm tick_;
  Alarm deliver_soon_;
  LogLimiter repeats_{"redis"};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace push_cache::redis
