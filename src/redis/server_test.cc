// The client against real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <initializer_list>

#include "redis/client_fixture.h"
#include "redis/test_server.h"

namespace push_cache::redis {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class ServerTest : public ClientTest {
 protected:
  static ClientOptions options_for(std::initializer_list<const TestServer*> servers) {
    ClientOptions options;
    for (const TestServer* server : servers) options.seeds.push_back(server->endpoint());
    options.timeout = 60s;
    return options;
  }
  std::string ask(std::vector<std::string> words) {
    TestSink& sink = send(std::move(words));
    EXPECT_TRUE(run_until([&] { return sink.calls == 1; }));
    return sink.failures == 0 ? sink.shown : "failed: " + sink.error.describe();
  }
  // Until the server says so: what a server does takes its time.
  static bool wait_for(const TestServer& server, const std::vector<std::string>& words,
                       const std::string& part) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (server.ask(words).find(part) == std::string::npos) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
};

TEST_F(ServerTest, OneServerWithAUser) {
  TestServer server({.args = {"--requirepass", "other"}});
  ASSERT_TRUE(server.ok()) << server.log();
  EXPECT_THAT(server.ask({"PING"}), HasSubstr("NOAUTH"));
  ClientOptions options = options_for({&server});
  connect(options);
  ASSERT_TRUE(run_until([&] {
    const Status health = client_->health();
    return !health.ok() && health.error().public_text.find("NOAUTH") != std::string::npos;
  }));
  options.password = "other";
  connect(options);
  EXPECT_EQ(ask({"ACL", "SETUSER", "cache", "on", ">s3cret", "~pc:*", "+@all"}), "+OK");
  options.username = "cache";
  options.password = "s3cret";
  options.database = 5;
  connect(options);
  EXPECT_EQ(ask({"SET", "pc:a", "1"}), "+OK");
  EXPECT_EQ(ask({"GET", "pc:a"}), "\"1\"");
  EXPECT_THAT(ask({"GET", "other"}), HasSubstr("-NOPERM"));
  EXPECT_THAT(ask({"CLIENT", "INFO"}), HasSubstr("name=push-cache"));
  EXPECT_THAT(ask({"CLIENT", "INFO"}), HasSubstr("db=5"));
  options.password = "wr0ng";
  connect(options);
  ASSERT_TRUE(run_until([&] {
    const Status health = client_->health();
    return !health.ok() && health.error().public_text.find("WRONGPASS") != std::string::npos;
  }));
  EXPECT_THAT(client_->health().error().describe(), Not(HasSubstr("wr0ng")));
}

TEST_F(ServerTest, EveryTypeAndManyAtOnce) {
  TestServer server;
  ASSERT_TRUE(server.ok()) << server.log();
  connect(options_for({&server}));
  for (int i = 0; i < 2000; ++i) {
    send({"SET", "k" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'x')});
  }
  ASSERT_TRUE(all_done());
  TestSink& scan = send({"SCAN", "0", "COUNT", "10000"}, {.line = Line::kBulk});
  EXPECT_EQ(ask({"STRLEN", "k1999"}), "1999");
  EXPECT_EQ(ask({"GET", "none"}), "nil");
  EXPECT_EQ(ask({"MGET", "k0", "none", "k3"}), "[\"\" nil \"xxx\"]");
  EXPECT_THAT(ask({"HGET", "k0", "f"}), HasSubstr("-WRONGTYPE"));
  ASSERT_TRUE(run_until([&] { return scan.calls == 1; }));
  EXPECT_EQ(std::count(scan.shown.begin(), scan.shown.end(), 'k'), 2000);
  const std::string large(20 << 20, 'y');
  EXPECT_EQ(ask({"SET", "large", large}), "+OK");
  EXPECT_EQ(ask({"GET", "large"}), "\"" + large + "\"");
}

