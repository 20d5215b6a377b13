// Where schemas come from: the registry, or a stand-in for it.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"

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
};

}  // namespace push_cache::registry
