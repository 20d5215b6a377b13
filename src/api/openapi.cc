#include "api/openapi.h"

#include <fmt/format.h>
#include <boost/algorithm/string/case_conv.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include "api/conditions.h"
#include "api/http_api.h"
#include "api/json_schema.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::api {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr std::string_view kErrorSchema = "push-cache-error";  // no name in Avro has a '-'
constexpr std::string_view kDescription =
    "Records of Kafka topics as JSON, the last one of each key. A 404 is true: before all records "
    "are loaded, it is a 503. HEAD is answered as GET, without the body. A request's X-Request-Id "
    "and "
    "traceparent are sent back. Integers of 64 bits are exact.";

std::string method_name(http::Method method) {
  return boost::to_lower_copy(std::string(http::to_string(method)));
}

std::string capitalized(std::string_view text) {
  std::string out(text);
  if (!out.empty() && out.front() >= 'a' && out.front() <= 'z') {
    out.front() = static_cast<char>(out.front() - 'a' + 'A');
  }
  return out;
}

array error_code_names() {
  array names;
  for (const ErrorCodeRow& row : error_codes()) names.emplace_back(row.name);
  return names;
}

object json_content(object schema) {
  return {{"application/json", {{"schema", std::move(schema)}}}};
}

object reference(std::string_view kind, std::string_view name) {
  return {{"$ref", fmt::format("#/components/{}/{}", kind, name)}};
}

class DocumentMaker {
 public:
  DocumentMaker(const OpenApiOptions& options, const std::vector<RouteSchemas>& schemas)
      : options_(options), json_schemas_(options.logical_types) {
    // All that is shown goes first, so that it has the plain names.
    for (const RouteSchemas& one : schemas) shown_.push_back(any_of(one.shown, JsonUse::kShown));
    for (const RouteSchemas& one : schemas) {
      taken_.push_back(options.writes ? any_of(one.taken, JsonUse::kTaken) : object());
    }
  }

  std::string make() {
    object paths;
    array tags;
    for (std::size_t i = 0; i < options_.routes.size(); ++i) {
      const std::string& path = options_.routes[i].path;
      tags.push_back(object{{"name", path}});
      for (const Operation& operation : operations()) add(paths, operation, i);
    }
    for (const Operation& operation : operations()) {
      if (operation.place != Place::kDocument) continue;
      paths["/openapi.json"] =
          object{{method_name(operation.method), describe(operation, nullptr, {})}};
    }
    return boost::json::serialize(object{
        {"openapi", "3.1.0"},
        {"info",
         {{"title", "Push Cache"}, {"version", options_.version}, {"description", description()}}},
        {"servers", array{object{{"url", options_.prefix.empty() ? "/" : options_.prefix}}}},
        {"tags", std::move(tags)},
        {"paths", std::move(paths)},
        {"components",
         {{"schemas", all_schemas()}, {"responses", responses()}, {"headers", header_objects()}}},
    });
  }

 private:
  std::string description() const {
    std::string text(kDescription);
    const bool has_users =
        std::any_of(options_.routes.begin(), options_.routes.end(),
                    [](const OpenApiRoute& route) { return route.path == "/users"; });
    if (!has_users && !options_.routes.empty()) {
      text += " /users is served as " + options_.routes.front().path + ".";
    }
    return text;
  }

  object any_of(const std::vector<avro::Schema>& schemas, JsonUse use) {
    array branches;
    for (const avro::Schema& schema : schemas) {
      value one = json_schemas_.add(schema, use);
      const bool again = std::find(branches.begin(), branches.end(), one) != branches.end();
      if (!again) branches.push_back(std::move(one));
    }
    if (branches.empty()) return {{"description", "Not known yet: no schema has come."}};
    if (branches.size() == 1) return branches.front().as_object();
    return {{"anyOf", std::move(branches)}};
  }

  bool has(const OpenApiRoute& route, const Operation& operation) const {
    using http::Method;
    if (operation.id.empty() || operation.place == Place::kDocument) return false;
    if (operation.place == Place::kByBody) return route.by_body;
    if (operation.method == Method::kOptions) return true;
    if (operation.method != Method::kGet) return options_.writes;
    return operation.place == Place::kItem || route.list;
  }

