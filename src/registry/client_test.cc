#include "registry/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>

#include "base/limits.h"
#include "registry/test_server.h"

namespace push_cache::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Client> client_of(ClientOptions options) {
  Result<std::unique_ptr<Client>> client = Client::create(options);
  EXPECT_TRUE(client.ok()) << (client.ok() ? "" : client.error().describe());
  return client.ok() ? *std::move(client) : nullptr;
}

// Answers from a table of targets, 40403 for the rest.
TestServer::Script table(std::map<std::string, std::string> bodies) {
  return [bodies = std::move(bodies)](const TestRequest& request) -> TestReply {
    const auto found = bodies.find(request.target);
    if (found != bodies.end()) return {.body = found->second};
    return {.status = 404, .body = R"({"error_code":40403,"message":"Schema not found"})"};
  };
}

Error fetch_error(const TestReply& reply) {
  TestServer server([&reply](const TestRequest&) { return reply; });
  Result<SchemaText> text = client_of({.url = server.url()})->fetch(SchemaId(7));
  EXPECT_FALSE(text.ok());
  return text.ok() ? Error{} : std::move(text).error();
}

TEST(Client, FetchesASchema) {
  TestServer server(table({{"/schemas/ids/7", R"({"schema":"\"string\""})"}}));
  Result<SchemaText> text = client_of({.url = server.url()})->fetch(SchemaId(7));
  ASSERT_TRUE(text.ok()) << text.error().describe();
  EXPECT_EQ(text->schema, "\"string\"");
  EXPECT_TRUE(text->references.empty());
  EXPECT_TRUE(server.requests()[0].has("Accept: application/vnd.schemaregistry.v1+json\r\n"));
  EXPECT_FALSE(server.requests()[0].has("Authorization"));
}

TEST(Client, KeepsThePathOfTheUrl) {
  TestServer server(table({{"/apis/ccompat/v7/schemas/ids/1", R"({"schema":"\"int\""})"}}));
  for (const char* end : {"", "/", "//"}) {
    auto client = client_of({.url = server.url() + "/apis/ccompat/v7" + end});
    Result<SchemaText> text = client->fetch(SchemaId(1));
    EXPECT_TRUE(text.ok()) << end;
  }
}

const Guid kGuid{.bytes = {0x7a, 0xc2, 0xf1, 0xb0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
constexpr const char* kGuidIds = "/schemas/guids/7ac2f1b0-0102-0304-0506-0708090a0b0c/ids";

TEST(Client, FindsTheIdOfAGuidInTheDefaultContext) {
  TestServer server(table({{kGuidIds, R"([{"context":":.a:","id":9},{"context":".","id":7}])"}}));
  const Result<SchemaId> id = client_of({.url = server.url()})->find_id(kGuid);
  ASSERT_TRUE(id.ok()) << id.error().describe();
  EXPECT_EQ(*id, SchemaId(7));
}

TEST(Client, FindsTheIdOfAGuidInTheContextOfTheUrl) {
  for (const char* path : {"/contexts/.a", "/contexts/:.a:", "/contexts/%3A.a%3A/"}) {
    TestServer server([](const TestRequest&) -> TestReply {
      return {.body = R"([{"context":".","id":7},{"context":".a","id":9}])"};
    });
    const Result<SchemaId> id = client_of({.url = server.url() + path})->find_id(kGuid);
    ASSERT_TRUE(id.ok()) << path << ": " << id.error().describe();
    EXPECT_EQ(*id, SchemaId(9)) << path;
  }
}

TEST(Client, AGuidThatIsNotInTheContextIsNotFound) {
  for (const char* body : {"[]", R"([{"context":".a","id":9}])"}) {
    TestServer server(table({{kGuidIds, body}}));
    const Result<SchemaId> id = client_of({.url = server.url()})->find_id(kGuid);
    ASSERT_FALSE(id.ok()) << body;
    EXPECT_EQ(id.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(id.error().public_text, HasSubstr("is not in the context"));
  }
  TestServer server(table({}));
  EXPECT_EQ(client_of({.url = server.url()})->find_id(kGuid).error().code, ErrorCode::kNotFound);
}

TEST(Client, AnswersToAGuidThatMakeNoSense) {
  for (const char* body : {"", "{}", "7", "[7]", R"([{"id":7}])", R"([{"context":"."}])",
                           R"([{"context":".","id":0}])", R"([{"context":".","id":-7}])",
                           R"([{"context":".","id":4294967297}])"}) {
    TestServer server(table({{kGuidIds, body}}));
    const Result<SchemaId> id = client_of({.url = server.url()})->find_id(kGuid);
    ASSERT_FALSE(id.ok()) << body;
    EXPECT_EQ(id.error().code, ErrorCode::kUnavailable) << body;
  }
}

TEST(Client, AsksApicurioForGlobalIdsInItsOwnApi) {
  TestServer server(table({{"/apis/registry/v2/ids/globalIds/7?dereference=true", R"("string")"},
                           {"/apis/ccompat/v7/schemas/types", R"(["AVRO"])"}}));
  auto client = client_of({.url = server.url() + "/apis/ccompat/v7/", .apicurio_global_ids = true});
  Result<SchemaText> text = client->fetch(SchemaId(7));
  ASSERT_TRUE(text.ok()) << text.error().describe();
  EXPECT_EQ(text->schema, R"("string")");
  EXPECT_EQ(client->fetch(SchemaId(8)).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(client->check().ok());  // all else stays where it was
  const auto other = Client::create({.url = server.url(), .apicurio_global_ids = true});
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.error().public_text, HasSubstr("/apis/"));
}

TEST(Client, ResolvesReferencesEachBeforeThoseThatUseIt) {
  TestServer server(table({
      {"/schemas/ids/9",
       R"({"schema":"top","references":[{"name":"a","subject":"a b/c","version":1},
                                        {"name":"c","subject":"c","version":3}]})"},
      {"/subjects/a%20b%2Fc/versions/1?deleted=true",
       R"({"subject":"a b/c","version":1,"id":2,"schema":"A",
           "references":[{"name":"c","subject":"c","version":3}]})"},
      {"/subjects/c/versions/3?deleted=true", R"({"id":3,"schema":"C","references":[]})"},
  }));
  Result<SchemaText> text = client_of({.url = server.url()})->fetch(SchemaId(9));
  ASSERT_TRUE(text.ok()) << text.error().describe();
  EXPECT_EQ(text->schema, "top");
  EXPECT_THAT(text->references, ElementsAre("C", "A"));
  EXPECT_EQ(server.requests().size(), 3u);  // the shared one only once
}

TEST(Client, RefusesReferencesInACircle) {
  const std::string to_a = R"("references":[{"name":"a","subject":"a","version":1}]})";
  const std::string to_b = R"("references":[{"name":"b","subject":"b","version":1}]})";
  TestServer server(table({{"/schemas/ids/9", R"({"schema":"top",)" + to_a},
                           {"/subjects/a/versions/1?deleted=true", R"({"schema":"A",)" + to_b},
                           {"/subjects/b/versions/1?deleted=true", R"({"schema":"B",)" + to_a}}));
  Result<SchemaText> text = client_of({.url = server.url()})->fetch(SchemaId(9));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(text.error().public_text, HasSubstr("circle at 'a' version 1"));
}

TEST(Client, RefusesAnEndlessChainOfReferences) {
  TestServer server([](const TestRequest& request) -> TestReply {
    const int next =
        request.target.starts_with("/subjects/s") ? std::stoi(request.target.substr(11)) + 1 : 0;
    return {.body = R"({"schema":"x","references":[{"subject":"s)" + std::to_string(next) +
                    R"(","version":1}]})"};
  });
  Result<SchemaText> text = client_of({.url = server.url()})->fetch(SchemaId(9));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
  EXPECT_LE(server.requests().size(), limits::kSchemaReferencesMax + 1);
}

