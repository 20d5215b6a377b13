#include "registry/client.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "registry/answers.h"
#include "registry/transport.h"

namespace push_cache::registry {
namespace {

bool is_success(long status) { return status >= 200 && status < 300; }

CallOutcome outcome_of(long status) {
  if (is_success(status)) return CallOutcome::kOk;
  if (status == 404) return CallOutcome::kNotFound;
  if (status == 401 || status == 403) return CallOutcome::kDenied;
  if (status < 400 || status >= 500 || status == 408 || status == 429) {
    return CallOutcome::kServerError;
  }
  return CallOutcome::kRefused;
}

std::string escape(std::string_view text) {
  char* escaped = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string copy(escaped == nullptr ? "" : escaped);
  curl_free(escaped);
  return copy;
}

// What no text of a server's may bring into an error: the credentials, also as they are sent.
std::vector<std::string> secrets_of(const ClientOptions& options,
                                    const std::vector<Endpoint>& endpoints) {
  std::vector<std::string> out = {options.bearer_token};
  for (const Endpoint& endpoint : endpoints) {
    const std::string login = endpoint.username + ":" + endpoint.password;
    Buffer coded;
    append_base64(coded, Bytes(reinterpret_cast<const std::uint8_t*>(login.data()), login.size()));
    out.insert(out.end(), {std::string(coded.view()), endpoint.password, endpoint.username});
  }
  std::erase(out, "");
  return out;
}

// The schema context that a URL is of: ".staging" for ".../contexts/:.staging:/", else ".".
std::string context_of(std::string_view url) {
  constexpr std::string_view kContexts = "/contexts/";
  const std::size_t found = url.find(kContexts);
  if (found == std::string_view::npos) return ".";
  std::string_view segment = url.substr(found + kContexts.size());
  segment = segment.substr(0, segment.find('/'));
  std::string name = percent_decode(segment).value_or(std::string(segment));
  std::erase(name, ':');
  return name.starts_with('.') ? name : "." + name;
}

// What a path of Apicurio's APIs begins with.
constexpr std::string_view kApicurioApis = "/apis/";

class CurlClient final : public Client {
 public:
  CurlClient(const ClientOptions& options, std::vector<Endpoint> endpoints)
      : transport_(options),
        endpoints_(std::move(endpoints)),
        secrets_(secrets_of(options, endpoints_)),
        global_ids_(options.apicurio_global_ids) {
    for (Endpoint own : endpoints_) {
      own.url = own.url.substr(0, own.url.find(kApicurioApis)) + "/apis/registry/v2";
      own_endpoints_.push_back(std::move(own));
    }
  }

  Result<SchemaText> fetch(SchemaId id, std::stop_token stop) override;
  Result<SchemaId> find_id(const Guid& guid, std::stop_token stop) override;
  Result<SchemaId> register_schema(std::string_view subject, std::string_view schema) override;
  Result<SubjectVersion> fetch_version(std::string_view subject, int version,
                                       std::stop_token stop) override;
  Result<std::vector<std::string>> types(std::stop_token stop) override;
  Status check(std::stop_token stop) override;
  ClientCounts counts() const override {
    const std::lock_guard lock(counts_mutex_);
    ClientCounts out{.calls = calls_, .durations = durations_.read()};
    return out;
  }

 private:
  // The references met so far: false = being resolved right now, which a circle would meet again.
  using Seen = std::map<Reference, bool>;

  Result<Reply> perform(const Endpoint& endpoint, std::string_view path, const std::string* body,
                        const std::stop_token& stop);
  // Which of the registry's APIs has a path.
  enum class Api { kConfluent, kApicurio };
  Result<Reply> call(std::string_view path, const std::string* body, std::stop_token stop,
                     Api api = Api::kConfluent);
  // The body of a 200, or the error that the status stands for; `what` is its subject.
  Result<std::string> get(std::string_view path, std::string_view what, std::stop_token stop,
                          Api api = Api::kConfluent);
  Error error_of(const Reply& reply, std::string_view what) const;
  Status resolve(const std::vector<Reference>& references, Seen& seen, SchemaText& text,
                 const std::stop_token& stop);
  // The schema in an answer with its references; `what` goes before an error that is the schema's.
  Result<SchemaText> text_of_schema(std::string_view body, const std::stop_token& stop);

