// Bodies whose pieces come later.
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "http/server.h"
#include "http/test_client.h"
#include "net/loop.h"

namespace push_cache::http {
namespace {

using test::Client;
using test::FunctionHandler;
using test::get_text;
using test::serve;
using test::wait_for;

// Pieces that come later, on the loop: none after some calls, and an error at the end if so asked.
class LaterPieces final : public BodySource {
 public:
  LaterPieces(int pieces, bool fails) : pieces_(pieces), fails_(fails) {}

  Result<Next> append_next(Buffer& out) override {
    if (std::exchange(come_, false)) {
      if (pieces_ == 0) {
        if (fails_) return Error{ErrorCode::kUnavailable, "the source has failed"};
        return Next::kEnd;
      }
      --pieces_;
      out.append(std::string(70'000, 'p'));
      return Next::kMore;
    }
    boost::asio::post(*net::this_loop(), [this, lives = std::weak_ptr(life_)] {
      if (lives.expired()) return;
      come_ = true;
      wake();
    });
    return Next::kLater;
  }

 private:
  int pieces_;
  bool fails_;
  bool come_ = false;
  std::shared_ptr<int> life_ = std::make_shared<int>();
};

class LaterStream : public testing::Test {
 protected:
  // Answers of a class of status so far.
  static std::uint64_t answers(const Server& server, unsigned status) {
    return server.routes()[0].requests[static_cast<std::size_t>(Method::kGet)][status / 100];
  }

  std::atomic<unsigned> begun_{0};
  FunctionHandler handler_{[this](Exchange& exchange) {
    const std::string_view path = exchange.request().path;
    const int pieces = path.starts_with("/0") ? 0 : 40;
    ++begun_;
    exchange.stream(200, {}, std::make_unique<LaterPieces>(pieces, path.ends_with("fails")));
  }};
};

TEST_F(LaterStream, GoesOnWhenItsSourceWakesIt) {
  const auto server = serve(handler_);
  Client client(server->port());
  client.send(get_text("/40") + get_text("/0") + get_text("/40"));
  EXPECT_EQ(client.read()->body.size(), 40u * 70'000);
  EXPECT_EQ(client.read()->body, "");
  EXPECT_EQ(client.read()->body.size(), 40u * 70'000);
  EXPECT_EQ(answers(*server, 200), 3u);
}

TEST_F(LaterStream, OfASourceThatFailsFirstIsItsError) {
  const auto server = serve(handler_);
  Client client(server->port());
  const auto failed = client.get("/0fails");
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->status, 503u);
  EXPECT_EQ(failed->header("Retry-After"), "1");
  EXPECT_EQ(failed->body, R"({"code":"unavailable","message":"the source has failed"})");
  EXPECT_EQ(answers(*server, 503), 1u);
  EXPECT_EQ(client.get("/0")->status, 200u) << "the connection goes on";
}

TEST_F(LaterStream, OfASourceThatFailsInTheMiddleIsNoWholeBody) {
  const auto server = serve(handler_);
  Client client(server->port());
  client.send(get_text("/40fails"));
  EXPECT_EQ(client.read(), std::nullopt);
  EXPECT_TRUE(client.unread().find("\r\n0\r\n\r\n") == std::string::npos);
  EXPECT_EQ(answers(*server, 500), 1u) << "whatever the status line said";
  EXPECT_EQ(answers(*server, 200), 0u);
}

TEST_F(LaterStream, EndsWithItsClientAndItsServer) {
  auto server = serve(handler_);
  for (int i = 0; i < 20; ++i) {
    Client client(server->port(), 16 * 1024);
    client.send(get_text("/40"));
  }
  Client client(server->port(), 16 * 1024);
  client.send(get_text("/40"));
  ASSERT_TRUE(wait_for([&] { return begun_.load() == 21; }));
  server.reset();
}

}  // namespace
}  // namespace push_cache::http
