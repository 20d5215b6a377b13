#include "api/openapi.h"

#include <boost/json.hpp>

#include <set>

#include "api/records_fixture.h"

namespace push_cache::api {
namespace {

using boost::json::parse;
using boost::json::value;

// Of a request's body or an answer.
const value& json_schema(const value& message) {
  return message.at("content").at("application/json").at("schema");
}

class OpenApiTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(schemas_.insert(kUser, {std::string(kUserSchema)}).ok());
    ASSERT_TRUE(schemas_.insert(kReading, {std::string(kReadingSchema)}).ok());
    options_.version = "1.2.3";
    options_.prefix = "/api";
    options_.schemas = &schemas_;
    route("/users");
  }

  OpenApiRoute& route(std::string path) {
    OpenApiRoute made;
    made.path = std::move(path);
    made.writers = made.writable = [this] { return writers_; };
    return options_.routes.emplace_back(std::move(made));
  }

  Client& client() {
    if (!server_) {
      document_ = std::make_unique<OpenApi>(options_);
      router_.add("/api/openapi.json", *document_);
      auto started = http::Server::start({}, router_);
      if (!started.ok()) throw std::runtime_error(started.error().describe());
      server_ = std::move(*started);
      client_ = std::make_unique<Client>(server_->port());
    }
    return *client_;
  }

  Response ask(const std::string& method, const std::string& more = "",
               const std::string& path = "/api/openapi.json") {
    const auto response = client().ask(
        method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + more + "\r\n", method == "HEAD");
    EXPECT_TRUE(response.has_value()) << method;
    return response.value_or(Response{});
  }

  value get() {
    const Response response = ask("GET");
    EXPECT_EQ(response.status, 200);
    return parse(response.body);
  }

  registry::NoSource source_;
  registry::SchemaCache schemas_{source_};
  std::vector<SchemaId> writers_;
  OpenApiOptions options_;
  std::unique_ptr<OpenApi> document_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<Client> client_;
};

std::vector<std::string> names(const value& of) {
  std::vector<std::string> out;
  for (const auto& pair : of.as_object()) out.emplace_back(pair.key());
  return out;
}

using Names = std::vector<std::string>;

TEST_F(OpenApiTest, OnlyWhatIsAllowed) {
  writers_ = {kUser};
  const value all = get();
  EXPECT_EQ(all.at("openapi"), "3.1.0");
  EXPECT_EQ(all.at("info").at("version"), "1.2.3");
  EXPECT_EQ(all.at("servers"), parse(R"([{"url":"/api"}])"));
  EXPECT_EQ(names(all.at("paths")), (Names{"/users/{id}", "/users", "/openapi.json"}));
  EXPECT_EQ(names(all.at("paths").at("/users")), (Names{"get", "post", "options"}));
  EXPECT_EQ(names(all.at("paths").at("/users/{id}")), (Names{"get", "delete", "options"}));
  EXPECT_EQ(all.at("paths").at("/users/{id}").at("get").at("operationId"), "get_users");

  options_.writes = false;
  options_.routes[0].list = false;
  options_.routes[0].by_body = true;
  const value few = parse(openapi_json(options_, {{}}));
  EXPECT_EQ(names(few.at("paths")),
            (Names{"/users/{id}", "/users_by_body", "/users", "/openapi.json"}));
  EXPECT_EQ(names(few.at("paths").at("/users")), (Names{"options"}));
  EXPECT_EQ(names(few.at("paths").at("/users/{id}")), (Names{"get", "options"}));
  EXPECT_EQ(names(few.at("paths").at("/users_by_body")), (Names{"post"}));
}

