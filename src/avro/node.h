// One type of a parsed schema. Internal to avro/, but `Schema::root()` hands it out for reading.
#pragma once

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
  kArray,
  kMap,
  kUnion,
  kFixed,
};

// The word of the specification, such as "long".
std::string_view to_string(Type type);

enum class Logical : std::uint8_t {
  kNone,
  kDecimal,  // of bytes or fixed
  kUuid,     // of string or fixed(16)
  kDate,
  kTimeMillis,
  kTimeMicros,
  kTimestampMillis,
  kTimestampMicros,
  kTimestampNanos,
  kLocalTimestampMillis,
  kLocalTimestampMicros,
  kLocalTimestampNanos,
  kDuration,  // of fixed(12)
};

struct Node;

struct Field {
  static constexpr std::uint32_t kNoToken = 0xFFFF'FFFF;

  std::string name;
  std::string doc;  // for people; "" = none
  std::vector<std::string> aliases;
  const Node* type = nullptr;
  // The default as a datum of `type` (a union's with the number of the branch), when there is one
  // that fits the type.
  std::optional<std::string> default_datum;
  // What is wrong with the default that stands there: a writer's schema may have any, and only a
  // reader that needs it is at fault. "" = nothing.
  std::string default_fault;
  // Place of the default in the JSON text that is being parsed; of no use afterwards.
  std::uint32_t default_token = kNoToken;

  // Whether one can be used.
  bool has_default() const { return default_datum.has_value() || default_token != kNoToken; }
};

struct Node {
  Type type = Type::kNull;
  Logical logical = Logical::kNone;
  std::uint32_t precision = 0;  // of a decimal
  std::uint32_t scale = 0;      // of a decimal; at most `precision`
  // Record, enum, fixed: namespace and name, and the aliases in the same form.
  std::string full_name;
  std::vector<std::string> aliases;
  std::string doc;                            // record, enum, fixed: for people; "" = none
  std::vector<Field> fields;                  // record
  std::vector<std::string> symbols;           // enum
  std::optional<std::size_t> default_symbol;  // enum, when its default is one of the symbols
  std::string default_fault;                  // enum: as that of a field
  const Node* items = nullptr;                // array, map (its values)
  std::vector<const Node*> branches;          // union
  std::size_t fixed_size = 0;                 // fixed
  // Whether a value takes no bytes at all: null, fixed(0), a record of nothing else.
  bool zero_size = false;

  bool is_named() const {
    return type == Type::kRecord || type == Type::kEnum || type == Type::kFixed;
  }
  // The name without its namespace.
  std::string_view short_name() const;
  // What a person calls it in an error: the full name, or the type's word.
  std::string_view label() const;
};

}  // namespace push_cache::avro
