// Avro schemas as JSON Schemas (2020-12) of the JSON that avro::Plan makes and avro::Encoder takes.
#pragma once

#include <boost/json.hpp>

#include <map>
#include <string>

#include "avro/plan.h"
#include "avro/schema.h"

namespace push_cache::api {

enum class JsonUse {
  kShown,  // what a plan makes: every field is there; NaN and the infinities are null
  kTaken,  // what the encoder takes: fields with a default may be left out; logical types as
           // numbers
};

// Makes JSON Schemas whose named types (records, enums, fixed) stand in one object, by their full
// names, and are referred to from there; so may types be that hold themselves. Of two types of one
// name the second is called NAME-2, those that differ in what is taken NAME-input. A byte that
// OpenAPI does not take in such a name (a '-', a letter beyond ASCII) stands there as -xHH, and the
// name itself is the title.
//
// As exact as JSON Schema can be, but for: dates and times whose logical type differs between
// writer and reader; a decimal of so many bytes that it stays base64 (json.logical_types:
// readable); a whole number that is taken must be written as one (5, not 5.0).
class JsonSchemas {
 public:
  explicit JsonSchemas(avro::LogicalTypes shown) : shown_(shown) {}

  // The JSON Schema of the values of `schema`: a reference, or for a type without a name the schema
  // itself. The same for the same values.
  boost::json::object add(const avro::Schema& schema, JsonUse use);

  // The named types so far, for "#/components/schemas".
  const boost::json::object& components() const { return components_; }

 private:
  const avro::LogicalTypes shown_;
  boost::json::object components_;
  std::map<std::string, boost::json::object> made_;  // by what was added, with plain names
  std::map<std::string, unsigned> suffixes_;         // the last that was used, by name of the root
};

}  // namespace push_cache::api
