// The way from Avro bytes to JSON text: a schema, or a pair of writer's and reader's schema,
// compiled once to a flat program that renders a datum without a tree and without an allocation of
// its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "avro/schema.h"
#include "base/buffer.h"
#include "base/error.h"

namespace push_cache::avro {

struct Field;  // of a record; see avro/node.h

enum class LogicalTypes {
  kNumbers,   // as the underlying type: a timestamp is its long, a decimal its bytes in base64
  kReadable,  // RFC 3339 dates and times, decimal numbers as exact decimal text, durations as ISO
              // 8601
};

struct PlanOptions {
  LogicalTypes logical_types = LogicalTypes::kNumbers;
  // Name of a top-level int or long field (also nullable) that `version` reads; "" = none.
  std::string version_field = "updatedAt";
};

// Immutable; safe from any thread.
//
// The JSON: no tags on unions; null for null, NaN and the infinities; 64-bit integers exact; float
// and double the shortest text that reads back to the same number, with a fraction kept (100.0);
// strings as they are; bytes and fixed in base64; enums their symbol; records as objects with
// fields in (the reader's) schema order; maps as objects (a key that the datum has more than once
// is there once, with its last value and in its place); arrays as arrays. No white space.
//
// LogicalTypes::kReadable keeps the plain number for dates and times outside of the years 0000 to
// 9999, and base64 for a decimal of more than 2,048 bytes. Where writer's and reader's logical
// types differ, the writer's says what the bytes mean; a reader's type without one asks for the
// plain value. Decimals of different scale do not resolve.
class Plan {
 public:
  // For data read as they were written.
  static Result<std::shared_ptr<const Plan>> compile(const Schema& writer,
                                                     const PlanOptions& options);
  // For data resolved to `reader` ("Schema Resolution" of the specification): promotions, defaults,
  // aliases, reordered, added and removed fields, enum defaults, unions on either side. Fails with
  // kInvalidArgument, saying at which field, when no datum of `writer` could ever resolve; what
  // only some data cannot do (a union branch, an enum symbol) fails in `to_json` for those data.
  static Result<std::shared_ptr<const Plan>> compile(const Schema& writer, const Schema& reader,
                                                     const PlanOptions& options);
  virtual ~Plan() = default;

  // Appends the JSON of one datum. `datum` must be the whole of it: bytes left over are an error.
  // On an error (kMalformed; the text gives the byte offset: "byte 17: string of 9 bytes, 3 left")
  // `out` is as it was. Strings are checked to be UTF-8.
  virtual Status to_json(Bytes datum, Buffer& out) const = 0;

  // Succeeds exactly when `to_json` would, but renders nothing.
  virtual Status validate(Bytes datum) const = 0;

  // The value of the version field (of the writer's field that the reader's of this name is read
  // from; of the writer's of this name where the reader has none), or nothing when the schema has
  // none, it is null, or the datum is malformed before it. Reads no further than that field.
  virtual std::optional<std::int64_t> version(Bytes datum) const = 0;

 protected:
  Plan() = default;
};

// The JSON of the default of a field that has one, as a plan with these options shows it.
Result<std::string> default_json(const Field& field, const PlanOptions& options);

}  // namespace push_cache::avro
