#include "embedded/registry_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "embedded/samples.h"
#include "embedded/test_support.h"
#include "registry/client.h"
#include "registry/schema_cache.h"
#include "registry/transport.h"

namespace push_cache::embedded {
namespace {

using testing::HasSubstr;

constexpr const char* kSchemaA =
    R"({"type":"record","name":"A","fields":[{"name":"x","type":"int"}]})";
constexpr const char* kSchemaA2 =
    R"({"type":"record","name":"A","fields":[{"name":"x","type":"int"},{"name":"y","type":"int","default":0}]})";

class RegistryServerTest : public testing::Test {
 protected:
  // "status body" of a request; POST when there is a body.
  std::string ask(std::string_view path, std::optional<std::string> body = {}) {
    registry::Reply reply =
        must(transport_.perform({.url = server_->url(), .username = "", .password = ""}, path,
                                body ? &*body : nullptr, {}));
    return std::to_string(reply.status) + " " + reply.body;
  }
  std::unique_ptr<registry::Client> client() {
    return must(registry::Client::create({.url = server_->url()}));
  }

  std::unique_ptr<RegistryServer> server_ = must(RegistryServer::start());
  registry::Transport transport_{registry::ClientOptions{}};
};

TEST_F(RegistryServerTest, RegistersAndGives) {
  auto registry = client();
  EXPECT_TRUE(registry->check().ok());
  const SchemaId id = must(registry->register_schema("users-value", kSchemaA));
  EXPECT_EQ(id.value, 101);
  EXPECT_EQ(must(registry->register_schema("users-value", kSchemaA)), id);
  EXPECT_EQ(must(registry->register_schema("users-value", R"({"type": "record", "name": "A",
      "fields": [{"name": "x", "type": "int"}]})")),
            id);
  EXPECT_EQ(must(registry->register_schema("other/value", kSchemaA)), id);
  const SchemaId newer = must(registry->register_schema("users-value", kSchemaA2));
  EXPECT_NE(newer, id);
  EXPECT_EQ(must(registry->fetch(id)).schema, kSchemaA);
  const registry::SubjectVersion latest =
      must(registry->fetch_version("users-value", registry::kLatestVersion));
  EXPECT_EQ(latest.id, newer);
  EXPECT_EQ(latest.version, 2);
  EXPECT_EQ(latest.text.schema, kSchemaA2);
  EXPECT_EQ(must(registry->fetch_version("other/value", registry::kLatestVersion)).version, 1);
}

TEST_F(RegistryServerTest, AnswersOnConfluentsPaths) {
  must(server_->add("b", "\"int\""));
  must(server_->add("a/b c", "\"string\""));
  EXPECT_EQ(ask("/"), "200 {}");
  EXPECT_EQ(ask("/schemas/types"), R"(200 ["AVRO"])");
  EXPECT_EQ(ask("/subjects"), R"(200 ["a/b c","b"])");
  EXPECT_EQ(ask("/subjects/"), R"(200 ["a/b c","b"])");
  EXPECT_EQ(ask("/subjects/a%2Fb%20c/versions"), "200 [1]");
  EXPECT_EQ(ask("/subjects/a%2Fb%20c/versions/1"),
            R"(200 {"subject":"a/b c","version":1,"id":102,"schema":"\"string\""})");
  EXPECT_EQ(ask("/subjects/b/versions/latest?deleted=true"),
            R"(200 {"subject":"b","version":1,"id":101,"schema":"\"int\""})");
  EXPECT_EQ(ask("/subjects/b/versions/-1"), ask("/subjects/b/versions/1"));
  EXPECT_EQ(ask("/schemas/ids/101"), R"(200 {"schema":"\"int\""})");
  EXPECT_EQ(ask("/schemas/ids/101/schema"), R"(200 "int")");
  EXPECT_EQ(ask("/subjects/b", R"({"schema":"\"int\""})"), ask("/subjects/b/versions/1"));
}

TEST_F(RegistryServerTest, AnswersWithConfluentsErrors) {
  must(server_->add("a", kSchemaA));
  EXPECT_THAT(ask("/schemas/ids/7"), HasSubstr("404 {\"error_code\":40403,\"message\":\""));
  for (const char* id : {"x", "99999999999999999999", "-1", "101x", "%zz"}) {
    EXPECT_THAT(ask("/schemas/ids/" + std::string(id)), testing::StartsWith("40")) << id;
  }
  EXPECT_THAT(ask("/subjects/none/versions"), HasSubstr("404 {\"error_code\":40401"));
  EXPECT_THAT(ask("/subjects/none/versions/1"), HasSubstr("40401"));
  EXPECT_THAT(ask("/subjects/a/versions/2"), HasSubstr("404 {\"error_code\":40402"));
  EXPECT_THAT(ask("/subjects/a/versions/x"), HasSubstr("422 {\"error_code\":42202"));
  EXPECT_THAT(ask("/subjects/none", R"({"schema":"\"int\""})"), HasSubstr("40401"));
  EXPECT_THAT(ask("/subjects/a", R"({"schema":"\"int\""})"), HasSubstr("40403"));
  for (const char* body : {R"({"schema":"{\"type\":\"nonsense\"}"})", R"({"schema":"{"})", "{}",
                           R"({"schema":7})", R"({"schemaType":"JSON","schema":"{}"})",
                           R"({"schema":"\"int\"","references":[{"name":"n"}]})",
                           R"({"schema":"\"int\"","references":[{"subject":"no","version":1}]})"}) {
    EXPECT_THAT(ask("/subjects/a/versions", body), HasSubstr("422 {\"error_code\":42201")) << body;
  }
  EXPECT_THAT(ask("/subjects/a/versions", "nonsense"), testing::StartsWith("400 "));
  EXPECT_THAT(ask("/subjects/a/versions", R"({"schema":"\"int\""})"), HasSubstr("409 {"));
  EXPECT_THAT(ask("/nowhere"), testing::StartsWith("404 "));
  EXPECT_THAT(ask("/mode/x/y"), testing::StartsWith("404 "));
}

TEST_F(RegistryServerTest, KeepsReferences) {
  must(server_->add("a", kSchemaA));
  const std::string user =
      R"({"schema":"{\"type\":\"record\",\"name\":\"U\",\"fields\":[{\"name\":\"a\",\"type\":\"A\"}]}",)"
      R"("references":[{"name":"A","subject":"a","version":1}]})";
  EXPECT_EQ(ask("/subjects/u/versions", user), R"(200 {"id":102})");
  const registry::SchemaText text = must(client()->fetch(SchemaId(102)));
  EXPECT_THAT(text.references, testing::ElementsAre(kSchemaA));
  EXPECT_TRUE(avro::Schema::parse(text.schema, text.references).ok());
  EXPECT_FALSE(avro::Schema::parse(text.schema).ok());
}

TEST_F(RegistryServerTest, FailsWhenTold) {
  must(server_->add("a", kSchemaA));
  server_->fail_with(503);
  EXPECT_EQ(client()->fetch(SchemaId(101)).error().code, ErrorCode::kUnavailable);
  server_->fail_with(0);
  EXPECT_TRUE(client()->fetch(SchemaId(101)).ok());
}

}  // namespace
}  // namespace push_cache::embedded
