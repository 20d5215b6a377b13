// A server that answers what a test wants, on the test's own loop. Not part of the programs.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "redis/client.h"

namespace push_cache::redis {

using Words = std::vector<std::string>;

class FakeServer {
 public:
  // One client's connection.
  struct Session : std::enable_shared_from_this<Session> {
    Session(boost::asio::ip::tcp::socket from, FakeServer& to)
        : socket(std::move(from)), server(&to) {}

    void close() {
      server = nullptr;
      boost::system::error_code ignored;
      socket.close(ignored);
    }
    void answer(std::string_view bytes) {
      out += bytes;
      if (!writing) write();
    }
    void read() {
      socket.async_read_some(boost::asio::buffer(buffer),
                             [self = shared_from_this()](const auto& error, std::size_t size) {
                               if (self->server == nullptr) return;
                               if (error) {
                                 ++self->server->lost;
                                 return;
                               }
                               self->in.append(self->buffer, size);
                               if (self->server->deaf) return;
                               while (self->server != nullptr) {
                                 std::optional<Words> words = self->take();
                                 if (!words.has_value()) break;
                                 self->server->serve(*self, *words);
                               }
                               if (self->server != nullptr) self->read();
                             });
    }

   private:
    void write() {
      writing = true;
      going = std::exchange(out, {});
      boost::asio::async_write(socket, boost::asio::buffer(going),
                               [self = shared_from_this()](const auto& error, std::size_t) {
                                 self->writing = false;
                                 if (!error && !self->out.empty()) self->write();
                               });
    }
    // The next command when all of it is there.
    std::optional<Words> take() {
      std::size_t at = 0;
      const auto number = [&]() -> std::optional<std::size_t> {
        const std::size_t end = in.find("\r\n", at);
        if (end == std::string::npos) return std::nullopt;
        const std::size_t value = std::stoul(in.substr(at + 1, end - at - 1));
        at = end + 2;
        return value;
      };
      const auto count = number();
      if (!count.has_value()) return std::nullopt;
      Words words;
      for (std::size_t i = 0; i < *count; ++i) {
        const auto size = number();
        if (!size.has_value() || in.size() < at + *size + 2) return std::nullopt;
        words.push_back(in.substr(at, *size));
        at += *size + 2;
      }
      in.erase(0, at);
      return words;
    }

   public:
    boost::asio::ip::tcp::socket socket;
    FakeServer* server;
    std::string in;
    std::string out;
    std::string going;
    bool writing = false;
    char buffer[64 * 1024];
  };

  // Gives the answer's bytes; "" = none.
  using Script = std::function<std::string(const Words&, Session&)>;

  FakeServer(boost::asio::io_context& loop, Script script)
      : acceptor_(loop), script_(std::move(script)) {
    listen();
  }
  ~FakeServer() { stop(); }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  std::uint16_t port() const { return port_; }
  // "host:port"
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Refuses connections and drops those it has; then takes them again, at the same port.
  void stop() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    drop_all();
  }
  void drop_all() {
    for (const auto& session : sessions_) session->close();
    sessions_.clear();
  }
  void listen() {
    using boost::asio::ip::tcp;
    const tcp::endpoint where(boost::asio::ip::address_v4::loopback(), port_);
    acceptor_.open(where.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(where);
    acceptor_.listen();
    port_ = acceptor_.local_endpoint().port();
    accept();
  }

  const std::vector<std::shared_ptr<Session>>& sessions() const { return sessions_; }

  // Every command, the connections' set-up aside.
  std::vector<Words> commands;
  // The set-up's commands.
  std::vector<Words> setups;
  std::size_t accepted = 0;
  std::size_t lost = 0;       // connections that the client has closed
  bool deaf = false;          // reads nothing more of what was not read yet
  bool answers_setup = true;  // CLIENT and ROLE, as a master does; else they go to the script

 private:
  void accept() {
    acceptor_.async_accept([this](const auto& error, boost::asio::ip::tcp::socket socket) {
      if (error) return;  // also when it is gone
      ++accepted;
      sessions_.push_back(std::make_shared<Session>(std::move(socket), *this));
      sessions_.back()->read();
      accept();
    });
  }
  void serve(Session& session, const Words& words) {
    const bool setup =
        words[0] == "CLIENT" || words[0] == "ROLE" || words[0] == "AUTH" || words[0] == "SELECT";
    (setup ? setups : commands).push_back(words);
    if (setup && answers_setup) {
      session.answer(words[0] == "ROLE" ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" : "+OK\r\n");
      return;
    }
    const std::string bytes = script_(words, session);
    if (!bytes.empty()) session.answer(bytes);
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  Script script_;
  std::uint16_t port_ = 0;
  std::vector<std::shared_ptr<Session>> sessions_;
};

}  // namespace push_cache::redis
