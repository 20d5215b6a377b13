// One line to one server, which comes back by itself.
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <vector>

#include "base/error.h"
#include "redis/known_servers.h"
#include "redis/link.h"
#include "redis/request.h"

namespace push_cache::redis {

// Sends requests in their order, many with one write, and gives each its answer. After a loss it
// connects again, until it is destroyed; what may be repeated is sent again first, in its order. A
// connection that follows others (LinkOptions::servers) is ready once they admit it, and given up
// when they do so no more.
// Owns no request. For the loop's thread.
class Connection final : Link::Owner {
 public:
  // Called last in whatever the connection does: it may be destroyed within each call.
  class Owner {
   public:
    virtual void on_connected(Connection& connection) = 0;
    // Could not be made or was lost; it goes on trying.
    virtual void on_down(Connection& connection) = 0;
    // `request` has left the connection.
    virtual void on_answer(Connection& connection, Request& request, const Reply& reply) = 0;
    // `request` was sent, may not be sent again (or nobody waits for it), and has left. Unlike the
    // others the connection goes on after this one: it must stay.
    virtual void on_lost(Request& request, const Error& error) = 0;

   protected:
    ~Owner() = default;
  };

  // Connects at once. `options`, `load`, `stats`, `owner` and all requests outlive it.
  Connection(boost::asio::io_context& loop, const LinkOptions& options, const Endpoint& endpoint,
             Load& load, ClientStats& stats, Owner& owner);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Endpoint& endpoint() const { return endpoint_; }
  // Setup::identity; while `ready`.
  const std::string& identity() const { return link_->identity(); }
  bool ready() const { return ready_; }
  // Why it is not ready.
  const Error& error() const { return error_; }
  // When the present answer came; within `on_answer`.
  Clock::time_point answered_at() const { return link_->last_read(); }

  // See Admission. At first it is not.
  void set_free(bool is_free) { admission_.set_free(is_free); }

  void send(Request& request);
  // Sends again, before all that was not sent yet, what has just been answered with "not now".
  void send_again(Request& request);
  // Lets nothing out for a while, which grows with each pause until an answer comes that is none of
  // "not now" (`on_progress`). `renew`: with a new connection then.
  void pause(bool renew);
  void on_progress();
  // The server does not know a script that it was believed to know.
  void forget(const Script& script);

  // A request that was sent is overdue. Gives the whole connection up when it is silent.
  void on_overdue();
  // Moves out all that was not sent, in order.
  void take_unsent(RequestList& to);

 private:
  void on_ready() override;
  void try_to_use();
  void on_reply(const Reply& reply) override;
  void on_written() override;
  void on_closed(const Error& error) override;

  void open();
  void on_alarm();
  bool may_write() const;
  void write();
  Request* next_unsent() const;
  void prepare(Request& request);
  void mark_sent(Request& request, Clock::time_point now);

  boost::asio::io_context& loop_;
  const LinkOptions& options_;
  const Endpoint endpoint_;
  Load& load_;
  ClientStats& stats_;
  Owner& owner_;
  std::shared_ptr<Link> link_;  // null while it waits for the next attempt
  unsigned attempts_ = 0;
  bool ready_ = false;
  bool writing_ = false;
  bool paused_ = false;
  bool renew_ = false;
  Error error_;
  RequestList again_;  // to be sent again, before `unsent_`
  RequestList unsent_;
  RequestList sent_;
  const Request* in_place_ = nullptr;  // what is being written from its own memory
  Admission admission_;
  Clock::time_point made_at_;
  Clock::time_point ready_at_;
  std::vector<const Script*> known_;  // scripts that the server has from this link
  Backoff reconnect_wait_;
  Backoff pause_wait_;
  Backoff admission_wait_;
  Alarm alarm_;  // the end of a wait or of a pause
  Alarm write_soon_;
};

}  // namespace push_cache::redis
