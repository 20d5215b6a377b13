// The schema registry's REST interface (Confluent's, also spoken by Apicurio, Karapace and
// Redpanda).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "metrics/durations.h"
#include "registry/schema_source.h"

namespace push_cache::registry {

struct ClientOptions {
  // Base URL, also with a path ("http://host:8080/apis/ccompat/v7") and userinfo; several, with
  // commas between them, are tried in turn.
  std::string url;
  std::string username = {};  // basic authentication; goes before the URL's userinfo
  std::string password = {};
  std::string bearer_token = {};      // goes before basic authentication
  std::string ca_file = {};           // PEM; empty: the system's
  std::string certificate_file = {};  // PEM, for mutual TLS
  std::string key_file = {};
  // Ids are Apicurio's globalIds, which its Confluent-compatible API does not know: each URL then
  // has "/apis/" in it, and they are asked for in the registry's own API beside it.
  bool apicurio_global_ids = false;
  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds total_timeout{10'000};  // of one request to one URL
};

// What became of one HTTP request.
enum class CallOutcome : std::uint8_t {
  kOk,           // 2xx
  kNotFound,     // 404
  kDenied,       // 401, 403: the credentials
  kRefused,      // any other 4xx
  kServerError,  // 408, 429, 5xx: tried again
  kUnreachable,  // no answer, or one that is too large
};
inline constexpr std::size_t kCallOutcomes = 6;
std::string_view to_string(CallOutcome outcome);  // "ok", "not_found", ...

struct ClientCounts {
  std::array<std::uint64_t, kCallOutcomes> calls = {};
  metrics::AnswerDurations durations;  // of all of them, until the answer or the time-out
};

// Blocking calls, safe from any thread at once. Connections are kept and reused. Each call tries
// the URLs in turn, beginning with the one that answered last, for as long as they cannot be
// reached or are out of order (408, 429, 5xx). Errors:
//   kUnavailable  no URL answered in time, or not with sense; the credentials are refused (401,
//   403) kNotFound     404, whatever is missing kTooLarge     an answer beyond
//   limits::kRegistryBodyBytesMax
// and where said below. Their public text holds no address; no part of them holds a secret.
class Client : public SchemaSource, public SubjectSource {
 public:
  // kInvalidArgument when a URL is none, or not http or https. Connects to nothing.
  static Result<std::unique_ptr<Client>> create(const ClientOptions& options);

  // GET /schemas/ids/{id}, and its references through GET /subjects/{subject}/versions/{version}.
  // kInvalidArgument: a schema that is not Avro, references in a circle or more of them than
  // limits::kSchemaReferencesMax. Any 4xx but 404 says nothing about the schema: kUnavailable.
  // With `apicurio_global_ids`: GET /apis/registry/v2/ids/globalIds/{id}, the references within it.
  Result<SchemaText> fetch(SchemaId id, std::stop_token stop = {}) override = 0;

  // GET /schemas/guids/{guid}/ids, and of these the id in the context that the URL names
  // (".../contexts/.staging"), else in the default one. kNotFound when it is in none or in others
  // only, of which `fetch` would give other schemas.
  Result<SchemaId> find_id(const Guid& guid, std::stop_token stop = {}) override = 0;

  // POST /subjects/{subject}/versions: the id the registry gives, the same one when it knows the
  // schema. kConflict (409): not compatible with the subject's other versions. kInvalidArgument
  // (other 4xx): refused.
  virtual Result<SchemaId> register_schema(std::string_view subject, std::string_view schema) = 0;

  // GET /subjects/{subject}/versions/{version}, "latest" for kLatestVersion, and its references as
  // `fetch` does, with the same errors. A version that was deleted (not the latest) is given too.
  Result<SubjectVersion> fetch_version(std::string_view subject, int version,
                                       std::stop_token stop = {}) override = 0;

  // GET /schemas/types, such as "AVRO", "JSON", "PROTOBUF".
  virtual Result<std::vector<std::string>> types(std::stop_token stop = {}) = 0;

  // For checks at start: that the registry answers and supports AVRO (kInvalidArgument if not).
  virtual Status check(std::stop_token stop = {}) = 0;

  // Of every HTTP request since it was made; those that were given up by `stop` aside.
  virtual ClientCounts counts() const = 0;

 protected:
  Client() = default;
};

}  // namespace push_cache::registry
