#include "http/server.h"

#include <gtest/gtest.h>
#include <boost/asio/steady_timer.hpp>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "http/test_client.h"
#include "net/loop.h"

namespace push_cache::http {
namespace {

using test::Client;
using test::FunctionHandler;
using test::get_text;
using test::Response;
using test::serve;
using test::wait_for;
using namespace std::chrono_literals;

void answer(Exchange& exchange, std::string_view body, unsigned status = 200) {
  exchange.begin(status, {}).append(body);
  exchange.finish();
}

// Answers with the target.
FunctionHandler& echo() {
  static FunctionHandler handler([](Exchange& exchange) {
    Buffer& out = exchange.begin(200, {});
    out.append(exchange.request().target);
    exchange.finish();
  });
  return handler;
}

// Threads that run what they are given, as a remote store would.
class Workers {
 public:
  explicit Workers(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  }
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  void give(std::function<void()> work) {
    {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
    }
    changed_.notify_one();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ended_ || !work_.empty(); });
      if (work_.empty()) return;
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

// ---- start

TEST(Server, SaysItsRealAddress) {
  const auto server = serve(echo());
  EXPECT_NE(server->port(), 0);
  EXPECT_EQ(server->address(), "127.0.0.1:" + std::to_string(server->port()));
  Client client(server->port());
  EXPECT_EQ(client.get("/x")->body, "/x");
}

TEST(Server, TakesIpv6AndNames) {
  for (const char* address : {"[::1]:0", "localhost:0"}) {
    ServerOptions options;
    options.address = address;
    auto started = Server::start(options, echo());
    if (!started.ok() && started.error().code == ErrorCode::kUnavailable) {
      continue;  // no IPv6 on this machine
    }
    ASSERT_TRUE(started.ok());
    EXPECT_NE((*started)->port(), 0);
  }
}

TEST(Server, SaysWhyItCannotStart) {
  for (const char* address : {"", "x", ":80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000",
                              "::1:80", "[::1:80", "127.0.0.1:-1"}) {
    ServerOptions options;
    options.address = address;
    const auto started = Server::start(options, echo());
    ASSERT_FALSE(started.ok()) << address;
    EXPECT_EQ(started.error().code, ErrorCode::kInvalidArgument) << address;
  }
  ServerOptions options;
  options.threads = 2;
  const auto first = serve(echo(), options);
  options.address = first->address();
  const auto second = Server::start(options, echo());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(second.error().public_text.find(first->address()), std::string::npos);
}

// ---- responses

TEST(Response, HasItsHeadersAndKeepsTheConnection) {
  FunctionHandler handler([](Exchange& exchange) {
    Head head;
    head.etag = "\"7\"";
    head.cache_control = "no-cache";
    exchange.begin(200, head).append("{}");
    exchange.finish();
  });
  const auto server = serve(handler);
  Client client(server->port());
  for (int i = 0; i < 3; ++i) {
    const auto response = client.get("/");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200u);
    EXPECT_EQ(response->body, "{}");
    EXPECT_EQ(response->header("ETag"), "\"7\"");
    EXPECT_EQ(response->header("Cache-Control"), "no-cache");
    EXPECT_EQ(response->header("Content-Type"), "application/json");
    EXPECT_TRUE(response->header("Date").ends_with(" GMT"));
    EXPECT_FALSE(response->has_header("Connection"));
  }
  EXPECT_EQ(server->counts().connections_total, 1u);
  EXPECT_EQ(server->counts().requests_total, 3u);
}

TEST(Response, OfHead304And204HasNoBody) {
  FunctionHandler handler([](Exchange& exchange) {
    const std::string_view path = exchange.request().path;
    answer(exchange, "12345", path == "/304" ? 304 : path == "/204" ? 204 : 200);
  });
  const auto server = serve(handler);
  Client client(server->port());
  const auto head = client.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", true);
  EXPECT_EQ(head->header("Content-Length"), "5");
  const auto unchanged = client.get("/304");
  EXPECT_EQ(unchanged->status, 304u);
  EXPECT_FALSE(unchanged->has_header("Content-Length"));
  EXPECT_FALSE(unchanged->has_header("Transfer-Encoding"));
  const auto nothing = client.get("/204");
  EXPECT_EQ(nothing->status, 204u);
  EXPECT_FALSE(nothing->has_header("Content-Length"));
  EXPECT_EQ(client.get("/")->body, "12345");
}

TEST(Response, ToHttp10) {
  const auto server = serve(echo());
  Client closed(server->port());
  const auto response = closed.ask("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(response->body, "/a");
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_TRUE(closed.ended());
  Client kept(server->port());
  const std::string text = "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(kept.ask(text)->header("Connection"), "keep-alive");
  EXPECT_EQ(kept.ask(text)->body, "/a");
}

TEST(Response, ConnectionCloseIsObeyed) {
  const auto server = serve(echo());
  Client client(server->port());
  client.send(get_text("/a", "Connection: close\r\n") + get_text("/b"));
  const auto response = client.read();
  EXPECT_EQ(response->body, "/a");
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST(Response, CanBeAbandonedAndMadeAnew) {
  FunctionHandler handler([](Exchange& exchange) {
    exchange.begin(200, {}).append("half a bo");
    exchange.abandon();
    send_error(exchange, Error{ErrorCode::kInternal, "it \"failed\"", "a secret"});
  });
  const auto server = serve(handler);
  Client client(server->port());
  const auto response = client.get("/");
  EXPECT_EQ(response->status, 500u);
  EXPECT_EQ(response->body, R"({"code":"internal","message":"it \"failed\""})");
  EXPECT_EQ(client.get("/")->status, 500u);
}

TEST(Response, GoesToAClientThatHasShutItsSide) {
  Workers workers(1);
  FunctionHandler handler([&](Exchange& exchange) {
    if (exchange.request().path == "/later") {
      workers.give([&exchange] { exchange.post([&exchange] { answer(exchange, "late"); }); });
    } else {
      answer(exchange, "now");
    }
  });
  const auto server = serve(handler);
  Client client(server->port());
  client.send(get_text("/now") + get_text("/later") + get_text("/now"));
  client.shutdown_write();
  EXPECT_EQ(client.read()->body, "now");
  EXPECT_EQ(client.read()->body, "late");
  EXPECT_EQ(client.read()->body, "now");
  EXPECT_TRUE(client.ended());
}

TEST(Response, ContinueIsSaidOnlyWhenTheBodyIsWaitedFor) {
  FunctionHandler handler([](Exchange& exchange) { answer(exchange, exchange.request().body); });
  ServerOptions options;
  options.body_bytes_max = 10;
  const auto server = serve(handler, options);
  const auto head = [](const std::string& framing) {
    return "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + framing + "\r\n\r\n";
  };
  Client client(server->port());
  EXPECT_EQ(client.ask(head("Content-Length: 3"))->status, 100u);
  EXPECT_EQ(client.ask("abc")->body, "abc");
  EXPECT_EQ(client.ask(head("Transfer-Encoding: chunked"))->status, 100u);
  EXPECT_EQ(client.ask("3\r\nabc\r\n0\r\n\r\n")->body, "abc");
  EXPECT_EQ(client.ask(head("Content-Length: 3") + "abc")->body, "abc");
  EXPECT_EQ(client.ask(head("Content-Length: 11"))->status, 413u);
}

// ---- pipelining, deferred answers

TEST(Pipelining, AnswersAThousandInOrder) {
  const auto server = serve(echo());
  Client client(server->port());
  std::string text;
  for (int i = 0; i < 1000; ++i) text += get_text("/" + std::to_string(i));
  ASSERT_TRUE(client.send(text));
  for (int i = 0; i < 1000; ++i) {
    const auto response = client.read();
    ASSERT_TRUE(response) << i;
    ASSERT_EQ(response->body, "/" + std::to_string(i));
  }
}

TEST(Pipelining, TakesRequestsCutAnywhere) {
  FunctionHandler handler([](Exchange& exchange) {
    Buffer& out = exchange.begin(200, {});
    out.append(exchange.request().target);
    out.append(exchange.request().body);
    exchange.finish();
  });
  const auto server = serve(handler);
  std::mt19937 random(5);
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string target = "/" + std::to_string(i);
    const std::string body(random() % 3000, static_cast<char>('a' + i % 26));
    if (i % 3 == 0) {
      text += get_text(target);
      expected.push_back(target);
    } else if (i % 3 == 1) {
      text += "POST " + target +
              " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body;
      expected.push_back(target + body);
    } else {
      char size[20];
      std::snprintf(size, sizeof size, "%zx", body.size() + 1);
      text += "POST " + target + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n\r\n" +
              size + "\r\n" + body + "!\r\n0\r\n\r\n";
      expected.push_back(target + body + "!");
    }
  }
  Client client(server->port());
  std::thread sender([&] {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t bytes = std::min<std::size_t>(1 + random() % 2000, text.size() - at);
      if (!client.send(std::string_view(text).substr(at, bytes))) return;
      at += bytes;
    }
  });
  for (const std::string& body : expected) {
    const auto response = client.read();
    ASSERT_TRUE(response);
    ASSERT_EQ(response->body, body);
  }
  sender.join();
}

