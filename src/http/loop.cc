#include "http/loop.h"

#include <boost/asio/detail/socket_option.hpp>
#include <boost/asio/post.hpp>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

#include "net/loop.h"

namespace push_cache::http {
namespace {

using boost::system::error_code;
using ReusePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr int kBacklog = 4096;     // the kernel cuts it to its own cap
constexpr int kAcceptsATurn = 64;  // then the loop's other work
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr std::size_t kFreeInputsMax = 64;  // each kInputBlockBytes
constexpr std::size_t kFreeOutputsMax = 16;
constexpr std::size_t kRefusedLingeringMax = 64;

std::chrono::nanoseconds monotonic_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::int64_t tick_for(const ServerOptions& options) {
  const auto least =
      std::min({options.request_timeout, options.idle_timeout, options.write_timeout});
  return std::clamp<std::int64_t>(least.count() / 8, 5, 500);
}

}  // namespace

Loop::Loop(Shared& shared, unsigned index)
    : shared_(shared),
      index_(index),
      io_(1),
      work_(io_.get_executor()),
      acceptor_(io_),
      tick_timer_(io_),
      accept_timer_(io_),
      now_(monotonic_now()),
      tick_ms_(tick_for(shared.options)),
      wheel_(tick_ms_, now_ms()),
      requests_(shared.options.routes) {
  free_inputs_.reserve(kFreeInputsMax);
  free_outputs_.reserve(kFreeOutputsMax);
}

Loop::~Loop() { stop(); }

error_code Loop::listen(const boost::asio::ip::tcp::endpoint& endpoint) {
  error_code ec;
  const auto step = [&ec](auto&& call) {
    if (!ec) call();
  };
  step([&] { acceptor_.open(endpoint.protocol(), ec); });
  step([&] { acceptor_.set_option(Acceptor::reuse_address(true), ec); });
  step([&] { acceptor_.set_option(ReusePort(true), ec); });
  step([&] { acceptor_.set_option(boost::asio::ip::tcp::no_delay(true), ec); });
  step([&] { acceptor_.bind(endpoint, ec); });
  step([&] { acceptor_.listen(kBacklog, ec); });
  return ec;
}

boost::asio::ip::tcp::endpoint Loop::endpoint() const {
  error_code ec;
  return acceptor_.local_endpoint(ec);
}

void Loop::start() {
  // Signals go to the threads of the program's own choice.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const std::string name = shared_.options.name.substr(0, 12) + "-" + std::to_string(index_);
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

void Loop::run() {
  const net::LoopScope scope(io_);
  wait_accept();
  wait_tick();
  io_.run();
}

void Loop::refresh_clock() { now_ = monotonic_now(); }

std::string_view Loop::date_line() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return date_.at(time.tv_sec);
}

// ---- accepting

void Loop::wait_accept() {
  if (draining_ || stopping_ || accept_waits_) return;
  accept_waits_ = true;
  acceptor_.async_wait(Acceptor::wait_read, [this](const error_code& ec) {
    accept_waits_ = false;
    if (draining_ || stopping_) return;
    if (ec) {
      accept_later();
    } else {
      accept_some();
    }
  });
}

void Loop::accept_later() {
  accept_timer_.expires_after(kAcceptPause);
  accept_timer_.async_wait([this](const error_code& ec) {
    if (!ec) wait_accept();
  });
}

void Loop::accept_some() {
  refresh_clock();
  for (int turn = 0; turn < kAcceptsATurn; ++turn) {
    const int fd =
        ::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      adopt(fd);
      continue;
    }
    const int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) break;
    if (error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM ||
        error == ENETDOWN || error == ENETUNREACH || error == EHOSTUNREACH) {
      continue;  // that connection's fault only (accept(2))
    }
    // Out of file descriptors or memory: the connection stays in the backlog, so trying again at
    // once would only spin.
    shared_.repeats.log("wait", spdlog::level::warn, "{}: new connections wait: {}",
                        shared_.options.name, std::strerror(error));
    accept_later();
    return;
  }
  wait_accept();
}