TEST_F(ServerTest, ScriptsAndARestart) {
  TestServer server;
  ASSERT_TRUE(server.ok()) << server.log();
  connect(options_for({&server}));
  const Script script("return {KEYS[1], ARGV[1]}");
  const auto run = [&] {
    const std::string_view args[] = {"argument"};
    TestSink& sink = sinks_.emplace_back();
    client_->eval(script, "key", args, sink);
    EXPECT_TRUE(run_until([&] { return sink.calls == 1; }));
    return sink.shown;
  };
  EXPECT_EQ(run(), "[\"key\" \"argument\"]");
  EXPECT_EQ(run(), "[\"key\" \"argument\"]");
  EXPECT_EQ(ask({"SCRIPT", "FLUSH"}), "+OK");
  EXPECT_EQ(run(), "[\"key\" \"argument\"]");
  ASSERT_TRUE(server.restart()) << server.log();
  EXPECT_EQ(run(), "[\"key\" \"argument\"]");
  EXPECT_EQ(ask({"GET", "key"}), "nil");
}

TEST_F(ServerTest, AServerWithoutTime) {
  TestServer server;
  ASSERT_TRUE(server.ok()) << server.log();
  ClientOptions options = options_for({&server});
  options.timeout = 500ms;
  connect(options);
  ASSERT_TRUE(healthy());
  server.freeze();
  EXPECT_THAT(ask({"GET", "k"}), HasSubstr("in time"));
  server.thaw();
  ASSERT_TRUE(run_until([&] { return ask({"GET", "k"}) == "nil"; }));
  EXPECT_TRUE(healthy());
}

// ---- TLS

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    std::string name = std::filesystem::temp_directory_path() / "push-cache-tls-XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~TlsTest() override { std::filesystem::remove_all(dir_); }

  // A certificate that is its own authority: NAME.crt and NAME.key.
  bool make(const std::string& name, const std::string& names) {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-keyout " +
        dir_ + "/" + name + ".key -out " + dir_ + "/" + name +
        ".crt -subj /CN=push-cache-test -addext subjectAltName=" + names + " 2>/dev/null";
    return std::system(command.c_str()) == 0;
  }
  std::string file(const std::string& name) const { return dir_ + "/" + name; }
  TestServerOptions server_options(const std::string& name, const std::string& clients) const {
    return {.args = {"--port", "0", "--tls-port", "{port}", "--tls-cert-file", file(name + ".crt"),
                     "--tls-key-file", file(name + ".key"), "--tls-ca-cert-file",
                     file(name + ".crt"), "--tls-auth-clients", clients}};
  }
  ClientOptions tls_options(const TestServer& server, const std::string& ca) const {
    ClientOptions options = options_for({&server});
    options.tls = true;
    options.ca_file = file(ca + ".crt");
    return options;
  }
  std::string reason() {
    EXPECT_TRUE(run_until([&] {
      return !client_->health().ok() &&
             client_->health().error().public_text != "Redis is not connected yet";
    }));
    return client_->health().error().describe();
  }

  std::string dir_;
};

TEST_F(TlsTest, ConnectsByNameAndAddress) {
  ASSERT_TRUE(make("good", "IP:127.0.0.1,DNS:localhost"));
  TestServer server(server_options("good", "no"));
  ASSERT_TRUE(server.ok()) << server.log();
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    ClientOptions options = tls_options(server, "good");
    options.seeds[0].host = host;
    connect(options);
    EXPECT_EQ(ask({"SET", "k", std::string(5 << 20, 'x')}), "+OK");
    EXPECT_EQ(ask({"STRLEN", "k"}), std::to_string(5 << 20));
    EXPECT_EQ(ask({"GET", "k"}).size(), (5u << 20) + 2);
    for (int i = 0; i < 1000; ++i) send({"INCR", "n"});
    EXPECT_TRUE(all_done());
  }
  EXPECT_EQ(ask({"GET", "n"}), "\"2000\"");
  // Ends with much under way.
  for (int i = 0; i < 1000; ++i) send({"GET", "k"});
  for (int i = 0; i < 20; ++i) loop_.run_one_for(1ms);
  client_ = nullptr;
  loop_.poll();
}

