// A small HTTP server for tests, which can answer wrongly on purpose. Not part of the program.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace push_cache::registry {

struct TestRequest {
  std::string method;
  std::string target;
  std::string head;  // the request line and headers as they came
  std::string body;

  bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
};

struct TestReply {
  int status = 200;
  std::string body = {};
  std::string headers = {};       // "Name: value\r\n"...
  std::size_t missing_bytes = 0;  // Content-Length says so many more than are sent
  bool hang = false;              // no answer until the client goes or the server stops
};

// Serves one request a connection, each on a thread of its own. `script` runs on those threads.
class TestServer {
 public:
  using Script = std::function<TestReply(const TestRequest&)>;

  // Listens on loopback; a port of 0 takes a free one.
  explicit TestServer(Script script, std::uint16_t port = 0) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    ok_ = ::bind(listener_, raw, sizeof address) == 0 && ::listen(listener_, 128) == 0;
    socklen_t size = sizeof address;
    ::getsockname(listener_, raw, &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~TestServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      std::lock_guard lock(mutex_);
      for (const int fd : sockets_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  bool ok() const { return ok_; }
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return "http://" + address(); }

  std::vector<TestRequest> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      std::lock_guard lock(mutex_);
      sockets_.push_back(fd);
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }

  void serve(int fd) {
    TestRequest request;
    if (receive(fd, request)) {
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const TestReply reply = script_(request);
      if (reply.hang) {
        char byte;
        while (::recv(fd, &byte, 1, 0) > 0) {
        }
      } else {
        const std::string text =
            "HTTP/1.1 " + std::to_string(reply.status) + " Status\r\n" +
            "Content-Length: " + std::to_string(reply.body.size() + reply.missing_bytes) + "\r\n" +
            "Connection: close\r\n" + reply.headers + "\r\n" + reply.body;
        std::size_t sent = 0;
        while (sent < text.size()) {
          const auto n = ::send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
          if (n <= 0) break;
          sent += static_cast<std::size_t>(n);
        }
        ::shutdown(fd, SHUT_WR);
        char rest[256];
        while (::recv(fd, rest, sizeof rest, 0) > 0) {
        }
      }
    }
    std::lock_guard lock(mutex_);
    std::erase(sockets_, fd);
    ::close(fd);
  }

  static bool receive(int fd, TestRequest& request) {
    std::string text;
    std::size_t end = std::string::npos;
    std::size_t length = 0;
    while (end == std::string::npos || text.size() < end + 4 + length) {
      char piece[4096];
      const auto n = ::recv(fd, piece, sizeof piece, 0);
      if (n <= 0) return false;
      text.append(piece, static_cast<std::size_t>(n));
      end = text.find("\r\n\r\n");
      const std::size_t header = text.find("Content-Length: ");
      if (end != std::string::npos && header < end) length = std::stoul(text.substr(header + 16));
    }
    request.head = text.substr(0, end + 2);
    request.body = text.substr(end + 4);
    request.method = text.substr(0, text.find(' '));
    const std::size_t target = request.method.size() + 1;
    request.target = text.substr(target, text.find(' ', target) - target);
    return true;
  }

  const Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  bool ok_ = false;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<TestRequest> requests_;
  std::vector<std::thread> threads_;
};

}  // namespace push_cache::registry
