// The way from JSON text to Avro bytes, for what clients and tools write.
#pragma once

#include <memory>
#include <string_view>

#include "avro/schema.h"
#include "base/buffer.h"
#include "base/error.h"

namespace push_cache::avro {

// Immutable; safe from any thread. Accepts the JSON that `Plan::to_json` makes with
// LogicalTypes::kNumbers (so a rendered record can be sent back), and takes a union's first branch
// that fits: int and long take whole numbers in range only (5, not 5.0), float and double any
// number. One thing does not come back: NaN and the infinities are null in JSON, and null is no
// number here, since a client that sends null for an amount has made a mistake. Fields missing from
// the JSON take their schema's default.
class Encoder {
 public:
  explicit Encoder(Schema schema);

  // Appends the datum for one JSON text. kInvalidArgument with the path of the field at fault
  // ("payments[2].amount: a number is needed, not a string"; a missing field, an unknown field, a
  // number out of range, text that is not JSON, with its position); `out` is then as it was.
  Status from_json(std::string_view json, Buffer& out) const;

 private:
  Schema schema_;
};

}  // namespace push_cache::avro
