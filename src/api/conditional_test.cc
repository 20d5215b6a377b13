// Requests that depend on what is there, over a store that answers at once and one that answers
// later.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "api/records_fixture.h"

namespace push_cache::api {
namespace {

constexpr std::string_view kBody = R"({"accountId":"a1","age":3,"updatedAt":8})";

class ConditionalTest : public RecordsTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    RecordsTest::SetUp();
    store_.later = GetParam();
    options_.shared = GetParam();
    options_.topics = {"users", "orders", "bills"};
  }

  void put_at(std::string_view json, std::int64_t offset, std::int64_t timestamp_ms = -1,
              std::uint32_t topic = 0) {
    Buffer datum;
    ASSERT_TRUE(avro::Encoder(schemas_.find(kUser)->schema).from_json(json, datum).ok());
    ASSERT_TRUE(store_
                    .put({.key = "a1",
                          .datum = datum.bytes(),
                          .schema = kUser,
                          .partition = Partition(0),
                          .offset = Offset(offset),
                          .timestamp_ms = timestamp_ms,
                          .topic = topic})
                    .ok());
  }
  unsigned remove(const std::string& headers) {
    return ask("DELETE", "/api/users/a1", "", headers).status;
  }
  unsigned add(const std::string& headers) {
    return ask("POST", "/api/users", std::string(kBody), headers).status;
  }
  bool is_there() { return get("/api/users/a1").status == 200; }
};

INSTANTIATE_TEST_SUITE_P(AtOnceAndLater, ConditionalTest, testing::Bool());

TEST_P(ConditionalTest, AReadIsRefusedByIfMatchAndByItsDate) {
  put_at(kBody, 1, 1'700'000'000'999);
  EXPECT_EQ(get("/api/users/a1", "If-Match: \"8\"\r\n").status, 200);
  EXPECT_EQ(get("/api/users/a1", "If-Match: *\r\n").status, 200);
  EXPECT_EQ(get("/api/users/a1", "If-Match: \"8\"\r\nIf-None-Match: \"8\"\r\n").status, 304);
  const Response refused = get("/api/users/a1", "If-Match: \"7\", W/\"8\"\r\n");
  EXPECT_EQ(refused.status, 412);
  EXPECT_NE(refused.body.find("\"precondition_failed\""), std::string::npos);
  EXPECT_EQ(refused.header("Cache-Control"), "no-store");
  const std::string at(get("/api/users/a1").header("Last-Modified"));
  ASSERT_EQ(at, "Tue, 14 Nov 2023 22:13:20 GMT");
  EXPECT_EQ(get("/api/users/a1", "If-Unmodified-Since: " + at + "\r\n").status, 200);
  const std::string before = "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n";
  EXPECT_EQ(get("/api/users/a1", before).status, 412);
  EXPECT_EQ(ask("HEAD", "/api/users/a1", "", before).status, 412);
  EXPECT_EQ(get("/api/users/a1", before + "If-Match: \"8\"\r\n").status, 200);
  // Without the conditions it is no success (RFC 9110, 13.2.1).
  EXPECT_EQ(get("/api/users/none", "If-Match: \"8\"\r\n").status, 404);
}

TEST_P(ConditionalTest, ADeleteRemovesOnlyWhatMeetsItsConditions) {
  put_at(kBody, 1, 1'700'000'000'000);
  for (const char* headers :
       {"If-Match: \"7\"\r\n", "If-Match: W/\"8\"\r\n", "If-Match:\r\n",
        "If-None-Match: W/\"8\"\r\n", "If-None-Match: *\r\n", "If-None-Match: \"1\",, \"8\"\r\n",
        "If-None-Match: \"1\"\r\nIf-None-Match: \"8\"\r\n",
        "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n",
        "If-Unmodified-Since: Tuesday, 14-Nov-23 22:13:19 GMT\r\n",
        "If-Unmodified-Since: Tue Nov 14 22:13:19 2023\r\n",
        "If-Match: \"8\"\r\nIf-None-Match: \"8\"\r\n"}) {
    EXPECT_EQ(remove(headers), 412) << headers;
    EXPECT_TRUE(is_there()) << headers;
  }
  for (const char* headers :
       {"If-Match: \"8\"\r\n", "If-Match: *\r\n", "If-Match: \"1\"\r\nIf-Match: \"8\"\r\n",
        "If-None-Match: \"7\"\r\n", "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n",
        "If-Unmodified-Since: yesterday\r\n",
        "If-Match: \"8\"\r\nIf-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n"}) {
    EXPECT_EQ(remove(headers), 200) << headers;
    EXPECT_FALSE(is_there()) << headers;
    put_at(kBody, 1, 1'700'000'000'000);
  }
}

