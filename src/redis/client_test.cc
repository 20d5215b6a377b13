// The client against servers that answer what the test wants: commands and connections.
#include <boost/asio/steady_timer.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/client_fixture.h"

namespace push_cache::redis {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

TEST_F(ClientTest, AnswersInTheirOrderThroughFewWrites) {
  FakeServer server(loop_, echo);
  connect(options_for(server));
  EXPECT_FALSE(client_->health().ok());
  std::vector<std::string> order;
  for (int i = 0; i < 1000; ++i) {
    TestSink& sink = send({"ECHO", "k" + std::to_string(i)});
    sink.then = [&order, &sink] { order.push_back(sink.shown); };
    EXPECT_EQ(sink.calls, 0);
  }
  ASSERT_TRUE(all_done());
  for (std::size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(order[i], "\"k" + std::to_string(i) + "\"");
  }
  EXPECT_TRUE(client_->health().ok());
  EXPECT_EQ(server.accepted, 1u);
  EXPECT_THAT(server.setups, testing::ElementsAre(Words{"CLIENT", "SETNAME", "push-cache"}));
  EXPECT_THAT(client_->masters(), testing::ElementsAre(Node{server.endpoint()}));
}

TEST_F(ClientTest, LargeCommandsAndAnswersAmongSmallOnes) {
  FakeServer server(loop_, echo);
  connect(options_for(server));
  for (int i = 0; i < 30; ++i) {
    const std::size_t size = i % 3 == 0 ? 5u << 20 : i % 3 == 1 ? 100'000u : 10u;
    const std::string text(size, static_cast<char>('a' + i % 26));
    TestSink& sink = send({"ECHO", text});
    sink.then = [&sink, text] { EXPECT_EQ(sink.shown, "\"" + text + "\""); };
  }
  EXPECT_TRUE(all_done());
}

TEST_F(ClientTest, ErrorsOfACommandAreItsAnswer) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) {
    return "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
  });
  connect(options_for(server));
  const TestSink& sink = send({"GET", "k"});
  ASSERT_TRUE(all_done());
  EXPECT_THAT(sink.shown, HasSubstr("-WRONGTYPE"));
  EXPECT_EQ(sink.failures, 0);
}

TEST_F(ClientTest, BulkHasALineOfItsOwn) {
  FakeServer server(loop_, [](const Words& words, FakeServer::Session&) {
    return words[0] == "SCAN" ? std::string() : bulk(words.back());
  });
  connect(options_for(server));
  const TestSink& scan = send({"SCAN", "0"}, {.line = Line::kBulk});
  ASSERT_TRUE(run_until([&] { return server.commands.size() == 1; }));
  const TestSink& get = send({"GET", "k"});
  ASSERT_TRUE(run_until([&] { return get.calls == 1; }));
  EXPECT_EQ(scan.calls, 0);
  EXPECT_EQ(server.accepted, 2u);
}

TEST_F(ClientTest, NotNowIsTriedAgainInOrder) {
  for (const std::string refusal :
       {"LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down",
        "CLUSTERDOWN Hash slot not served", "TRYAGAIN Multiple keys request during rehashing"}) {
    int refusals = 40;
    FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) {
      return refusals-- > 0 ? "-" + refusal + "\r\n" : bulk(words.back());
    });
    connect(options_for(server));
    std::vector<std::string> order;
    for (int i = 0; i < 10; ++i) {
      TestSink& sink = send({"ECHO", std::to_string(i)}, {.repeatable = i % 2 == 0});
      sink.then = [&order, &sink] { order.push_back(sink.shown); };
    }
    ASSERT_TRUE(all_done()) << refusal;
    std::vector<std::string> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(order, sorted) << refusal;
    EXPECT_EQ(server.commands.size(), 50u) << refusal;
    client_ = nullptr;
    sinks_.clear();
  }
}

TEST_F(ClientTest, NotNowForTooLongIsAFailure) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) { return "-LOADING wait\r\n"; });
  connect(options_for(server, 300ms));
  const TestSink& sink = send({"GET", "k"});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.error.code, ErrorCode::kUnavailable);
  EXPECT_GT(server.commands.size(), 2u);
}

