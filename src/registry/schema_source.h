// Where schemas come from: the registry, or a stand-in for it.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "registry/guid.h"

namespace push_cache::registry {

// A schema's text with the texts of the schemas it refers to, each before those that use it (what
// avro::Schema::parse takes).
struct SchemaText {
  std::string schema;
  std::vector<std::string> references = {};
};

class SchemaSource {
 public:
  virtual ~SchemaSource() = default;

  // Asks for one schema; blocks; safe from any thread. Gives up soon after `stop` is asked for
  // (with any error). The code of an error says what a caller may hope for:
  //   kUnavailable, kTimeout: nobody knows; ask again soon (also: credentials refused, nonsense
  //   answered) kNotFound: there is no such schema now; it may come any other: there is one, and it
  //   is of no use (not Avro, too large)
  virtual Result<SchemaText> fetch(SchemaId id, std::stop_token stop) = 0;

  // The id under which `fetch` gives the schema with this GUID; all else as `fetch`.
  virtual Result<SchemaId> find_id(const Guid& guid, std::stop_token stop) {
    static_cast<void>(stop);
    return Error{ErrorCode::kNotFound, "the schema with GUID " + to_string(guid) + " is not known"};
  }
};

inline constexpr int kLatestVersion = 0;  // versions count from 1

// A version of a subject, and its schema.
struct SubjectVersion {
  SchemaId id;
  int version = 0;
  SchemaText text;
};

class SubjectSource {
 public:
  virtual ~SubjectSource() = default;

  // Asks for one version of a subject, or for its latest one; all else as SchemaSource::fetch.
  virtual Result<SubjectVersion> fetch_version(std::string_view subject, int version,
                                               std::stop_token stop) = 0;
};

}  // namespace push_cache::registry