TEST_F(OpenApiTest, AnswersHaveTheirStatusesHeadersAndSchemas) {
  writers_ = {kUser};
  const value document = get();
  const value& answers = document.at("paths").at("/users/{id}").at("get").at("responses");
  EXPECT_EQ(json_schema(answers.at("200")), parse(R"({"$ref":"#/components/schemas/User"})"));
  EXPECT_EQ(names(answers.at("304").at("headers")),
            (Names{"ETag", "Cache-Control", "Last-Modified", "Push-Cache-Position"}));
  EXPECT_EQ(answers.at("304").as_object().if_contains("content"), nullptr);
  EXPECT_EQ(answers.at("503"), parse(R"({"$ref":"#/components/responses/Status503"})"));
  EXPECT_TRUE(document.at("components")
                  .at("responses")
                  .at("Status503")
                  .at("headers")
                  .as_object()
                  .contains("Retry-After"));
  const value& add = document.at("paths").at("/users").at("post");
  EXPECT_EQ(json_schema(add.at("requestBody")),
            parse(R"({"$ref":"#/components/schemas/User-input"})"));
  EXPECT_EQ(names(add.at("responses").at("201").at("headers")), (Names{"ETag", "Location"}));
  const value& list = document.at("paths").at("/users").at("get").at("responses").at("200");
  EXPECT_EQ(names(list.at("headers")), (Names{"Cache-Control", "Push-Cache-Local-Writes"}));
  EXPECT_TRUE(add.at("responses").as_object().contains("507"));

  options_.position_headers = false;
  const value without = parse(openapi_json(options_, {{}}));
  EXPECT_EQ(
      names(
          without.at("paths").at("/users/{id}").at("get").at("responses").at("200").at("headers")),
      (Names{"ETag", "Cache-Control"}));
  EXPECT_FALSE(without.at("components").at("headers").as_object().contains("Last-Modified"));
}

TEST_F(OpenApiTest, SeveralTypesAndVersions) {
  const SchemaId newer{7};
  ASSERT_TRUE(schemas_
                  .insert(newer, {R"({"type":"record","name":"User","fields":[
      {"name":"accountId","type":"string"},{"name":"email","type":"string"}]})"})
                  .ok());
  writers_ = {kUser, kReading, newer};
  const value document = get();
  // The newest has the plain name.
  EXPECT_EQ(json_schema(document.at("paths").at("/users/{id}").at("get").at("responses").at("200")),
            parse(R"({"anyOf":[{"$ref":"#/components/schemas/User"},
                {"$ref":"#/components/schemas/Reading"},{"$ref":"#/components/schemas/User-2"}]})"));
  EXPECT_TRUE(document.at("components")
                  .at("schemas")
                  .at("User")
                  .at("properties")
                  .as_object()
                  .contains("email"));
}

TEST_F(OpenApiTest, ChangesWithTheSchemas) {
  const Response before = ask("GET");
  const std::string tag = before.header("ETag");
  EXPECT_EQ(before.header("Cache-Control"), "no-cache");
  EXPECT_NE(before.body.find("Not known yet"), std::string::npos);
  EXPECT_EQ(ask("GET", "If-None-Match: " + tag + "\r\n").status, 304);
  EXPECT_EQ(ask("HEAD").header("ETag"), tag);
  writers_ = {kUser};
  const Response after = ask("GET", "If-None-Match: " + tag + "\r\n");
  EXPECT_EQ(after.status, 200);
  EXPECT_NE(after.header("ETag"), tag);
  EXPECT_EQ(after.body.find("Not known yet"), std::string::npos);
}

TEST_F(OpenApiTest, ShownByTheReaderSchema) {
  registry::FakeSubjects subjects;
  registry::ReaderSchemas readers(subjects);
  const auto fixed = readers.fixed(
      "file:view",
      {R"({"type":"record","name":"View","fields":[{"name":"accountId","type":"string"}]})"});
  ASSERT_TRUE(fixed.ok());
  const registry::RouteReader reader{.spec = "file:view", .by_topic = {*fixed}};
  options_.routes[0].reader = &reader;
  writers_ = {kUser};
  const value document = get();
  const value& operations = document.at("paths");
  EXPECT_EQ(json_schema(operations.at("/users/{id}").at("get").at("responses").at("200")),
            parse(R"({"$ref":"#/components/schemas/View"})"));
  // What is added is of the writer's schema, and shown by the reader's.
  EXPECT_EQ(json_schema(operations.at("/users").at("post").at("requestBody")),
            parse(R"({"$ref":"#/components/schemas/User-input"})"));
  EXPECT_EQ(json_schema(operations.at("/users").at("post").at("responses").at("201")),
            parse(R"({"$ref":"#/components/schemas/View"})"));
}

TEST_F(OpenApiTest, OperationsHaveNamesOfTheirOwn) {
  route("/a-b");
  route("/a_b");
  std::set<std::string> ids;
  const value document = get();
  for (const auto& path : document.at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      EXPECT_TRUE(ids.insert(std::string(operation.value().at("operationId").as_string())).second);
    }
  }
  EXPECT_TRUE(ids.contains("get_a_b") && ids.contains("get_a_b_2"));
}

TEST_F(OpenApiTest, OtherMethodsAndPaths) {
  const Response post = ask("POST", "Content-Length: 0\r\n");
  EXPECT_EQ(post.status, 405);
  EXPECT_EQ(post.header("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(ask("OPTIONS").status, 204);
  const Response below = ask("GET", "", "/api/openapi.json/x");
  EXPECT_EQ(below.status, 404);
  EXPECT_EQ(below.header("Cache-Control"), "no-store");
  EXPECT_EQ(below.header("Link"), "</api/openapi.json>; rel=\"service-desc\"");
}

}  // namespace
}  // namespace push_cache::api
