// The text of a record key, under which the record is asked for, of keys that are not text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "avro/plan.h"
#include "avro/schema.h"
#include "base/error.h"
#include "base/types.h"

namespace push_cache::avro {

// Any bytes as the text of a key, no two alike: UTF-8 that does not begin with "0x" as it is, all
// else "0x" and two lower-case hexadecimal digits a byte.
std::string bytes_key_text(Bytes bytes);

// 16 bytes as 8-4-4-4-12 lower-case hexadecimal digits.
std::string uuid_key_text(const std::uint8_t* bytes);

// Texts of keys that were written with one Avro schema. Copying is cheap; safe from any thread.
//
// A string is its text, an integer its decimal digits, a boolean true or false, an enum its symbol,
// a float or double the shortest text that reads back to it, bytes and fixed as `bytes_key_text`. A
// decimal is its number ("-12.30"), a fixed(16) uuid its text; other logical types are the plain
// value. A union is the value of its branch. A record of one field is the text of that field, which
// may be a record again; other records, arrays and maps are their JSON as a Plan with
// LogicalTypes::kNumbers renders it. So a key's text never depends on json.logical_types.
class KeyText {
 public:
  // kInvalidArgument for a schema whose keys are all alike: null, a record without fields.
  static Result<KeyText> compile(const Schema& schema);

  // kMalformed when `datum` is not exactly one value of the schema, is null, or is no number (NaN,
  // the infinities), all of which have no text.
  Result<std::string> text(Bytes datum) const;

 private:
  KeyText(Schema schema, std::shared_ptr<const Plan> plan)
      : schema_(std::move(schema)), plan_(std::move(plan)) {}

  Schema schema_;
  std::shared_ptr<const Plan> plan_;
};

}  // namespace push_cache::avro
