// The client against a Cluster whose nodes answer what the test wants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "redis/answers.h"
#include "redis/client_fixture.h"
#include "redis/known_servers.h"

namespace push_cache::redis {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

struct Part {
  int first;
  int last;
  std::string host;
  std::uint16_t port;
};

std::string slots_answer(const std::vector<Part>& parts) {
  std::string text = "*" + std::to_string(parts.size()) + "\r\n";
  for (const Part& part : parts) {
    text += "*3\r\n:" + std::to_string(part.first) + "\r\n:" + std::to_string(part.last) +
            "\r\n*3\r\n" + bulk(part.host) + ":" + std::to_string(part.port) + "\r\n" + bulk("id");
  }
  return text;
}

// Two masters, half of the slots each, and a third node that has none. Keys "a" and "b" are the
// first's and the second's.
class ClusterTest : public ClientTest {
 protected:
  using Answer = std::function<std::string(const Words&, FakeServer::Session&)>;

  ClusterTest() {
    for (std::size_t i = 0; i < 3; ++i) {
      nodes_.push_back(std::make_unique<FakeServer>(
          loop_, [this, i](const Words& words, FakeServer::Session& session) {
            if (words[0] == "CLUSTER") {
              ++asked_;
              return slots_answer(map_);
            }
            if (words[0] == "ASKING") return std::string("+OK\r\n");
            done_[i].push_back(words.back());
            return answers_[i] ? answers_[i](words, session) : bulk("node" + std::to_string(i));
          }));
    }
    map_ = {part(0, 8191, 0), part(8192, 16383, 1)};
  }
  Part part(int first, int last, std::size_t node) const {
    return {first, last, "127.0.0.1", nodes_[node]->port()};
  }
  void connect_cluster(std::chrono::milliseconds timeout = 60s) {
    ClientOptions options;
    options.topology = Topology::kCluster;
    options.seeds = {nodes_[0]->endpoint()};
    options.timeout = timeout;
    connect(options);
  }
  TestSink& get(const std::string& key, SendOptions options = {}) {
    return send({"GET", key}, options);
  }

  std::vector<Part> map_;
  std::map<std::size_t, Answer> answers_;
  std::map<std::size_t, std::vector<std::string>> done_;
  std::vector<std::unique_ptr<FakeServer>> nodes_;
  std::size_t asked_ = 0;
  // slot_of("b") is 3300, slot_of("a") is 15495.
  const std::string low_ = "b";
  const std::string high_ = "a";
};

TEST_F(ClusterTest, KeysGoToTheirNodes) {
  connect_cluster();
  EXPECT_TRUE(client_->masters().empty());
  EXPECT_FALSE(client_->health().ok());
  get(low_);
  get(high_);
  get("{a}and more");
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sinks_[0].shown, "\"node0\"");
  EXPECT_EQ(sinks_[1].shown, "\"node1\"");
  EXPECT_EQ(sinks_[2].shown, "\"node1\"");
  EXPECT_EQ(client_->masters().size(), 2u);
  EXPECT_TRUE(healthy());
}

TEST_F(ClusterTest, AnEmptyHostIsTheOneThatWasAsked) {
  map_[1].host = "";
  connect_cluster();
  const TestSink& sink = get(high_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"node1\"");
}

TEST_F(ClusterTest, MovedChangesTheMap) {
  connect_cluster();
  ASSERT_TRUE(healthy());
  const std::size_t asked = asked_;
  const std::string slot = std::to_string(slot_of(low_));
  answers_[0] = [&](const Words&, FakeServer::Session&) {
    return "-MOVED " + slot + " " + nodes_[2]->address() + "\r\n";
  };
  get(low_, {.repeatable = false});
  get(low_);
  ASSERT_TRUE(all_done());
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.shown, "\"node2\"");
  map_ = {part(0, 8191, 2), part(8192, 16383, 1)};
  ASSERT_TRUE(run_until([&] { return asked_ > asked && client_->masters().size() == 2; }));
  get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(done_[0].size(), 2u) << "the new map is used";
  ASSERT_TRUE(run_until([&] { return nodes_[0]->lost == nodes_[0]->accepted; }))
      << "what has no slots is left";
}

