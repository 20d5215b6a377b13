// Fuzz body: any bytes as a schema's text, and what follows from a schema that was accepted.
#include <cstdint>
#include <string_view>

#include "avro/encoder.h"
#include "avro/key_text.h"
#include "avro/plan.h"
#include "avro/schema.h"
#include "base/fuzz.h"
#include "base/utf8.h"

namespace {

using namespace push_cache;        // NOLINT: a program of its own
using namespace push_cache::avro;  // NOLINT

void use(const Plan& plan, Bytes datum) {
  Buffer json;
  fuzz_require(plan.to_json(datum, json).ok() == plan.validate(datum).ok());
  (void)plan.version(datum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<Schema> schema = Schema::parse(text);
  if (!schema.ok()) {
    fuzz_require(!schema.error().public_text.empty());
    return 0;
  }
  PlanOptions options;
  options.version_field = "f";
  for (const LogicalTypes types : {LogicalTypes::kNumbers, LogicalTypes::kReadable}) {
    options.logical_types = types;
    const auto plan = Plan::compile(*schema, options);
    if (plan.ok()) use(**plan, {data, size});
  }
  // Every schema can read its own data: resolved to a second copy of itself, it is understood too.
  const Result<Schema> again = Schema::parse(text);
  fuzz_require(again.ok());
  const auto plain = Plan::compile(*schema, options);
  const auto resolved = Plan::compile(*schema, *again, options);
  fuzz_require(plain.ok() == resolved.ok());
  if (resolved.ok()) use(**resolved, {});
  Buffer datum;
  if (Encoder(*schema).from_json("{}", datum).ok() && plain.ok()) {
    fuzz_require((*plain)->validate(datum.bytes()).ok());
  }
  if (const auto key = KeyText::compile(*schema); key.ok()) {
    const Result<std::string> made = key->text({data, size});
    fuzz_require(!made.ok() || is_utf8(*made));
  }
  return 0;
}
