#include "health/health.h"

#include <gtest/gtest.h>

#include <memory>

namespace push_cache::health {
namespace {

// An exchange that keeps what a handler sends.
class FakeExchange final : public http::Exchange {
 public:
  http::Request asked;
  unsigned status = 0;
  std::string allow, retry_after, content_type, cache_control;
  Buffer body;
  bool finished = false;

  const http::Request& request() const override { return asked; }
  Buffer& begin(unsigned code, const http::Head& head) override {
    status = code;
    allow = head.allow;
    retry_after = head.retry_after;
    content_type = head.content_type;
    cache_control = head.cache_control;
    return body;
  }
  void abandon() override { body.clear(); }
  void finish() override { finished = true; }
  void stream(unsigned, const http::Head&, std::unique_ptr<http::BodySource>) override {
    ADD_FAILURE() << "the health port streams nothing";
  }
  void post(std::function<void()>) override { ADD_FAILURE() << "the health port defers nothing"; }
  unsigned loop_index() const override { return 0; }
};

class HealthTest : public ::testing::Test {
 protected:
  std::unique_ptr<FakeExchange> ask(std::string_view path, http::Method method = http::Method::kGet,
                                    std::string_view query = "") {
    auto exchange = std::make_unique<FakeExchange>();
    exchange->asked.path = path;
    exchange->asked.method = method;
    exchange->asked.query = query;
    handler_.handle(*exchange);
    EXPECT_TRUE(exchange->finished);
    return exchange;
  }

  std::vector<std::string> reasons_ = {"users/0: loading", "with \"quotes\""};
  Handler handler_{"/hams",
                   {.not_ready_reasons = [this] { return reasons_; },
                    .status_json = [] { return std::string("{\"state\":\"loading\"}"); },
                    .history_json = [] { return std::string("{\"times\":[]}"); },
                    .metrics_text = [] { return std::string("up 1\n"); },
                    .look_up =
                        [](http::Exchange& exchange) {
                          exchange.begin(200, {}).append(exchange.request().query);
                          exchange.finish();
                        }}};
};

TEST_F(HealthTest, LiveStaysWhileNotReady) {
  EXPECT_EQ(ask("/hams/live")->status, 200u);
  const auto ready = ask("/hams/ready");
  EXPECT_EQ(ready->status, 503u);
  EXPECT_EQ(ready->retry_after, "1");
  EXPECT_EQ(ready->body.view(),
            R"({"ready":false,"reasons":["users/0: loading","with \"quotes\""]})");
  reasons_.clear();
  EXPECT_EQ(ask("/hams/ready")->status, 200u);
  EXPECT_EQ(ask("/hams/ready")->body.view(), R"({"ready":true,"reasons":[]})");
}

TEST_F(HealthTest, MetricsAndStatusWithAndWithoutThePrefix) {
  for (const char* path : {"/metrics", "/hams/metrics"}) {
    EXPECT_EQ(ask(path)->body.view(), "up 1\n");
    EXPECT_EQ(ask(path)->content_type, "text/plain; version=0.0.4; charset=utf-8");
  }
  for (const char* path : {"/status", "/hams/status"}) {
    EXPECT_EQ(ask(path)->body.view(), "{\"state\":\"loading\"}");
  }
}

TEST_F(HealthTest, HistoryAndRecordsWithAndWithoutThePrefix) {
  for (const char* path : {"/status/history", "/hams/status/history"}) {
    EXPECT_EQ(ask(path)->body.view(), "{\"times\":[]}");
  }
  for (const char* path : {"/status/record", "/hams/status/record"}) {
    EXPECT_EQ(ask(path, http::Method::kGet, "route=/a&key=1")->body.view(), "route=/a&key=1");
  }
}

TEST_F(HealthTest, ThePageIsWholeAndLoadsNothingFromElsewhere) {
  for (const char* path : {"/", "/hams/"}) {
    const auto answer = ask(path);
    EXPECT_EQ(answer->status, 200u);
    EXPECT_EQ(answer->content_type, "text/html; charset=utf-8");
    const std::string_view page = answer->body.view();
    EXPECT_TRUE(page.starts_with("<!doctype html>"));
    EXPECT_TRUE(page.ends_with("</html>\n"));
    for (const char* place : {"@POLICY@", "@STYLE@", "@SCRIPT@", " src=", "@import", "url("}) {
      EXPECT_EQ(page.find(place), std::string_view::npos) << place;
    }
    EXPECT_NE(page.find("default-src 'none'; script-src 'sha256-"), std::string_view::npos);
  }
}

TEST_F(HealthTest, OtherPathsAndMethodsAreRefused) {
  for (const char* path : {"/live", "/hams", "/hams/readyx", "/statusx", "/status/", "/page"}) {
    const auto answer = ask(path);
    EXPECT_EQ(answer->status, 404u) << path;
    EXPECT_EQ(answer->cache_control, "no-store") << path;
  }
  const auto posted = ask("/hams/ready", http::Method::kPost);
  EXPECT_EQ(posted->status, 405u);
  EXPECT_EQ(posted->allow, "GET, HEAD");
}

}  // namespace
}  // namespace push_cache::health
