#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "bench/child.h"
#include "bench/harness.h"
#include "bench/http_servers.h"

namespace push_cache::bench {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

// Exactly `bytes` bytes of a 200.
std::string fixed_response(std::size_t bytes) {
  // A body of one more byte may make the head longer by one too, hence the second form of a head.
  for (const std::string_view reason : {"OK", "O"}) {
    for (std::size_t body = bytes - std::min<std::size_t>(bytes, 64); body < bytes; ++body) {
      std::string response = "HTTP/1.1 200 " + std::string(reason) +
                             "\r\nContent-Length: " + std::to_string(body) + std::string(kEnd);
      if (response.size() + body == bytes) return response.append(body, 'x');
    }
  }
  fail("a response of " + std::to_string(bytes) + " bytes is too short for a head");
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, 1024) != 0) {
    fail("the bare server cannot listen");
  }
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

struct Connection {
  int fd;
  std::string unfinished;  // the start of a request
  std::size_t sent = 0;    // of the answers' bytes, modulo the size of one
  std::size_t owed = 0;    // bytes of answers that the socket has not taken
};

// One thread's loop.
class Loop {
 public:
  Loop(int listener, const std::string& response) : listener_(listener), size_(response.size()) {
    for (int i = 0; i < kAtOnce; ++i) answers_ += response;
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept();
        } else if (Connection& connection = *connections_.at(fd); !serve(connection)) {
          ::close(fd);
          connections_.erase(fd);
        }
      }
    }
  }

 private:
  static constexpr int kAtOnce = 64;

  void watch(int operation, int fd, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_, operation, fd, &event) != 0) fail("epoll_ctl failed");
  }

  void accept() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_[fd] = std::make_unique<Connection>(Connection{.fd = fd});
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
  }

  // False when the connection is to be closed.
  bool serve(Connection& connection) {
    if (connection.owed > 0) return send(connection, true);
    const std::size_t kept = connection.unfinished.size();
    if (kept > buffer_.size() / 2) return false;
    std::memcpy(buffer_.data(), connection.unfinished.data(), kept);
    const ssize_t read = ::read(connection.fd, buffer_.data() + kept, buffer_.size() - kept);
    if (read < 0) return errno == EAGAIN || errno == EINTR;
    if (read == 0) return false;
    const std::string_view text(buffer_.data(), kept + static_cast<std::size_t>(read));
    std::size_t done = 0;
    for (std::size_t at = text.find(kEnd); at != text.npos; at = text.find(kEnd, done)) {
      done = at + kEnd.size();
      connection.owed += size_;
    }
    connection.unfinished.assign(text.substr(done));
    return send(connection, false);
  }

  bool send(Connection& connection, bool was_waiting) {
    while (connection.owed > 0) {
      const std::size_t bytes = std::min(connection.owed, answers_.size() - connection.sent);
      const ssize_t sent =
          ::send(connection.fd, answers_.data() + connection.sent, bytes, MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) break;
      if (sent < 0) return false;
      connection.owed -= static_cast<std::size_t>(sent);
      connection.sent = (connection.sent + static_cast<std::size_t>(sent)) % size_;
    }
    const bool waits = connection.owed > 0;
    if (waits != was_waiting) {
      watch(EPOLL_CTL_MOD, connection.fd, waits ? EPOLLOUT : EPOLLIN);
    }
    return true;
  }

  const int listener_;
  const std::size_t size_;
  int epoll_;
  std::string answers_;  // the same one several times
  std::array<char, 65536> buffer_{};
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
};

}  // namespace

int serve_fixed(std::size_t response_bytes) {
  const std::string response = fixed_response(response_bytes);
  const unsigned loops = std::max(std::thread::hardware_concurrency(), 1u);
  const int first = listen_on(0);
  const std::uint16_t port = port_of(first);
  for (unsigned i = 0; i < loops; ++i) {
    const int listener = i == 0 ? first : listen_on(port);
    std::thread([listener, &response] {
      std::make_unique<Loop>(listener, response)->run();
    }).detach();
  }
  std::printf("%u\n", static_cast<unsigned>(port));
  std::fflush(stdout);
  wait_for_end_of_stdin();
  std::_Exit(0);  // the loops never end
}

}  // namespace push_cache::bench
