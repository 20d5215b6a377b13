#include "api/records.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "api/records_fixture.h"
#include "base/limits.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PUSH_CACHE_SANITIZED 1
#else
#define PUSH_CACHE_SANITIZED 0
#endif

namespace {
std::atomic<std::uint64_t> allocations{0};
}

#if !PUSH_CACHE_SANITIZED
// Every allocation of this program by any thread.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* place = std::malloc(bytes)) return place;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* place) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept { std::free(place); }
#endif

namespace push_cache::api {
namespace {

TEST_F(RecordsTest, GetAnswersTheRecord) {
  put("a1", kUser, R"({"accountId":"a1","age":3,"updatedAt":1700000000123})");
  const Response response = get("/api/users/a1");
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, R"({"accountId":"a1","age":3,"updatedAt":1700000000123})");
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  EXPECT_EQ(response.header("ETag"), "\"1700000000123\"");
  EXPECT_EQ(response.header("Cache-Control"), "public, max-age=60");
  const Response head = ask("HEAD", "/api/users/a1");
  EXPECT_EQ(head.status, 200u);
  EXPECT_EQ(head.header("Content-Length"), std::to_string(response.body.size()));
  EXPECT_EQ(head.header("ETag"), response.header("ETag"));
  EXPECT_EQ(get("/api/users/a2").status, 404u);
  EXPECT_EQ(ask("HEAD", "/api/users/a2").status, 404u);
  EXPECT_EQ(records_->misses(), 2u);
}

TEST_F(RecordsTest, InspectionShowsWhereARecordIsFrom) {
  options_.topics = {"us\"ers"};
  options_.position_headers = false;
  put("a1", kUser, R"({"accountId":"a1","age":3,"updatedAt":8})", 3, 42);
  put("5", kReading, R"({"sensor":5,"value":1.5})", -1, 77);
  const Response topics = get("/inspect/a1");
  EXPECT_EQ(topics.status, 200u);
  EXPECT_EQ(
      topics.body,
      R"({"found":true,"topic":"us\"ers","partition":3,"offset":42,"timestamp_ms":null,)"
      R"("schema":{"id":1,"name":"User"},"record":{"accountId":"a1","age":3,"updatedAt":8}})");
  EXPECT_EQ(topics.header("Cache-Control"), "no-store");
  EXPECT_EQ(get("/inspect/5").body,
            R"({"found":true,"topic":null,"partition":null,"offset":null,"timestamp_ms":null,)"
            R"("schema":{"id":2,"name":"Reading"},"record":{"sensor":5,"value":1.5}})");
  EXPECT_EQ(get("/inspect/none").body, R"({"found":false})");
  const std::uint8_t datum[] = {6};
  put_bytes("odd", kUser, datum);
  EXPECT_EQ(get("/inspect/odd").status, 500u);
  gate_.open = false;
  EXPECT_EQ(get("/inspect/a1").status, 503u);
  EXPECT_EQ(records_->misses(), 0u);
}

