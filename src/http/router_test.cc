#include "http/router.h"

#include <gtest/gtest.h>

#include <string>

namespace push_cache::http {
namespace {

class FakeExchange final : public Exchange {
 public:
  explicit FakeExchange(std::string_view path) { request_.path = path; }
  const Request& request() const override { return request_; }
  void set_rest(std::string_view rest) override { request_.rest = rest; }
  Buffer& begin(unsigned status, const Head& head) override {
    status_ = status;
    link_ = head.link;
    cache_control_ = head.cache_control;
    return body_;
  }
  void abandon() override { body_.clear(); }
  void finish() override { finished_ = true; }
  void stream(unsigned, const Head&, std::unique_ptr<BodySource>) override {}
  void post(std::function<void()>) override {}
  unsigned loop_index() const override { return 0; }

  Request request_;
  Buffer body_;
  unsigned status_ = 0;
  std::string link_, cache_control_;
  bool finished_ = false;
};

class Named final : public Handler {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  void handle(Exchange& exchange) override {
    exchange.begin(200, {}).append(name_ + ":" + std::string(exchange.request().rest));
    exchange.finish();
  }

 private:
  std::string name_;
};

std::string answer(Router& router, std::string_view path) {
  FakeExchange exchange(path);
  router.handle(exchange);
  EXPECT_TRUE(exchange.finished_);
  return std::to_string(exchange.status_) + " " + std::string(exchange.body_.view());
}

TEST(Router, TakesTheLongestPrefixAtASegmentBorder) {
  Router router;
  Named users("users"), a("a"), api("api");
  EXPECT_TRUE(router.add("/api/users", users));
  EXPECT_TRUE(router.add("/api", api));
  EXPECT_TRUE(router.add("/api/users/a", a));
  EXPECT_FALSE(router.add("/api", a));
  EXPECT_EQ(answer(router, "/api/users"), "200 users:");
  EXPECT_EQ(answer(router, "/api/users/"), "200 users:/");
  EXPECT_EQ(answer(router, "/api/users/a"), "200 a:");
  EXPECT_EQ(answer(router, "/api/users/a/b"), "200 a:/b");
  EXPECT_EQ(answer(router, "/api/users/ab"), "200 users:/ab");
  EXPECT_EQ(answer(router, "/api/usersx"), "200 api:/usersx");
  EXPECT_EQ(answer(router, "/ap"),
            "404 {\"code\":\"not_found\",\"message\":\"no route serves this path\"}");
  EXPECT_EQ(answer(router, "").substr(0, 3), "404");
}

TEST(Router, WhatNobodyServesIsNeverKeptAndSaysWhereToLook) {
  Router router;
  FakeExchange before("/nowhere");
  router.handle(before);
  EXPECT_EQ(before.status_, 404u);
  EXPECT_EQ(before.cache_control_, "no-store");
  EXPECT_EQ(before.link_, "");
  router.link_unserved("</api/openapi.json>; rel=\"service-desc\"");
  FakeExchange exchange("/nowhere");
  router.handle(exchange);
  EXPECT_EQ(exchange.link_, "</api/openapi.json>; rel=\"service-desc\"");
}

TEST(Router, RootTakesEverything) {
  Router router;
  Named root("root"), live("live");
  router.add("/", root);
  router.add("/live", live);
  EXPECT_EQ(answer(router, "/"), "200 root:/");
  EXPECT_EQ(answer(router, "/x/y"), "200 root:/x/y");
  EXPECT_EQ(answer(router, "/live/x"), "200 live:/x");
}

}  // namespace
}  // namespace push_cache::http