TEST_F(ClientTest, WhatIsNoMasterAnyMoreIsConnectedAnew) {
  // Behind one address another server may answer next time.
  std::size_t accepted_when_ok = 0;
  FakeServer* self = nullptr;
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) -> std::string {
    if (self->accepted < 2) return "-READONLY You can't write against a read only replica.\r\n";
    accepted_when_ok = self->accepted;
    return bulk(words.back());
  });
  self = &server;
  connect(options_for(server));
  for (int i = 0; i < 5; ++i) send({"SET", "k"}, {.repeatable = false});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(accepted_when_ok, 2u);
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.shown, "\"k\"");
}

TEST_F(ClientTest, ALostConnectionRepeatsWhatMayBeRepeated) {
  bool dropped = false;
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session& session) -> std::string {
    if (words.back() == "5" && !dropped) {
      dropped = true;
      session.close();
      return "";
    }
    return dropped ? bulk(words.back()) : "";
  });
  connect(options_for(server));
  ASSERT_TRUE(healthy());
  std::vector<std::string> order;
  for (int i = 0; i < 8; ++i) {
    TestSink& sink = send({"ECHO", std::to_string(i)}, {.repeatable = i != 3});
    sink.then = [&order, &sink] { order.push_back(sink.shown); };
  }
  ASSERT_TRUE(all_done());
  EXPECT_THAT(order, testing::ElementsAre("", "\"0\"", "\"1\"", "\"2\"", "\"4\"", "\"5\"", "\"6\"",
                                          "\"7\""));
  EXPECT_EQ(sinks_[3].failures, 1);
  EXPECT_EQ(sinks_[3].error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(sinks_[3].error.public_text, HasSubstr("may have been done"));
}

TEST_F(ClientTest, WaitsForAServerThatIsAway) {
  FakeServer server(loop_, echo);
  server.stop();
  connect(options_for(server));
  const TestSink& sink = send({"ECHO", "x"}, {.repeatable = false});
  ASSERT_TRUE(run_until([&] {
    const Status health = client_->health();
    return !health.ok() && health.error().public_text == "Redis cannot be reached";
  }));
  EXPECT_EQ(sink.calls, 0);
  server.listen();
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"x\"") << "what was never sent is not lost with the connection";
  server.stop();
  ASSERT_TRUE(run_until([&] { return !client_->health().ok(); }));
  server.listen();
  EXPECT_TRUE(healthy());
}

TEST_F(ClientTest, NoServerInTimeIsAFailure) {
  FakeServer server(loop_, echo);
  server.stop();
  connect(options_for(server, 200ms));
  const TestSink& sink = send({"ECHO", "x"});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(sink.error.detail, HasSubstr("cannot be reached"));
  EXPECT_THAT(sink.error.public_text, Not(HasSubstr("127.0.0.1")));
}

TEST_F(ClientTest, LateAnswersAreSwallowed) {
  std::vector<std::shared_ptr<FakeServer::Session>> waiting;
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session& session) -> std::string {
    if (words.back() == "slow") {
      session.answer("$100\r\n");
      waiting.push_back(session.shared_from_this());
      return "";
    }
    return bulk(words.back());
  });
  connect(options_for(server, 500ms));
  ASSERT_TRUE(healthy());
  const TestSink& slow = send({"ECHO", "slow"});
  ASSERT_TRUE(run_until([&] { return waiting.size() == 1; }));
  // Something comes now and then: a line that is not silent stays.
  boost::asio::steady_timer drip(loop_);
  std::size_t missing = 100;
  std::function<void()> next = [&] {
    drip.expires_after(50ms);
    drip.async_wait([&](const auto& error) {
      if (error || missing == 1) return;
      --missing;
      waiting[0]->answer(".");
      next();
    });
  };
  next();
  ASSERT_TRUE(run_until([&] { return slow.calls == 1; }));
  drip.cancel();
  EXPECT_EQ(slow.failures, 1);
  EXPECT_EQ(slow.error.code, ErrorCode::kUnavailable);
  waiting[0]->answer(std::string(missing, '.') + "\r\n");
  const TestSink& fast = send({"ECHO", "fast"});
  ASSERT_TRUE(run_until([&] { return fast.calls == 1; }));
  EXPECT_EQ(fast.shown, "\"fast\"");
  EXPECT_EQ(slow.calls, 1);
  EXPECT_EQ(server.accepted, 1u);
}