TEST_F(RecordsTest, SaysWhichRecordAnAnswerIs) {
  options_.topics = {"users"};
  const store::RecordView record = {.key = "5",
                                    .schema = kReading,
                                    .partition = Partition(3),
                                    .offset = Offset(42),
                                    .timestamp_ms = 784'111'777'999,
                                    .topic = 0};
  Buffer datum;
  ASSERT_TRUE(avro::Encoder(schemas_.find(kReading)->schema)
                  .from_json(R"({"sensor":5,"value":1.5})", datum)
                  .ok());
  const auto put_as = [&](store::RecordView changed) {
    changed.datum = datum.bytes();
    ASSERT_TRUE(store_.put(changed).ok());
  };
  put_as(record);
  const Response whole = get("/api/users/5");
  EXPECT_EQ(whole.header("Push-Cache-Position"), "users/3@42");
  EXPECT_EQ(whole.header("Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
  const Response same =
      get("/api/users/5", "If-None-Match: " + std::string(whole.header("ETag")) + "\r\n");
  EXPECT_EQ(same.status, 304u);
  EXPECT_EQ(same.header("Push-Cache-Position"), "users/3@42");

  store::RecordView undated = record;
  undated.timestamp_ms = -1;
  put_as(undated);
  EXPECT_EQ(get("/api/users/5").header("Push-Cache-Position"), "users/3@42");
  EXPECT_FALSE(get("/api/users/5").has_header("Last-Modified"));

  store::RecordView early = record;
  early.timestamp_ms = 253'402'300'799'000;  // of a producer whose clock is wrong
  put_as(early);
  const Response future = get("/api/users/5");
  EXPECT_EQ(std::string(future.header("Last-Modified")).find("9999"), std::string::npos);

  store::RecordView local = record;
  local.partition = Partition(-1);
  put_as(local);
  EXPECT_FALSE(get("/api/users/5").has_header("Push-Cache-Position"));
  EXPECT_FALSE(get("/api/users/5").has_header("Last-Modified"));
}

TEST_F(RecordsTest, EtagWithoutAVersionComesFromTheOffset) {
  put("5", kReading, R"({"sensor":5,"value":1.5})", 3, 42);
  const std::string before(get("/api/users/5").header("ETag"));
  EXPECT_TRUE(before.ends_with(".3-42\"")) << before;
  put("5", kReading, R"({"sensor":5,"value":2.0})", 3, 43);
  const std::string after(get("/api/users/5").header("ETag"));
  EXPECT_TRUE(after.ends_with(".3-43\"")) << after;
  EXPECT_EQ(get("/api/users/5").body, R"({"sensor":5,"value":2.0})");
}

TEST_F(RecordsTest, IfNoneMatchSavesTheBody) {
  put("a1", kUser, R"({"accountId":"a1","updatedAt":8})");
  for (const char* value : {"\"8\"", "W/\"8\"", "*", "\"1\", \"8\""}) {
    const Response response = get("/api/users/a1", "If-None-Match: " + std::string(value) + "\r\n");
    EXPECT_EQ(response.status, 304u) << value;
    EXPECT_EQ(response.header("ETag"), "\"8\"");
    EXPECT_EQ(response.header("Cache-Control"), "public, max-age=60");
  }
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: \"1\"\r\nIf-None-Match: \"8\"\r\n").status, 304u);
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: \"7\"\r\n").status, 200u);
  EXPECT_EQ(ask("HEAD", "/api/users/a1", "", "If-None-Match: \"8\"\r\n").status, 304u);
  EXPECT_EQ(get("/api/users/none", "If-None-Match: *\r\n").status, 404u);
}

TEST_F(RecordsTest, KeysMayBeAnyUtf8) {
  for (const std::string& key : {std::string("a b"), std::string("a/b//c"), std::string("50%"),
                                 std::string("\xc3\xa9\xf0\x9f\x98\x80"), std::string("a?b#c"),
                                 std::string("a+b"), std::string("."), std::string("/")}) {
    put(key, kUser, R"({"accountId":"x"})");
  }
  for (const char* target :
       {"a%20b", "a/b//c", "a%2Fb%2f%2Fc", "50%25", "%C3%A9%F0%9F%98%80",
        "\xc3\xa9\xf0\x9f\x98\x80", "a%3Fb%23c", "a+b", "a%2Bb", ".", "%2F", "/"}) {
    EXPECT_EQ(get("/api/users/" + std::string(target)).status, 200u) << target;
  }
  for (const char* target : {"%", "%2", "%zz", "a%G0", "%FF", "%C3", "%ED%A0%80", "%C0%80"}) {
    EXPECT_EQ(get("/api/users/" + std::string(target)).status, 400u) << target;
  }
  EXPECT_EQ(get("/api/users/a b").status, 400u);  // the server's own answer; it closes
}

TEST_F(RecordsTest, UntilReadyEveryReadIs503) {
  put("a1", kUser, R"({"accountId":"a1"})");
  gate_.open = false;
  for (const char* target : {"/api/users/a1", "/api/users/none", "/api/users", "/api/users/"}) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 503u) << target;
    EXPECT_EQ(response.header("Retry-After"), "1") << target;
  }
  EXPECT_EQ(ask("HEAD", "/api/users/a1").status, 503u);
  EXPECT_EQ(ask("DELETE", "/api/users/a1").status, 503u);
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b"})").status, 503u);
  EXPECT_EQ(ask("OPTIONS", "/api/users").status, 204u);
  gate_.open = true;
  EXPECT_EQ(get("/api/users/a1").status, 200u);
  EXPECT_EQ(get("/api/users/none").status, 404u);
}