  Transport transport_;
  const std::vector<Endpoint> endpoints_;
  const std::vector<std::string> secrets_;
  const bool global_ids_;
  std::vector<Endpoint> own_endpoints_;  // of Apicurio's own API, at the places of `endpoints_`
  std::atomic<std::size_t> preferred_{0};
  mutable std::mutex counts_mutex_;  // guards what follows
  std::array<std::uint64_t, kCallOutcomes> calls_ = {};
  metrics::AnswerDurationCounter durations_;
};

// One request, counted.
Result<Reply> CurlClient::perform(const Endpoint& endpoint, std::string_view path,
                                  const std::string* body, const std::stop_token& stop) {
  const auto asked = std::chrono::steady_clock::now();
  Result<Reply> reply = transport_.perform(endpoint, path, body, stop);
  if (!reply.ok() && stop.stop_requested()) return reply;
  const CallOutcome outcome = reply.ok() ? outcome_of(reply->status) : CallOutcome::kUnreachable;
  const std::lock_guard lock(counts_mutex_);
  ++calls_[static_cast<std::size_t>(outcome)];
  durations_.add(std::chrono::steady_clock::now() - asked);
  return reply;
}

Result<Reply> CurlClient::call(std::string_view path, const std::string* body, std::stop_token stop,
                               Api api) {
  const std::vector<Endpoint>& endpoints = api == Api::kApicurio ? own_endpoints_ : endpoints_;
  const std::size_t first = preferred_.load(std::memory_order_relaxed);
  Error last;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const std::size_t index = (first + i) % endpoints.size();
    Result<Reply> reply = perform(endpoints[index], path, body, stop);
    if (reply.ok()) {
      const long status = reply->status;
      if (is_success(status) || (status >= 400 && status < 500 && status != 408 && status != 429)) {
        preferred_.store(index, std::memory_order_relaxed);
        return reply;
      }
      last = Error{ErrorCode::kUnavailable,
                   "the schema registry answers with status " + std::to_string(status),
                   endpoints[index].url + std::string(path) + ": " +
                       describe_refusal(reply->status, reply->body, secrets_)};
    } else {
      if (reply.error().code != ErrorCode::kUnavailable || stop.stop_requested()) return reply;
      last = std::move(reply).error();
    }
  }
  return last;
}

Error CurlClient::error_of(const Reply& reply, std::string_view what) const {
  const std::string said = describe_refusal(reply.status, reply.body, secrets_);
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
                                    std::stop_token stop, Api api) {
  Result<Reply> reply = call(path, nullptr, std::move(stop), api);
  if (!reply.ok()) return std::move(reply).error();
  if (is_success(reply->status)) return std::move(reply->body);
  Error error = error_of(*reply, what);
  // Only a 404 says something about what was asked for.
  if (error.code != ErrorCode::kNotFound) error.code = ErrorCode::kUnavailable;
  return error;
}

Result<SchemaText> CurlClient::fetch(SchemaId id, std::stop_token stop) {
  const std::string number = std::to_string(id.value);
  if (global_ids_) {
    Result<std::string> text =
        get("/ids/globalIds/" + number + "?dereference=true", "the schema", stop, Api::kApicurio);
    if (!text.ok()) return std::move(text).error();
    return SchemaText{.schema = *std::move(text)};
  }
  Result<std::string> body = get("/schemas/ids/" + number, "the schema", stop);
  if (!body.ok()) return std::move(body).error();
  return text_of_schema(*body, stop);
}

Result<SchemaId> CurlClient::find_id(const Guid& guid, std::stop_token stop) {
  Result<std::string> body =
      get("/schemas/guids/" + to_string(guid) + "/ids", "the schema", std::move(stop));
  if (!body.ok()) return std::move(body).error();
  // All URLs are of one registry.
  const std::string context = context_of(endpoints_.front().url);
  const Result<std::optional<SchemaId>> id = parse_guid_answer(*body, context);
  if (!id.ok()) return id.error();
  if (*id) return **id;
  return Error{ErrorCode::kNotFound,
               "the schema is not in the context '" + context + "' of the schema registry",
               excerpt(*body)};
}

Result<SchemaText> CurlClient::text_of_schema(std::string_view body, const std::stop_token& stop) {
  Result<SchemaAnswer> answer = parse_schema_answer(body);
  if (!answer.ok()) return std::move(answer).error();
  SchemaText text{.schema = std::move(answer->schema)};
  Seen seen;
  if (Status done = resolve(answer->references, seen, text, stop); !done.ok()) {
    return std::move(done).error();
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
    Result<SchemaAnswer> answer = parse_schema_answer(*body);
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
  return parse_id_answer(reply->body);
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
  const Result<VersionAnswer> answer = parse_version_answer(*body);
  if (!answer.ok()) return answer.error();
  Result<SchemaText> text = text_of_schema(*body, stop);
  if (!text.ok()) return std::move(text).error();
  return SubjectVersion{answer->id, answer->version, *std::move(text)};
}

Result<std::vector<std::string>> CurlClient::types(std::stop_token stop) {
  Result<std::string> body = get("/schemas/types", "the list of schema types", std::move(stop));
  if (!body.ok()) return std::move(body).error();
  return parse_types_answer(*body);
}

Status CurlClient::check(std::stop_token stop) {
  Result<std::vector<std::string>> names = types(std::move(stop));
  if (!names.ok()) return std::move(names).error();
  if (std::find(names->begin(), names->end(), "AVRO") == names->end()) {
    return Error{ErrorCode::kInvalidArgument, "the schema registry does not support AVRO"};
  }
  return {};
}

}  // namespace

std::string_view to_string(CallOutcome outcome) {
  constexpr std::array<std::string_view, kCallOutcomes> kNames{
      "ok", "not_found", "denied", "refused", "server_error", "unreachable"};
  return kNames[static_cast<std::size_t>(outcome)];
}

Result<std::unique_ptr<Client>> Client::create(const ClientOptions& options) {
  Result<std::vector<Endpoint>> endpoints = parse_endpoints(options);
  if (!endpoints.ok()) return std::move(endpoints).error();
  for (const Endpoint& endpoint : *endpoints) {
    if (!options.apicurio_global_ids || endpoint.url.find(kApicurioApis) != std::string::npos) {
      continue;
    }
    return Error{ErrorCode::kInvalidArgument,
                 "the URL of the schema registry is none of Apicurio: it has no /apis/ in it"};
  }
  return std::unique_ptr<Client>(std::make_unique<CurlClient>(options, *std::move(endpoints)));
}

}  // namespace push_cache::registry