TEST(Client, AMissingReferenceIsNotFound) {
  TestServer server(table(
      {{"/schemas/ids/9", R"({"schema":"top","references":[{"subject":"gone","version":4}]})"}}));
  Result<SchemaText> text = client_of({.url = server.url()})->fetch(SchemaId(9));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(text.error().public_text, HasSubstr("'gone' version 4"));
}

TEST(Client, ClassifiesErrors) {
  for (const int status : {408, 429, 500, 502, 503, 400, 401, 403, 410, 302, 204}) {
    SCOPED_TRACE(status);
    EXPECT_EQ(fetch_error({.status = status}).code, ErrorCode::kUnavailable);
  }
  const Error missing =
      fetch_error({.status = 404, .body = R"({"error_code":40403,"message":"Schema not found"})"});
  EXPECT_EQ(missing.code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.public_text, "the schema is not in the schema registry");
  EXPECT_THAT(missing.detail, HasSubstr("40403"));
  EXPECT_THAT(fetch_error({.status = 404, .body = "<html>"}).detail,
              HasSubstr("is the base URL right?"));
  EXPECT_THAT(fetch_error({.status = 401}).public_text, HasSubstr("refuses the credentials"));

  const Error other = fetch_error({.body = R"({"schemaType":"PROTOBUF","schema":"message"})"});
  EXPECT_EQ(other.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(other.public_text, "it is a schema of type PROTOBUF, not AVRO");
}

TEST(Client, CountsItsRequestsByTheirOutcome) {
  TestServer server([](const TestRequest& request) {
    const int asked = std::stoi(request.target.substr(request.target.rfind('/') + 1));
    return TestReply{.status = asked, .body = R"({"schema":"\"string\""})"};
  });
  auto client = client_of({.url = server.url()});
  for (const int status : {200, 200, 404, 401, 403, 400, 503, 429}) {
    (void)client->fetch(SchemaId(status));
  }
  const ClientCounts counts = client->counts();
  EXPECT_EQ(counts.calls, (std::array<std::uint64_t, kCallOutcomes>{2, 1, 2, 1, 2, 0}));
  EXPECT_EQ(counts.durations.total(), 8u);
  EXPECT_GT(counts.durations.sum, std::chrono::nanoseconds(0));
}

