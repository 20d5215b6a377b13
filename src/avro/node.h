// The parts of a parsed schema. Internal to this folder.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace push_cache::avro {

enum class Type : std::uint8_t {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kRecord,
  kEnum,
  kFixed,
  kArray,
  kMap,
  kUnion,
};
// The specification's word: "long", "record".
std::string_view to_string(Type type);

enum class Logical : std::uint8_t {
  kNone,
  kDecimal,
  kDate,
  kTimeMillis,
  kTimeMicros,
  kTimestampMillis,
  kTimestampMicros,
  kTimestampNanos,
  kLocalTimestampMillis,
  kLocalTimestampMicros,
  kLocalTimestampNanos,
  kUuid,
  kDuration,
};

struct Node;

struct Field {
  std::string name;
  std::vector<std::string> aliases;
  const Node* type = nullptr;
  std::optional<boost::json::value> default_value;
};

// One type. Nodes point at each other and live in their Schema's storage, so they may form cycles.
struct Node {
  Type type = Type::kNull;
  Logical logical = Logical::kNone;
  std::uint32_t scale = 0;                  // of a decimal
  std::size_t fixed_bytes = 0;              // of a fixed
  std::string full_name;                    // record, enum, fixed: with its namespace
  std::vector<std::string> aliases;         // full names
  std::vector<Field> fields;                // record
  std::vector<std::string> symbols;         // enum
  std::optional<std::size_t> enum_default;  // index into symbols
  const Node* items = nullptr;              // array; values of a map
  std::vector<const Node*> branches;        // union

  // The name without its namespace.
  std::string_view short_name() const {
    const std::size_t dot = full_name.rfind('.');
    return std::string_view(full_name).substr(dot == std::string::npos ? 0 : dot + 1);
  }
  const Field* find_field(std::string_view name) const {
    for (const Field& field : fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  }
};

}  // namespace push_cache::avro
