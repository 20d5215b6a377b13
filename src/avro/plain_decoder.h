// A second way from a datum to JSON, to compare the compiled plans with: walks both schemas for
// each value, as the specification's "Schema Resolution" reads, with no regard to speed. Only for
// tests and fuzzing.
#pragma once

#include <string>

#include "avro/node.h"
#include "base/types.h"

namespace push_cache::avro {

enum class PlainVerdict {
  kTaken,
  kRefused,
  kAtLimit,  // a cap on nesting or on items of no bytes is near: a plan may take or refuse it
};

struct PlainJson {
  PlainVerdict verdict = PlainVerdict::kTaken;
  std::string json;  // with LogicalTypes::kNumbers; only when taken or at a limit
};

// The datum's JSON by `reader`. `resolves_plain(writer, reader)` must hold.
PlainJson decode_plain(const Node& writer, const Node& reader, Bytes datum);

// Whether some datum of `writer` can be read by `reader`, by the rules of Resolver::check.
bool resolves_plain(const Node& writer, const Node& reader);

}  // namespace push_cache::avro