void Loop::adopt(int fd) {
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  error_code ec;
  Connection::Socket socket(io_);
  socket.assign(endpoint().protocol(), fd, ec);
  if (ec) {
    ::close(fd);
    shared_.repeats.log("new", spdlog::level::warn, "{}: a new connection: {}",
                        shared_.options.name, ec.message());
    return;
  }
  const bool refused = shared_.connections_open.fetch_add(1, std::memory_order_relaxed) >=
                       shared_.options.connections_max;
  if (refused) {
    shared_.connections_open.fetch_sub(1, std::memory_order_relaxed);
    add(counts_.connections_refused, 1);
    if (refused_open_ >= kRefusedLingeringMax) return;  // closed with the socket
    ++refused_open_;
  } else {
    add(counts_.connections_total, 1);
    ++open_;
  }
  auto* connection = new Connection(*this, std::move(socket));  // ends itself: see Connection
  connection->after = connections_;
  if (connections_ != nullptr) connections_->before = connection;
  connections_ = connection;
  if (refused) {
    connection->start_refused();
  } else {
    connection->start();
  }
}

void Loop::closed(Connection& connection) {
  if (connection.is_refused()) {
    --refused_open_;
    return;
  }
  --open_;
  shared_.connections_open.fetch_sub(1, std::memory_order_relaxed);
  note_drained();
}

void Loop::remove(Connection& connection) {
  if (connection.before != nullptr) {
    connection.before->after = connection.after;
  } else {
    connections_ = connection.after;
  }
  if (connection.after != nullptr) connection.after->before = connection.before;
  connection.release();
}

// ---- time

void Loop::wait_tick() {
  tick_timer_.expires_after(std::chrono::milliseconds(tick_ms_));
  tick_timer_.async_wait([this](const error_code& ec) {
    if (ec || stopping_) return;
    refresh_clock();
    wheel_.advance(now_ms(),
                   [](WheelEntry& entry) { static_cast<Connection&>(entry).on_deadline(); });
    wait_tick();
  });
}

// ---- buffers

Buffer Loop::take_input() {
  if (free_inputs_.empty()) return Buffer(kInputBlockBytes);
  Buffer buffer = std::move(free_inputs_.back());
  free_inputs_.pop_back();
  return buffer;
}

void Loop::give_back_input(Buffer buffer) {
  if (buffer.capacity() != kInputBlockBytes || free_inputs_.size() == kFreeInputsMax) return;
  free_inputs_.push_back(std::move(buffer));
}

Buffer Loop::take_output() {
  if (free_outputs_.empty()) return Buffer(kInputBlockBytes);
  Buffer buffer = std::move(free_outputs_.back());
  free_outputs_.pop_back();
  return buffer;
}

void Loop::give_back_output(Buffer buffer) {
  if (buffer.capacity() > kPooledOutputBytesMax || free_outputs_.size() == kFreeOutputsMax) return;
  free_outputs_.push_back(std::move(buffer));
}

// ---- the end

void Loop::drain() {
  boost::asio::post(io_, [this] {
    if (draining_ || stopping_) return;
    accept_some();  // those in the backlog would be reset by the close
    draining_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    accept_timer_.cancel();
    refresh_clock();
    for (Connection* connection = connections_; connection != nullptr;) {
      Connection* const next = connection->after;
      connection->drain();
      connection = next;
    }
    note_drained();
  });
}

void Loop::note_drained() {
  if (!draining_ || open_ != 0 || drained_noted_) return;
  drained_noted_ = true;
  const std::lock_guard lock(shared_.mutex);
  ++shared_.loops_drained;
  shared_.changed.notify_all();
}

void Loop::stop() {
  if (thread_.joinable()) {
    boost::asio::post(io_, [this] {
      stopping_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      tick_timer_.cancel();
      accept_timer_.cancel();
      for (Connection* connection = connections_; connection != nullptr;) {
        Connection* const next = connection->after;
        connection->shut();
        connection = next;
      }
      work_.reset();
      net::end_loop();
    });
    thread_.join();
  }
  work_.reset();
  // Tasks that were posted after the loop had ended are dropped here, and then the connections
  // whose exchange nobody has finished.
  io_.restart();
  io_.poll();
  while (connections_ != nullptr) remove(*connections_);
}

}  // namespace push_cache::http
