// What a store says of its records while its server dies and comes back with less, asked on any
// loop: the truth, or that it does not know.
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "net/loop.h"
#include "redis/fake_server.h"
#include "redis/store_fixture.h"

namespace push_cache::redis {
namespace {

using Source = store::SharedStore::Source;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr Source kSource{1, Partition(3)};
constexpr int kKeys = 20;
constexpr std::size_t kLoops = 4;
constexpr std::string_view kLate = "late";

std::string key_of(int i) { return "k" + std::to_string(i); }

bool wait_for(const std::function<bool()>& holds) {
  const auto end = steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    if (steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(1));  // then look again
  }
  return true;
}

// A loop with its thread.
struct Loop {
  Loop()
      : work(io.get_executor()), thread([this] {
          const net::LoopScope scope(io);
          io.run();
        }) {}
  ~Loop() {
    boost::asio::post(io, [] { net::end_loop(); });  // without its clients it ends by itself
    work.reset();
    thread.join();
  }
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  std::thread thread;
};

// Reads one key after the other, on its loop, and sometimes lists, inserts and takes what must be
// there.
class Reader final : store::GetSink, store::InsertSink, store::KeyScan::Sink {
 public:
  Reader(store::Store& store, Loop& loop, unsigned seed, const std::atomic<bool>& loss_is_known)
      : store_(store), loop_(loop), random_(seed), loss_is_known_(loss_is_known) {}
  void start() {
    if (std::exchange(started_, true)) return;
    running_ = true;
    boost::asio::post(loop_.io, [this] { next(); });
  }
  void stop() {
    stop_ = true;
    ASSERT_TRUE(wait_for([this] { return !running_; }));
    stop_ = started_ = false;
  }
  // From now on there is a record `kLate`.
  void expect_late() { late_is_there_ = true; }
  std::atomic<int> truths = 0;
  std::atomic<int> late_truths = 0;
  std::atomic<int> lies = 0;

 private:
  void next() {
    if (stop_) {
      scan_.reset();
      running_ = false;
      return;
    }
    const std::string key = key_of(static_cast<int>(random_() % kKeys));
    asks_late_ = late_is_there_ && random_() % 2 == 0;
    if (asks_late_) return store_.get(kLate, *this);
    switch (random_() % 16) {
      case 0: {
        store::RecordView one = record(key, "posted", 1'000'000);
        one.partition = Partition(-1);
        return store_.insert(one, *this);
      }
      case 1:
        listed_ = 0;
        scan_ = store_.scan_keys();
        return scan_->next(*this);
      default:
        return store_.get(key, *this);
    }
  }
  void again() {
    boost::asio::post(loop_.io, [this] { next(); });
  }
  void found(const store::RecordView& record) override {
    const std::string datum(reinterpret_cast<const char*>(record.datum.data()),
                            record.datum.size());
    said(datum == "v" + std::string(record.key));
  }
  void absent() override { said(false); }
  void inserted() override { said(false); }
  void exists() override { said(true); }
  void failed(const Error& error) override {
    EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.describe();
    again();
  }
  void key(std::string_view) override { ++listed_; }
  void end(bool more) override {
    if (more) return scan_->next(*this);
    said(listed_ >= kKeys);
  }
  void said(bool truth) {
    if (!truth && (asks_late_ || !loss_is_known_)) ++lies;
    if (truth) ++truths;
    if (truth && asks_late_) ++late_truths;
    again();
  }

  store::Store& store_;
  Loop& loop_;
  std::minstd_rand random_;
  const std::atomic<bool>& loss_is_known_;
  std::unique_ptr<store::KeyScan> scan_;
  int listed_ = 0;
  bool started_ = false;
  bool asks_late_ = false;
  std::atomic<bool> late_is_there_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> running_ = false;
};

// Looks at the positions as ingest does.
class Watch {
 public:
  explicit Watch(RedisStore& store) : store_(store), thread_([this] { run(); }) {}
  ~Watch() {
    stop_ = true;
    thread_.join();
  }
  std::atomic<bool> loss_is_known = false;