TEST_P(ConditionalTest, OfAKeyThatIsNotThere) {
  EXPECT_EQ(remove("If-Match: \"8\"\r\n"), 412);
  EXPECT_EQ(remove("If-Match: *\r\n"), 412);
  EXPECT_EQ(remove("If-None-Match: \"8\"\r\n"), 404);
  EXPECT_EQ(remove("If-None-Match: *\r\n"), 404);
  EXPECT_EQ(remove("If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n"), 404);
  EXPECT_EQ(records_->misses(), 0u);
}

TEST_P(ConditionalTest, ARecordWithoutATimestampHasNoDate) {
  put_at(kBody, 1);
  EXPECT_EQ(remove("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), 200);
}

TEST_P(ConditionalTest, APostMeetsTheRecordOfItsKey) {
  EXPECT_EQ(add("If-Match: *\r\n"), 412);
  EXPECT_EQ(add("If-Match: \"8\"\r\n"), 412);
  EXPECT_FALSE(is_there());
  EXPECT_EQ(add("If-None-Match: *\r\n"), 201);
  EXPECT_EQ(add("If-None-Match: *\r\n"), 412);
  EXPECT_EQ(add("If-None-Match: \"8\"\r\n"), 412);
  EXPECT_EQ(add("If-None-Match: \"7\"\r\n"), 409);
  EXPECT_EQ(add("If-Match: \"7\"\r\n"), 412);
  EXPECT_EQ(add("If-Match: \"8\"\r\n"), 409);
  EXPECT_EQ(add("If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n"), 412)
      << "it came by a POST of just now";
  EXPECT_EQ(local_writes_.counts().added, 1u);
  EXPECT_EQ(remove(""), 200);
  EXPECT_EQ(add("If-None-Match: \"7\"\r\n"), 201);
}

// The record that another thread writes between the check and the removal.
TEST_P(ConditionalTest, ADeleteNeverRemovesARecordThatItsConditionsWereNotHeldAgainst) {
  put_at(kBody, 1);
  int writes = 0;
  store_.before_take = [&] {
    if (writes++ == 0) put_at(R"({"accountId":"a1","updatedAt":9})", 2);
  };
  EXPECT_EQ(remove("If-Match: \"8\"\r\n"), 412);
  EXPECT_EQ(writes, 1) << "the second look decides";
  EXPECT_EQ(get("/api/users/a1").header("ETag"), "\"9\"");
  // One that meets them as well is removed.
  writes = 0;
  store_.before_take = [&] {
    if (writes++ == 0) put_at(R"({"accountId":"a1","updatedAt":10})", 3);
  };
  EXPECT_EQ(remove("If-Match: *\r\n"), 200);
  EXPECT_EQ(writes, 2);
  EXPECT_EQ(local_writes_.counts().removed, 1u);
}

TEST_P(ConditionalTest, ARecordThatNeverRestsIsNotRemoved) {
  put_at(kBody, 1);
  std::int64_t offset = 1;
  store_.before_take = [&] { put_at(kBody, ++offset); };
  const Response answer = ask("DELETE", "/api/users/a1", "", "If-Match: \"8\"\r\n");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_LT(offset, 100);
  store_.before_take = {};
  EXPECT_TRUE(is_there());
}

TEST_P(ConditionalTest, AKeyThatGoesBetweenTheLookAndTheRemoval) {
  put_at(kBody, 1);
  store_.before_take = [&] { ASSERT_TRUE(store_.inner->erase("a1").ok()); };
  EXPECT_EQ(remove("If-Match: \"8\"\r\n"), 412);
  put_at(kBody, 2);
  EXPECT_EQ(remove("If-None-Match: \"1\"\r\n"), 404);
}

TEST_P(ConditionalTest, AnotherTopicsRecordIsAConflictWhateverTheConditions) {
  options_.topic = 1;
  options_.topic_only = true;
  put_at(kBody, 1, -1, 2);
  EXPECT_EQ(remove("If-Match: \"7\"\r\n"), 409);
  EXPECT_EQ(remove("If-Match: \"8\"\r\n"), 409);
  EXPECT_TRUE(is_there());
}

TEST_P(ConditionalTest, ARecordThatCannotBeShownHasNoTagToCompare) {
  put_bytes("a1", kUnknown, {});
  EXPECT_NE(remove("If-Match: \"8\"\r\n"), 200);
  EXPECT_EQ(add("If-None-Match: *\r\n"), 412) << "it exists, which is all that is asked";
  ASSERT_TRUE(store_.inner->erase("a1").ok());
}

TEST_P(ConditionalTest, WhileNotReadyNothingIsDecided) {
  put_at(kBody, 1);
  ASSERT_TRUE(is_there());
  gate_.open = false;
  EXPECT_EQ(remove("If-Match: \"7\"\r\n"), 503);
  EXPECT_EQ(add("If-None-Match: *\r\n"), 503);
}

TEST_P(ConditionalTest, ByPositionEachRecordHasItsOwnTag) {
  options_.etag_by_position = true;
  put_at(kBody, 1, 1000);
  const std::string first(get("/api/users/a1").header("ETag"));
  EXPECT_TRUE(first.ends_with(".0-1\"")) << first;
  put_at(kBody, 2, 1000);
  const std::string second(get("/api/users/a1").header("ETag"));
  EXPECT_NE(first, second) << "although updatedAt is the same";
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: " + first + "\r\n").status, 200);
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: " + second + "\r\n").status, 304);
  EXPECT_EQ(remove("If-Match: " + first + "\r\n"), 412);
  // The same place in another log of the topic's name.
  logs_.set(0, "0QT1mE2sQ0m1Q8tB5lTzKA");
  const std::string third(get("/api/users/a1").header("ETag"));
  EXPECT_NE(third, second);
  logs_.set(0, "4L6g3nShT-eMCtK--X86sw");
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: " + third + "\r\n").status, 200);
  EXPECT_EQ(remove("If-Match: " + third + "\r\n"), 412);
  EXPECT_EQ(remove("If-Match: " + std::string(get("/api/users/a1").header("ETag")) + "\r\n"), 200);
}

// The log is replaced while the request is under way: whichever record it has found, the tag could
// be the other log's.
TEST_P(ConditionalTest, NoTagIsMadeWhileTheLogIsReplaced) {
  options_.etag_by_position = true;
  logs_.set(0, "0QT1mE2sQ0m1Q8tB5lTzKA");
  put_at(kBody, 1);
  int other = 0;
  store_.before_get = [&] { logs_.set(0, "other" + std::to_string(++other)); };
  EXPECT_EQ(get("/api/users/a1").status, 503);
  EXPECT_EQ(remove("If-Match: \"x\"\r\n"), 503);
  store_.before_get = {};
  EXPECT_EQ(get("/api/users/a1").status, 200);
}

TEST_P(ConditionalTest, OneOfManyDeletesWithTheSameTagSucceeds) {
  ASSERT_EQ(get("/api/users/a1").status, 404) << "the server has started";
  for (int round = 0; round < 20; ++round) {
    put_at(kBody, round + 1);
    std::atomic<int> removed{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        http::test::Client client(server_->port());
        const auto answer = client.ask(
            "DELETE /api/users/a1 HTTP/1.1\r\nHost: h\r\nIf-Match: \"8\"\r\n\r\n", false);
        removed += answer && answer->status == 200 ? 1 : 0;
      });
    }
    for (std::thread& one : clients) one.join();
    ASSERT_EQ(removed, 1);
  }
}

}  // namespace
}  // namespace push_cache::api