TEST_F(ClusterTest, MovedToANodeWithoutAHost) {
  connect_cluster();
  answers_[0] = [&](const Words&, FakeServer::Session&) {
    return "-MOVED " + std::to_string(slot_of(low_)) + " :" + std::to_string(nodes_[2]->port()) +
           "\r\n";
  };
  const TestSink& sink = get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"node2\"");
}

TEST_F(ClusterTest, AskIsForOnce) {
  connect_cluster();
  bool moving = true;
  answers_[0] = [&](const Words&, FakeServer::Session&) {
    return moving ? "-ASK " + std::to_string(slot_of(low_)) + " " + nodes_[2]->address() + "\r\n"
                  : bulk("node0");
  };
  get(low_);
  get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sinks_[0].shown, "\"node2\"");
  EXPECT_EQ(sinks_[1].shown, "\"node2\"");
  const std::vector<Words>& commands = nodes_[2]->commands;
  EXPECT_THAT(commands, testing::ElementsAre(Words{"ASKING"}, Words{"GET", low_}, Words{"ASKING"},
                                             Words{"GET", low_}));
  moving = false;
  get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sinks_[2].shown, "\"node0\"");
}

TEST_F(ClusterTest, AskedNodeThatIsLostMeanwhile) {
  connect_cluster();
  int refusals = 3;
  answers_[0] = [&](const Words&, FakeServer::Session&) {
    return "-ASK " + std::to_string(slot_of(low_)) + " " + nodes_[2]->address() + "\r\n";
  };
  answers_[2] = [&](const Words&, FakeServer::Session& session) -> std::string {
    if (refusals-- > 0) {
      session.close();
      return "";
    }
    return bulk("node2");
  };
  const TestSink& sink = get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"node2\"");
}

TEST_F(ClusterTest, NodesThatDisagreeForAWhile) {
  connect_cluster();
  int refusals = 20;
  const auto to = [&](std::size_t node) {
    return [&, node](const Words&, FakeServer::Session&) {
      return refusals-- > 0 ? "-MOVED " + std::to_string(slot_of(low_)) + " " +
                                  nodes_[node]->address() + "\r\n"
                            : bulk("done");
    };
  };
  answers_[0] = to(1);
  answers_[1] = to(0);
  const TestSink& sink = get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"done\"");
}

TEST_F(ClusterTest, AMasterIsReplaced) {
  connect_cluster();
  ASSERT_TRUE(healthy());
  nodes_[1]->stop();
  for (int i = 0; i < 10; ++i) get(high_);
  ASSERT_TRUE(run_until([&] { return !client_->health().ok(); }));
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.calls, 0);
  map_ = {part(0, 8191, 0), part(8192, 16383, 2)};
  ASSERT_TRUE(all_done());
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.shown, "\"node2\"");
  EXPECT_TRUE(healthy());
}

TEST_F(ClusterTest, SeedsAreTriedInTurn) {
  nodes_[0]->stop();
  map_ = {part(0, 16383, 1)};
  ClientOptions options;
  options.topology = Topology::kCluster;
  options.seeds = {nodes_[0]->endpoint(), nodes_[1]->endpoint()};
  connect(options);
  EXPECT_TRUE(healthy());
}

TEST_F(ClusterTest, SlotsThatNobodyHasWait) {
  map_ = {part(0, 8191, 0)};
  connect_cluster();
  ASSERT_TRUE(healthy());
  const TestSink& sink = get(high_);
  const std::size_t asked = asked_;
  ASSERT_TRUE(run_until([&] { return asked_ > asked; }));
  EXPECT_EQ(sink.calls, 0);
  map_ = {part(0, 8191, 0), part(8192, 16383, 1)};
  const TestSink& low = get(low_);
  ASSERT_TRUE(run_until([&] { return low.calls == 1; }));
  // Every command for such a slot asks for the map again.
  get(high_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.shown, "\"node1\"");
}

