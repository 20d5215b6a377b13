// One thread of the server with its listener and its connections. Only for src/http.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/log_limiter.h"
#include "http/connection.h"
#include "http/request_stats.h"
#include "http/server.h"

namespace push_cache::http {

// A responses' batch beyond this is written before more requests are answered: a reader that is
// slower than its requests is held back by its own socket.
inline constexpr std::size_t kOutputBatchBytes = 256 * 1024;
// Size of a read buffer of the pool; what had to grow is freed. And the largest output that it
// keeps.
inline constexpr std::size_t kInputBlockBytes = 16 * 1024;
inline constexpr std::size_t kPooledOutputBytesMax = 2 * kOutputBatchBytes;

// Written by one loop, read by anyone.
struct alignas(64) LoopCounts {
  std::atomic<std::uint64_t> connections_total{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> requests_total{0};
  std::atomic<std::uint64_t> bad_requests_total{0};
  std::atomic<std::uint64_t> bytes_in_total{0};
  std::atomic<std::uint64_t> bytes_out_total{0};
};

inline void add(std::atomic<std::uint64_t>& count, std::uint64_t more) {
  count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

// What all loops of a server share.
struct Shared {
  Shared(const ServerOptions& given, Handler& to) : options(given), handler(to) {}
  const ServerOptions options;
  Handler& handler;
  LogLimiter repeats{"http"};
  std::atomic<std::size_t> connections_open{0};
  std::mutex mutex;
  std::condition_variable changed;
  unsigned loops_drained = 0;  // those with no listener and no connection any more; under mutex
};

class Loop {
 public:
  Loop(Shared& shared, unsigned index);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Binds; with SO_REUSEPORT, so that each loop has a listener of its own on one address.
  boost::system::error_code listen(const boost::asio::ip::tcp::endpoint& endpoint);
  boost::asio::ip::tcp::endpoint endpoint() const;
  void start();        // the thread
  void drain();        // from any thread
  void stop();         // from any thread but the loop's: drops all connections and joins
  void adopt(int fd);  // on the loop's thread: serves a connected socket, which must not block
  const LoopCounts& counts() const { return counts_; }
  const RequestStats& requests() const { return requests_; }

  // For its connections.
  boost::asio::io_context& io() { return io_; }
  Shared& shared() { return shared_; }
  const ServerOptions& options() const { return shared_.options; }
  LoopCounts& counts() { return counts_; }
  RequestStats& requests() { return requests_; }
  Wheel& wheel() { return wheel_; }
  unsigned index() const { return index_; }
  bool draining() const { return draining_; }
  std::chrono::nanoseconds now() const { return now_; }
  std::int64_t now_ms() const { return now_.count() / 1'000'000; }
  void refresh_clock();
  // Whether the request that has ended is one of those for the request log.
  bool logs_request() {
    const std::uint32_t every = options().log_requests;
    if (every == 0 || ++since_logged_ < every) return false;
    since_logged_ = 0;
    return true;
  }
  std::string_view date_line();
  Buffer take_input();
  Buffer take_output();
  void give_back_input(Buffer buffer);
  void give_back_output(Buffer buffer);
  void closed(Connection& connection);  // its socket; once a connection
  void remove(Connection& connection);  // and ends it

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp,
                                                      boost::asio::io_context::executor_type>;
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  void run();
  void wait_accept();
  void accept_some();
  void accept_later();
  void wait_tick();
  void note_drained();

  Shared& shared_;
  const unsigned index_;
  boost::asio::io_context io_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  Acceptor acceptor_;
  Timer tick_timer_;
  Timer accept_timer_;
  std::chrono::nanoseconds now_;
  std::int64_t tick_ms_;
  Wheel wheel_;
  DateLine date_;
  bool draining_ = false;
  bool stopping_ = false;
  bool drained_noted_ = false;
  bool accept_waits_ = false;
  std::size_t open_ = 0;
  std::size_t refused_open_ = 0;
  Connection* connections_ = nullptr;
  std::vector<Buffer> free_inputs_;
  std::vector<Buffer> free_outputs_;
  LoopCounts counts_;
  RequestStats requests_;
  std::uint32_t since_logged_ = 0;
  std::thread thread_;
};

}  // namespace push_cache::http
