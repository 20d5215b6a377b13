// A raw-socket HTTP client for tests: sends exactly the bytes it is given. Blocking, with a
// generous time limit on each read, so that a server that hangs fails a test instead of stopping
// it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "http/http.h"
#include "http/server.h"

namespace push_cache::http::test {

// A handler made of a function.
class FunctionHandler final : public Handler {
 public:
  explicit FunctionHandler(std::function<void(Exchange&)> function)
      : function_(std::move(function)) {}
  void handle(Exchange& exchange) override { function_(exchange); }

 private:
  std::function<void(Exchange&)> function_;
};

// Waits until `condition` holds; false after `limit`.
template <typename Condition>
bool wait_for(Condition&& condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

struct Response {
  unsigned status = 0;
  std::string head;  // up to and with the empty line
  std::string body;  // decoded when chunked

  // The value of a header, or "" when there is none.
  std::string header(std::string_view name) const {
    std::size_t at = head.find("\r\n") + 2;
    while (at < head.size()) {
      const std::size_t end = head.find("\r\n", at);
      const std::string_view line = std::string_view(head).substr(at, end - at);
      const std::size_t colon = line.find(':');
      if (colon == name.size() &&
          std::equal(name.begin(), name.end(), line.begin(), [](unsigned char a, unsigned char b) {
            return std::tolower(a) == std::tolower(b);
          })) {
        std::string_view value = line.substr(colon + 1);
        while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        return std::string(value);
      }
      at = end + 2;
    }
    return "";
  }
  bool has_header(std::string_view name) const { return !header(name).empty(); }
};

class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer_bytes = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes != 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        connected_(other.connected_),
        input_(std::move(other.input_)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  Client& operator=(Client&&) = delete;
  ~Client() { close(); }

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  // Ends the connection with a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void shutdown_write() { ::shutdown(fd_, SHUT_WR); }

  // False when the connection has gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool send_byte_by_byte(std::string_view bytes) {
    for (char byte : bytes) {
      if (!send(std::string_view(&byte, 1))) return false;
    }
    return true;
  }

  // Reads more; false at the end of the stream, on an error or after the limit.
  bool fill(std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(limit.count())) <= 0) {
      timed_out_ = true;
      return false;
    }
    char bytes[64 * 1024];
    const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    input_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  // The next response; nothing when the connection ends before it. `to_head`: it answers a HEAD.
  std::optional<Response> read(bool to_head = false) {
    for (;;) {
      Response response;
      const std::size_t end = input_.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (!fill()) return std::nullopt;
        continue;
      }
      response.head = input_.substr(0, end + 4);
      input_.erase(0, end + 4);
      response.status = static_cast<unsigned>(std::strtoul(response.head.c_str() + 9, nullptr, 10));
      if (to_head || response.status == 304 || response.status == 204 || response.status < 200) {
        return response;
      }
      if (response.header("Transfer-Encoding") == "chunked") {
        if (!read_chunks(response.body)) return std::nullopt;
      } else if (response.has_header("Content-Length")) {
        const std::size_t bytes = std::stoul(response.header("Content-Length"));
        while (input_.size() < bytes) {
          if (!fill()) return std::nullopt;
        }
        response.body = input_.substr(0, bytes);
        input_.erase(0, bytes);
      } else {
        while (fill()) {
        }
        response.body = std::exchange(input_, {});
      }
      return response;
    }
  }

  // Sends `bytes` and reads one response.
  std::optional<Response> ask(std::string_view bytes, bool to_head = false) {
    if (!send(bytes)) return std::nullopt;
    return read(to_head);
  }
  std::optional<Response> get(std::string_view target) {
    return ask("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
  }

  // Whether the server ends the stream without sending anything more.
  bool ended() {
    if (!input_.empty()) return false;
    timed_out_ = false;
    return !fill() && !timed_out_;
  }
  // Everything up to the end of the stream.
  std::string read_to_end() {
    while (fill()) {
    }
    return std::exchange(input_, {});
  }
  const std::string& unread() const { return input_; }

 private:
  bool read_chunks(std::string& body) {
    for (;;) {
      std::size_t line = 0;
      while ((line = input_.find("\r\n")) == std::string::npos) {
        if (!fill()) return false;
      }
      const std::size_t bytes = std::stoul(input_, nullptr, 16);
      while (input_.size() < line + 2 + bytes + 2) {
        if (!fill()) return false;
      }
      body.append(input_, line + 2, bytes);
      input_.erase(0, line + 2 + bytes + 2);
      if (bytes == 0) return true;
    }
  }

  int fd_ = -1;
  bool connected_ = false;
  bool timed_out_ = false;
  std::string input_;
};

inline std::unique_ptr<Server> serve(Handler& handler, ServerOptions options = {}) {
  auto started = Server::start(options, handler);
  EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().describe());
  return std::move(*started);
}

inline std::string get_text(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

}  // namespace push_cache::http::test
