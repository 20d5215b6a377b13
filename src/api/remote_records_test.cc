// The API over a store that answers later, as one in Redis does.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/records_fixture.h"

namespace push_cache::api {
namespace {

class RemoteRecordsTest : public RecordsTest {
 protected:
  void SetUp() override {
    RecordsTest::SetUp();
    store_.later = true;
    options_.shared = true;
  }
};

TEST_F(RemoteRecordsTest, ReadsAnswerLater) {
  options_.key_from_body = "accountId";
  put("a1", kUser, R"({"accountId":"a1","age":3,"updatedAt":8})");
  const std::string shown = R"({"accountId":"a1","age":3,"updatedAt":8})";
  const Response response = get("/api/users/a1");
  EXPECT_EQ(response.body, shown);
  EXPECT_EQ(response.header("ETag"), "\"8\"");
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: \"8\"\r\n").status, 304u);
  EXPECT_EQ(ask("HEAD", "/api/users/a1").header("Content-Length"), std::to_string(shown.size()));
  EXPECT_EQ(get("/api/users/none").status, 404u);
  EXPECT_EQ(get("/api/users/a%31").body, shown);
  EXPECT_EQ(ask("POST", "/api/users_by_body", R"({"accountId":"a1"})").body, shown);
  EXPECT_EQ(records_->misses(), 1u);
}

TEST_F(RemoteRecordsTest, InspectionAnswersLater) {
  put("a1", kUser, R"({"accountId":"a1"})");
  EXPECT_TRUE(get("/inspect/a1").body.starts_with(R"({"found":true,)"));
  EXPECT_EQ(get("/inspect/none").body, R"({"found":false})");
  store_.error = Error{ErrorCode::kUnavailable, "the store is away"};
  EXPECT_EQ(get("/inspect/a1").status, 503u);
}