TEST_F(ClientTest, ABlackHoleIsLeft) {
  bool silent = true;
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) {
    return silent ? std::string() : bulk(words.back());
  });
  connect(options_for(server, 400ms));
  ASSERT_TRUE(healthy());
  const TestSink& first = send({"ECHO", "first"});
  ASSERT_TRUE(run_until([&] { return first.calls == 1; }));
  EXPECT_EQ(first.failures, 1);
  silent = false;
  ASSERT_TRUE(run_until([&] { return server.accepted == 2; }));
  const TestSink& second = send({"ECHO", "second"});
  ASSERT_TRUE(run_until([&] { return second.calls == 1; }));
  EXPECT_EQ(second.shown, "\"second\"");
}

TEST_F(ClientTest, ABlackHoleBeforeTheFirstAnswerIsLeft) {
  FakeServer server(loop_, echo);
  server.deaf = true;
  connect(options_for(server, 300ms));
  ASSERT_TRUE(run_until([&] { return server.accepted >= 2; }));
  EXPECT_EQ(client_->health().error().public_text, "Redis does not answer");
  server.deaf = false;
  EXPECT_TRUE(healthy());
}

TEST_F(ClientTest, TooMuchWaitingFailsAtOnceButNotWithinSend) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) { return std::string(); });
  ClientOptions options = options_for(server);
  options.waiting_max = 10;
  options.waiting_bytes_max = 1'000'000;
  connect(options);
  for (int i = 0; i < 12; ++i) send({"ECHO", std::to_string(i)});
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.calls, 0);
  ASSERT_TRUE(run_until([&] { return sinks_[10].calls == 1 && sinks_[11].calls == 1; }));
  EXPECT_EQ(sinks_[10].error.code, ErrorCode::kUnavailable);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sinks_[static_cast<std::size_t>(i)].calls, 0);
}

TEST_F(ClientTest, TooManyBytesWaiting) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) { return std::string(); });
  ClientOptions options = options_for(server);
  options.waiting_bytes_max = 1'000;
  connect(options);
  const TestSink& large = send({"ECHO", std::string(5'000, 'x')});
  const TestSink& small = send({"ECHO", "x"});
  ASSERT_TRUE(run_until([&] { return small.calls == 1; }));
  EXPECT_EQ(small.failures, 1);
  EXPECT_EQ(large.calls, 0) << "a large one goes alone";
}

TEST_F(ClientTest, WhatIsTriedAgainCountsAsWaiting) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) { return "-TRYAGAIN\r\n"; });
  ClientOptions options = options_for(server);
  options.waiting_max = 10;
  connect(options);
  for (int i = 0; i < 10; ++i) send({"GET", "k"});
  ASSERT_TRUE(run_until([&] { return server.commands.size() > 10; }));
  const TestSink& sink = send({"GET", "k"});
  ASSERT_TRUE(run_until([&] { return sink.calls == 1; }));
  EXPECT_EQ(sink.failures, 1);
}

TEST_F(ClientTest, DestructionWithCommandsUnderWay) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) { return std::string(); });
  connect(options_for(server));
  for (int i = 0; i < 100; ++i) send({"ECHO", std::string(i % 10 == 0 ? 1'000'000 : 10, 'x')});
  client_ = nullptr;  // before anything ran
  loop_.poll();
  connect(options_for(server));
  for (int i = 0; i < 100; ++i) send({"ECHO", std::string(i % 10 == 0 ? 1'000'000 : 10, 'x')});
  ASSERT_TRUE(run_until([&] { return server.commands.size() >= 5; }));
  client_ = nullptr;
  loop_.poll();
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.calls, 0);
}

TEST_F(ClientTest, DestructionWithinAnAnswerAndAFailure) {
  FakeServer server(loop_, echo);
  ClientOptions options = options_for(server);
  connect(options);
  for (int i = 0; i < 10; ++i) send({"ECHO", "x"});
  sinks_[2].then = [this] { client_ = nullptr; };
  ASSERT_TRUE(run_until([&] { return client_ == nullptr; }));
  loop_.poll();
  EXPECT_EQ(sinks_[3].calls, 0);
  options.waiting_max = 0;
  connect(options);
  for (int i = 0; i < 10; ++i) send({"ECHO", "x"});
  sinks_[12].then = [this] { client_ = nullptr; };
  ASSERT_TRUE(run_until([&] { return client_ == nullptr; }));
  loop_.poll();
  EXPECT_EQ(sinks_[13].calls, 0);
}

