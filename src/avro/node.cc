#include "avro/node.h"

#include "avro/names.h"

namespace push_cache::avro {

std::string_view to_string(Type type) {
  switch (type) {
    case Type::kNull:
      return "null";
    case Type::kBoolean:
      return "boolean";
    case Type::kInt:
      return "int";
    case Type::kLong:
      return "long";
    case Type::kFloat:
      return "float";
    case Type::kDouble:
      return "double";
    case Type::kBytes:
      return "bytes";
    case Type::kString:
      return "string";
    case Type::kRecord:
      return "record";
    case Type::kEnum:
      return "enum";
    case Type::kArray:
      return "array";
    case Type::kMap:
      return "map";
    case Type::kUnion:
      return "union";
    case Type::kFixed:
      return "fixed";
  }
  return "";
}

std::string_view Node::short_name() const { return short_name_of(full_name); }

std::string_view Node::label() const {
  return is_named() ? std::string_view(full_name) : to_string(type);
}

}  // namespace push_cache::avro