TEST_F(RecordsTest, ServeWhileLoadingAnswersOnlyWhatIsThere) {
  options_.serve_while_loading = true;
  options_.key_from_body = "accountId";
  put("a1", kUser, R"({"accountId":"a1"})");
  gate_.open = false;
  EXPECT_EQ(get("/api/users/a1").status, 200u);
  const Response miss = get("/api/users/none");
  EXPECT_EQ(miss.status, 503u);
  EXPECT_EQ(miss.header("Retry-After"), "1");
  EXPECT_EQ(get("/api/users").status, 503u);
  EXPECT_EQ(ask("POST", "/api/users_by_body", R"({"accountId":"a1"})").status, 200u);
  EXPECT_EQ(ask("POST", "/api/users_by_body", R"({"accountId":"b"})").status, 503u);
}

TEST_F(RecordsTest, ListHasTheKeysSorted) {
  for (const char* key : {"b", "a", "ab", "B\"", "\xc3\xa9"}) {
    put(key, kUser, R"({"accountId":"x"})");
  }
  const Response all = get("/api/users");
  EXPECT_EQ(all.status, 200u);
  EXPECT_EQ(all.body, "[\"B\\\"\",\"a\",\"ab\",\"b\",\"\xc3\xa9\"]");
  EXPECT_EQ(all.header("Cache-Control"), "no-cache");
  EXPECT_EQ(all.header("Content-Type"), "application/json");
  EXPECT_EQ(get("/api/users/").body, all.body);
  EXPECT_EQ(ask("HEAD", "/api/users").status, 200u);
  struct Row {
    const char* query;
    const char* body;
  };
  for (const Row& row :
       {Row{"limit=2", R"(["B\"","a"])"}, Row{"offset=3", "[\"b\",\"\xc3\xa9\"]"},
        Row{"limit=1&offset=1", R"(["a"])"}, Row{"limit=0", "[]"}, Row{"offset=5", "[]"},
        Row{"filter=b", R"(["ab","b"])"}, Row{"filter=b&offset=1", R"(["b"])"},
        Row{"filter=%C3%A9", "[\"\xc3\xa9\"]"}, Row{"filter=", nullptr}, Row{"filter=none", "[]"},
        Row{"x=y&limit=1&z", R"(["B\""])"}, Row{"&&limit=1", R"(["B\""])"}}) {
    EXPECT_EQ(get("/api/users?" + std::string(row.query)).body,
              row.body == nullptr ? all.body : row.body)
        << row.query;
  }
  put("c d", kUser, R"({"accountId":"x"})");
  EXPECT_EQ(get("/api/users?filter=c+d").body, R"(["c d"])");
  EXPECT_EQ(get("/api/users?filter=c%20d").body, R"(["c d"])");
  EXPECT_EQ(get("/api/users?filter=%2B").body, "[]");
  for (const char* query : {"limit=x", "limit=-1", "offset=1.5", "limit=", "limit",
                            "offset=99999999999999999999999", "filter=%zz", "filter=%FF"}) {
    const Response response = get("/api/users?" + std::string(query));
    EXPECT_EQ(response.status, 400u) << query;
    const std::string name(query, std::string(query).find_first_of("=") == std::string::npos
                                      ? std::string(query).size()
                                      : std::string(query).find('='));
    EXPECT_NE(response.body.find(name), std::string::npos) << response.body;
  }
}

TEST_F(RecordsTest, AnEmptyListIsAnEmptyArray) { EXPECT_EQ(get("/api/users").body, "[]"); }

TEST_F(RecordsTest, ListOfManyKeysWhileTheyChange) {
  std::string expected = "[";
  for (int i = 0; i < 100'000; ++i) {
    char key[16];
    std::snprintf(key, sizeof key, "key-%06d", i);
    put(key, kUser, R"({"accountId":"x"})");
    expected += (i == 0 ? "\"" : ",\"") + std::string(key) + "\"";
  }
  expected += "]";
  client();
  // Others come and go meanwhile; those that are there throughout come once.
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; !done; i = (i + 1) % 1000) {
      const std::string key = "zzz" + std::to_string(i);
      put(key, kUser, R"({"accountId":"x"})");
      EXPECT_TRUE(store_.erase(key).ok());
    }
  });
  std::thread reader([&] {
    Client other(server_->port());
    while (!done) EXPECT_EQ(other.get("/api/users/key-000001")->status, 200u);
  });
  const Response all = get("/api/users?filter=key");
  done = true;
  writer.join();
  reader.join();
  EXPECT_TRUE(all.body == expected) << all.body.size();
  EXPECT_EQ(get("/api/users?offset=99998&filter=key").body, R"(["key-099998","key-099999"])");
  EXPECT_EQ(get("/api/users?filter=099999").body, R"(["key-099999"])");
  EXPECT_EQ(get("/api/users?limit=3&offset=50000").body,
            R"(["key-050000","key-050001","key-050002"])");
}

