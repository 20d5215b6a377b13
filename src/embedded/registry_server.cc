#include "embedded/registry_server.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <optional>
#include <utility>

#include "avro/schema.h"
#include "base/utf8.h"

namespace push_cache::embedded {
namespace {

namespace json = boost::json;

// The decoded parts of "/a/b%20c"; nothing when it is no such path.
std::optional<std::vector<std::string>> split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    if (path.front() != '/') return std::nullopt;
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    std::optional<std::string> part = percent_decode(path.substr(0, end));
    if (!part) return std::nullopt;
    path.remove_prefix(end);
    if (!part->empty() || !path.empty()) parts.push_back(*std::move(part));
  }
  return parts;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

struct RegistryServer::Answer {
  Answer(const json::value& given) : body(json::serialize(given)) {}   // NOLINT: implicit by design
  Answer(const json::object& given) : body(json::serialize(given)) {}  // NOLINT: implicit by design
  Answer(const json::array& given) : body(json::serialize(given)) {}   // NOLINT: implicit by design
  Answer(Fault given)                                                  // NOLINT: implicit by design
      : status(given.status),
        body(
            json::serialize(json::object{{"error_code", given.code}, {"message", given.message}})) {
  }
  unsigned status = 200;
  std::string body;
};

Result<std::unique_ptr<RegistryServer>> RegistryServer::start(
    const RegistryServerOptions& options) {
  std::unique_ptr<RegistryServer> registry(new RegistryServer(options));
  http::ServerOptions server_options;
  server_options.address = options.address;
  server_options.name = "registry";
  Result<std::unique_ptr<http::Server>> server = http::Server::start(server_options, *registry);
  if (!server.ok()) return std::move(server).error();
  registry->server_ = *std::move(server);
  return registry;
}

RegistryServer::~RegistryServer() = default;

std::string RegistryServer::url() const { return "http://" + server_->address(); }

Result<SchemaId> RegistryServer::add(std::string_view subject, std::string_view schema) {
  const Answer answer = put(std::string(subject), json::serialize(json::object{{"schema", schema}}),
                            /*do_register=*/true);
  if (answer.status != 200) return Error{ErrorCode::kInvalidArgument, answer.body};
  return SchemaId(static_cast<std::int32_t>(json::parse(answer.body).at("id").to_number<int>()));
}

void RegistryServer::handle(http::Exchange& exchange) {
  ++requests_;
  http::Head head;
  head.content_type = "application/vnd.schemaregistry.v1+json";
  const Answer answer = route(exchange.request());
  exchange.begin(answer.status, head).append(answer.body);
  exchange.finish();
}

RegistryServer::Answer RegistryServer::route(const http::Request& request) {
  if (const unsigned status = failing_; status != 0) {
    return Fault{status, static_cast<int>(status) * 100 + 1, "told to fail"};
  }
  const std::optional<std::vector<std::string>> parts = split(request.path);
  if (!parts) return Fault{400, 400, "HTTP 400 Bad Request"};
  switch (request.method) {
    case http::Method::kGet:
    case http::Method::kHead:
      return get(*parts);
    case http::Method::kPost:
      return post(*parts, request.body);
    default:
      return Fault{405, 405, "HTTP 405 Method Not Allowed"};
  }
}

RegistryServer::Answer RegistryServer::get(const std::vector<std::string>& parts) const {
  const std::size_t n = parts.size();
  const Fault nowhere{404, 404, "HTTP 404 Not Found"};
  std::lock_guard lock(mutex_);
  if (n == 0) return json::object{};
  if (parts[0] == "schemas") {
    if (n == 2 && parts[1] == "types") return json::array{"AVRO"};
    if (n < 3 || n > 4 || parts[1] != "ids") return nowhere;
    const std::optional<std::int64_t> id = number(parts[2]);
    const auto found = id && *id >= 0 && *id <= INT32_MAX
                           ? schemas_.find(static_cast<std::int32_t>(*id))
                           : schemas_.end();
    if (found == schemas_.end()) return Fault{404, 40403, "Schema " + parts[2] + " not found"};
    if (n == 4 && parts[3] != "schema") return nowhere;
    const Stored& stored = found->second;
    if (n == 4) return json::parse(stored.schema);
    json::object body{{"schema", stored.schema}};
    if (!stored.references.empty()) {
      json::array& references = body["references"].emplace_array();
      for (const Reference& reference : stored.references) {
        references.push_back({{"name", reference.name},
                              {"subject", reference.subject},
                              {"version", reference.version}});
      }
    }
    return body;
  }
  if (parts[0] != "subjects") return nowhere;
  if (n == 1) {
    json::array names;
    for (const auto& [name, versions] : subjects_) names.emplace_back(name);
    return names;
  }
  if (n < 3 || n > 4 || parts[2] != "versions") return nowhere;
  const auto found = subjects_.find(parts[1]);
  if (found == subjects_.end()) return Fault{404, 40401, "Subject '" + parts[1] + "' not found."};
  const std::size_t count = found->second.size();
  if (n == 3) {
    json::array versions;
    for (std::size_t version = 1; version <= count; ++version) versions.emplace_back(version);
    return versions;
  }
  if (parts[3] == "latest") return describe(parts[1], count);
  const std::optional<std::int64_t> version = number(parts[3]);
  if (!version || (*version < 1 && *version != -1)) {
    return Fault{422, 42202, "The specified version '" + parts[3] + "' is not a valid version id."};
  }
  if (*version == -1) return describe(parts[1], count);
  if (static_cast<std::uint64_t>(*version) > count) {
    return Fault{404, 40402, "Version " + parts[3] + " not found."};
  }
  return describe(parts[1], static_cast<std::size_t>(*version));
}

RegistryServer::Answer RegistryServer::describe(const std::string& subject,
                                                std::size_t version) const {
  const std::int32_t id = subjects_.at(subject)[version - 1];
  return json::object{
      {"subject", subject}, {"version", version}, {"id", id}, {"schema", schemas_.at(id).schema}};
}

RegistryServer::Answer RegistryServer::post(const std::vector<std::string>& parts,
                                            std::string_view body) {
  if (parts.size() == 3 && parts[0] == "subjects" && parts[2] == "versions") {
    return put(parts[1], body, /*do_register=*/true);
  }
  if (parts.size() == 2 && parts[0] == "subjects") {
    return put(parts[1], body, /*do_register=*/false);
  }
  return Fault{404, 404, "HTTP 404 Not Found"};
}

bool RegistryServer::resolve(const std::vector<Reference>& references,
                             std::vector<std::string>& texts, int depth) const {
  if (depth > 20) return false;
  for (const Reference& reference : references) {
    const auto subject = subjects_.find(reference.subject);
    if (subject == subjects_.end() || reference.version < 1 ||
        static_cast<std::size_t>(reference.version) > subject->second.size()) {
      return false;
    }
    const Stored& stored =
        schemas_.at(subject->second[static_cast<std::size_t>(reference.version) - 1]);
    if (!resolve(stored.references, texts, depth + 1)) return false;
    if (std::find(texts.begin(), texts.end(), stored.schema) == texts.end()) {
      texts.push_back(stored.schema);
    }
  }
  return true;
}

RegistryServer::Answer RegistryServer::put(const std::string& subject, std::string_view body,
                                           bool do_register) {
  const auto invalid = [](std::string why) { return Fault{422, 42201, std::move(why)}; };
  boost::system::error_code fault;
  const json::value document = json::parse(body, fault);
  const json::object* request = fault ? nullptr : document.if_object();
  if (request == nullptr) return Fault{400, 400, "the body is no JSON object"};
  const json::value* text = request->if_contains("schema");
  if (text == nullptr || !text->is_string()) return invalid("Empty schema");
  const json::value* type = request->if_contains("schemaType");
  if (type != nullptr && *type != "AVRO")
    return invalid("only schemas of type AVRO are known here");
  Stored stored;
  stored.schema = std::string(text->get_string());
  if (const json::value* references = request->if_contains("references");
      references != nullptr && references->is_array()) {
    for (const json::value& row : references->get_array()) {
      const json::object* object = row.if_object();
      const json::value* of = object != nullptr ? object->if_contains("subject") : nullptr;
      const json::value* version = object != nullptr ? object->if_contains("version") : nullptr;
      const json::value* name = object != nullptr ? object->if_contains("name") : nullptr;
      if (of == nullptr || !of->is_string() || version == nullptr || !version->is_int64()) {
        return invalid("a reference needs a subject and a version");
      }
      const std::int64_t number = version->get_int64();
      stored.references.push_back(
          {name != nullptr && name->is_string() ? std::string(name->get_string()) : "",
           std::string(of->get_string()), number < 1 || number > INT32_MAX ? 0 : int(number)});
    }
  }
  // Avro allows a bare word such as "string" without quotes here; the registries do not.
  const json::value schema = json::parse(stored.schema, fault);
  if (fault) return invalid("Invalid schema: it is not JSON");
  stored.canonical = json::serialize(schema);
  for (const Reference& reference : stored.references) {
    stored.canonical += "\n" + reference.subject + "\n" + std::to_string(reference.version);
  }

  std::lock_guard lock(mutex_);
  std::vector<std::string> texts;
  if (!resolve(stored.references, texts, 0)) return invalid("a reference is not there");
  Result<avro::Schema> parsed = avro::Schema::parse(stored.schema, texts);
  if (!parsed.ok()) return invalid("Invalid schema: " + parsed.error().public_text);
  stored.full_name = parsed->full_name();

  const auto known = std::find_if(schemas_.begin(), schemas_.end(), [&stored](const auto& row) {
    return row.second.canonical == stored.canonical;
  });
  const auto of_subject = subjects_.find(subject);
  if (!do_register) {
    if (of_subject == subjects_.end()) {
      return Fault{404, 40401, "Subject '" + subject + "' not found."};
    }
    const std::vector<std::int32_t>& ids = of_subject->second;
    const auto version =
        known == schemas_.end() ? ids.end() : std::find(ids.begin(), ids.end(), known->first);
    if (version == ids.end()) return Fault{404, 40403, "Schema not found"};
    return describe(subject, static_cast<std::size_t>(version - ids.begin()) + 1);
  }
  if (of_subject != subjects_.end() &&
      schemas_.at(of_subject->second.front()).full_name != stored.full_name) {
    return Fault{409, 409,
                 "Schema being registered is incompatible with an earlier schema for subject \"" +
                     subject + "\": the record's name differs"};
  }
  const std::int32_t id = known == schemas_.end() ? next_id_++ : known->first;
  if (known == schemas_.end()) schemas_.emplace(id, std::move(stored));
  std::vector<std::int32_t>& versions = subjects_[subject];
  if (std::find(versions.begin(), versions.end(), id) == versions.end()) versions.push_back(id);
  return json::object{{"id", id}};
}

}  // namespace push_cache::embedded
