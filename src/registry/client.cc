#include "registry/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "registry/transport.h"

namespace push_cache::registry {
namespace {

namespace json = boost::json;

struct Reference {
  std::string subject;
  std::int64_t version = 0;
  friend auto operator<=>(const Reference&, const Reference&) = default;
};

// A schema as an answer holds it.
struct Answer {
  std::string schema;
  std::vector<Reference> references;
};

bool is_success(long status) { return status >= 200 && status < 300; }

std::string escape(std::string_view text) {
  char* escaped = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string copy(escaped == nullptr ? "" : escaped);
  curl_free(escaped);
  return copy;
}

// Text from outside, cut and without controls, for a log line.
std::string excerpt(std::string_view text) {
  std::string out(text.substr(0, 200));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
  return out;
}

// The registry's own words for an error: {"error_code":40403,"message":"Schema not found"}.
std::string error_message(const Reply& reply) {
  boost::system::error_code fault;
  const json::value value = json::parse(reply.body, fault);
  std::string text = "status " + std::to_string(reply.status);
  if (fault || !value.is_object()) return text + ", no error of a registry: is the base URL right?";
  const json::object& object = value.get_object();
  if (const json::value* code = object.if_contains("error_code"); code && code->is_int64()) {
    text += ", error " + std::to_string(code->get_int64());
  }
  if (const json::value* message = object.if_contains("message"); message && message->is_string()) {
    text += ": " + excerpt(message->get_string());
  }
  return text;
}

Error nonsense(std::string_view what) {
  return {ErrorCode::kUnavailable, "the schema registry's answer makes no sense",
          std::string(what)};
}

Result<json::object> parse_object(std::string_view body) {
  boost::system::error_code fault;
  json::value value = json::parse(body, fault);
  if (fault) return nonsense("it is not JSON: " + excerpt(body));
  if (!value.is_object()) return nonsense("it is no JSON object: " + excerpt(body));
  return std::move(value.get_object());
}

std::optional<std::string> text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<std::int64_t> number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

std::optional<SchemaId> id_of(const json::object& object) {
  const std::optional<std::int64_t> id = number_of(object, "id");
  if (!id || *id < 0 || *id > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return SchemaId(static_cast<std::int32_t>(*id));
}

Result<Answer> parse_schema(std::string_view body) {
  Result<json::object> object = parse_object(body);
  if (!object.ok()) return std::move(object).error();
  if (const std::optional<std::string> type = text_of(*object, "schemaType");
      type && *type != "AVRO") {
    return Error{ErrorCode::kInvalidArgument,
                 "it is a schema of type " + excerpt(*type) + ", not AVRO"};
  }
  std::optional<std::string> schema = text_of(*object, "schema");
  if (!schema) return nonsense("no \"schema\" in it: " + excerpt(body));
  Answer answer{.schema = *std::move(schema), .references = {}};
  const json::value* references = object->if_contains("references");
  if (references == nullptr || references->is_null()) return answer;
  if (!references->is_array()) return nonsense("\"references\" is no array");
  for (const json::value& row : references->get_array()) {
    const json::object* reference = row.if_object();
    if (reference == nullptr) return nonsense("a reference is no object");
    std::optional<std::string> subject = text_of(*reference, "subject");
    const std::optional<std::int64_t> version = number_of(*reference, "version");
    if (!subject || !version) return nonsense("a reference without subject or version");
    answer.references.push_back({*std::move(subject), *version});
  }
  return answer;
}

class CurlClient final : public Client {
 public:
  CurlClient(const ClientOptions& options, std::vector<Endpoint> endpoints)
      : transport_(options), endpoints_(std::move(endpoints)) {}

  Result<SchemaText> fetch(SchemaId id, std::stop_token stop) override;
  Result<SchemaId> register_schema(std::string_view subject, std::string_view schema) override;
  Result<SubjectVersion> fetch_version(std::string_view subject, int version,
                                       std::stop_token stop) override;
  Result<std::vector<std::string>> types() override;
  Status check() override;

 private:
  // The references met so far: false = being resolved right now, which a circle would meet again.
  using Seen = std::map<Reference, bool>;

  Result<Reply> call(std::string_view path, const std::string* body, std::stop_token stop);
  // The body of a 200, or the error that the status stands for; `what` is its subject.
  Result<std::string> get(std::string_view path, std::string_view what, std::stop_token stop);
  Status resolve(const std::vector<Reference>& references, Seen& seen, SchemaText& text,
                 const std::stop_token& stop);
  // The schema in an answer with its references; `what` goes before an error that is the schema's.
  Result<SchemaText> text_of_schema(std::string_view body, std::string_view what,
                                    const std::stop_token& stop);

  Transport transport_;
  const std::vector<Endpoint> endpoints_;
  std::atomic<std::size_t> preferred_{0};
};

Result<Reply> CurlClient::call(std::string_view path, const std::string* body,
                               std::stop_token stop) {
  const std::size_t first = preferred_.load(std::memory_order_relaxed);
  Error last;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    const std::size_t index = (first + i) % endpoints_.size();
    Result<Reply> reply = transport_.perform(endpoints_[index], path, body, stop);
    if (reply.ok()) {
      const long status = reply->status;
      if (is_success(status) || (status >= 400 && status < 500 && status != 408 && status != 429)) {
        preferred_.store(index, std::memory_order_relaxed);
        return reply;
      }
      last = Error{ErrorCode::kUnavailable,
                   "the schema registry answers with status " + std::to_string(status),
                   endpoints_[index].url + std::string(path) + ": " + error_message(*reply)};
    } else {
      if (reply.error().code != ErrorCode::kUnavailable || stop.stop_requested()) return reply;
      last = std::move(reply).error();
    }
  }
  return last;
}

Error error_of(const Reply& reply, std::string_view what) {
  const std::string said = error_message(reply);
  const std::string about(what);
  switch (reply.status) {
    case 401:
    case 403:
      return {ErrorCode::kUnavailable,
              "the schema registry refuses the credentials (status " +
                  std::to_string(reply.status) + ")",
              about + ": " + said};
    case 404:
      return {ErrorCode::kNotFound, about + " is not in the schema registry", said};
    case 409:
      return {ErrorCode::kConflict, about + " is not compatible with its other versions", said};
    default:
      return {
          ErrorCode::kInvalidArgument,
          "the schema registry refuses the request (status " + std::to_string(reply.status) + ")",
          about + ": " + said};
  }
}

Result<std::string> CurlClient::get(std::string_view path, std::string_view what,
                                    std::stop_token stop) {
  Result<Reply> reply = call(path, nullptr, std::move(stop));
  if (!reply.ok()) return std::move(reply).error();
  if (is_success(reply->status)) return std::move(reply->body);
  Error error = error_of(*reply, what);
  // Only a 404 says something about what was asked for.
  if (error.code != ErrorCode::kNotFound) error.code = ErrorCode::kUnavailable;
  return error;
}

Result<SchemaText> CurlClient::fetch(SchemaId id, std::stop_token stop) {
  const std::string number = std::to_string(id.value);
  Result<std::string> body = get("/schemas/ids/" + number, "schema " + number, stop);
  if (!body.ok()) return std::move(body).error();
  return text_of_schema(*body, "schema " + number, stop);
}

Result<SchemaText> CurlClient::text_of_schema(std::string_view body, std::string_view what,
                                              const std::stop_token& stop) {
  const auto about = [what](Error error) {
    if (error.code == ErrorCode::kInvalidArgument) {
      error.public_text = std::string(what) + ": " + error.public_text;
    }
    return error;
  };
  Result<Answer> answer = parse_schema(body);
  if (!answer.ok()) return about(std::move(answer).error());
  SchemaText text{.schema = std::move(answer->schema)};
  Seen seen;
  if (Status done = resolve(answer->references, seen, text, stop); !done.ok()) {
    return about(std::move(done).error());
  }
  return text;
}

// Recursion no deeper than kSchemaReferencesMax: each level has a reference of its own in `seen`.
Status CurlClient::resolve(const std::vector<Reference>& references, Seen& seen, SchemaText& text,
                           const std::stop_token& stop) {
  for (const Reference& reference : references) {
    const std::string name =
        "'" + excerpt(reference.subject) + "' version " + std::to_string(reference.version);
    const auto [place, is_new] = seen.try_emplace(reference, false);
    if (!is_new) {
      if (place->second) continue;
      return Error{ErrorCode::kInvalidArgument, "its references go round in a circle at " + name};
    }
    if (seen.size() > limits::kSchemaReferencesMax) {
      return Error{
          ErrorCode::kInvalidArgument,
          "it has more than " + std::to_string(limits::kSchemaReferencesMax) + " references"};
    }
    const std::string path = "/subjects/" + escape(reference.subject) + "/versions/" +
                             std::to_string(reference.version) + "?deleted=true";
    Result<std::string> body = get(path, "the reference " + name, stop);
    if (!body.ok()) return std::move(body).error();
    Result<Answer> answer = parse_schema(*body);
    if (!answer.ok()) return std::move(answer).error();
    if (Status done = resolve(answer->references, seen, text, stop); !done.ok()) return done;
    place->second = true;
    text.references.push_back(std::move(answer->schema));
  }
  return {};
}

Result<SchemaId> CurlClient::register_schema(std::string_view subject, std::string_view schema) {
  if (!is_utf8(schema)) {
    return Error{ErrorCode::kInvalidArgument, "the schema's text is not UTF-8"};
  }
  Buffer buffer;
  buffer.append("{\"schema\":");
  append_json_string(buffer, schema);
  buffer.append("}");
  const std::string body(buffer.view());
  Result<Reply> reply = call("/subjects/" + escape(subject) + "/versions", &body, {});
  if (!reply.ok()) return std::move(reply).error();
  if (!is_success(reply->status)) return error_of(*reply, "subject '" + excerpt(subject) + "'");
  Result<json::object> object = parse_object(reply->body);
  if (!object.ok()) return std::move(object).error();
  const std::optional<SchemaId> id = id_of(*object);
  if (!id) return nonsense("no \"id\" in it: " + excerpt(reply->body));
  return *id;
}

Result<SubjectVersion> CurlClient::fetch_version(std::string_view subject, int version,
                                                 std::stop_token stop) {
  const bool latest = version == kLatestVersion;
  const std::string number = latest ? "latest" : std::to_string(version);
  const std::string what =
      "subject '" + excerpt(subject) + "'" + (latest ? "" : " version " + number);
  Result<std::string> body =
      get("/subjects/" + escape(subject) + "/versions/" + number + (latest ? "" : "?deleted=true"),
          what, stop);
  if (!body.ok()) return std::move(body).error();
  Result<json::object> object = parse_object(*body);
  if (!object.ok()) return std::move(object).error();
  const std::optional<SchemaId> id = id_of(*object);
  const std::optional<std::int64_t> given = number_of(*object, "version");
  if (!id || !given || *given < 1 || *given > std::numeric_limits<int>::max()) {
    return nonsense("no id or version: " + excerpt(*body));
  }
  Result<SchemaText> text = text_of_schema(*body, what, stop);
  if (!text.ok()) return std::move(text).error();
  return SubjectVersion{*id, static_cast<int>(*given), *std::move(text)};
}

Result<std::vector<std::string>> CurlClient::types() {
  Result<std::string> body = get("/schemas/types", "the list of schema types", {});
  if (!body.ok()) return std::move(body).error();
  boost::system::error_code fault;
  const json::value value = json::parse(*body, fault);
  if (fault || !value.is_array()) return nonsense("no JSON array: " + excerpt(*body));
  std::vector<std::string> names;
  for (const json::value& name : value.get_array()) {
    if (!name.is_string()) return nonsense("a schema type is no string");
    names.emplace_back(name.get_string());
  }
  return names;
}

Status CurlClient::check() {
  Result<std::vector<std::string>> names = types();
  if (!names.ok()) return std::move(names).error();
  if (std::find(names->begin(), names->end(), "AVRO") == names->end()) {
    return Error{ErrorCode::kInvalidArgument, "the schema registry does not support AVRO"};
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(const ClientOptions& options) {
  Result<std::vector<Endpoint>> endpoints = parse_endpoints(options);
  if (!endpoints.ok()) return std::move(endpoints).error();
  return std::unique_ptr<Client>(std::make_unique<CurlClient>(options, *std::move(endpoints)));
}

}  // namespace push_cache::registry