TEST_F(RecordsTest, PostAddsARecordOnce) {
  const std::string json = R"({"accountId":"a/b c","age":4,"updatedAt":9})";
  const Response created = ask("POST", "/api/users", json, "Content-Type: application/json\r\n");
  EXPECT_EQ(created.status, 201u);
  EXPECT_EQ(created.body, json);
  EXPECT_EQ(created.header("ETag"), "\"9\"");
  const std::string location = created.header("Location");
  EXPECT_TRUE(location.starts_with("/api/users/")) << location;
  EXPECT_EQ(get(location).body, json);
  EXPECT_EQ(ask("POST", "/api/users", json).status, 409u);
  // Defaults are filled in.
  EXPECT_EQ(ask("POST", "/api/users/", R"({"accountId":"d"})").body,
            R"({"accountId":"d","age":0,"updatedAt":7})");
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"e"})",
                "Content-Type: Application/JSON; charset=utf-8\r\n")
                .status,
            201u);
}

TEST_F(RecordsTest, PostSaysWhatIsWrong) {
  struct Row {
    const char* body;
    const char* word;  // must be in the message
  };
  for (const Row& row :
       {Row{"", ""}, Row{"{", ""}, Row{"[]", ""}, Row{"{}", "accountId"},
        Row{R"({"accountId":1})", "accountId"}, Row{R"({"accountId":"a","age":"x"})", "age"},
        Row{R"({"accountId":"a","age":3000000000})", "age"},
        Row{R"({"accountId":"a","nope":1})", "nope"}, Row{R"({"accountId":""})", "accountId"}}) {
    const Response response = ask("POST", "/api/users", row.body);
    EXPECT_EQ(response.status, 400u) << row.body;
    EXPECT_NE(response.body.find(row.word), std::string::npos) << response.body;
  }
  EXPECT_EQ(ask("POST", "/api/users", "a=b", "Content-Type: text/plain\r\n").status, 415u);
  EXPECT_EQ(ask("POST", "/api/users/a1", R"({"accountId":"a1"})").status, 405u);
  const std::string long_key(limits::kKeyBytesMax + 1, 'k');
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":")" + long_key + "\"}").status, 400u);
  EXPECT_EQ(store_.counts().records, 0u);
}

TEST_F(RecordsTest, PostNeedsASchemaAndAKey) {
  key_field_ = std::nullopt;
  const Response no_key = ask("POST", "/api/users", R"({"accountId":"a"})");
  EXPECT_EQ(no_key.status, 400u);
  EXPECT_NE(no_key.body.find("key_from_body"), std::string::npos);
  writable_.clear();
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"a"})").status, 503u);
  writable_ = {kUser, kReading};
  key_field_ = "sensor";
  EXPECT_EQ(ask("POST", "/api/users", R"({"sensor":-12,"value":1})").status, 201u);
  EXPECT_EQ(get("/api/users/-12").body, R"({"sensor":-12,"value":1.0})");
  const Response local = get("/api/users/-12");
  EXPECT_TRUE(local.header("ETag").starts_with("\"local-")) << local.header("ETag");
}

