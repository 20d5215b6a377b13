// The fixture of the client's tests against fake servers. Not part of the programs.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "redis/client.h"
#include "redis/fake_server.h"
#include "redis/test_support.h"

namespace push_cache::redis {

inline std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// Answers ECHO with its argument.
inline std::string echo(const Words& words, FakeServer::Session& /*session*/) {
  return bulk(words.back());
}

class ClientTest : public testing::Test {
 protected:
  // Busy machines take their time: only tests of the time-out itself make it short.
  static ClientOptions options_for(const FakeServer& server,
                                   std::chrono::milliseconds timeout = std::chrono::seconds(60)) {
    ClientOptions options;
    options.seeds = {server.endpoint()};
    options.timeout = timeout;
    return options;
  }
  void connect(const ClientOptions& options) {
    auto made = Client::create(loop_, options);
    ASSERT_TRUE(made.ok()) << made.error().describe();
    client_ = std::move(*made);
  }
  TestSink& send(std::vector<std::string> words, SendOptions options = {}) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    TestSink& sink = sinks_.emplace_back();
    client_->send(args.size() > 1 ? args[1] : "", args, sink, options);
    return sink;
  }
  bool run_until(const std::function<bool()>& holds) { return redis::run_until(loop_, holds); }
  bool all_done() {
    return run_until([this] {
      return std::all_of(sinks_.begin(), sinks_.end(), [](const auto& s) { return s.calls > 0; });
    });
  }
  bool healthy() {
    return run_until([this] { return client_->health().ok(); });
  }

  boost::asio::io_context loop_;
  std::deque<TestSink> sinks_;
  std::unique_ptr<Client> client_;
};

}  // namespace push_cache::redis