TEST_F(ClusterTest, NoMapInTime) {
  nodes_[0]->stop();
  connect_cluster(200ms);
  const TestSink& sink = get(low_);
  ASSERT_TRUE(all_done());
  EXPECT_EQ(sink.error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(sink.error.detail, HasSubstr("cannot be reached"));
}

TEST_F(ClusterTest, SendToANode) {
  connect_cluster();
  ASSERT_TRUE(healthy());
  const std::string_view args[] = {"SCAN", "0"};
  TestSink there, nowhere, moved;
  client_->send_to({nodes_[1]->endpoint()}, args, there, {.line = Line::kBulk});
  client_->send_to({nodes_[2]->endpoint()}, args, nowhere);
  ASSERT_TRUE(run_until([&] { return there.calls == 1 && nowhere.calls == 1; }));
  EXPECT_EQ(there.shown, "\"node1\"");
  EXPECT_EQ(nowhere.error.code, ErrorCode::kUnavailable);
  answers_[1] = [&](const Words&, FakeServer::Session&) {
    return "-MOVED 15495 " + nodes_[0]->address() + "\r\n";
  };
  client_->send_to({nodes_[1]->endpoint()}, args, moved);
  ASSERT_TRUE(run_until([&] { return moved.calls == 1; }));
  EXPECT_EQ(moved.error.code, ErrorCode::kUnavailable);
}

TEST_F(ClusterTest, DestructionWhileTheMapIsAsked) {
  for (int turns = 0; turns < 20; ++turns) {
    connect_cluster();
    get(low_);
    get(high_);
    for (int i = 0; i < turns; ++i) loop_.run_one_for(1ms);
    client_ = nullptr;
    sinks_.clear();
  }
  loop_.poll();
}

TEST_F(ClusterTest, AFollowerIsAnsweredWhereItsLeaderIs) {
  ClientOptions options;
  options.topology = Topology::kCluster;
  options.seeds = {nodes_[0]->endpoint()};
  options.timeout = 60s;
  options.servers = std::make_shared<KnownServers>();
  KnownServers& servers = *options.servers;
  servers.on_request([&servers] { servers.prove(servers.asked()); });
  connect(options);
  const TestSink& first = get(low_);
  ASSERT_TRUE(run_until([&] { return nodes_[0]->accepted >= 2 && asked_ >= 2; }));
  EXPECT_EQ(first.calls, 0) << "the leader is not there yet";
  servers.publish({{nodes_[0]->endpoint(), ""}, {nodes_[1]->endpoint(), ""}});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(first.shown, "\"node0\"");
  const std::string where = std::to_string(slot_of(low_)) + " " + nodes_[2]->address() + "\r\n";
  answers_[0] = [&](const Words& words, FakeServer::Session&) {
    return words[0] == "INFO" ? bulk("") : "-ASK " + where;
  };
  const TestSink& asked = get(low_);
  ASSERT_TRUE(all_done()) << "a node that is named for one command";
  EXPECT_EQ(asked.shown, "\"node2\"");
  (void)servers.take_others();
  answers_[0] = [&](const Words& words, FakeServer::Session&) {
    return words[0] == "INFO" ? bulk("") : "-MOVED " + where;
  };
  map_ = {part(0, 8191, 2), part(8192, 16383, 1)};
  const TestSink& moved = get(low_);
  std::vector<Endpoint> others;
  ASSERT_TRUE(run_until([&] {
    for (const Endpoint& one : servers.take_others()) others.push_back(one);
    return !others.empty();
  }));
  EXPECT_EQ(others.front(), nodes_[2]->endpoint());
  EXPECT_EQ(moved.calls, 0) << "it is a master now, to which the leader has not come yet";
  servers.publish({{nodes_[2]->endpoint(), ""}, {nodes_[1]->endpoint(), ""}});
  ASSERT_TRUE(all_done());
  EXPECT_EQ(moved.shown, "\"node2\"");
}

}  // namespace
}  // namespace push_cache::redis