TEST_F(RecordsTest, OfManyPostsOfOneKeyOneWins) {
  client();
  std::atomic<int> created{0}, conflicts{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Client other(server_->port());
      for (int i = 0; i < 100; ++i) {
        const std::string body = R"({"accountId":"k)" + std::to_string(i) + "\"}";
        const auto response = other.ask("POST /api/users HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                                        std::to_string(body.size()) + "\r\n\r\n" + body);
        ++(response->status == 201 ? created : conflicts);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created.load(), 100);
  EXPECT_EQ(conflicts.load(), 300);
}

TEST_F(RecordsTest, DeleteAnswersTheRecord) {
  put("a1", kUser, R"({"accountId":"a1","age":3,"updatedAt":4})");
  const Response deleted = ask("DELETE", "/api/users/a1");
  EXPECT_EQ(deleted.status, 200u);
  EXPECT_EQ(deleted.body, R"({"accountId":"a1","age":3,"updatedAt":4})");
  EXPECT_EQ(ask("DELETE", "/api/users/a1").status, 404u);
  EXPECT_EQ(get("/api/users/a1").status, 404u);
  EXPECT_EQ(ask("DELETE", "/api/users").status, 405u);
}

TEST_F(RecordsTest, ByBodyReadsTheKeyFromAField) {
  options_.key_from_body = "customer.id";
  put("a1", kUser, R"({"accountId":"a1","age":3,"updatedAt":4})");
  put("12", kReading, R"({"sensor":12,"value":1})");
  for (const char* method : {"POST", "GET"}) {
    const Response response = ask(method, "/api/users_by_body", R"({"customer":{"id":"a1"}})");
    EXPECT_EQ(response.status, 200u);
    EXPECT_EQ(response.body, R"({"accountId":"a1","age":3,"updatedAt":4})");
    EXPECT_EQ(response.header("ETag"), "\"4\"");
  }
  EXPECT_EQ(ask("POST", "/api/users_by_body", R"({"customer":{"id":12}})").status, 200u);
  EXPECT_EQ(ask("POST", "/api/users_by_body", R"({"customer":{"id":"none"}})").status, 404u);
  for (const char* body : {"", "{", "[]", "{}", R"({"customer":1})", R"({"customer":{}})",
                           R"({"customer":{"id":1.5}})", R"({"customer":{"id":null}})"}) {
    EXPECT_EQ(ask("POST", "/api/users_by_body", body).status, 400u) << body;
  }
  EXPECT_NE(ask("POST", "/api/users_by_body", "{}").body.find("customer.id"), std::string::npos);
  const Response refused = ask("DELETE", "/api/users_by_body");
  EXPECT_EQ(refused.status, 405u);
  EXPECT_EQ(refused.header("Allow"), "GET, POST, OPTIONS");
}

TEST_F(RecordsTest, OptionsAndOtherMethods) {
  EXPECT_EQ(ask("OPTIONS", "/api/users").header("Allow"), "GET, HEAD, POST, OPTIONS");
  const Response item = ask("OPTIONS", "/api/users/a");
  EXPECT_EQ(item.status, 204u);
  EXPECT_EQ(item.header("Allow"), "GET, HEAD, DELETE, OPTIONS");
  for (const char* method : {"PUT", "PATCH", "TRACE", "get"}) {
    const Response response = ask(method, "/api/users/a");
    EXPECT_EQ(response.status, 405u) << method;
    EXPECT_EQ(response.header("Allow"), "GET, HEAD, DELETE, OPTIONS");
  }
}

TEST_F(RecordsTest, WritesCanBeSwitchedOff) {
  options_.writes = false;
  put("a1", kUser, R"({"accountId":"a1"})");
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b"})").status, 405u);
  const Response refused = ask("DELETE", "/api/users/a1");
  EXPECT_EQ(refused.status, 405u);
  EXPECT_EQ(refused.header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(ask("OPTIONS", "/api/users").header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(get("/api/users/a1").status, 200u);
}

TEST_F(RecordsTest, WhatPostAndDeleteChangeIsCounted) {
  constexpr std::string_view kHeader = "Push-Cache-Local-Writes";
  const auto expect = [this](std::uint64_t added, std::uint64_t removed) {
    EXPECT_EQ(local_writes_.counts().added, added);
    EXPECT_EQ(local_writes_.counts().removed, removed);
    EXPECT_EQ(local_writes_.any(), added + removed > 0);
  };
  put("a1", kUser, R"({"accountId":"a1"})");
  // What changes nothing is no write.
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"a1"})").status, 409u);
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":5})").status, 400u);
  EXPECT_EQ(ask("DELETE", "/api/users/none").status, 404u);
  EXPECT_EQ(get("/api/users/none").status, 404u);
  gate_.open = false;
  EXPECT_EQ(ask("DELETE", "/api/users/a1").status, 503u);
  gate_.open = true;
  store_.error = Error{ErrorCode::kFull, "the store is full"};
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b1"})").status, 507u);
  EXPECT_EQ(ask("DELETE", "/api/users/a1").status, 507u);
  store_.error.reset();
  expect(0, 0);
  EXPECT_EQ(get("/api/users").header(kHeader), "");

  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b1"})").status, 201u);
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b2"})").status, 201u);
  expect(2, 0);
  EXPECT_EQ(ask("DELETE", "/api/users/b1").status, 200u);
  expect(2, 1);
  const std::uint8_t datum[] = {6};
  put_bytes("c1", kUnknown, datum);
  EXPECT_EQ(ask("DELETE", "/api/users/c1").status, 500u);  // it cannot be shown, but it is gone
  expect(2, 2);
  EXPECT_EQ(get("/api/users?limit=0").header(kHeader), "added=2, removed=2");
  EXPECT_EQ(ask("HEAD", "/api/users").header(kHeader), "added=2, removed=2");
  EXPECT_EQ(get("/api/users/a1").header(kHeader), "");
  local_writes_.restored();
  EXPECT_EQ(get("/api/users").header(kHeader), "added=2, removed=2, in-snapshot");
}

