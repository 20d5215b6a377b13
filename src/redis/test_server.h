// A real redis-server for tests, as a process of its own on loopback. Not part of the programs.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "redis/client.h"
#include "redis/command.h"
#include "redis/replies.h"
#include "redis/test_support.h"

namespace push_cache::redis {

struct TestServerOptions {
  // Of redis-server, in which {port}, {bus} and {dir} stand for its port, a second free one and its
  // folder. Without {port}, "--port {port}" is added.
  std::vector<std::string> args = {};
  // Text of a configuration file; the same words stand in it.
  std::string config = {};
};

// Started and answering when the constructor returns, else `ok` is false. Keeps nothing on disk. It
// ends with this object, and with the thread that made it.
class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {}) : options_(std::move(options)) {
    std::string name = std::filesystem::temp_directory_path() / "push-cache-redis-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return;
    dir_ = name;
    // Another process may take the port before the server does.
    for (int attempt = 0; attempt < 5 && !ok_; ++attempt) {
      port_ = free_port();
      bus_ = free_port();
      restart();
    }
  }
  ~TestServer() {
    kill();
    std::error_code ignored;
    if (!dir_.empty()) std::filesystem::remove_all(dir_, ignored);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  bool ok() const { return ok_; }
  std::uint16_t port() const { return port_; }
  std::uint16_t bus() const { return bus_; }
  Endpoint endpoint() const { return {"127.0.0.1", port_}; }
  const std::string& dir() const { return dir_; }
  std::string log() const {
    std::ifstream in(dir_ + "/log");
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  // At once, as a crash would.
  void kill() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
    ok_ = false;
  }
  // At the same port, empty. False when it does not come up.
  bool restart() {
    kill();
    if (!options_.config.empty()) std::ofstream(dir_ + "/server.conf") << filled(options_.config);
    pid_ = spawn();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (pid_ > 0 && std::chrono::steady_clock::now() < end) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return false;
      }
      const int fd = dial();
      if (fd >= 0) {
        ::close(fd);
        ok_ = true;
        return true;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // then look again
    }
    return false;
  }
  // Holds the process, as a machine without time would, and lets it go on.
  void freeze() { ::kill(pid_, SIGSTOP); }
  void thaw() { ::kill(pid_, SIGCONT); }

  // Sends one command over a connection of its own, without TLS, and waits for the answer: as
  // `show` has it; "" when none came.
  std::string ask(const std::vector<std::string>& words) const {
    struct Last final : ReplyReader::Handler {
      bool on_reply(const Reply& reply) override {
        text = show(reply);
        return false;
      }
      std::string text;
    } last;
    ReplyReader reader(last);
    const int fd = dial();
    if (fd < 0) return "";
    const std::vector<std::string_view> args(words.begin(), words.end());
    const Command command(args);
    bool good =
        ::write(fd, command.view().data(), command.size()) == static_cast<ssize_t>(command.size());
    char buffer[4096];
    while (good && last.text.empty()) {
      const ssize_t size = ::read(fd, buffer, sizeof buffer);
      good = size > 0 && reader.feed({buffer, static_cast<std::size_t>(size)}).ok();
    }
    ::close(fd);
    return last.text;
  }

 private:
  static std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    const bool bound = ::bind(fd, raw, size) == 0 && ::getsockname(fd, raw, &size) == 0;
    ::close(fd);
    return bound ? ntohs(address.sin_port) : std::uint16_t{0};
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }
  int dial() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(port_);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
  }
  std::string filled(std::string text) const {
    const std::pair<std::string_view, std::string> words[] = {
        {"{port}", std::to_string(port_)}, {"{bus}", std::to_string(bus_)}, {"{dir}", dir_}};
    for (const auto& [word, value] : words) {
      for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
        text.replace(at, word.size(), value);
      }
    }
    return text;
  }
  pid_t spawn() const {
    std::vector<std::string> args{"redis-server"};
    if (!options_.config.empty()) args.push_back(dir_ + "/server.conf");
    bool named = options_.config.find("{port}") != std::string::npos;
    for (const std::string& arg : options_.args) {
      named = named || arg == "{port}";
      args.push_back(filled(arg));
    }
    const auto add = [&args](std::initializer_list<std::string> more) {
      args.insert(args.end(), more);
    };
    if (!named) add({"--port", std::to_string(port_)});
    add({"--bind", "127.0.0.1", "--dir", dir_, "--save", "", "--appendonly", "no"});
    const std::string log = dir_ + "/log";
    std::vector<char*> argv;
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::execvp("redis-server", argv.data());
    ::_exit(127);
  }

  TestServerOptions options_;
  std::string dir_;
  std::uint16_t port_ = 0;
  std::uint16_t bus_ = 0;
  pid_t pid_ = -1;
  bool ok_ = false;
};

}  // namespace push_cache::redis
