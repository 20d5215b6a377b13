// Each row of the torture table, sent over a real connection whole and byte by byte.
#include "http/torture_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "http/server.h"
#include "http/test_client.h"

namespace push_cache::http {
namespace {

using test::Client;
using test::FunctionHandler;
using test::Response;

class Torture : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Server::start(torture_options(), handler_);
    ASSERT_TRUE(started.ok()) << started.error().describe();
    server_ = std::move(*started);
  }

  static std::optional<Response> read_final(Client& client) {
    for (;;) {
      std::optional<Response> response = client.read();
      if (!response || response->status != 100) return response;
    }
  }

  void check(const TortureRow& row, bool whole) {
    SCOPED_TRACE(std::string(row.group) + ", " + std::string(row.name) +
                 (whole ? ", whole" : ", byte by byte"));
    Client client(server_->port());
    ASSERT_TRUE(client.connected());
    // A server that refuses early may close before it has seen all of it.
    if (whole) {
      client.send(row.bytes);
    } else {
      client.send_byte_by_byte(row.bytes);
    }
    int handled = 0;
    for (const unsigned status : row.statuses) {
      const auto response = read_final(client);
      ASSERT_TRUE(response.has_value());
      EXPECT_EQ(response->status, status) << response->body;
      if (response->status == 200) {
        ++handled;
        continue;
      }
      EXPECT_TRUE(response->body.starts_with("{\"code\":\"")) << response->body;
      EXPECT_EQ(response->header("Content-Type"), "application/json");
      EXPECT_EQ(response->header("Connection"), "close");
    }
    if (row.after == After::kOpen) {
      const auto next = client.get("/next");
      ASSERT_TRUE(next.has_value());
      EXPECT_EQ(next->status, 200u);
      EXPECT_EQ(client.unread(), "");
      ++handled;
    } else {
      client.shutdown_write();
      EXPECT_TRUE(client.ended()) << client.unread();
    }
    EXPECT_EQ(handled_, handled);
    handled_ = 0;
  }

  std::atomic<int> handled_{0};
  FunctionHandler handler_{[this](Exchange& exchange) {
    ++handled_;
    exchange.begin(200, {}).append("{}");
    exchange.finish();
  }};
  std::unique_ptr<Server> server_;
};

TEST_F(Torture, Whole) {
  for (const TortureRow& row : torture_rows()) check(row, true);
}

TEST_F(Torture, ByteByByte) {
  for (const TortureRow& row : torture_rows()) check(row, false);
}

TEST(TortureTable, NamesEachCaseOnce) {
  std::set<std::string> names;
  for (const TortureRow& row : torture_rows()) {
    EXPECT_TRUE(names.insert(std::string(row.group) + ", " + std::string(row.name)).second)
        << row.name;
  }
}

TEST(TortureTable, IsTheCommittedPage) {
  std::ifstream in(PUSH_CACHE_SOURCE_DIR "/docs/internals/http-torture.md");
  std::stringstream committed;
  committed << in.rdbuf();
  EXPECT_EQ(committed.str(), torture_page())
      << "write it anew: cmake --build --preset release --target reference";
}

}  // namespace
}  // namespace push_cache::http
