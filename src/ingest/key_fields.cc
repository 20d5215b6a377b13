#include "ingest/key_fields.h"

#include <algorithm>
#include <boost/json.hpp>

namespace push_cache::ingest {
namespace {

namespace json = boost::json;

constexpr int kEnough = 16;

// The names of the top-level fields whose value, as text, is `key`.
std::vector<std::string> fields_equal_to(const registry::SchemaEntry& schema, std::string_view key,
                                         Bytes datum) {
  std::vector<std::string> names;
  Buffer text;
  if (!schema.plan->to_json(datum, text).ok()) return names;
  json::error_code error;
  const json::value root = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !root.is_object()) return names;
  for (const json::key_value_pair& field : root.get_object()) {
    const json::value& value = field.value();
    const bool equal = (value.is_string() && std::string_view(value.get_string()) == key) ||
                       (value.is_int64() && std::to_string(value.get_int64()) == key);
    if (equal) names.emplace_back(field.key());
  }
  return names;
}

}  // namespace

bool KeyFields::observe(const registry::SchemaEntry& schema, std::string_view key, Bytes datum) {
  {
    const std::lock_guard lock(mutex_);
    if (learned_[schema.id].seen >= kEnough) return false;
  }
  const std::vector<std::string> names = fields_equal_to(schema, key, datum);
  const std::lock_guard lock(mutex_);
  Candidates& candidates = learned_[schema.id];
  if (candidates.seen++ == 0) {
    candidates.names = names;
  } else {
    std::erase_if(candidates.names, [&names](const std::string& name) {
      return std::find(names.begin(), names.end(), name) == names.end();
    });
  }
  return candidates.seen < kEnough;
}

std::optional<std::string> KeyFields::field(SchemaId schema) const {
  const std::lock_guard lock(mutex_);
  const auto found = learned_.find(schema);
  if (found == learned_.end() || found->second.names.empty()) return std::nullopt;
  return found->second.names.front();
}

}  // namespace push_cache::ingest
