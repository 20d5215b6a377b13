// One attempt at a connection, from the name's resolution to its loss.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "redis/alarm.h"
#include "redis/client.h"
#include "redis/replies.h"
#include "redis/setup.h"

namespace push_cache::redis {

// What all connections of a kind have in common.
struct LinkOptions {
  SetupOptions setup;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null = none
  std::chrono::milliseconds timeout{1'000};        // until `on_ready`
  std::shared_ptr<KnownServers> servers;           // which the connection follows; null = none
};

// Resolves, connects (to every address in turn), shakes hands, sets up; then writes what it is
// given and reads answers. Kept alive by its own operations, so that its owner may drop it
// anywhere, also within a call from it; nothing is called after `close`. For the loop's thread.
class Link final : public std::enable_shared_from_this<Link>, ReplyReader::Handler {
 public:
  class Owner {
   public:
    virtual void on_ready() = 0;
    // The next answer to what was written, the set-up's aside. It lives during the call.
    virtual void on_reply(const Reply& reply) = 0;
    // What was given to `write` is out of use.
    virtual void on_written() = 0;
    // The link is of no use any more: could not be made, or was lost. kUnavailable.
    virtual void on_closed(const Error& error) = 0;

   protected:
    ~Owner() = default;
  };

  // Starts at once; never calls `owner` before it returns. `owner` lives until `close` or
  // `on_closed`. `attempt` says with which of several addresses to start.
  static std::shared_ptr<Link> open(boost::asio::io_context& loop, const LinkOptions& options,
                                    const Endpoint& endpoint, unsigned attempt, Owner& owner);
  Link(boost::asio::io_context& loop, const LinkOptions& options, const Endpoint& endpoint,
       unsigned attempt, Owner& owner);  // for `open`

  // One write at a time, after `on_ready`. What is in `out` is sent; it is the link's until
  // `on_written`, and empty then.
  Buffer& out() { return out_; }
  void write_out();
  // Sends bytes that stay where they are until `on_written` or the link's end. Not with TLS, which
  // may still hold on to them for a moment after that.
  void write(std::string_view bytes);

  void close();
  // As `close`, but says so: `on_closed`.
  void fail(std::string_view what, std::string_view detail = {});

  // Of the set-up.
  const std::string& identity() const { return setup_.identity(); }
  bool tls() const { return tls_.has_value(); }
  // When something came last.
  Clock::time_point last_read() const { return last_read_; }

 private:
  using Tcp = boost::asio::ip::tcp;
  using Socket = boost::asio::basic_stream_socket<Tcp, boost::asio::io_context::executor_type>;
  using Resolver = boost::asio::ip::basic_resolver<Tcp, boost::asio::io_context::executor_type>;

  bool on_reply(const Reply& reply) override;
  void start();
  void connect(std::vector<Tcp::endpoint> addresses);
  void shake_hands();
  void set_up();
  void become_ready();
  void read();
  void on_read(const boost::system::error_code& error, std::size_t size);
  void on_written(const boost::system::error_code& error);
  template <typename Done>
  void write_some(std::string_view bytes, Done done);
  void close_socket();
  std::string tls_failure(const boost::system::error_code& error);

  Owner* owner_;  // null: closed
  Endpoint endpoint_;
  unsigned attempt_;
  std::shared_ptr<boost::asio::ssl::context> tls_context_;
  Socket socket_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
  Resolver resolver_;
  std::vector<Tcp::endpoint> addresses_;
  std::string waits_for_ = "the connection";  // while it is not ready
  Alarm set_up_late_;
  Setup setup_;
  bool ready_ = false;
  ReplyReader reader_;
  Buffer out_;
  Clock::time_point last_read_;
  std::array<char, 64 * 1024> in_;
};

}  // namespace push_cache::redis
