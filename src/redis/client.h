// Redis and Valkey over one event loop: one server, a Cluster, or what Sentinels name.
//
// Sources: RESP2 (https://redis.io/docs/reference/protocol-spec/), the Cluster specification
// (https://redis.io/docs/reference/cluster-spec/: slots, hash tags, MOVED, ASK, TRYAGAIN) and the
// guidelines for Sentinel clients (https://redis.io/docs/reference/sentinel-clients/).
#pragma once

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "redis/stats.h"

namespace push_cache::redis {

class KnownServers;

struct Endpoint {
  std::string host;
  std::uint16_t port = 6379;
  bool operator==(const Endpoint&) const = default;
};

enum class Topology : std::uint8_t {
  kSingle,
  kCluster,   // `seeds`: some of its nodes
  kSentinel,  // `seeds`: the Sentinels
};

struct ClientOptions {
  Topology topology = Topology::kSingle;
  std::vector<Endpoint> seeds;  // at least one
  std::string master_name;      // with kSentinel
  std::string username;         // "" = the default user
  std::string password;         // "" = no AUTH
  int database = 0;             // 0 with kCluster
  // TLS to every server, Sentinels included. The certificate must be for the host's name (SNI is
  // sent) and of `ca_file` ("" = the system's authorities).
  bool tls = false;
  std::string ca_file;
  std::string certificate_file;  // with `key_file`: the client's; "" = none
  std::string key_file;
  // From `send` to the answer, whatever is tried until then; also of a connection's set-up.
  std::chrono::milliseconds timeout{1'000};
  // Commands without an answer, and their bytes, at one node: beyond, `send` fails at once.
  std::size_t waiting_max = 64 * 1024;
  std::size_t waiting_bytes_max = 256 * 1024 * 1024;
  // Called on the loop, before anything comes from there, when a client that was connected to all
  // masters is connected to another one, or to one that was restarted or has become the master
  // anew: it may hold less than what was written. Also before it was connected to all, when one of
  // them is another than it was.
  std::function<void()> on_doubt;
  // Of several clients that must answer from the same servers (redis/known_servers.h). One leads;
  // commands of the others wait until the leader is connected to the same server as they are. Null:
  // this client is alone.
  std::shared_ptr<KnownServers> servers;
  bool leads = false;
  // Where the client counts; of several clients together when they have the same. Null: nowhere.
  std::shared_ptr<Stats> stats;
};

// One answer as it is read. Borrowed: it lives during ReplySink::reply.
struct Reply {
  enum class Type : std::uint8_t { kString, kStatus, kInteger, kNil, kError, kArray };
  Type type = Type::kNil;
  std::string_view text;            // kString, kStatus, kError
  std::int64_t integer = 0;         // kInteger
  std::span<const Reply> elements;  // kArray
};

// Takes the outcome of one command: exactly one call, once, on the loop and never within `send`.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // What the server answered; also an error of the command itself (Reply::Type::kError, such as
  // WRONGTYPE or OOM). What has to do with where and when (MOVED, ASK, TRYAGAIN, CLUSTERDOWN,
  // LOADING, READONLY, MASTERDOWN, NOSCRIPT, a lost connection) was settled before or ended in
  // `failed`.
  virtual void reply(const Reply& reply) = 0;
  // kUnavailable: no answer in time, or too much is waiting. The command may have been done.
  virtual void failed(const Error& error) = 0;
};

// What a command may wait behind: those of one line go over one connection to a node, in order.
enum class Line : std::uint8_t {
  kPoint,  // one key, answered at once
  kBulk,   // such as SCAN: keeps the server busy for longer
};

struct SendOptions {
  Line line = Line::kPoint;
  // It is harmless to do it twice, so that it is sent again when the connection is lost before the
  // answer. Otherwise it fails then.
  bool repeatable = true;
};

// A Lua script and what its body is called by.
class Script {
 public:
  explicit Script(std::string text);  // computes its SHA-1
  const std::string& text() const { return text_; }
  const std::string& sha() const { return sha_; }  // hex

 private:
  std::string text_;
  std::string sha_;
};

// A master as the client knows it: stays the same while the master does.
struct Node {
  Endpoint endpoint;
  bool operator==(const Node&) const = default;
};

// For one event loop: made, used and destroyed on its thread, or while it does not run. Connects by
// itself, at once and again after a loss (backoff with jitter, never giving up). Commands that are
// sent before that wait for it, up to their time-out. Answers come in any order between nodes, in
// the order of `send` for one key and line while the topology stays.
class Client {
 public:
  // kInvalidArgument when the TLS files cannot be read; a server that is away is no error.
  static Result<std::unique_ptr<Client>> create(boost::asio::io_context& loop,
                                                const ClientOptions& options);
  // Closes everything; sinks that wait are not called.
  virtual ~Client() = default;

  // Sends one command to the master that has `key` (with hash tags, as a Cluster wants it). `args`:
  // the command and its arguments, copied. `sink` must live until it is called.
  virtual void send(std::string_view key, std::span<const std::string_view> args, ReplySink& sink,
                    SendOptions options = {}) = 0;
  // EVALSHA of a script with `keys` (one at least, all of one slot in a Cluster) and `args` as
  // ARGV; the script itself when the server does not know it yet.
  virtual void eval(const Script& script, std::span<const std::string_view> keys,
                    std::span<const std::string_view> args, ReplySink& sink,
                    SendOptions options = {}) = 0;
  void eval(const Script& script, std::string_view key, std::span<const std::string_view> args,
            ReplySink& sink, SendOptions options = {}) {
    eval(script, std::span(&key, 1), args, sink, options);
  }
  // Sends to this node whatever the key; kUnavailable when it is no master any more.
  virtual void send_to(const Node& node, std::span<const std::string_view> args, ReplySink& sink,
                       SendOptions options = {}) = 0;
  // The masters known now; empty before the first answer of a Cluster or a Sentinel.
  virtual std::vector<Node> masters() const = 0;

  // Looks soon whether the masters are still these, and whether those at `doubtful` are still the
  // same servers. What waits for answers goes on waiting.
  virtual void look_again(std::span<const Endpoint> doubtful) = 0;

  // Success when every master known is connected; else why not, without a password. From the
  // client's thread.
  virtual Status health() const = 0;

 protected:
  Client() = default;
};

// The slot of a key (0 to 16383), by its hash tag when it has one.
std::uint16_t slot_of(std::string_view key);

}  // namespace push_cache::redis
