// What the registry answers, as text. Pure functions, so that each can be fed with any bytes.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "registry/client.h"

namespace push_cache::registry {

// The schema of a subject's version that another schema uses.
struct Reference {
  std::string subject;
  std::int64_t version = 0;
  friend auto operator<=>(const Reference&, const Reference&) = default;
};

// A schema as an answer holds it.
struct SchemaAnswer {
  std::string schema;
  std::vector<Reference> references;
};

// Which schema a subject's version is.
struct VersionAnswer {
  SchemaId id;
  int version = 0;
};

// Of each: kUnavailable when the body makes no sense, with an excerpt of it in the detail.
//
// {"schema": TEXT, "schemaType": "AVRO", "references": [{"subject": S, "version": N}]}, of which
// the last two may be missing. kInvalidArgument for another type than AVRO.
Result<SchemaAnswer> parse_schema_answer(std::string_view body);
// {"id": N}, the answer to a registration.
Result<SchemaId> parse_id_answer(std::string_view body);
// {"id": N, "version": N}; with them comes what `parse_schema_answer` reads.
Result<VersionAnswer> parse_version_answer(std::string_view body);
// [{"context": ".", "id": N}]: the ids of a schema. Gives that of `context`; nothing when it is not
// there.
Result<std::optional<SchemaId>> parse_guid_answer(std::string_view body, std::string_view context);
// ["AVRO", "JSON"]
Result<std::vector<std::string>> parse_types_answer(std::string_view body);

// What an answer of this status says, for a log: "status 404, error 40403: Schema not found".
// Each of `secrets` in it is replaced.
std::string describe_refusal(long status, std::string_view body,
                             std::span<const std::string> secrets = {});

// Text from outside made fit for errors: cut, without controls, and UTF-8 whatever it was.
std::string excerpt(std::string_view text);

}  // namespace push_cache::registry