TEST_F(TlsTest, RefusesWhatIsNotVerified) {
  ASSERT_TRUE(make("good", "IP:127.0.0.1") && make("other", "DNS:other.example"));
  TestServer good(server_options("good", "no"));
  TestServer other(server_options("other", "no"));
  TestServer plain;
  ASSERT_TRUE(good.ok() && other.ok() && plain.ok());
  connect(tls_options(good, "other"));
  EXPECT_THAT(reason(), HasSubstr("self-signed certificate"));
  connect(tls_options(other, "other"));
  EXPECT_THAT(reason(), HasSubstr("IP address mismatch"));
  ClientOptions options = tls_options(other, "other");
  options.seeds[0].host = "localhost";
  connect(options);
  EXPECT_THAT(reason(), HasSubstr("hostname mismatch"));
  options = tls_options(plain, "good");
  options.timeout = 300ms;
  connect(options);
  EXPECT_THAT(reason(), HasSubstr("the TLS handshake took too long"));
}

TEST_F(TlsTest, ClientsWithACertificate) {
  ASSERT_TRUE(make("good", "IP:127.0.0.1"));
  TestServer server(server_options("good", "yes"));
  ASSERT_TRUE(server.ok()) << server.log();
  ClientOptions options = tls_options(server, "good");
  connect(options);
  reason();
  options.certificate_file = file("good.crt");
  options.key_file = file("good.key");
  connect(options);
  EXPECT_EQ(ask({"PING"}), "+PONG");
}

// ---- Cluster

