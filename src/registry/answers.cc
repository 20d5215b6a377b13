#include "registry/answers.h"

#include <boost/algorithm/string/replace.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/json_text.h"
#include "base/utf8.h"

namespace push_cache::registry {
namespace {

namespace json = boost::json;

constexpr std::size_t kExcerptBytesMax = 200;

Error nonsense(std::string_view what) {
  return {ErrorCode::kUnavailable, "the schema registry's answer makes no sense",
          std::string(what)};
}

Result<json::object> parse_object(std::string_view body) {
  // A schema's text may hold half of a surrogate pair, which Java's registries pass on.
  const std::optional<std::string> mended = strict_json(body, JsonExtras::kSurrogates);
  boost::system::error_code fault;
  json::value value = json::parse(mended ? std::string_view(*mended) : body, fault);
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

// A number that is none below 0 and fits a 32-bit one, as ids and versions are.
std::optional<std::int32_t> small_number_of(const json::object& object, std::string_view name) {
  const std::optional<std::int64_t> number = number_of(object, name);
  if (!number || *number < 0 || *number > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(*number);
}

}  // namespace

std::string excerpt(std::string_view text) {
  std::size_t size = std::min(text.size(), kExcerptBytesMax);
  // Not within a character.
  while (size < text.size() && size > 0 &&
         (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
    --size;
  }
  std::string out(text.substr(0, size));
  const bool utf8 = is_utf8(out);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = ' ';
    if (byte >= 0x80 && !utf8) c = '?';
  }
  return out;
}

// The registry's own words for an error: {"error_code":40403,"message":"Schema not found"}.
std::string describe_refusal(long status, std::string_view body,
                             std::span<const std::string> secrets) {
  boost::system::error_code fault;
  const json::value value = json::parse(body, fault);
  std::string text = "status " + std::to_string(status);
  if (fault || !value.is_object()) return text + ", no error of a registry: is the base URL right?";
  const json::object& object = value.get_object();
  if (const std::optional<std::int64_t> code = number_of(object, "error_code")) {
    text += ", error " + std::to_string(*code);
  }
  if (std::optional<std::string> message = text_of(object, "message")) {
    // A server may repeat what it refuses.
    for (const std::string& secret : secrets) boost::replace_all(*message, secret, "***");
    text += ": " + excerpt(*message);
  }
  return text;
}

Result<SchemaAnswer> parse_schema_answer(std::string_view body) {
  Result<json::object> object = parse_object(body);
  if (!object.ok()) return std::move(object).error();
  if (const std::optional<std::string> type = text_of(*object, "schemaType");
      type && *type != "AVRO") {
    return Error{ErrorCode::kInvalidArgument,
                 "it is a schema of type " + excerpt(*type) + ", not AVRO"};
  }
  std::optional<std::string> schema = text_of(*object, "schema");
  if (!schema) return nonsense("no \"schema\" in it: " + excerpt(body));
  SchemaAnswer answer{.schema = *std::move(schema), .references = {}};
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

Result<SchemaId> parse_id_answer(std::string_view body) {
  const Result<json::object> object = parse_object(body);
  if (!object.ok()) return object.error();
  const std::optional<std::int32_t> id = small_number_of(*object, "id");
  if (!id) return nonsense("no \"id\" in it: " + excerpt(body));
  return SchemaId(*id);
}

Result<VersionAnswer> parse_version_answer(std::string_view body) {
  const Result<json::object> object = parse_object(body);
  if (!object.ok()) return object.error();
  const std::optional<std::int32_t> id = small_number_of(*object, "id");
  const std::optional<std::int32_t> version = small_number_of(*object, "version");
  if (!id || !version || *version < 1) return nonsense("no id or version: " + excerpt(body));
  return VersionAnswer{SchemaId(*id), *version};
}

Result<std::optional<SchemaId>> parse_guid_answer(std::string_view body, std::string_view context) {
  boost::system::error_code fault;
  const json::value value = json::parse(body, fault);
  if (fault || !value.is_array()) return nonsense("it is no JSON array: " + excerpt(body));
  for (const json::value& row : value.get_array()) {
    const json::object* one = row.if_object();
    if (one == nullptr) return nonsense("an id is no object: " + excerpt(body));
    const std::optional<std::string> name = text_of(*one, "context");
    const std::optional<std::int32_t> id = small_number_of(*one, "id");
    if (!name || !id || *id == 0) return nonsense("an id without context or number");
    if (*name == context) return std::optional(SchemaId(*id));
  }
  return std::optional<SchemaId>();
}

Result<std::vector<std::string>> parse_types_answer(std::string_view body) {
  boost::system::error_code fault;
  const json::value value = json::parse(body, fault);
  if (fault || !value.is_array()) return nonsense("no JSON array: " + excerpt(body));
  std::vector<std::string> names;
  for (const json::value& name : value.get_array()) {
    if (!name.is_string()) return nonsense("a schema type is no string");
    names.emplace_back(name.get_string());
  }
  return names;
}

}  // namespace push_cache::registry
