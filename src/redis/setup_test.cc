// The client against servers that refuse it or talk nonsense.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/client_fixture.h"

namespace push_cache::redis {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

TEST_F(ClientTest, SetUpWithUserAndDatabase) {
  FakeServer server(loop_, echo);
  ClientOptions options = options_for(server);
  options.username = "cache";
  options.password = "s3cret";
  options.database = 3;
  connect(options);
  ASSERT_TRUE(healthy());
  EXPECT_THAT(server.setups,
              testing::ElementsAre(Words{"AUTH", "cache", "s3cret"}, Words{"SELECT", "3"},
                                   Words{"CLIENT", "SETNAME", "push-cache"}));
}

TEST_F(ClientTest, RefusedSetUpsAreSaidWithoutThePassword) {
  struct Case {
    std::string command;
    std::string answer;
    std::string text;
  };
  for (const Case& c : {
           Case{"AUTH", "-WRONGPASS invalid username-password pair or user is disabled.",
                "WRONGPASS"},
           Case{"AUTH", "-ERR what is s3cret supposed to be", "what is * supposed"},
           Case{"SELECT", "-ERR DB index is out of range", "out of range"},
           Case{"CLIENT", "-NOAUTH Authentication required.", "NOAUTH"},
       }) {
    FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) {
      return (words[0] == c.command ? c.answer : "+OK") + "\r\n";
    });
    server.answers_setup = false;
    ClientOptions options = options_for(server);
    options.password = "s3cret";
    options.database = 1;
    connect(options);
    ASSERT_TRUE(run_until([&] { return server.accepted >= 3; }));
    const std::string text = client_->health().error().describe();
    EXPECT_THAT(text, HasSubstr(c.text));
    EXPECT_THAT(text, Not(HasSubstr("s3cret")));
    client_ = nullptr;
  }
}

TEST_F(ClientTest, ANameMayBeForbidden) {
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) -> std::string {
    return words[0] == "CLIENT" ? "-NOPERM this user has no permissions\r\n" : "+OK\r\n";
  });
  server.answers_setup = false;
  connect(options_for(server));
  EXPECT_TRUE(healthy());
}

TEST_F(ClientTest, NonsenseEndsTheConnection) {
  for (const std::string nonsense : {"HTTP/1.1 400 Bad Request\r\n", "+OK\r\n+and more\r\n",
                                     "$9999999999\r\n", "*9999999\r\n"}) {
    bool once = true;
    FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) {
      return std::exchange(once, false) ? nonsense : bulk(words.back());
    });
    connect(options_for(server));
    const TestSink& sink = send({"ECHO", "x"});
    ASSERT_TRUE(run_until([&] { return server.accepted >= 2 && sink.calls == 1; })) << nonsense;
    EXPECT_TRUE(healthy());
    EXPECT_THAT(sink.shown, testing::AnyOf("\"x\"", "+OK"));
    client_ = nullptr;
  }
}

TEST_F(ClientTest, AnAnswerBeforeAllOfALargeCommandIsSentEndsTheConnection) {
  FakeServer server(loop_, echo);
  server.deaf = true;
  connect(options_for(server));
  server.deaf = false;
  ASSERT_TRUE(healthy());
  server.deaf = true;  // the socket's buffers fill up
  const TestSink& sink = send({"ECHO", std::string(64 << 20, 'x')}, {.repeatable = false});
  ASSERT_TRUE(run_until([&] { return !server.sessions().front()->in.empty(); }));
  server.sessions().front()->answer("-ERR too big\r\n");
  ASSERT_TRUE(run_until([&] { return sink.calls == 1; }));
  EXPECT_EQ(sink.failures, 1);
}

}  // namespace
}  // namespace push_cache::redis