TEST_F(RecordsTest, ARecordThatCannotBeShownIsAWholeErrorAndHurtsNoOther) {
  put("good", kUser, R"({"accountId":"good"})");
  const std::uint8_t bad[] = {4, 'x'};  // a string of two bytes, one there
  put_bytes("bad", kUser, bad);
  const Response response = get("/api/users/bad");
  EXPECT_EQ(response.status, 500u);
  EXPECT_FALSE(response.has_header("ETag"));
  EXPECT_EQ(get("/api/users/good").status, 200u);
}

// Of a store that others have filled.
TEST_F(RecordsTest, ASchemaThatIsNotKnownHereIsAskedFor) {
  const std::uint8_t none[] = {0};
  put_bytes("unknown", kUnknown, none);
  const Response response = get("/api/users/unknown");
  EXPECT_EQ(response.status, 503u);
  EXPECT_EQ(response.header("Retry-After"), "1");
  EXPECT_FALSE(response.has_header("ETag"));
  ASSERT_EQ(schemas_.waiting().size(), 1u);
  EXPECT_EQ(schemas_.waiting()[0].id, kUnknown);
  ASSERT_TRUE(schemas_.insert(kUnknown, {R"({"type":"long"})"}).ok());
  EXPECT_EQ(get("/api/users/unknown").body, "0");
}

TEST_F(RecordsTest, ErrorsOfTheStoreAreTold) {
  put("a1", kUser, R"({"accountId":"a1"})");
  store_.error = Error{ErrorCode::kUnavailable, "the store is away", "10.0.0.1 refused"};
  for (const Response& response : {get("/api/users/a1"), ask("DELETE", "/api/users/a1"),
                                   ask("POST", "/api/users", R"({"accountId":"a2"})")}) {
    EXPECT_EQ(response.status, 503u);
    EXPECT_EQ(response.header("Retry-After"), "1");
    EXPECT_NE(response.body.find("the store is away"), std::string::npos);
    EXPECT_EQ(response.body.find("10.0.0.1"), std::string::npos);
  }
  store_.error = Error{ErrorCode::kTimeout, "too slow"};
  EXPECT_EQ(get("/api/users/a1").status, 504u);
  store_.error.reset();
  EXPECT_EQ(get("/api/users/a1").status, 200u);
}

TEST_F(RecordsTest, AFullStoreAnswersWhatItHasAndDoesNotDenyTheRest) {
  store_.inner = store::make_memory_store({.bytes_max = 1});
  EXPECT_EQ(get("/api/users/a1").status, 404u) << "nothing was refused so far";
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"a1"})").status, 507u);
  const Response refused = get("/api/users/a1");
  EXPECT_EQ(refused.status, 503u);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_EQ(get("/api/users").status, 200u);
}

TEST_F(RecordsTest, ARouteMayHaveNoList) {
  options_.list = false;
  store_.inner = store::make_memory_store({.ordered = false});
  put("a1", kUser, R"({"accountId":"a1"})");
  for (const char* method : {"GET", "HEAD"}) {
    const Response response = ask(method, "/api/users?limit=1");
    EXPECT_EQ(response.status, 405u);
    EXPECT_EQ(response.header("Allow"), "POST, OPTIONS");
  }
  EXPECT_EQ(ask("OPTIONS", "/api/users").header("Allow"), "POST, OPTIONS");
  EXPECT_EQ(get("/api/users/a1").status, 200u);
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"a2"})").status, 201u);
  EXPECT_EQ(ask("DELETE", "/api/users/a2").status, 200u);
}

// A route with the latest version of a subject as its reader schema.
class ReaderTest : public RecordsTest {
 protected:
  static constexpr std::string_view kWider = R"({"type":"record","name":"User","fields":[
    {"name":"accountId","type":"string"},{"name":"updatedAt","type":"long"},
    {"name":"email","type":"string","default":"none"}]})";
  static constexpr std::string_view kAgeText = R"({"type":"record","name":"User","fields":[
    {"name":"age","type":"string"}]})";

  void SetUp() override {
    RecordsTest::SetUp();
    options_.reader = &route_reader_;
  }
  void move_to(std::string_view schema) {
    const int version = subjects_.set(std::string(schema));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (latest_.status().version != version) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::yield();
    }
  }

  registry::FakeSubjects subjects_;
  registry::ReaderSchemas readers_{
      subjects_,
      {.retry = {.first = std::chrono::milliseconds(1), .max = std::chrono::milliseconds(5)},
       .refresh = std::chrono::milliseconds(1)}};
  registry::ReaderSchema& latest_ = readers_.subject("s", registry::kLatestVersion);
  registry::RouteReader route_reader_{"latest", {&latest_}};
};

