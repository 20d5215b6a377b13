// What the server counts of the requests it has answered, by route.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>

#include "http/router.h"
#include "http/server.h"
#include "http/test_client.h"

namespace push_cache::http {
namespace {

using test::Client;
using test::FunctionHandler;
using test::get_text;
using test::serve;
using test::wait_for;

class RequestStatsTest : public testing::Test {
 protected:
  RequestStatsTest() {
    router_.add("/users", users_, 1);
    router_.add("/held", held_, 2);
    router_.add("/beyond", users_, 3);
    ServerOptions options;
    options.threads = 2;
    options.routes = 3;
    server_ = serve(router_, options);
  }
  std::uint64_t count(std::size_t route, Method method, unsigned status) const {
    return server_->routes()[route]
        .requests[static_cast<std::size_t>(method)][status_class(status)];
  }

  FunctionHandler users_{[](Exchange& exchange) {
    const std::string_view rest = exchange.request().rest;
    if (rest == "/again") exchange.begin(500, {}).append("no");  // and abandoned for what follows
    const bool found = rest != "/absent";
    exchange.begin(found ? 200 : 404, {}).append("{}");
    exchange.finish();
  }};
  Exchange* held_exchange_ = nullptr;
  std::atomic<bool> is_held_ = false;
  FunctionHandler held_{[this](Exchange& exchange) {
    held_exchange_ = &exchange;
    is_held_ = true;
  }};
  Router router_;
  std::unique_ptr<Server> server_;
};

TEST_F(RequestStatsTest, CountsByRouteMethodAndClass) {
  for (int round = 0; round < 5; ++round) {  // over both loops
    Client client(server_->port());
    client.send(get_text("/users/a") + get_text("/users/absent") + get_text("/nothing") +
                get_text("/users/again") + "HEAD /users/a HTTP/1.1\r\nHost: h\r\n\r\n" +
                "DELETE /users/absent HTTP/1.1\r\nHost: h\r\n\r\n" + get_text("/beyond"));
    for (const unsigned status : {200u, 404u, 404u, 200u}) EXPECT_EQ(client.read()->status, status);
    EXPECT_EQ(client.read(true)->status, 200u);
    EXPECT_EQ(client.read()->status, 404u);
    EXPECT_EQ(client.read()->status, 200u);
  }
  ASSERT_EQ(server_->routes().size(), 3u);
  EXPECT_EQ(count(1, Method::kGet, 200), 10u);
  EXPECT_EQ(count(1, Method::kGet, 404), 5u);
  EXPECT_EQ(count(1, Method::kGet, 500), 0u) << "nobody saw it";
  EXPECT_EQ(count(1, Method::kHead, 200), 5u);
  EXPECT_EQ(count(1, Method::kDelete, 404), 5u);
  EXPECT_EQ(count(0, Method::kGet, 404), 5u) << "of no route";
  EXPECT_EQ(count(0, Method::kGet, 200), 5u) << "a number that the server was not told of";
  const RouteCounts users = server_->routes()[1];
  EXPECT_EQ(users.total(), 25u);
  EXPECT_EQ(users.durations.total(), 25u);
  EXPECT_GT(users.durations.sum, std::chrono::nanoseconds(0));
  EXPECT_EQ(server_->routes()[2].total(), 0u);
}

TEST_F(RequestStatsTest, TimesUntilTheAnswer) {
  Client client(server_->port());
  client.send(get_text("/held"));
  ASSERT_TRUE(wait_for([&] { return is_held_.load(); }));
  const auto held = std::chrono::steady_clock::now();
  EXPECT_EQ(server_->routes()[2].total(), 0u);
  while (std::chrono::steady_clock::now() - held < std::chrono::milliseconds(3)) {
  }
  held_exchange_->post([this] { send_error(*held_exchange_, ErrorCode::kUnavailable, "later"); });
  EXPECT_EQ(client.read()->status, 503u);
  EXPECT_EQ(count(2, Method::kGet, 503), 1u);
  const metrics::AnswerDurations durations = server_->routes()[2].durations;
  EXPECT_GE(durations.sum, std::chrono::milliseconds(3));
  const auto* const bound =
      std::find(metrics::kAnswerBoundsUs.begin(), metrics::kAnswerBoundsUs.end(), 2'500);
  const auto beyond = bound - metrics::kAnswerBoundsUs.begin() + 1;
  EXPECT_EQ(std::accumulate(durations.counts.begin() + beyond, durations.counts.end(), 0u), 1u);
}

TEST_F(RequestStatsTest, AnswersWithWhatCorrelates) {
  const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  Client client(server_->port());
  client.send("GET /users/a HTTP/1.1\r\nHost: h\r\nX-Request-Id: r-1\r\ntraceparent: " + trace +
              "\r\n\r\n" + get_text("/users/absent"));
  const auto first = client.read();
  EXPECT_EQ(first->header("X-Request-Id"), "r-1");
  EXPECT_EQ(first->header("traceparent"), trace);
  const auto second = client.read();
  EXPECT_FALSE(second->has_header("X-Request-Id"));
  EXPECT_FALSE(second->has_header("traceparent"));
}

}  // namespace
}  // namespace push_cache::http
