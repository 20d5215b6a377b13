// Which servers a store's own client is connected to. All clients of one store share it, so that
// they answer from the same servers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "redis/client.h"

namespace push_cache::redis {

// One client leads: the store's own one, by which positions are read, and which raises doubts. The
// others follow: a connection of theirs is used only while the leader is connected to the same
// server. So no answer can come from a server that the store has not looked at. Safe from any
// thread.
class KnownServers {
 public:
  struct Server {
    Endpoint endpoint;
    std::string identity;  // Setup::identity; "" = the server does not tell it
    bool operator==(const Server&) const = default;
  };

  // By the leader, after the doubt that a change gives: the masters that it is or was connected to.
  void publish(std::vector<Server> masters);

  enum class Fit : std::uint8_t {
    kSame,     // the leader's
    kUnknown,  // where the leader's is, but one of the two identities is not told
    kOther,
  };
  // Of a follower's connection.
  Fit fit(const Endpoint& endpoint, std::string_view identity) const;
  // Changes with each change of the masters.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // A follower has met a server that is not the leader's: the leader should look for the masters
  // again.
  void report_other(const Endpoint& endpoint);
  // Asks for a proof: that the leader's servers answer what they are asked from now on. A follower
  // that was connected before to the same address is then connected to the same server, since two
  // processes do not listen there at once. Gives the question's number.
  std::uint64_t ask();
  bool is_proved(std::uint64_t question) const {
    return proved_.load(std::memory_order_acquire) >= question;
  }

  // By the store: what followers ask for. `listener` is called on any thread and must not block;
  // not called any more once another one (or none) is set.
  void on_request(std::function<void()> listener);
  std::uint64_t asked() const { return asked_.load(std::memory_order_acquire); }
  void prove(std::uint64_t question) { proved_.store(question, std::memory_order_release); }
  std::vector<Endpoint> take_others();

 private:
  void notify();

  mutable std::mutex mutex_;
  std::vector<Server> masters_;   // under mutex_
  std::vector<Endpoint> others_;  // under mutex_
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint64_t> asked_{0};
  std::atomic<std::uint64_t> proved_{0};
  std::mutex listener_mutex_;
  std::function<void()> listener_;  // under listener_mutex_
};

// Whether one connection of a follower may be used. For its loop's thread.
class Admission {
 public:
  // Null: that of a client that follows nobody, which always may.
  explicit Admission(KnownServers* servers) : servers_(servers) {}

  // To be called when there is a new connection.
  void begin();
  // Whether it may be used whoever the leader is connected to, as that to a node which a master
  // names for one command (ASK): it counts as that master does, and is none by itself.
  void set_free(bool is_free) { is_free_ = is_free; }
  // Before the first command; asked again until it is true.
  bool admits(const Endpoint& endpoint, std::string_view identity);
  // Before each answer, once it was admitted. False: the answer does not count.
  bool still_admits(const Endpoint& endpoint, std::string_view identity) {
    return servers_ == nullptr || is_free_ || version_ == servers_->version() ||
           renew(endpoint, identity);
  }

 private:
  bool renew(const Endpoint& endpoint, std::string_view identity);

  KnownServers* const servers_;
  std::uint64_t version_ = 0;
  std::uint64_t question_ = 0;  // 0 = not asked
  bool reported_ = false;
  bool is_free_ = false;
};

}  // namespace push_cache::redis