TEST_F(ReaderTest, EveryAnswerIsByTheReaderSchema) {
  move_to(kWider);
  options_.key_from_body = "accountId";
  put("a1", kUser, R"({"accountId":"a1","age":3,"updatedAt":8})");
  const std::string shown = R"({"accountId":"a1","updatedAt":8,"email":"none"})";
  const Response response = get("/api/users/a1");
  EXPECT_EQ(response.body, shown);
  const std::string tag = response.header("ETag");
  EXPECT_TRUE(tag.starts_with("\"8-r")) << tag;
  EXPECT_EQ(tag.size(), std::string_view("\"8-r01234567\"").size());
  const Response head = ask("HEAD", "/api/users/a1");
  EXPECT_EQ(head.header("ETag"), tag);
  EXPECT_EQ(head.header("Content-Length"), std::to_string(shown.size()));
  EXPECT_EQ(ask("POST", "/api/users_by_body", R"({"accountId":"a1"})").body, shown);
  EXPECT_EQ(ask("DELETE", "/api/users/a1").body, shown);
  const Response posted = ask("POST", "/api/users", R"({"accountId":"b","age":1,"updatedAt":2})");
  EXPECT_EQ(posted.status, 201u);
  EXPECT_EQ(posted.body, R"({"accountId":"b","updatedAt":2,"email":"none"})");
  EXPECT_EQ(get("/api/users/b").header("ETag"), posted.header("ETag"));
}

TEST_F(ReaderTest, ANotModifiedStandsForOneRenderingOnly) {
  move_to(kUserSchema);
  put("a1", kUser, R"({"accountId":"a1","updatedAt":8})");
  const std::string tag = get("/api/users/a1").header("ETag");
  const std::string condition = "If-None-Match: " + tag + "\r\n";
  EXPECT_EQ(get("/api/users/a1", condition).status, 304u);
  EXPECT_EQ(get("/api/users/a1", "If-None-Match: \"8\"\r\n").status, 200u);
  move_to(kWider);
  const Response changed = get("/api/users/a1", condition);
  EXPECT_EQ(changed.status, 200u);
  EXPECT_EQ(changed.body, R"({"accountId":"a1","updatedAt":8,"email":"none"})");
  EXPECT_NE(changed.header("ETag"), tag);
  move_to(kUserSchema);
  EXPECT_EQ(get("/api/users/a1", condition).status, 304u) << "the same text shows the same";
}

TEST_F(ReaderTest, WhatTheLatestCannotReadIsShownAsBefore) {
  move_to(kWider);
  put("a1", kUser, R"({"accountId":"a1","updatedAt":8})");
  const Response before = get("/api/users/a1");
  move_to(kAgeText);
  const Response after = get("/api/users/a1");
  EXPECT_EQ(after.status, 200u);
  EXPECT_EQ(after.body, before.body);
  EXPECT_EQ(after.header("ETag"), before.header("ETag"));
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b"})").status, 400u) << "nothing new of it";
}

TEST_F(ReaderTest, WhatNoReaderSchemaCanShow) {
  move_to(kAgeText);
  put("a1", kUser, R"({"accountId":"a1","updatedAt":8})");
  const Response unreadable = get("/api/users/a1");
  EXPECT_EQ(unreadable.status, 500u);
  EXPECT_NE(unreadable.body.find("cache.routes[].schema"), std::string::npos) << unreadable.body;
  EXPECT_FALSE(unreadable.has_header("ETag"));
  const Response refused = ask("POST", "/api/users", R"({"accountId":"b"})");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_NE(refused.body.find("age"), std::string::npos) << refused.body;
  EXPECT_EQ(store_.counts().records, 1u) << "it was not added";
  const Response removed = ask("DELETE", "/api/users/a1");
  EXPECT_EQ(removed.status, 500u);
  EXPECT_NE(removed.body.find("the record was removed, but"), std::string::npos);
  EXPECT_EQ(store_.counts().records, 0u);
}