class RealClusterTest : public ServerTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 4; ++i) {
      nodes_.push_back(std::make_unique<TestServer>(
          TestServerOptions{.args = {"--cluster-enabled", "yes", "--cluster-port", "{bus}",
                                     "--cluster-node-timeout", "2000"}}));
      ASSERT_TRUE(nodes_.back()->ok()) << nodes_.back()->log();
    }
    const std::vector<std::string> ranges[] = {
        {"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}};
    for (std::size_t i = 0; i < 3; ++i) {
      const TestServer& node = *nodes_[i];
      ASSERT_EQ(node.ask({"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)}), "+OK");
      ASSERT_EQ(node.ask({"CLUSTER", "ADDSLOTSRANGE", ranges[i][0], ranges[i][1]}), "+OK");
    }
    for (std::size_t i = 1; i < 4; ++i) {
      ASSERT_EQ(nodes_[0]->ask({"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes_[i]->port()),
                                std::to_string(nodes_[i]->bus())}),
                "+OK");
    }
    for (const auto& node : nodes_) {
      ASSERT_TRUE(wait_for(*node, {"CLUSTER", "INFO"}, "cluster_state:ok"));
      ASSERT_TRUE(wait_for(*node, {"CLUSTER", "INFO"}, "cluster_known_nodes:4"));
    }
  }
  ClientOptions cluster_options() const {
    ClientOptions options = options_for({nodes_[1].get()});
    options.topology = Topology::kCluster;
    return options;
  }
  std::string id(std::size_t node) const {
    const std::string shown = nodes_[node]->ask({"CLUSTER", "MYID"});
    return shown.substr(1, shown.size() - 2);
  }
  static std::string key(int i) { return "key" + std::to_string(i); }

  std::vector<std::unique_ptr<TestServer>> nodes_;
};

TEST_F(RealClusterTest, KeysThatMove) {
  connect(cluster_options());
  for (int i = 0; i < 300; ++i) send({"SET", key(i), std::to_string(i)});
  ASSERT_TRUE(all_done());
  for (const TestSink& sink : sinks_) EXPECT_EQ(sink.shown, "+OK");
  EXPECT_EQ(client_->masters().size(), 3u);
  // "foo" has slot 12182, of the third node; it goes to the first one.
  EXPECT_EQ(ask({"CLUSTER", "KEYSLOT", "foo"}), std::to_string(slot_of("foo")));
  const std::string slot = "12182";
  ASSERT_EQ(ask({"SET", "foo", "1"}), "+OK");
  ASSERT_EQ(nodes_[0]->ask({"CLUSTER", "SETSLOT", slot, "IMPORTING", id(2)}), "+OK");
  ASSERT_EQ(nodes_[2]->ask({"CLUSTER", "SETSLOT", slot, "MIGRATING", id(0)}), "+OK");
  EXPECT_EQ(ask({"GET", "foo"}), "\"1\"") << "still where it was";
  EXPECT_EQ(ask({"GET", "{foo}other"}), "nil") << "by ASK";
  EXPECT_EQ(ask({"SET", "{foo}other", "2"}), "+OK");
  TestSink& both = send({"MGET", "foo", "{foo}other"});  // TRYAGAIN until both are there
  ASSERT_EQ(nodes_[2]->ask(
                {"MIGRATE", "127.0.0.1", std::to_string(nodes_[0]->port()), "foo", "0", "60000"}),
            "+OK");
  ASSERT_TRUE(run_until([&] { return both.calls == 1; }));
  EXPECT_EQ(both.shown, "[\"1\" \"2\"]");
  EXPECT_EQ(ask({"GET", "foo"}), "\"1\"");
  for (const std::size_t node : {0u, 2u, 1u}) {
    ASSERT_EQ(nodes_[node]->ask({"CLUSTER", "SETSLOT", slot, "NODE", id(0)}), "+OK");
  }
  EXPECT_EQ(ask({"GET", "foo"}), "\"1\"") << "by MOVED";
  EXPECT_EQ(ask({"GET", "{foo}other"}), "\"2\"");
  for (int i = 0; i < 300; ++i) EXPECT_EQ(ask({"GET", key(i)}), "\"" + std::to_string(i) + "\"");
  TestSink size;
  const std::string_view args[] = {"DBSIZE"};
  client_->send_to({nodes_[1]->endpoint()}, args, size);
  ASSERT_TRUE(run_until([&] { return size.calls == 1; }));
  EXPECT_EQ(size.shown, nodes_[1]->ask({"DBSIZE"}));
}

TEST_F(RealClusterTest, AReplicaTakesOver) {
  ASSERT_EQ(nodes_[3]->ask({"CLUSTER", "REPLICATE", id(2)}), "+OK");
  ASSERT_TRUE(wait_for(*nodes_[3], {"INFO", "replication"}, "master_link_status:up"));
  for (const auto& node : nodes_) {
    ASSERT_TRUE(wait_for(*node, {"CLUSTER", "NODES"}, "slave " + id(2)));
  }
  connect(cluster_options());
  ASSERT_EQ(ask({"SET", "foo", "1"}), "+OK");
  ASSERT_EQ(nodes_[2]->ask({"WAIT", "1", "60000"}), "1");
  ASSERT_TRUE(wait_for(*nodes_[3], {"DBSIZE"}, "1"));
  nodes_[2]->kill();
  EXPECT_EQ(ask({"GET", "foo"}), "\"1\"");
  EXPECT_EQ(ask({"SET", "foo", "2"}), "+OK");
  EXPECT_TRUE(healthy());
  EXPECT_THAT(client_->masters(), testing::Contains(Node{nodes_[3]->endpoint()}));
}

// ---- Sentinel

TEST_F(ServerTest, SentinelsFailOver) {
  TestServer master;
  ASSERT_TRUE(master.ok()) << master.log();
  TestServer replica({.args = {"--replicaof", "127.0.0.1 " + std::to_string(master.port())}});
  ASSERT_TRUE(replica.ok()) << replica.log();
  ASSERT_TRUE(wait_for(replica, {"INFO", "replication"}, "master_link_status:up"));
  TestServer sentinel({.args = {"--sentinel"},
                       .config = "port {port}\nsentinel monitor main 127.0.0.1 " +
                                 std::to_string(master.port()) +
                                 " 1\nsentinel down-after-milliseconds main 500\n"
                                 "sentinel failover-timeout main 3000\n"});
  ASSERT_TRUE(sentinel.ok()) << sentinel.log();
  ASSERT_TRUE(wait_for(sentinel, {"SENTINEL", "REPLICAS", "main"}, std::to_string(replica.port())));
  ClientOptions options = options_for({&sentinel});
  options.topology = Topology::kSentinel;
  options.master_name = "main";
  connect(options);
  EXPECT_EQ(ask({"SET", "k", "1"}), "+OK");
  ASSERT_TRUE(wait_for(replica, {"GET", "k"}, "1"));
  master.kill();
  EXPECT_EQ(ask({"GET", "k"}), "\"1\"");
  EXPECT_EQ(ask({"SET", "k", "2"}), "+OK");
  EXPECT_EQ(replica.ask({"GET", "k"}), "\"2\"");
  EXPECT_TRUE(healthy());
}

}  // namespace
}  // namespace push_cache::redis