TEST(Pipelining, IsHeldBackByAReaderThatIsSlow) {
  std::atomic<int> handled{0};
  const std::string body(64 * 1024, 'x');
  FunctionHandler handler([&](Exchange& exchange) {
    ++handled;
    answer(exchange, body);
  });
  const auto server = serve(handler);
  Client client(server->port(), 16 * 1024);
  std::string text;
  for (int i = 0; i < 400; ++i) text += get_text("/");
  client.send(text);
  int before = -1;
  // Until the server makes no more progress: what it has answered then is bounded by the kernel's
  // buffers and one batch, not by the requests.
  ASSERT_TRUE(wait_for([&] {
    std::this_thread::sleep_for(100ms);
    return std::exchange(before, handled.load()) == handled.load() && before > 0;
  }));
  EXPECT_LT(handled.load(), 200);
  for (int i = 0; i < 400; ++i) {
    const auto response = client.read();
    ASSERT_TRUE(response) << i;
    ASSERT_EQ(response->body.size(), body.size());
  }
  EXPECT_EQ(handled.load(), 400);
}

TEST(Deferred, KeepsTheOrderOfTheRequests) {
  Workers workers(4);
  FunctionHandler handler([&](Exchange& exchange) {
    const std::string target(exchange.request().target);
    if (target.back() % 2 == 0) {
      answer(exchange, target);
      return;
    }
    workers.give([&exchange, target] {
      exchange.post([&exchange, target] {
        EXPECT_EQ(exchange.request().target, target);  // the views have stayed
        answer(exchange, target);
      });
    });
  });
  ServerOptions options;
  options.threads = 2;
  const auto server = serve(handler, options);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Client client(server->port());
      std::string text;
      for (int i = 0; i < 300; ++i) {
        text += get_text("/" + std::to_string(t) + "/" + std::to_string(i));
      }
      EXPECT_TRUE(client.send(text));
      for (int i = 0; i < 300; ++i) {
        const auto response = client.read();
        ASSERT_TRUE(response);
        ASSERT_EQ(response->body, "/" + std::to_string(t) + "/" + std::to_string(i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server->counts().requests_total, 2400u);
}

TEST(Deferred, MayAnswerInSeveralTasks) {
  Workers workers(1);
  FunctionHandler handler([&](Exchange& exchange) {
    if (exchange.request().path == "/now") {
      answer(exchange, "now");
      return;
    }
    exchange.post([&] {
      exchange.begin(200, {}).append("a");
      workers.give([&] {
        exchange.post([&] {
          exchange.abandon();
          Buffer& out = exchange.begin(201, {});
          out.append("b");
          exchange.post([&] {
            out.append("c");
            exchange.finish();
          });
        });
      });
    });
    // Of another task that comes after the end nothing may be seen.
  });
  const auto server = serve(handler);
  Client client(server->port());
  client.send(get_text("/now") + get_text("/later") + get_text("/now"));
  EXPECT_EQ(client.read()->body, "now");
  const auto response = client.read();
  EXPECT_EQ(response->status, 201u);
  EXPECT_EQ(response->body, "bc");
  EXPECT_EQ(client.read()->body, "now");
}

TEST(Deferred, TasksOfAFinishedExchangeAreDropped) {
  std::atomic<int> ran{0};
  FunctionHandler handler([&](Exchange& exchange) {
    exchange.post([&] {
      ++ran;
      answer(exchange, "first");
    });
    exchange.post([&] {
      ++ran;
      answer(exchange, "second");
    });
  });
  const auto server = serve(handler);
  Client client(server->port());
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.get("/")->body, "first");
  EXPECT_EQ(ran.load(), 10);
}

TEST(Deferred, ClientsThatGoAwayHurtNobody) {
  Workers workers(2);
  std::atomic<int> finished{0};
  FunctionHandler handler([&](Exchange& exchange) {
    workers.give([&] {
      std::this_thread::yield();
      exchange.post([&] {
        answer(exchange, std::string(10'000, 'x'));
        ++finished;
      });
    });
  });
  ServerOptions options;
  options.threads = 2;
  const auto server = serve(handler, options);
  for (int i = 0; i < 300; ++i) {
    Client client(server->port());
    client.send(get_text("/") + get_text("/"));
    if (i % 2 == 0) {
      client.reset();
    } else if (i % 4 == 1) {
      EXPECT_TRUE(client.read());
    }
  }
  EXPECT_TRUE(wait_for([&] { return server->counts().connections_open == 0; }));
  EXPECT_EQ(static_cast<std::uint64_t>(finished.load()), server->counts().requests_total);
}

TEST(Deferred, ManyThreadsPost) {
  Workers workers(8);
  FunctionHandler handler([&](Exchange& exchange) {
    workers.give([&] { exchange.post([&] { answer(exchange, exchange.request().target); }); });
  });
  ServerOptions options;
  options.threads = 2;
  const auto server = serve(handler, options);
  std::vector<Client> clients;
  for (int i = 0; i < 64; ++i) clients.emplace_back(server->port());
  for (int round = 0; round < 30; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      ASSERT_TRUE(clients[i].send(get_text("/" + std::to_string(i))));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      ASSERT_EQ(clients[i].read()->body, "/" + std::to_string(i));
    }
  }
}

// ---- bodies and streams

TEST(Body, SeveralMegabytesBothWays) {
  FunctionHandler handler([](Exchange& exchange) { answer(exchange, exchange.request().body); });
  const auto server = serve(handler);
  std::string body(7'000'000, ' ');
  std::mt19937 random(3);
  for (char& byte : body) byte = static_cast<char>(random());
  Client client(server->port());
  const auto exchange = [&](const std::string& head, const std::string& payload) {
    std::thread sender([&] {
      EXPECT_TRUE(client.send(head));
      EXPECT_TRUE(client.send(payload));
    });
    const auto response = client.read();
    sender.join();
    ASSERT_TRUE(response);
    EXPECT_TRUE(response->body == body);
  };
  exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7000000\r\n\r\n", body);
  std::string chunks;
  for (std::size_t at = 0; at < body.size();) {
    const std::size_t bytes = std::min<std::size_t>(1 + random() % 60'000, body.size() - at);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes);
    chunks += size;
    chunks.append(body, at, bytes);
    chunks += "\r\n";
    at += bytes;
  }
  exchange("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
           chunks + "0\r\n\r\n");
  EXPECT_EQ(client.get("/")->body, "");
}

class Pieces final : public BodySource {
 public:
  Pieces(int pieces, std::size_t bytes, std::atomic<int>* made, std::atomic<int>* alive)
      : pieces_(pieces), bytes_(bytes), made_(made), alive_(alive) {
    ++*alive_;
  }
  ~Pieces() override { --*alive_; }
  Result<Next> append_next(Buffer& out) override {
    if (pieces_ == 0) return Next::kEnd;
    --pieces_;
    ++*made_;
    // One of them is empty, and the last comes with its end or alone.
    if (pieces_ % 7 != 3) out.append(std::string(bytes_, static_cast<char>('a' + pieces_ % 26)));
    return pieces_ != 0 || bytes_ % 2 == 0 ? Next::kMore : Next::kEnd;
  }

 private:
  int pieces_;
  std::size_t bytes_;
  std::atomic<int>* made_;
  std::atomic<int>* alive_;
};

std::string pieces_text(int pieces, std::size_t bytes) {
  std::string text;
  while (pieces-- > 0) {
    if (pieces % 7 != 3) text.append(bytes, static_cast<char>('a' + pieces % 26));
  }
  return text;
}

class Stream : public testing::Test {
 protected:
  std::atomic<int> made_{0};
  std::atomic<int> alive_{0};
  Workers workers_{1};
  FunctionHandler handler_{[this](Exchange& exchange) {
    const Request& request = exchange.request();
    if (request.path == "/small") {
      answer(exchange, "small");
    } else if (request.path == "/later") {
      workers_.give([this, &exchange] {
        exchange.post([this, &exchange] {
          exchange.stream(200, {}, std::make_unique<Pieces>(50, 1001, &made_, &alive_));
        });
      });
    } else if (request.path == "/empty") {
      exchange.stream(200, {}, std::make_unique<Pieces>(0, 0, &made_, &alive_));
    } else {
      exchange.stream(200, {}, std::make_unique<Pieces>(500, 30'000, &made_, &alive_));
    }
  }};
};

TEST_F(Stream, IsChunkedAndKeepsTheConnection) {
  const auto server = serve(handler_);
  Client client(server->port());
  client.send(get_text("/small") + get_text("/later") + get_text("/big") + get_text("/empty") +
              get_text("/small"));
  EXPECT_EQ(client.read()->body, "small");
  const auto later = client.read();
  EXPECT_EQ(later->header("Transfer-Encoding"), "chunked");
  EXPECT_FALSE(later->has_header("Content-Length"));
  EXPECT_EQ(later->body, pieces_text(50, 1001));
  EXPECT_TRUE(client.read()->body == pieces_text(500, 30'000));
  EXPECT_EQ(client.read()->body, "");
  EXPECT_EQ(client.read()->body, "small");
  EXPECT_EQ(alive_.load(), 0);
}

TEST_F(Stream, ToHttp10EndsWithTheConnection) {
  const auto server = serve(handler_);
  Client client(server->port());
  const auto response = client.ask("GET /big HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_FALSE(response->has_header("Transfer-Encoding"));
  EXPECT_TRUE(response->body == pieces_text(500, 30'000));
}

TEST_F(Stream, OfHeadIsOnlyItsHeaders) {
  const auto server = serve(handler_);
  Client client(server->port());
  const auto response = client.ask("HEAD /big HTTP/1.1\r\nHost: h\r\n\r\n", true);
  EXPECT_EQ(response->status, 200u);
  EXPECT_EQ(made_.load(), 0);
  EXPECT_EQ(client.get("/small")->body, "small");
  EXPECT_EQ(alive_.load(), 0);
}

TEST_F(Stream, WaitsForItsReaderAndEndsWithIt) {
  const auto server = serve(handler_);
  {
    Client client(server->port(), 16 * 1024);
    client.send(get_text("/big"));
    ASSERT_TRUE(wait_for([&] { return made_.load() > 0; }));
    // Others on the same loop are served meanwhile.
    Client other(server->port());
    for (int i = 0; i < 50; ++i) EXPECT_EQ(other.get("/small")->body, "small");
    EXPECT_LT(made_.load(), 500);
    EXPECT_EQ(alive_.load(), 1);
  }
  EXPECT_TRUE(wait_for([&] { return alive_.load() == 0; }));
  EXPECT_LT(made_.load(), 500);
}

TEST(Body, SlowReadersDoNotStallTheLoop) {
  const std::string large(30'000'000, 'x');
  FunctionHandler handler([&](Exchange& exchange) {
    answer(exchange, exchange.request().path == "/large" ? std::string_view(large) : "small");
  });
  const auto server = serve(handler);
  std::vector<Client> slow;
  for (int i = 0; i < 4; ++i) {
    slow.emplace_back(server->port(), 16 * 1024);
    slow.back().send(get_text("/large"));
  }
  Client quick(server->port());
  for (int i = 0; i < 200; ++i) ASSERT_EQ(quick.get("/small")->body, "small");
  const auto response = slow.front().read();
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->body == large);
}

// ---- many connections, limits, time-outs

TEST(Connections, ThoseBeyondTheMaximumAreToldSo) {
  ServerOptions options;
  options.connections_max = 3;
  const auto server = serve(echo(), options);
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server->port());
    ASSERT_EQ(clients.back().get("/")->status, 200u);
  }
  Client fourth(server->port());
  const auto response = fourth.get("/");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503u);
  EXPECT_EQ(response->header("Retry-After"), "1");
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_TRUE(response->body.starts_with("{\"code\":\"unavailable\",\"message\":"));
  EXPECT_TRUE(fourth.ended());
  EXPECT_EQ(server->counts().connections_refused, 1u);
  EXPECT_EQ(server->counts().connections_open, 3u);
  clients.pop_back();
  EXPECT_TRUE(wait_for([&] {
    Client next(server->port());
    return next.get("/")->status == 200;
  }));
}

TEST(Timeout, IdleConnectionsAreClosed) {
  ServerOptions options;
  options.idle_timeout = 100ms;
  const auto server = serve(echo(), options);
  Client silent(server->port());
  Client used(server->port());
  EXPECT_EQ(used.get("/")->status, 200u);
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(used.ended());
  EXPECT_TRUE(wait_for([&] { return server->counts().connections_open == 0; }));
  EXPECT_EQ(server->counts().bad_requests_total, 0u);
}

TEST(Timeout, OfARequestCountsFromItsFirstByteToItsLast) {
  ServerOptions options;
  options.request_timeout = 200ms;
  const auto server = serve(echo(), options);
  for (const std::string& start :
       {std::string("G"), get_text("/", "A: b\r\n").substr(0, 30),
        std::string("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc"),
        std::string("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab")}) {
    Client client(server->port());
    client.send(start);
    // One byte now and then does not put the end off.
    std::atomic<bool> done{false};
    std::thread dripper([&] {
      while (!done && client.send("1")) std::this_thread::sleep_for(20ms);
    });
    const auto response = client.read();
    done = true;
    dripper.join();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 408u);
    EXPECT_EQ(response->header("Connection"), "close");
  }
  EXPECT_EQ(server->counts().bad_requests_total, 4u);
}

TEST(Timeout, OfAWriteWithoutProgress) {
  ServerOptions options;
  options.write_timeout = 200ms;
  options.idle_timeout = 60s;
  const std::string large(30'000'000, 'x');
  FunctionHandler handler([&](Exchange& exchange) { answer(exchange, large); });
  const auto server = serve(handler, options);
  Client client(server->port(), 16 * 1024);
  client.send(get_text("/"));
  ASSERT_TRUE(wait_for([&] { return server->counts().bytes_out_total > 0; }));
  EXPECT_TRUE(wait_for([&] { return server->counts().connections_open == 0; }));
  EXPECT_LT(server->counts().bytes_out_total, large.size());
}

// ---- the end

TEST(Drain, ClosesIdleOnesAndFinishesTheOthers) {
  Workers workers(1);
  std::atomic<bool> go{false};
  FunctionHandler handler([&](Exchange& exchange) {
    if (exchange.request().path != "/later") {
      answer(exchange, "now");
      return;
    }
    workers.give([&] {
      EXPECT_TRUE(wait_for([&] { return go.load(); }));
      exchange.post([&] { answer(exchange, "late"); });
    });
  });
  ServerOptions options;
  options.threads = 2;
  auto server = serve(handler, options);
  std::vector<Client> idle;
  for (int i = 0; i < 20; ++i) {
    idle.emplace_back(server->port());
    ASSERT_EQ(idle.back().ask(get_text("/"))->body, "now");
  }
  Client running(server->port());
  running.send(get_text("/later"));
  Client partial(server->port());
  const std::string text = get_text("/");
  partial.send(text.substr(0, 10));
  const std::uint64_t sent = 20 * get_text("/").size() + get_text("/later").size() + 10;
  ASSERT_TRUE(wait_for([&] { return server->counts().bytes_in_total == sent; }));
  bool drained = false;
  std::thread drainer([&] { drained = server->drain(20s); });
  for (Client& client : idle) EXPECT_TRUE(client.ended());
  go = true;
  const auto response = running.read();
  EXPECT_EQ(response->body, "late");
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_TRUE(running.ended());
  running.close();
  partial.send(text.substr(10));
  const auto last = partial.read();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->header("Connection"), "close");
  partial.close();
  drainer.join();
  EXPECT_TRUE(drained);
  EXPECT_EQ(server->counts().connections_open, 0u);
  Client refused(server->port());
  EXPECT_FALSE(refused.connected());
}

TEST(Drain, SaysWhenItTookTooLong) {
  FunctionHandler handler([](Exchange&) {});  // never answers
  auto server = serve(handler);
  Client client(server->port());
  client.send(get_text("/"));
  ASSERT_TRUE(wait_for([&] { return server->counts().requests_total == 1; }));
  EXPECT_FALSE(server->drain(50ms));
  server.reset();
  EXPECT_TRUE(client.ended());
}

TEST(Drain, OfNothing) {
  ServerOptions options;
  options.threads = 3;
  EXPECT_TRUE(serve(echo(), options)->drain(10s));
}

TEST(End, DropsEverythingThatIsUnderWay) {
  std::atomic<int> alive{0};
  std::atomic<int> made{0};
  std::atomic<int> ran{0};
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> open{0};
    FunctionHandler handler([&](Exchange& exchange) {
      ++open;
      const std::string_view path = exchange.request().path;
      if (path == "/stream") {
        exchange.stream(200, {}, std::make_unique<Pieces>(100'000, 30'000, &made, &alive));
      } else if (path == "/chain") {
        // Posts itself again and again.
        struct Again {
          Exchange* exchange;
          std::atomic<int>* count;
          void operator()() const {
            ++*count;
            exchange->post(*this);
          }
        };
        exchange.post(Again{&exchange, &ran});
      } else if (path == "/large") {
        answer(exchange, std::string(10'000'000, 'x'));
      }
    });
    ServerOptions options;
    options.threads = 2;
    auto server = serve(handler, options);
    std::vector<Client> clients;
    for (const char* path : {"/stream", "/chain", "/large", "/never", "/stream", "/chain"}) {
      clients.emplace_back(server->port(), 16 * 1024);
      clients.back().send(get_text(path));
    }
    clients.emplace_back(server->port());
    clients.emplace_back(server->port());
    clients.back().send("GET / HT");
    ASSERT_TRUE(wait_for([&] { return open.load() == 6; }));
    server.reset();
    EXPECT_EQ(alive.load(), 0);
  }
}

// As the connections of a remote store do.
TEST(Server, EndsAlthoughSomethingElseKeepsItsLoopBusy) {
  std::unique_ptr<boost::asio::steady_timer> timer;
  FunctionHandler handler([&](Exchange& exchange) {
    timer = std::make_unique<boost::asio::steady_timer>(*net::this_loop(), 1h);
    timer->async_wait([](const boost::system::error_code&) {});
    net::at_end([&] { timer.reset(); });
    answer(exchange, "now");
  });
  ServerOptions options;
  options.threads = 1;
  auto server = serve(handler, options);
  Client client(server->port());
  EXPECT_EQ(client.get("/")->status, 200u);
  server.reset();
  EXPECT_EQ(timer, nullptr);
}

}  // namespace
}  // namespace push_cache::http