  void add(object& paths, const Operation& operation, std::size_t index) {
    const OpenApiRoute& route = options_.routes[index];
    if (!has(route, operation)) return;
    std::string path = route.path;
    if (operation.place == Place::kItem) path += "/{id}";
    if (operation.place == Place::kByBody) path += "_by_body";
    object described = describe(operation, &route, shown_[index]);
    if (operation.place == Place::kCollection && operation.method == http::Method::kPost) {
      described["requestBody"] =
          object{{"required", true}, {"content", json_content(taken_[index])}};
    }
    value& item = paths[path];
    if (item.is_null()) item = object();
    item.as_object()[method_name(operation.method)] = std::move(described);
  }

  // A word that code can have: letters, digits and _; no two alike.
  std::string operation_id(std::string_view id, std::string_view path) {
    std::string word(id);
    for (const char c : path) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      word += plain ? c : '_';
    }
    std::string unique = word;
    for (int number = 2; !ids_.insert(unique).second; ++number) {
      unique = word + "_" + std::to_string(number);
    }
    return unique;
  }

  object describe(const Operation& operation, const OpenApiRoute* route, const object& record) {
    object out = {{"operationId", operation_id(operation.id, route == nullptr ? "" : route->path)},
                  {"summary", operation.summary}};
    if (route != nullptr) out["tags"] = array{route->path};
    if (!operation.note.empty()) out["description"] = operation.note;
    if (!operation.parameters.empty()) out["parameters"] = parameters(operation);
    if (operation.place == Place::kByBody) {
      out["requestBody"] =
          object{{"required", true}, {"content", json_content({{"type", "object"}})}};
    }
    object answers;
    for (const Answer& answer : operation.answers) {
      answers[std::to_string(answer.status)] = response(answer, record);
    }
    for (const Answer& answer : common_answers()) {
      const std::string status = std::to_string(answer.status);
      // 405 is for methods that do not stand here.
      if (answer.status == 405 || answers.contains(status)) continue;
      answers[status] = reference("responses", "Status" + status);
    }
    out["responses"] = std::move(answers);
    return out;
  }

  static array parameters(const Operation& operation) {
    array out;
    for (const Parameter& parameter : operation.parameters) {
      object schema = {{"type", parameter.type}};
      if (parameter.type == "integer") schema["minimum"] = 0;
      object one = {{"name", parameter.name},
                    {"in", parameter.in},
                    {"description", parameter.meaning},
                    {"schema", std::move(schema)}};
      if (parameter.in == "path") one["required"] = true;
      out.push_back(std::move(one));
    }
    return out;
  }

  object response(const Answer& answer, const object& record) const {
    object out = {{"description", capitalized(answer.when) + "."}};
    object heads;
    for (const Header* header : answer.headers) {
      if (header->of_position && !options_.position_headers) continue;
      heads[header->name] = reference("headers", header->name);
    }
    if (!heads.empty()) out["headers"] = std::move(heads);
    switch (answer.content) {
      case Content::kNone:
        break;
      case Content::kError:
        out["content"] = json_content(reference("schemas", kErrorSchema));
        break;
      case Content::kRecord:
        out["content"] = json_content(record);
        break;
      case Content::kKeys:
        out["content"] = json_content({{"type", "array"}, {"items", {{"type", "string"}}}});
        break;
      case Content::kOpenApi:
        out["content"] = json_content({{"type", "object"}});
        break;
    }
    return out;
  }

  object all_schemas() const {
    object out = {{kErrorSchema,
                   {{"type", "object"},
                    {"properties",
                     {{"code",
                       {{"type", "string"},
                        {"description", "Says what has failed. More codes may come."},
                        {"examples", error_code_names()}}},
                      {"message", {{"type", "string"}, {"description", "For people."}}}}},
                    {"required", array{"code", "message"}}}}};
    for (const auto& [name, schema] : json_schemas_.components()) out[name] = schema;
    return out;
  }

  object responses() const {
    object out;
    for (const Answer& answer : common_answers()) {
      if (answer.status == 405) continue;
      out["Status" + std::to_string(answer.status)] = response(answer, {});
    }
    return out;
  }

  object header_objects() const {
    object out;
    for (const Header* header : headers()) {
      if (header->of_position && !options_.position_headers) continue;
      out[header->name] =
          object{{"description", header->meaning}, {"schema", {{"type", "string"}}}};
    }
    return out;
  }

  const OpenApiOptions& options_;
  JsonSchemas json_schemas_;
  std::vector<object> shown_;  // of each route
  std::vector<object> taken_;
  std::set<std::string> ids_;
};

