// Fuzz body: any bytes as an answer of the schema registry, and the schema in it.
#include <cstdint>
#include <string>
#include <string_view>

#include "avro/schema.h"
#include "base/fuzz.h"
#include "base/utf8.h"
#include "registry/answers.h"

namespace {

using namespace push_cache;            // NOLINT: a program of its own
using namespace push_cache::registry;  // NOLINT

void check_text(std::string_view text) {
  fuzz_require(text.size() < 1000 && is_utf8(text));
  for (const char c : text) fuzz_require(static_cast<unsigned char>(c) >= 0x20);
}

// What goes to logs and pages.
void check_error(const Error& error) {
  fuzz_require(error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kInvalidArgument);
  fuzz_require(!error.public_text.empty());
  check_text(error.public_text);
  check_text(error.detail);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  check_text(excerpt(body));
  check_text(describe_refusal(404, body));
  const Result<SchemaAnswer> answer = parse_schema_answer(body);
  if (answer.ok()) {
    const Result<avro::Schema> schema = avro::Schema::parse(answer->schema);
    if (!schema.ok()) fuzz_require(is_utf8(schema.error().public_text));
    // As one that others refer to: what stands alone does so beside another too.
    const std::string texts[] = {answer->schema};
    const Result<avro::Schema> other = avro::Schema::parse(R"("string")", texts);
    fuzz_require(other.ok() == schema.ok());
  } else {
    check_error(answer.error());
  }
  const Result<SchemaId> id = parse_id_answer(body);
  if (id.ok()) {
    fuzz_require(id->value >= 0);
  } else {
    check_error(id.error());
  }
  const Result<VersionAnswer> version = parse_version_answer(body);
  if (version.ok()) {
    fuzz_require(id.ok() && version->id == *id && version->version >= 1);
  } else {
    check_error(version.error());
  }
  const auto of_guid = parse_guid_answer(body, ".");
  if (of_guid.ok()) {
    fuzz_require(!id.ok() && (!*of_guid || (**of_guid).value > 0));
  } else {
    check_error(of_guid.error());
  }
  const auto types = parse_types_answer(body);
  if (types.ok()) {
    fuzz_require(!answer.ok() && !id.ok());
  } else {
    check_error(types.error());
  }
  return 0;
}