TEST_F(ClientTest, DestructionAfterTheLoopHasStopped) {
  auto loop = std::make_unique<boost::asio::io_context>();
  {
    FakeServer server(*loop, echo);
    auto client = std::move(*Client::create(*loop, options_for(server)));
    TestSink sink;
    const std::string_view args[] = {"ECHO", "x"};
    client->send("x", args, sink);
    ASSERT_TRUE(redis::run_until(*loop, [&] { return sink.calls == 1; }));
    client->send("x", args, sink);
    loop->stop();
  }
  loop = nullptr;
}

TEST_F(ClientTest, ASinkMaySendAgain) {
  FakeServer server(loop_, echo);
  connect(options_for(server));
  int left = 100;
  TestSink sink;
  const std::string_view args[] = {"ECHO", "x"};
  sink.then = [&] {
    if (left-- > 0) client_->send("x", args, sink);
  };
  client_->send("x", args, sink);
  ASSERT_TRUE(run_until([&] { return sink.calls == 101; }));
}

TEST_F(ClientTest, ScriptsAreSentOnceALineAndAgainWhenForgotten) {
  const Script script("return ARGV[1]");
  std::vector<std::string> known;
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) -> std::string {
    if (words[0] == "FORGET") {
      known.clear();
      return "+OK\r\n";
    }
    if (words[0] == "EVAL") {
      EXPECT_EQ(words[1], script.text());
      known.push_back(script.sha());
    } else if (std::find(known.begin(), known.end(), words[1]) == known.end()) {
      EXPECT_EQ(words[0], "EVALSHA");
      return "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    }
    EXPECT_THAT(words, testing::ElementsAre(testing::_, testing::_, "1", "key", testing::_));
    return bulk(words.back());
  });
  connect(options_for(server));
  const auto run = [&](std::string_view argument) {
    const std::string_view args[] = {argument};
    TestSink& sink = sinks_.emplace_back();
    client_->eval(Script("return ARGV[1]"), "key", args, sink);
  };
  for (const char* argument : {"a", "b", "c"}) run(argument);
  ASSERT_TRUE(all_done());
  ASSERT_EQ(server.commands.size(), 3u);
  EXPECT_EQ(server.commands[0][0], "EVAL");
  EXPECT_EQ(server.commands[1][0], "EVALSHA");
  EXPECT_EQ(server.commands[1][1], script.sha());
  EXPECT_EQ(server.commands[2][0], "EVALSHA");
  send({"FORGET"});
  run("d");
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sinks_.back().shown, "\"d\"");
  server.drop_all();
  run("e");
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sinks_.back().shown, "\"e\"");
  EXPECT_EQ(server.commands.back()[0], "EVAL") << "a new line may lead to a new server";
}

TEST(Client, WantsASeedAndFilesThatCanBeRead) {
  boost::asio::io_context loop;
  ClientOptions options;
  EXPECT_EQ(Client::create(loop, options).error().code, ErrorCode::kInvalidArgument);
  options.seeds = {{"localhost", 6379}};
  options.tls = true;
  options.ca_file = "/nonexistent/ca.pem";
  const auto made = Client::create(loop, options);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(made.error().public_text, HasSubstr("/nonexistent/ca.pem"));
}

TEST(Client, SlotsOfKeys) {
  // From the Cluster specification and a server's CLUSTER KEYSLOT.
  EXPECT_EQ(slot_of("123456789"), 0x31c3);
  EXPECT_EQ(slot_of(""), 0);
  EXPECT_EQ(slot_of("foo"), 12182);
  EXPECT_EQ(slot_of("{foo}bar"), 12182);
  EXPECT_EQ(slot_of("a{foo}{bar}"), 12182);
  EXPECT_NE(slot_of("{}foo"), 12182);
  EXPECT_EQ(slot_of("foo{"), slot_of("foo{"));
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
}

}  // namespace
}  // namespace push_cache::redis
