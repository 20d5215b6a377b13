// Which field of a record holds its key, learned from the records themselves.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/buffer.h"
#include "base/types.h"
#include "registry/schema_cache.h"

namespace push_cache::ingest {

// A record written through HTTP carries no Kafka key, so its key has to come from a field. The
// field is the first top-level string or integer that equalled the key in each of the first records
// of the schema. Thread-safe.
class KeyFields {
 public:
  // Takes note of one record. False once enough were seen: calling again is then of no use.
  bool observe(const registry::SchemaEntry& schema, std::string_view key, Bytes datum);
  // The field, or nothing when no record was seen yet or no field always equals the key.
  std::optional<std::string> field(SchemaId schema) const;

 private:
  struct Candidates {
    int seen = 0;
    std::vector<std::string> names;  // in schema order
  };
  mutable std::mutex mutex_;
  std::unordered_map<SchemaId, Candidates> learned_;
};

}  // namespace push_cache::ingest
