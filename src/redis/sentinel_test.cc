// The client against Sentinels that answer what the test wants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/client_fixture.h"

namespace push_cache::redis {
namespace {

using testing::HasSubstr;

class SentinelTest : public ClientTest {
 protected:
  std::string sentinel(const Words& words) {
    if (words != Words{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"}) return "-ERR what\r\n";
    ++asked_;
    if (master_ == nullptr) return "*-1\r\n";
    return "*2\r\n" + bulk("127.0.0.1") + bulk(std::to_string(master_->port()));
  }
  void connect_sentinels() {
    ClientOptions options;
    options.topology = Topology::kSentinel;
    options.seeds = {first_.endpoint(), second_.endpoint()};
    options.master_name = "main";
    options.password = "s3cret";
    options.timeout = std::chrono::seconds(60);
    connect(options);
  }

  FakeServer* master_ = nullptr;
  std::size_t asked_ = 0;
  FakeServer first_{loop_, [this](const Words& words, auto&) { return sentinel(words); }};
  FakeServer second_{loop_, [this](const Words& words, auto&) { return sentinel(words); }};
  FakeServer a_{loop_, [](const Words&, auto&) { return bulk("a"); }};
  FakeServer b_{loop_, [](const Words&, auto&) { return bulk("b"); }};
};

TEST_F(SentinelTest, FindsTheMasterThroughAnyOfThem) {
  first_.stop();
  master_ = &a_;
  connect_sentinels();
  const TestSink& sink = send({"GET", "k"});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"a\"");
  ASSERT_EQ(second_.setups.size(), 1u);
  EXPECT_EQ(second_.setups[0][0], "AUTH");
  ASSERT_EQ(a_.setups.size(), 3u);
  EXPECT_EQ(a_.setups[0][0], "AUTH");
  EXPECT_EQ(a_.setups[2][0], "ROLE");
  EXPECT_THAT(client_->masters(), testing::ElementsAre(Node{a_.endpoint()}));
}

TEST_F(SentinelTest, ASentinelMayWantNoPassword) {
  FakeServer open(loop_, [this](const Words& words, auto&) -> std::string {
    if (words[0] == "AUTH") return "-ERR AUTH called without any password configured\r\n";
    return sentinel(words);
  });
  open.answers_setup = false;
  master_ = &a_;
  ClientOptions options;
  options.topology = Topology::kSentinel;
  options.seeds = {open.endpoint()};
  options.master_name = "main";
  options.password = "s3cret";
  options.timeout = std::chrono::seconds(60);
  connect(options);
  EXPECT_TRUE(healthy());
}

TEST_F(SentinelTest, SaysThatTheNameIsUnknown) {
  connect_sentinels();
  ASSERT_TRUE(run_until([&] { return asked_ >= 2; }));
  EXPECT_THAT(client_->health().error().describe(), HasSubstr("does not know a master"));
}

TEST_F(SentinelTest, FollowsAFailOver) {
  master_ = &a_;
  connect_sentinels();
  ASSERT_TRUE(healthy());
  a_.stop();
  const TestSink& sink = send({"GET", "k"});
  ASSERT_TRUE(run_until([&] { return !client_->health().ok(); }));
  EXPECT_EQ(sink.calls, 0);
  master_ = &b_;
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"b\"");
  EXPECT_TRUE(healthy());
  EXPECT_THAT(client_->masters(), testing::ElementsAre(Node{b_.endpoint()}));
}

TEST_F(SentinelTest, LeavesAMasterThatHasBecomeAReplica) {
  FakeServer old(loop_, [](const Words&, auto&) {
    return std::string("-READONLY You can't write against a read only replica.\r\n");
  });
  master_ = &old;
  connect_sentinels();
  ASSERT_TRUE(healthy());
  for (int i = 0; i < 5; ++i) send({"SET", "k", "v"}, {.repeatable = false});
  ASSERT_TRUE(run_until([&] { return old.commands.size() >= 10; }));
  master_ = &b_;
  ASSERT_TRUE(all_done());
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.shown, "\"b\"");
  ASSERT_TRUE(run_until([&] { return old.lost == 1; }));
}

TEST_F(SentinelTest, RefusesWhatSaysThatItIsAReplica) {
  bool replica = true;
  FakeServer server(loop_, [&](const Words& words, auto&) -> std::string {
    if (words[0] != "ROLE") return "+OK\r\n";
    return "*1\r\n" + bulk(replica ? "slave" : "master");
  });
  server.answers_setup = false;
  master_ = &server;
  connect_sentinels();
  const TestSink& sink = send({"SET", "k", "v"});
  ASSERT_TRUE(run_until([&] { return server.accepted >= 3; }));
  EXPECT_THAT(client_->health().error().public_text, HasSubstr("is none"));
  EXPECT_EQ(sink.calls, 0);
  replica = false;
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "+OK");
}

}  // namespace
}  // namespace push_cache::redis