TEST_F(RemoteRecordsTest, PipelinedReadsKeepTheirOrder) {
  put("a1", kUser, R"({"accountId":"a1"})");
  std::string bytes;
  for (int i = 0; i < 40; ++i) {
    bytes += "GET /api/users/" + std::string(i % 2 == 0 ? "a1" : "none") +
             " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  client().send(bytes);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(client().read()->status, i % 2 == 0 ? 200u : 404u);
}

TEST_F(RemoteRecordsTest, WritesAnswerLater) {
  const std::string body = R"({"accountId":"n1","age":4,"updatedAt":5})";
  const Response made = ask("POST", "/api/users", body);
  EXPECT_EQ(made.status, 201u);
  EXPECT_EQ(made.body, body);
  EXPECT_EQ(made.header("Location"), "/api/users/n1");
  EXPECT_EQ(made.header("ETag"), "\"5\"");
  EXPECT_EQ(ask("POST", "/api/users", body).status, 409u);
  const Response removed = ask("DELETE", "/api/users/n1");
  EXPECT_EQ(removed.status, 200u);
  EXPECT_EQ(removed.body, body);
  EXPECT_EQ(ask("DELETE", "/api/users/n1").status, 404u);
  store_.error = Error{ErrorCode::kUnavailable, "the store is away"};
  for (const char* method : {"GET", "DELETE"}) {
    const Response failed = ask(method, "/api/users/n1");
    EXPECT_EQ(failed.status, 503u);
    EXPECT_EQ(failed.header("Retry-After"), "1");
  }
  EXPECT_EQ(ask("POST", "/api/users", body).status, 503u);
}

TEST_F(RemoteRecordsTest, WritesAreCountedWhenTheirOutcomeComes) {
  const std::string body = R"({"accountId":"n1"})";
  EXPECT_EQ(ask("POST", "/api/users", body).status, 201u);
  EXPECT_EQ(ask("POST", "/api/users", body).status, 409u);
  EXPECT_EQ(ask("DELETE", "/api/users/n1").status, 200u);
  EXPECT_EQ(ask("DELETE", "/api/users/n1").status, 404u);
  store_.error = Error{ErrorCode::kUnavailable, "the store is away"};
  EXPECT_EQ(ask("POST", "/api/users", body).status, 503u);
  EXPECT_EQ(ask("DELETE", "/api/users/n1").status, 503u);
  EXPECT_EQ(local_writes_.counts().added, 1u);
  EXPECT_EQ(local_writes_.counts().removed, 1u);
}

TEST_F(RemoteRecordsTest, NothingIsRemovedThatCannotBeShown) {
  const std::uint8_t datum[] = {6};
  for (const bool later : {true, false}) {
    store_.later = later;
    const SchemaId id(later ? 98 : 99);
    put_bytes("u1", id, datum);
    for (int i = 0; i < 2; ++i) {
      const Response refused = ask("DELETE", "/api/users/u1");
      EXPECT_EQ(refused.status, 503u);
      EXPECT_EQ(refused.header("Retry-After"), "1");
      EXPECT_EQ(refused.body.find("removed"), std::string::npos) << refused.body;
    }
    ASSERT_EQ(schemas_.waiting().size(), 1u);
    EXPECT_EQ(schemas_.waiting()[0].id, id);
    ASSERT_TRUE(schemas_.insert(id, {R"({"type":"long"})"}).ok());
    const Response removed = ask("DELETE", "/api/users/u1");
    EXPECT_EQ(removed.status, 200u);
    EXPECT_EQ(removed.body, "3");
    EXPECT_EQ(ask("DELETE", "/api/users/u1").status, 404u);
  }
  put_bytes("broken", kUser, datum);
  EXPECT_EQ(ask("DELETE", "/api/users/broken").status, 500u);
  EXPECT_EQ(get("/api/users/broken").status, 500u) << "still there";
}

TEST_F(RemoteRecordsTest, RemovesFromPipelinedRequestsKeepTheirOrder) {
  for (int i = 0; i < 20; ++i) put("a" + std::to_string(i), kUser, R"({"accountId":"a"})");
  std::string bytes;
  for (int i = 0; i < 20; ++i) {
    const std::string path = "/api/users/a" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    bytes += "GET " + path + "DELETE " + path + "GET " + path;
  }
  client().send(bytes);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(client().read()->status, i % 3 == 2 ? 404u : 200u);
}

TEST_F(RemoteRecordsTest, ListsTheKeysAsTheyCome) {
  store_.scanned = {"c", "a", "b", "ab", "d", "c", "bb"};
  EXPECT_EQ(get("/api/users").body, R"(["c","a","b","ab","d","c","bb"])");
  EXPECT_EQ(get("/api/users?limit=2&offset=1").body, R"(["a","b"])");
  EXPECT_EQ(get("/api/users?filter=b").body, R"(["b","ab","bb"])");
  EXPECT_EQ(get("/api/users?filter=bb").body, R"(["bb"])");
  EXPECT_EQ(get("/api/users?filter=none").body, "[]");
  EXPECT_EQ(get("/api/users?limit=0").body, "[]");
  EXPECT_EQ(ask("HEAD", "/api/users").status, 200u);
  store_.scanned.clear();
  EXPECT_EQ(get("/api/users").body, "[]");
}

TEST_F(RemoteRecordsTest, AListOfAStoreThatIsAwayIsAnErrorOrNoWholeList) {
  store_.scanned = {"c", "a", "b", "ab"};
  store_.scan_fails_at = 0;
  const Response failed = get("/api/users");
  EXPECT_EQ(failed.status, 503u);
  EXPECT_EQ(failed.header("Retry-After"), "1");
  store_.scan_fails_at = 1;
  client().send("GET /api/users HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client().read(), std::nullopt);
}

TEST_F(RemoteRecordsTest, AServerThatEndsDropsWhatIsUnderWay) {
  put("a1", kUser, R"({"accountId":"a1"})");
  store_.scanned = std::vector<std::string>(10'000, "key");
  for (int i = 0; i < 20; ++i) {
    client().send("GET /api/users HTTP/1.1\r\nHost: h\r\n\r\n");
    client_.reset();
  }
  EXPECT_EQ(get("/api/users/a1").status, 200u);
}

}  // namespace
}  // namespace push_cache::api
