// What the client counts, against servers that answer what the test wants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "redis/client_fixture.h"

namespace push_cache::redis {
namespace {

using namespace std::chrono_literals;

class StatsTest : public ClientTest {
 protected:
  void connect_counted(ClientOptions options) {
    options.stats = stats_;
    connect(options);
  }
  std::uint64_t count(CallKind kind, CallOutcome outcome) const {
    return stats_->sum().of(kind).of(outcome);
  }
  static std::uint64_t timed(const CallCounts& calls) { return calls.durations.total(); }

  std::shared_ptr<Stats> stats_ = std::make_shared<Stats>();
};

TEST_F(StatsTest, CallsByKindAndOutcome) {
  FakeServer server(loop_, [](const Words& words, FakeServer::Session&) -> std::string {
    if (words.back() == "deleted") return "-WRONGTYPE Operation against a key\r\n";
    if (words.back() == "full") return "-ERR script: -OOM command not allowed\r\n";
    if (words.back() == "forbidden") return "-NOPERM this user has no permissions\r\n";
    if (words.back() == "odd") return "-ERR unknown command\r\n";
    return "+OK\r\n";
  });
  connect_counted(options_for(server));
  send({"GET", "k"});
  send({"GET", "k"});
  send({"GET", "deleted"});
  send({"SCAN", "0"}, {.line = Line::kBulk});
  send({"PING", "forbidden"});
  send({"INFO", "odd"});
  TestSink& written = sinks_.emplace_back();
  const std::string_view args[] = {"full"};
  client_->eval(Script("return 1"), "k", args, written);
  EXPECT_EQ(stats_->sum().waiting, 7);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(count(CallKind::kRead, CallOutcome::kOk), 2u);
  EXPECT_EQ(count(CallKind::kRead, CallOutcome::kWrongType), 1u);
  EXPECT_EQ(count(CallKind::kScan, CallOutcome::kOk), 1u);
  EXPECT_EQ(count(CallKind::kOther, CallOutcome::kDenied), 1u);
  EXPECT_EQ(count(CallKind::kOther, CallOutcome::kRefused), 1u);
  EXPECT_EQ(count(CallKind::kWrite, CallOutcome::kOom), 1u);
  const ClientCounts counts = stats_->sum();
  EXPECT_EQ(counts.waiting, 0);
  EXPECT_EQ(counts.connections, 2);
  EXPECT_EQ(counts.connections_total, 2u);
  EXPECT_EQ(counts.of(CallKind::kRead).total(), 3u);
  EXPECT_EQ(timed(counts.of(CallKind::kRead)), 3u);
  EXPECT_GT(counts.of(CallKind::kRead).durations.sum, 0ns);
  EXPECT_LT(counts.of(CallKind::kRead).durations.sum, 180s);
}

TEST_F(StatsTest, TimeOutsAndOverload) {
  FakeServer server(loop_, [](const Words&, FakeServer::Session&) { return std::string(); });
  ClientOptions options = options_for(server, 50ms);
  options.waiting_max = 2;
  connect_counted(options);
  for (int i = 0; i < 3; ++i) send({"GET", "k"});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(count(CallKind::kRead, CallOutcome::kTimeout), 2u);
  EXPECT_EQ(count(CallKind::kRead, CallOutcome::kOverload), 1u);
  const ClientCounts counts = stats_->sum();
  EXPECT_EQ(counts.waiting, 0);
  EXPECT_EQ(timed(counts.of(CallKind::kRead)), 2u);
  EXPECT_EQ(counts.of(CallKind::kRead).durations.sum, 100ms);
  EXPECT_EQ(counts.of(CallKind::kRead).durations.counts[10], 2u) << "50 ms";
}

TEST_F(StatsTest, ConnectionsThatAreLostAndCannotBeMade) {
  bool answers = false;
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) {
    return answers ? bulk(words.back()) : std::string();
  });
  connect_counted(options_for(server));
  ASSERT_TRUE(healthy());
  send({"GET", "k"});
  send({"SET", "k"}, {.repeatable = false});
  ASSERT_TRUE(run_until([&] { return server.commands.size() == 2; }));
  server.stop();
  ASSERT_TRUE(run_until([&] { return stats_->sum().connect_errors > 0; }));
  EXPECT_EQ(stats_->sum().connections, 0);
  EXPECT_EQ(stats_->sum().connections_lost, 1u);
  answers = true;
  server.listen();
  ASSERT_TRUE(all_done());
  EXPECT_EQ(count(CallKind::kWrite, CallOutcome::kLost), 1u);
  EXPECT_EQ(count(CallKind::kRead, CallOutcome::kOk), 1u);
  EXPECT_EQ(stats_->sum().retries, 1u);
  EXPECT_EQ(stats_->sum().connections, 1);
  EXPECT_EQ(stats_->sum().connections_total, 2u);
}

TEST_F(StatsTest, WhatAClientHasCountedStaysWhenItGoes) {
  FakeServer server(loop_, echo);
  for (std::uint64_t round = 1; round <= 2; ++round) {
    connect_counted(options_for(server));
    const TestSink& sink = send({"GET", "k"});
    ASSERT_TRUE(run_until([&] { return sink.calls == 1; }));
    send({"GET", "k"});
    client_ = nullptr;
    EXPECT_EQ(count(CallKind::kRead, CallOutcome::kOk), round);
    EXPECT_EQ(stats_->sum().waiting, 0);
    EXPECT_EQ(stats_->sum().connections, 0);
  }
}

TEST_F(StatsTest, RedirectionsAndWhatIsTriedAgain) {
  FakeServer* self = nullptr;
  std::vector<std::string> first{"-MOVED", "-ASK", "-TRYAGAIN wait"};
  FakeServer server(loop_, [&](const Words& words, FakeServer::Session&) -> std::string {
    if (words[0] == "CLUSTER") {
      return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:" + std::to_string(self->port()) +
             "\r\n";
    }
    if (words[0] == "ASKING") return "+OK\r\n";
    if (first.empty()) return bulk(words.back());
    std::string refusal = first.front();
    first.erase(first.begin());
    if (refusal.back() != 't') refusal += " 3300 " + self->address();
    return refusal + "\r\n";
  });
  self = &server;
  ClientOptions options = options_for(server);
  options.topology = Topology::kCluster;
  connect_counted(options);
  for (int i = 0; i < 3; ++i) send({"GET", "b"});
  ASSERT_TRUE(all_done());
  const ClientCounts counts = stats_->sum();
  EXPECT_EQ(counts.moved, 1u);
  EXPECT_EQ(counts.asked, 1u);
  EXPECT_EQ(counts.retries, 1u);
  EXPECT_EQ(counts.of(CallKind::kRead).of(CallOutcome::kOk), 3u);
}

TEST(Stats, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kCallOutcomes; ++i) {
    names.insert(to_string(static_cast<CallOutcome>(i)));
  }
  EXPECT_EQ(names.size(), kCallOutcomes);
  EXPECT_EQ(kind_of("GET"), CallKind::kRead);
  EXPECT_EQ(kind_of("EVALSHA"), CallKind::kWrite);
  EXPECT_EQ(kind_of("SCAN"), CallKind::kScan);
  EXPECT_EQ(kind_of("INFO"), CallKind::kOther);
}

}  // namespace
}  // namespace push_cache::redis