TEST(Client, AnswersWithoutSenseAreWorthARetry) {
  for (const char* body :
       {"", "<html>", R"({"schema":"\"st)", "[]", "{}", R"({"schema":7})", "\xff\xfe",
        R"({"schema":"x","references":7})", R"({"schema":"x","references":[7]})",
        R"({"schema":"x","references":[{"subject":"s"}]})",
        R"({"schema":"x","references":[{"subject":"s","version":"1"}]})"}) {
    SCOPED_TRACE(body);
    EXPECT_EQ(fetch_error({.body = body}).code, ErrorCode::kUnavailable);
  }
  std::string deep(100'000, '[');
  EXPECT_EQ(fetch_error({.body = deep}).code, ErrorCode::kUnavailable);
  const Error broken = fetch_error({.body = R"({"schema":"\"str)", .missing_bytes = 10});
  EXPECT_EQ(broken.code, ErrorCode::kUnavailable);
  EXPECT_THAT(broken.public_text, HasSubstr("broke off"));
}

TEST(Client, RefusesAHugeBody) {
  const std::string huge(limits::kRegistryBodyBytesMax + 1, ' ');
  EXPECT_EQ(fetch_error({.body = huge}).code, ErrorCode::kTooLarge);
  std::string large(limits::kRegistryBodyBytesMax - 20, ' ');
  large.append(R"({"schema":"x"})");
  TestServer server([&large](const TestRequest&) { return TestReply{.body = large}; });
  EXPECT_TRUE(client_of({.url = server.url()})->fetch(SchemaId(7)).ok());
}

TEST(Client, GivesUpASlowAnswer) {
  TestServer server([](const TestRequest&) { return TestReply{.hang = true}; });
  auto client = client_of({.url = server.url(), .total_timeout = std::chrono::milliseconds(100)});
  Result<SchemaText> text = client->fetch(SchemaId(7));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(text.error().public_text, HasSubstr("in time"));
}

TEST(Client, GivesUpWhenAskedTo) {
  std::stop_source stop;
  TestServer server([&stop](const TestRequest&) {
    stop.request_stop();
    return TestReply{.hang = true};
  });
  auto client = client_of({.url = server.url(), .total_timeout = std::chrono::hours(1)});
  EXPECT_FALSE(client->fetch(SchemaId(7), stop.get_token()).ok());
  EXPECT_EQ(client->counts().durations.total(), 0u);
}

TEST(Client, NobodyListens) {
  std::uint16_t port = 0;
  {
    port = TestServer([](const TestRequest&) { return TestReply{}; }).port();
  }
  auto client = client_of({.url = "http://127.0.0.1:" + std::to_string(port)});
  Result<SchemaText> text = client->fetch(SchemaId(7));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(text.error().public_text, Not(HasSubstr("127.0.0.1")));
  EXPECT_THAT(text.error().detail, HasSubstr(std::to_string(port)));
  EXPECT_EQ(client->counts().calls[static_cast<std::size_t>(CallOutcome::kUnreachable)], 1u);
}

TEST(Client, TriesSeveralUrlsAndRemembersTheOneThatAnswered) {
  TestServer broken([](const TestRequest&) { return TestReply{.status = 503}; });
  TestServer good(table({{"/schemas/ids/7", R"({"schema":"\"string\""})"}}));
  auto client = client_of({.url = "http://127.0.0.1:1, " + broken.url() + "/ ," + good.url()});
  EXPECT_TRUE(client->fetch(SchemaId(7)).ok());
  EXPECT_TRUE(client->fetch(SchemaId(7)).ok());
  EXPECT_EQ(broken.requests().size(), 1u);
  EXPECT_EQ(good.requests().size(), 2u);
  // A 404 is an answer: the others are not asked.
  EXPECT_EQ(client->fetch(SchemaId(8)).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(broken.requests().size(), 1u);
}

TEST(Client, SendsCredentials) {
  TestServer server(table({{"/schemas/types", R"(["JSON","AVRO"])"}}));
  const auto authorization = [&server](ClientOptions options) {
    EXPECT_TRUE(client_of(options)->check().ok());
    const std::string head = server.requests().back().head;
    const std::size_t at = head.find("Authorization: ");
    return at == std::string::npos ? "" : head.substr(at + 15, head.find('\r', at) - at - 15);
  };
  EXPECT_EQ(authorization({.url = server.url()}), "");
  EXPECT_EQ(authorization({.url = server.url(), .username = "ann", .password = "s3cret"}),
            "Basic YW5uOnMzY3JldA==");
  EXPECT_EQ(authorization({.url = "http://ann:p%40ss@" + server.address()}), "Basic YW5uOnBAc3M=");
  EXPECT_EQ(authorization({.url = server.url(), .bearer_token = "t0ken"}), "Bearer t0ken");
}

TEST(Client, TakesCredentialsToNoOtherHost) {
  TestServer other(table({{"/schemas/types", R"(["AVRO"])"}}));
  TestServer server([&other](const TestRequest&) {
    return TestReply{.status = 307,
                     .headers = "Location: http://localhost:" + std::to_string(other.port()) +
                                "/schemas/types\r\n"};
  });
  EXPECT_TRUE(client_of({.url = server.url(), .username = "ann", .password = "x"})->check().ok());
  EXPECT_TRUE(client_of({.url = server.url(), .bearer_token = "t0ken"})->check().ok());
  ASSERT_EQ(other.requests().size(), 2u);
  for (const TestRequest& request : other.requests()) EXPECT_FALSE(request.has("Authorization"));
}

TEST(Client, ShowsNoSecretInAnyError) {
  TestServer refusing([](const TestRequest&) { return TestReply{.status = 401}; });
  std::vector<Error> errors;
  for (const std::string& url :
       {"http://ann:s3cret@" + refusing.address(), std::string("http://ann:s3cret@127.0.0.1:1"),
        std::string("http://ann:s3cret@no.such.host.invalid")}) {
    errors.push_back(client_of({.url = url, .bearer_token = "t0ken"})->fetch(SchemaId(1)).error());
    errors.push_back(client_of({.url = url})->register_schema("s", "\"int\"").error());
  }
  for (const char* url : {"ftp://ann:s3cret@host", "http://ann:s3cret@", "ann:s3cret@host",
                          "http://ann:s3cret@host:port", "http://host/?password=s3cret", " , "}) {
    Result<std::unique_ptr<Client>> client = Client::create({.url = url});
    ASSERT_FALSE(client.ok()) << url;
    EXPECT_EQ(client.error().code, ErrorCode::kInvalidArgument);
    errors.push_back(client.error());
  }
  for (const Error& error : errors) {
    EXPECT_THAT(error.describe(), Not(HasSubstr("s3cret")));
    EXPECT_THAT(error.describe(), Not(HasSubstr("t0ken")));
  }
}

TEST(Client, RegistersASchema) {
  TestServer server([](const TestRequest& request) -> TestReply {
    if (request.method != "POST") return {.status = 405};
    if (request.target == "/subjects/users-value/versions") return {.body = R"({"id":4711})"};
    if (request.target == "/subjects/a%2Fb/versions") return {.body = R"({"id":"x"})"};
    if (request.target == "/subjects/old/versions") {
      return {.status = 409, .body = R"({"error_code":409,"message":"incompatible"})"};
    }
    return {.status = 422, .body = R"({"error_code":42201,"message":"Invalid schema"})"};
  });
  auto client = client_of({.url = server.url()});
  Result<SchemaId> id = client->register_schema("users-value", "{\"type\":\n\"string\"}");
  ASSERT_TRUE(id.ok()) << id.error().describe();
  EXPECT_EQ(id->value, 4711);
  EXPECT_EQ(server.requests()[0].body, R"({"schema":"{\"type\":\n\"string\"}"})");
  EXPECT_TRUE(server.requests()[0].has("Content-Type: application/vnd.schemaregistry.v1+json\r\n"));
  EXPECT_EQ(client->register_schema("a/b", "x").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client->register_schema("old", "x").error().code, ErrorCode::kConflict);
  const Error refused = client->register_schema("new", "x").error();
  EXPECT_EQ(refused.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.detail, HasSubstr("Invalid schema"));
  EXPECT_EQ(client->register_schema("new", "\xff").error().code, ErrorCode::kInvalidArgument);
}

TEST(Client, GivesTheLatestVersion) {
  TestServer server(table(
      {{"/subjects/users-value/versions/latest",
        R"({"subject":"users-value","version":3,"id":12,"schema":"\"int\"","schemaType":"AVRO"})"},
       {"/subjects/bad/versions/latest", R"({"version":3,"id":-1,"schema":""})"}}));
  auto client = client_of({.url = server.url()});
  Result<SubjectVersion> latest = client->fetch_version("users-value", kLatestVersion);
  ASSERT_TRUE(latest.ok()) << latest.error().describe();
  EXPECT_EQ(latest->id.value, 12);
  EXPECT_EQ(latest->version, 3);
  EXPECT_EQ(latest->text.schema, "\"int\"");
  EXPECT_EQ(client->fetch_version("bad", kLatestVersion).error().code, ErrorCode::kUnavailable);
  const Error none = client->fetch_version("none", kLatestVersion).error();
  EXPECT_EQ(none.code, ErrorCode::kNotFound);
  EXPECT_THAT(none.public_text, HasSubstr("subject 'none' is not in the schema registry"));
}

TEST(Client, GivesAVersionWithItsReferences) {
  TestServer server(table({
      {"/subjects/a%2Fb/versions/2?deleted=true",
       R"({"subject":"a/b","version":2,"id":5,"schema":"top",
           "references":[{"name":"c","subject":"c","version":3}]})"},
      {"/subjects/c/versions/3?deleted=true", R"({"id":3,"version":3,"schema":"C"})"},
      {"/subjects/p/versions/1?deleted=true",
       R"({"version":1,"id":6,"schema":"x","schemaType":"PROTOBUF"})"},
      {"/subjects/zero/versions/1?deleted=true", R"({"version":0,"id":6,"schema":"x"})"},
      {"/subjects/none/versions/1?deleted=true", R"({"version":1,"id":6})"},
  }));
  auto client = client_of({.url = server.url()});
  Result<SubjectVersion> version = client->fetch_version("a/b", 2);
  ASSERT_TRUE(version.ok()) << version.error().describe();
  EXPECT_EQ(version->id.value, 5);
  EXPECT_EQ(version->version, 2);
  EXPECT_EQ(version->text.schema, "top");
  EXPECT_THAT(version->text.references, ElementsAre("C"));
  const Error other = client->fetch_version("p", 1).error();
  EXPECT_EQ(other.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(other.public_text, "it is a schema of type PROTOBUF, not AVRO");
  EXPECT_EQ(client->fetch_version("zero", 1).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client->fetch_version("none", 1).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client->fetch_version("a/b", 7).error().code, ErrorCode::kNotFound);
}

TEST(Client, ChecksForAvro) {
  const auto check = [](const char* types) {
    TestServer server(table({{"/schemas/types", types}}));
    return client_of({.url = server.url()})->check();
  };
  EXPECT_TRUE(check(R"(["JSON","PROTOBUF","AVRO"])").ok());
  EXPECT_EQ(check(R"(["JSON"])").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(check(R"({"types":1})").error().code, ErrorCode::kUnavailable);
}

TEST(Client, ServesManyThreads) {
  TestServer server([](const TestRequest& request) {
    return TestReply{.body = R"({"schema":")" + request.target + "\"}"};
  });
  auto client = client_of({.url = server.url()});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&client, &wrong, t] {
      for (int i = 0; i < 20; ++i) {
        const int id = t * 100 + i;
        Result<SchemaText> text = client->fetch(SchemaId(id));
        if (!text.ok() || text->schema != "/schemas/ids/" + std::to_string(id)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace push_cache::registry
