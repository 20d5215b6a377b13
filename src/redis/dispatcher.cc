#include "redis/dispatcher.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "redis/tls.h"

namespace push_cache::redis {
namespace {

Error too_much() { return {ErrorCode::kUnavailable, "too many commands wait for Redis"}; }

LinkOptions make_link_options(const ClientOptions& options,
                              std::shared_ptr<boost::asio::ssl::context> tls) {
  LinkOptions made;
  made.setup.username = options.username;
  made.setup.password = options.password;
  made.setup.database = options.topology == Topology::kCluster ? 0 : options.database;
  made.setup.master_only = options.topology == Topology::kSentinel;
  made.setup.identity = options.on_doubt != nullptr || options.servers != nullptr;
  if (!options.leads) made.servers = options.servers;
  made.tls = std::move(tls);
  made.timeout = options.timeout;
  return made;
}

// The same to the nodes of a Cluster. Sentinels have users of their own, or none: mostly, when they
// want a password, it is the same one.
LinkOptions make_discovery_options(const ClientOptions& options, const LinkOptions& link) {
  LinkOptions made = link;
  made.setup.identity = false;
  if (options.topology == Topology::kSentinel) {
    made.setup.database = 0;
    made.setup.master_only = false;
    made.setup.name = false;
    made.setup.may_need_no_auth = true;
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(boost::asio::io_context& loop,
                                               const ClientOptions& options) {
  if (options.seeds.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no address of Redis is given"};
  }
  auto tls = make_tls(options);
  if (!tls.ok()) return tls.error();
  return std::unique_ptr<Client>(std::make_unique<Dispatcher>(loop, options, std::move(*tls)));
}

Dispatcher::Dispatcher(boost::asio::io_context& loop, const ClientOptions& options,
                       std::shared_ptr<boost::asio::ssl::context> tls)
    : loop_(loop),
      options_(options),
      all_stats_(options.stats != nullptr ? options.stats : std::make_shared<Stats>()),
      stats_(all_stats_->add_client()),
      link_options_(make_link_options(options, std::move(tls))),
      tick_(loop, [this] { on_tick(); }),
      deliver_soon_(loop, [this] { deliver(); }) {
  if (options_.topology == Topology::kSingle) {
    routes_.apply({{0, kSlots - 1, options_.seeds.front()}});
    line(*routes_.at(0), Line::kPoint);
  } else {
    discovery_.emplace(loop_, options_, make_discovery_options(options_, link_options_),
                       static_cast<Discovery::Owner&>(*this));
  }
}

Dispatcher::~Dispatcher() {
  *alive_ = false;
  stats_.gone();
}

// ---- Commands

void Dispatcher::send(std::string_view key, std::span<const std::string_view> args, ReplySink& sink,
                      SendOptions options) {
  const std::uint16_t slot = options_.topology == Topology::kCluster ? slot_of(key) : 0;
  Request* const request = start(args, routes_.at(slot), sink, options);
  if (request == nullptr) return;
  request->slot = slot;
  dispatch(*request);
}

void Dispatcher::eval(const Script& script, std::span<const std::string_view> keys,
                      std::span<const std::string_view> args, ReplySink& sink,
                      SendOptions options) {
  const std::uint16_t slot = options_.topology == Topology::kCluster ? slot_of(keys.front()) : 0;
  const Script& kept = keep(script);
  const std::string count = std::to_string(keys.size());
  args_.assign({"EVALSHA", kept.sha(), count});
  args_.insert(args_.end(), keys.begin(), keys.end());
  args_.insert(args_.end(), args.begin(), args.end());
  Request* const request = start(args_, routes_.at(slot), sink, options);
  if (request == nullptr) return;
  request->slot = slot;
  request->script = &kept;
  dispatch(*request);
}

void Dispatcher::send_to(const Node& node, std::span<const std::string_view> args, ReplySink& sink,
                         SendOptions options) {
  const Peer* const peer = routes_.find(node.endpoint);
  Request* const request = start(args, peer, sink, options);
  if (request == nullptr) return;
  request->pinned = true;
  request->node = node.endpoint;
  dispatch(*request);
}

Request* Dispatcher::start(std::span<const std::string_view> args, const Peer* peer,
                           ReplySink& sink, const SendOptions& options) {
  Request& request = pool_.take();
  request.sink = &sink;
  request.line = options.line;
  request.repeatable = options.repeatable;
  request.kind = kind_of(args.front());
  stats_.begun();
  std::size_t bytes = 0;
  for (const std::string_view arg : args) bytes += arg.size();
  // What waits for another try was sent to this node or may go there.
  Load load = peer == nullptr ? parked_load_ : peer->load;
  load.count += waiting_load_.count;
  load.bytes += waiting_load_.bytes;
  if (bytes > limits::kRedisCommandBytesMax) {
    fail(request, CallOutcome::kRefused, {ErrorCode::kTooLarge, "too large for Redis"});
    return nullptr;
  }
  // One that is too large by itself may still go alone.
  if (load.count >= options_.waiting_max ||
      (load.count > 0 && load.bytes + bytes > options_.waiting_bytes_max)) {
    fail(request, CallOutcome::kOverload, too_much());
    return nullptr;
  }
  request.command = Command(args);
  request.deadline = Clock::now() + options_.timeout;
  deadlines_.push_back(request);
  arm(request.deadline);
  return &request;
}

// A copy that lives as long as the client: the caller's may not.
const Script& Dispatcher::keep(const Script& script) {
  for (const auto& kept : scripts_) {
    if (kept->sha() == script.sha()) return *kept;
  }
  return *scripts_.emplace_back(std::make_unique<Script>(script));
}

void Dispatcher::dispatch(Request& request) {
  if (request.pinned) {
    Peer* const peer = routes_.find(request.node);
    if (peer != nullptr && peer->master) return line(*peer, request.line).send(request);
    return fail(request, CallOutcome::kLost,
                {ErrorCode::kUnavailable, "this node of Redis is no master any more"});
  }
  Peer* const peer = routes_.at(request.slot);
  if (peer != nullptr) return line(*peer, request.line).send(request);
  parked_.push_back(request);
  refresh();
}

Connection& Dispatcher::line(Peer& peer, Line which) {
  auto& connection = peer.lines[static_cast<std::size_t>(which)];
  if (connection == nullptr) {
    connection = std::make_unique<Connection>(loop_, link_options_, peer.endpoint, peer.load,
                                              stats_, static_cast<Connection::Owner&>(*this));
    // Somebody else names it for this once.
    connection->set_free(!peer.master);
  }
  return *connection;
}

void Dispatcher::finish(Request& request) {
  deadlines_.remove(request);
  pool_.give_back(request);
}

void Dispatcher::fail(Request& request, CallOutcome outcome, Error error) {
  stats_.ended(request.kind, outcome);
  deadlines_.remove(request);
  request.error = std::move(error);
  failed_.push_back(request);
  deliver_soon_.soon();
}

// ---- Outcomes

void Dispatcher::on_answer(Connection& connection, Request& request, const Reply& reply) {
  if (request.sink == nullptr) return finish(request);
  if (reply.type == Reply::Type::kError && settle(connection, request, reply.text)) return;
  connection.on_progress();
  stats_.took(request.kind, connection.answered_at() - (request.deadline - options_.timeout));
  stats_.ended(request.kind,
               reply.type == Reply::Type::kError ? outcome_of_error(reply.text) : CallOutcome::kOk);
  ReplySink& sink = *request.sink;
  finish(request);
  sink.reply(reply);
}

void Dispatcher::on_lost(Request& request, const Error& error) {
  if (request.sink == nullptr) return finish(request);
  fail(request, CallOutcome::kLost,
       {ErrorCode::kUnavailable, "the connection to Redis was lost; the command may have been done",
        error.describe()});
}

void Dispatcher::deliver() {
  const std::shared_ptr<bool> alive = alive_;
  // What fails meanwhile has its own turn, so that a sink that tries again does not keep the loop.
  for (std::size_t count = failed_.size(); count > 0; --count) {
    Request& request = *failed_.first();
    failed_.remove(request);
    ReplySink& sink = *request.sink;
    const Error error = std::move(request.error);
    finish(request);
    sink.failed(error);
    if (!*alive) return;
  }
}

// ---- Time

void Dispatcher::arm(Clock::time_point when) {
  if (when < tick_.due()) tick_.set(when);
}

void Dispatcher::on_tick() {
  const Clock::time_point now = Clock::now();
  if (deadlines_.first() != nullptr && deadlines_.first()->deadline <= now) {
    Error error{ErrorCode::kUnavailable, "Redis does not answer in time"};
    const Status well = health();
    if (!well.ok()) error.detail = well.error().describe();
    while (Request* const request = deadlines_.first()) {
      if (request->deadline > now) break;
      expire(*request, error);
    }
  }
  for (RequestList& list : waiting_) {
    while (Request* const request = list.first()) {
      if (request->wake_at > now) break;
      list.remove(*request);
      dispatch(*request);
    }
    if (list.first() != nullptr) arm(list.first()->wake_at);
  }
  if (deadlines_.first() != nullptr) arm(deadlines_.first()->deadline);
  routes_.sweep();
}

void Dispatcher::expire(Request& request, const Error& error) {
  Connection* const sent_on = request.list->sent_on();
  stats_.took(request.kind, options_.timeout);
  if (sent_on == nullptr) {
    request.list->remove(request);
    return fail(request, CallOutcome::kTimeout, error);
  }
  // It stays, so that its answer is not taken for that of another; its sink is told by a second
  // one.
  deadlines_.remove(request);
  Request& messenger = pool_.take();
  messenger.sink = std::exchange(request.sink, nullptr);
  messenger.kind = request.kind;
  fail(messenger, CallOutcome::kTimeout, error);
  sent_on->on_overdue();
}

// ---- Where and when

void Dispatcher::refresh() {
  if (discovery_.has_value()) discovery_->refresh();
}

}  // namespace push_cache::redis
