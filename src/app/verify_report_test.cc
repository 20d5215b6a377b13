#include "app/verify_report.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

namespace push_cache::app {
namespace {

Suspect difference(const std::string& key, Verdict verdict) {
  Suspect one;
  one.key = key;
  Observation seen{.verdict = verdict,
                   .first = {.status = 200, .bytes = 7, .etag = "\"5\"", .position = "users/1@40"},
                   .second = {.status = 404}};
  seen.truth = {
      .value = digest("x"), .topic = "users", .partition = Partition(1), .offset = Offset(42)};
  const auto now = Suspect::Clock::now();
  one.see(seen, now);
  one.see(seen, now + Suspect::kSettle);
  return one;
}

VerifyReport report(const std::string& against = "") {
  VerifyReport out{.url = "http://a/api", .against = against};
  RouteOutcome users{.route = "/users"};
  users.counts[static_cast<std::size_t>(Verdict::kEqual)] = 10;
  const Verdict verdict = against.empty() ? Verdict::kStale : Verdict::kOnlyFirst;
  users.counts[static_cast<std::size_t>(verdict)] = 3;
  for (const char* key : {"a\n", "b", "c"}) users.differences.push_back(difference(key, verdict));
  out.routes.push_back(users);
  out.routes.push_back({.route = "/quiet", .notes = {"no list"}});
  return out;
}

TEST(VerifyReport, SaysWhatAndWhere) {
  const std::string text = report_text(report(), 2);
  EXPECT_NE(text.find("stale /users \"a\\n\": topic: users/1@42; service: 200, 7 bytes, ETag "
                      "\"5\", from users/1@40\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("stale /users \"b\""), std::string::npos);
  EXPECT_EQ(text.find("stale /users \"c\""), std::string::npos);
  EXPECT_NE(text.find("... and 1 more\n"), std::string::npos);
  EXPECT_NE(text.find("/quiet: no list\n"), std::string::npos);
  EXPECT_NE(text.find("DIFFERENT: http://a/api and the topics, 13 keys"), std::string::npos);
}

TEST(VerifyReport, OfTwoServices) {
  const std::string text = report_text(report("http://b"), 20);
  EXPECT_NE(text.find("only_first /users \"b\": first: 200, 7 bytes, ETag \"5\", from users/1@40; "
                      "second: 404\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("DIFFERENT: http://a/api and http://b, 13 keys"), std::string::npos);
}

TEST(VerifyReport, TellsOfLocalWrites) {
  VerifyReport two = report("http://b");
  two.routes[0].local_writes = {{"http://b/api/users", "added=3, removed=1"}};
  const std::string text = report_text(two, 20);
  EXPECT_NE(text.find("\n/users: POST and DELETE have changed the store at http://b/api/users "
                      "(\"added=3, removed=1\"): differences may come from that, and its digests "
                      "in /status are not comparable\n"),
            std::string::npos)
      << text;
  const auto json = boost::json::parse(report_json(two, 2)).as_object();
  const auto& routes = json.at("routes").as_array();
  EXPECT_EQ(routes.at(0).at("local_writes").at(0).at("said"), "added=3, removed=1");
  EXPECT_TRUE(routes.at(1).at("local_writes").as_array().empty());
}

TEST(VerifyReport, AsJson) {
  const auto json = boost::json::parse(report_json(report(), 2)).as_object();
  EXPECT_FALSE(json.at("equal").as_bool());
  EXPECT_TRUE(json.at("against").is_null());
  EXPECT_EQ(json.at("total").at("stale"), 3);
  const auto& users = json.at("routes").at(0);
  EXPECT_EQ(users.at("keys"), 13);
  EXPECT_EQ(users.at("equal"), 10);
  ASSERT_EQ(users.at("differences").as_array().size(), 2u);
  EXPECT_EQ(users.at("differences").at(0).at("topic"), "users/1@42");
  EXPECT_EQ(users.at("differences").at(0).at("service").at("position"), "users/1@40");
  EXPECT_TRUE(boost::json::parse(report_json({.url = "x"}, 2)).at("equal").as_bool());
}

}  // namespace
}  // namespace push_cache::app