 private:
  void run() {
    while (!stop_) {
      const std::uint64_t doubts = store_.doubts();
      const auto kept = store_.positions({&kSource, 1});
      if (kept.ok()) {
        if (kept->front().went_back) loss_is_known = true;
        store_.trust(doubts);
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  RedisStore& store_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class OneTruthTest : public testing::Test {
 protected:
  void open(const ClientOptions& client) {
    RedisStoreOptions options{
        .name = "test", .client = client, .prefix = "pc", .topics = {"zero", "one", "two"}};
    options.client.timeout = milliseconds(500);
    auto made = RedisStore::create(std::move(options));
    ASSERT_TRUE(made.ok());
    store_ = *std::move(made);
    ASSERT_TRUE(wait_for([this] { return store_->claim("kafka").ok(); }));
  }
  // All that the store has afterwards is in the topic, so it is acknowledged.
  void fill() {
    ASSERT_TRUE(wait_for([this] { return store_->health().ok(); }));
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_TRUE(store_->put(record(key_of(i), "v" + key_of(i), ++offset_)).ok());
    }
    const store::SharedStore::Progress all{kSource, Offset(offset_ + 1)};
    ASSERT_TRUE(store_->advance({&all, 1}).ok());
  }
  // Some loops have asked before `lose` begins, others begin with it, others once it is over.
  void round(std::mt19937& random, const std::function<void()>& lose, bool ends_in_loss = true) {
    Watch watch(*store_);
    std::deque<Reader> readers;
    std::vector<unsigned> when;
    for (std::size_t i = 0; i < kLoops; ++i) {
      readers.emplace_back(*store_, loops_[i], random(), watch.loss_is_known);
      when.push_back(random() % 3);
    }
    for (std::size_t i = 0; i < kLoops; ++i) {
      if (when[i] != 0) continue;
      readers[i].start();
      ASSERT_TRUE(wait_for([&] { return readers[i].truths >= 5; }));
    }
    for (std::size_t i = 0; i < kLoops; ++i) {
      if (when[i] == 1) readers[i].start();
    }
    lose();
    for (std::size_t i = 0; i < kLoops; ++i) readers[i].start();
    if (ends_in_loss) {
      ASSERT_TRUE(wait_for([&] { return watch.loss_is_known.load(); }));
      ASSERT_TRUE(store_->put(record(kLate, "v" + std::string(kLate), ++offset_)).ok());
      for (Reader& reader : readers) reader.expect_late();
    }
    // Each gets answers again, by the server to which the store writes.
    for (Reader& reader : readers) {
      const int before = reader.truths;
      ASSERT_TRUE(
          wait_for([&] { return ends_in_loss ? reader.late_truths > 0 : reader.truths > before; }));
    }
    for (Reader& reader : readers) reader.stop();
    for (std::size_t i = 0; i < kLoops; ++i) {
      EXPECT_EQ(readers[i].lies, 0) << "loop " << i << ", which began at " << when[i];
    }
  }
  std::int64_t offset_ = 0;
  std::unique_ptr<RedisStore> store_;
  std::deque<Loop> loops_{kLoops};
};

struct OneServerTest : OneTruthTest, testing::WithParamInterface<bool> {
  // A server that tells its identity, or does not.
  TestServerOptions server_options() const {
    TestServerOptions out;
    out.config = "port {port}\n";
    if (!GetParam()) out.config += "user default on nopass ~* &* +@all -info\n";
    return out;
  }
};
using AServerThat = OneServerTest;
INSTANTIATE_TEST_SUITE_P(OneTruth, AServerThat, testing::Bool(), [](const auto& one) {
  return one.param ? "TellsItsIdentity" : "DoesNotTellItsIdentity";
});

TEST_P(AServerThat, ComesBackEmptyIsNoTruthForAnyLoop) {
  TestServer server(server_options());
  ASSERT_TRUE(server.ok()) << server.log();
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 12 && !HasFailure(); ++i) {
    loops_.clear();
    loops_.resize(kLoops);
    open({.seeds = {server.endpoint()}});
    fill();
    round(random, [&] {
      server.kill();
      std::this_thread::sleep_for(milliseconds(random() % 60));  // as long as it takes to start
      ASSERT_TRUE(server.restart());
    });
  }
}

TEST_P(AServerThat, DropsConnectionsIsTheTruthAgainForEachLoop) {
  TestServer server(server_options());
  ASSERT_TRUE(server.ok()) << server.log();
  std::mt19937 random(7);
  open({.seeds = {server.endpoint()}});
  fill();
  for (int i = 0; i < 3; ++i) {
    round(
        random,
        [&] {
          (void)server.ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
        },
        false);
  }
  if (GetParam()) {
    EXPECT_EQ(store_->doubts(), 0u);
  }
}

// Two masters, of which a Sentinel names one. The other goes on as if nothing had happened, as one
// does that is cut off from the Sentinels only, or has died.
class AnotherMaster : public OneServerTest {
 protected:
  AnotherMaster() {
    boost::asio::post(sentinel_loop_.io, [this] {
      sentinel_ = std::make_unique<FakeServer>(sentinel_loop_.io, [this](const Words&,
                                                                         FakeServer::Session&) {
        const std::string port = std::to_string(port_.load());
        return "*2\r\n$9\r\n127.0.0.1\r\n$" + std::to_string(port.size()) + "\r\n" + port + "\r\n";
      });
      sentinel_port_ = sentinel_->port();
    });
    EXPECT_TRUE(wait_for([this] { return sentinel_port_ != 0; }));
  }
  ~AnotherMaster() override {
    loops_.clear();
    store_.reset();
    std::atomic<bool> gone = false;
    boost::asio::post(sentinel_loop_.io, [&] {
      sentinel_.reset();
      gone = true;
    });
    EXPECT_TRUE(wait_for([&] { return gone.load(); }));
  }
  void run(bool dies) {
    std::mt19937 random(11);
    for (int i = 0; i < 6 && !HasFailure(); ++i) {
      TestServer a(server_options());
      TestServer b(server_options());
      ASSERT_TRUE(a.ok() && b.ok());
      port_ = a.port();
      loops_.clear();
      loops_.resize(kLoops);
      ClientOptions options;
      options.topology = Topology::kSentinel;
      options.seeds = {{"127.0.0.1", sentinel_port_}};
      options.master_name = "main";
      open(options);
      fill();
      round(random, [&] {
        port_ = b.port();
        if (dies) a.kill();
      });
      loops_.clear();
      store_.reset();
    }
  }

  std::atomic<std::uint16_t> port_ = 0;
  std::atomic<std::uint16_t> sentinel_port_ = 0;
  Loop sentinel_loop_;
  std::unique_ptr<FakeServer> sentinel_;
};
INSTANTIATE_TEST_SUITE_P(OneTruth, AnotherMaster, testing::Bool(), [](const auto& one) {
  return one.param ? "TellsItsIdentity" : "DoesNotTellItsIdentity";
});

TEST_P(AnotherMaster, WithLessIsNoTruthForAnyLoop) { run(true); }
TEST_P(AnotherMaster, BesideTheOldOneIsNoTruthForAnyLoop) { run(false); }

}  // namespace
}  // namespace push_cache::redis