TEST_F(ReaderTest, ADatumThatDoesNotFitIsAWholeError) {
  constexpr SchemaId kPaint{3};
  ASSERT_TRUE(schemas_
                  .insert(kPaint, {R"({"type":"record","name":"User","fields":[{"name":"accountId",
                      "type":"string"},{"name":"c","type":{"type":"enum","name":"C",
                      "symbols":["RED","GREEN"]}}]})"})
                  .ok());
  move_to(R"({"type":"record","name":"User","fields":[{"name":"accountId","type":"string"},
      {"name":"c","type":{"type":"enum","name":"C","symbols":["RED"]}}]})");
  put("r", kPaint, R"({"accountId":"r","c":"RED"})");
  put("g", kPaint, R"({"accountId":"g","c":"GREEN"})");
  EXPECT_EQ(get("/api/users/r").status, 200u);
  const Response response = get("/api/users/g");
  EXPECT_EQ(response.status, 500u);
  EXPECT_NE(response.body.find("cache.routes[].schema"), std::string::npos) << response.body;
  writable_ = {kPaint};
  const Response posted = ask("POST", "/api/users", R"({"accountId":"n","c":"GREEN"})");
  EXPECT_EQ(posted.status, 400u);
  EXPECT_NE(posted.body.find("GREEN"), std::string::npos) << posted.body;
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"n","c":"RED"})").status, 201u);
}

TEST_F(ReaderTest, AReaderSchemaThatIsNotKnownYetIs503) {
  put("a1", kUser, R"({"accountId":"a1"})");
  const Response early = get("/api/users/a1");
  EXPECT_EQ(early.status, 503u);
  EXPECT_EQ(early.header("Retry-After"), "1");
  EXPECT_EQ(ask("POST", "/api/users", R"({"accountId":"b"})").status, 503u);
  EXPECT_EQ(store_.counts().records, 1u);
  EXPECT_EQ(get("/api/users/none").status, 404u);
  move_to(kUserSchema);
  EXPECT_EQ(get("/api/users/a1").status, 200u);
}

class HitTest : public RecordsTest {
 protected:
  void expect_no_allocations();
};

void HitTest::expect_no_allocations() {
  put("a b", kUser, R"({"accountId":"a b","updatedAt":4})");
  const Response hit = get("/api/users/a%20b");
  ASSERT_EQ(hit.status, 200u);
  const std::string condition = "If-None-Match: " + hit.header("ETag") + "\r\n";
  ASSERT_EQ(get("/api/users/a%20b", condition).status, 304u);
  const std::string one = "GET /api/users/a%20b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n";
  const std::string unchanged = "GET /api/users/a%20b HTTP/1.1\r\nHost: h\r\n" + condition + "\r\n";
  const std::size_t bytes = hit.head.size() + hit.body.size();
  const std::size_t unchanged_bytes = get("/api/users/a%20b", condition).head.size();
  const auto turn = [&](const std::string& text, std::size_t expected) {
    static char sink[1 << 16];
    if (!client().send(text)) return false;
    while (expected > 0) {
      const ssize_t got = ::recv(client().fd(), sink, sizeof sink, 0);
      if (got <= 0) return false;
      expected -= static_cast<std::size_t>(got);
    }
    return true;
  };
  std::string eight;
  for (int i = 0; i < 8; ++i) eight += one;
  const auto round = [&] {
    return turn(one, bytes) && turn(eight, 8 * bytes) && turn(unchanged, unchanged_bytes);
  };
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(round());
  const std::uint64_t before = allocations.load();
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(round());
  EXPECT_LE(allocations.load() - before, 20u);  // of the loops' timers, not of 20,000 requests
}

TEST_F(HitTest, AHitAllocatesNothing) {
  if (PUSH_CACHE_SANITIZED) GTEST_SKIP() << "a sanitizer has the allocator";
  expect_no_allocations();
}

TEST_F(HitTest, AHitByAReaderSchemaAllocatesNothing) {
  if (PUSH_CACHE_SANITIZED) GTEST_SKIP() << "a sanitizer has the allocator";
  registry::FakeSubjects subjects;
  registry::ReaderSchemas readers(subjects);
  const auto fixed = readers.fixed("file:user.avsc", {std::string(kUserSchema)});
  ASSERT_TRUE(fixed.ok());
  const registry::RouteReader route{"file:user.avsc", {*fixed}};
  options_.reader = &route;
  expect_no_allocations();
  server_.reset();  // before the reader
}

}  // namespace
}  // namespace push_cache::api