void add_known(std::vector<avro::Schema>& to, const registry::SchemaCache& schemas,
               std::vector<SchemaId> ids) {
  std::sort(ids.begin(), ids.end(), [](SchemaId a, SchemaId b) { return b < a; });
  for (const SchemaId id : ids) {
    if (const registry::SchemaEntry* entry = schemas.find(id)) to.push_back(entry->schema);
  }
}

void add_readers(std::vector<avro::Schema>& to, const registry::RouteReader& route,
                 const std::vector<SchemaId>& writers) {
  std::vector<avro::Schema> others;
  for (const registry::ReaderSchema* reader : route.by_topic) {
    const std::optional<avro::Schema> schema = reader->schema();
    if (!schema) continue;
    const bool shows = std::any_of(writers.begin(), writers.end(), [reader](SchemaId writer) {
      const registry::ReaderPlan* const plan = reader->find(writer);
      return plan != nullptr && plan->plan != nullptr;
    });
    (shows ? to : others).push_back(*schema);
  }
  if (to.empty()) to = std::move(others);
}

bool same(const std::vector<avro::Schema>& a, const std::vector<avro::Schema>& b) {
  // Both are alive, so that one place stands for one schema.
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const avro::Schema& left, const avro::Schema& right) {
                      return &left.root() == &right.root();
                    });
}

bool same_schemas(const std::vector<RouteSchemas>& a, const std::vector<RouteSchemas>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const RouteSchemas& left, const RouteSchemas& right) {
                      return same(left.shown, right.shown) && same(left.taken, right.taken);
                    });
}

}  // namespace

std::string openapi_json(const OpenApiOptions& options, const std::vector<RouteSchemas>& schemas) {
  return DocumentMaker(options, schemas).make();
}

std::string service_description(std::string_view prefix) {
  return fmt::format("<{}/openapi.json>; rel=\"service-desc\"", prefix);
}

OpenApi::OpenApi(OpenApiOptions options) : options_(std::move(options)) {}

std::vector<RouteSchemas> OpenApi::present() const {
  std::vector<RouteSchemas> out;
  for (const OpenApiRoute& route : options_.routes) {
    RouteSchemas& one = out.emplace_back();
    const std::vector<SchemaId> writers = route.writers();
    if (route.reader != nullptr) {
      add_readers(one.shown, *route.reader, writers);
    } else {
      add_known(one.shown, *options_.schemas, writers);
    }
    if (options_.writes) add_known(one.taken, *options_.schemas, route.writable());
  }
  return out;
}

std::shared_ptr<const OpenApi::Document> OpenApi::document() {
  std::vector<RouteSchemas> schemas = present();
  {
    const std::lock_guard lock(mutex_);
    if (made_ != nullptr && same_schemas(made_->schemas, schemas)) return made_;
  }
  auto document = std::make_shared<Document>();
  document->text = openapi_json(options_, schemas);
  document->etag =
      fmt::format("\"{:016x}\"", XXH3_64bits(document->text.data(), document->text.size()));
  document->schemas = std::move(schemas);
  const std::lock_guard lock(mutex_);
  made_ = document;
  return document;
}

void OpenApi::handle(http::Exchange& exchange) {
  constexpr std::string_view kAllow = "GET, HEAD, OPTIONS";
  using http::Method;
  const http::Request& request = exchange.request();
  if (!request.rest.empty()) {
    return http::send_error(exchange, ErrorCode::kNotFound, http::kUnserved,
                            {.link = service_description(options_.prefix)});
  }
  if (request.method == Method::kOptions) {
    exchange.begin(204, {.content_type = "", .allow = kAllow});
    return exchange.finish();
  }
  if (request.method != Method::kGet && request.method != Method::kHead) {
    return http::send_error(exchange, ErrorCode::kMethodNotAllowed,
                            "this method is not allowed here",
                            {.cache_control = "no-store", .allow = kAllow});
  }
  const std::shared_ptr<const Document> made = document();
  const http::Head head = {.etag = made->etag, .cache_control = "no-cache"};
  switch (judge(request, made->etag, std::nullopt, 0)) {
    case Verdict::kFailed:
      return http::send_error(exchange, ErrorCode::kPreconditionFailed, kPreconditionFailed);
    case Verdict::kUnchanged:
      exchange.begin(304, head);
      break;
    case Verdict::kGo:
      exchange.begin(200, head).append(made->text);
  }
  exchange.finish();
}

}  // namespace push_cache::api
