#include "api/json_schema.h"

#include <cstdint>
#include <limits>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "avro/format.h"
#include "avro/node.h"
#include "base/limits.h"

namespace push_cache::api {
namespace {

using avro::Logical;
using avro::LogicalTypes;
using avro::Node;
using avro::Type;
using boost::json::array;
using boost::json::object;
using boost::json::value;

// Base64 with padding, as the encoder takes it: no two texts mean the same bytes.
constexpr std::string_view kOneByte = "[A-Za-z0-9+/][AQgw]==";
constexpr std::string_view kTwoBytes = "[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=";

std::string base64_pattern(std::string_view tail) {
  return "^(?:[A-Za-z0-9+/]{4})*" + std::string(tail) + "$";
}

// What a number, or a text that RFC 3339 has no format for, stands for.
struct Meaning {
  Logical logical;
  std::string_view number;
  std::string_view format;  // of the readable text; "" = JSON Schema has none that fits
  std::string_view text;
};

constexpr Meaning kMeanings[] = {
    {Logical::kDate, "days since 1970-01-01", "date", ""},
    {Logical::kTimeMillis, "milliseconds since midnight", "", "time of day, hh:mm:ss.fff"},
    {Logical::kTimeMicros, "microseconds since midnight", "", "time of day, hh:mm:ss.ffffff"},
    {Logical::kTimestampMillis, "milliseconds since 1970-01-01 UTC", "date-time", ""},
    {Logical::kTimestampMicros, "microseconds since 1970-01-01 UTC", "date-time", ""},
    {Logical::kTimestampNanos, "nanoseconds since 1970-01-01 UTC", "date-time", ""},
    {Logical::kLocalTimestampMillis, "milliseconds since 1970-01-01, local time", "",
     "date and time, local"},
    {Logical::kLocalTimestampMicros, "microseconds since 1970-01-01, local time", "",
     "date and time, local"},
    {Logical::kLocalTimestampNanos, "nanoseconds since 1970-01-01, local time", "",
     "date and time, local"},
};

const Meaning* meaning_of(Logical logical) {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.logical == logical) return &meaning;
  }
  return nullptr;
}

void describe(object& schema, std::string_view text) {
  if (text.empty()) return;
  const value* const own = schema.if_contains("description");
  // Such as the unit of a number, behind what the schema's author says.
  std::string whole(text);
  if (own != nullptr) whole += " (" + std::string(own->as_string()) + ")";
  schema["description"] = whole;
}

// A type's name with what OpenAPI does not take in a component's name as -xHH, byte by byte.
std::string component_name(const Node& node) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string name;
  for (const char c : node.full_name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_';
    if (plain) {
      name += c;
    } else {
      name += "-x";
      name += kHex[byte >> 4];
      name += kHex[byte & 15];
    }
  }
  return name;
}

// The types that a root needs, each under its full name and `suffix`.
class Writer {
 public:
  Writer(JsonUse use, LogicalTypes logical, std::string suffix)
      : use_(use), readable_(logical == LogicalTypes::kReadable), suffix_(std::move(suffix)) {}

  object write(const Node& root) {
    object made = type(root);
    // A list to work off: the nesting of named types has no bound.
    while (!open_.empty()) {
      const Node& node = *open_.back();
      open_.pop_back();
      types[component_name(node) + suffix_] = definition(node);
    }
    return made;
  }

  object types;

 private:
  // As it stands within another: nests no deeper than the schema's text.
  object type(const Node& node) {
    switch (node.type) {
      case Type::kNull:
        return {{"type", "null"}};
      case Type::kBoolean:
        return {{"type", "boolean"}};
      case Type::kInt:
        return integer(node, "int32", std::numeric_limits<std::int32_t>::min(),
                       std::numeric_limits<std::int32_t>::max());
      case Type::kLong:
        return integer(node, "int64", std::numeric_limits<std::int64_t>::min(),
                       std::numeric_limits<std::int64_t>::max());
      case Type::kFloat:
        return floating("float");
      case Type::kDouble:
        return floating("double");
      case Type::kBytes:
        return readable_ && node.logical == Logical::kDecimal ? decimal(node) : base64(node);
      case Type::kString:
        if (node.logical == Logical::kUuid) return {{"type", "string"}, {"format", "uuid"}};
        return {{"type", "string"}};
      case Type::kArray:
        return {{"type", "array"}, {"items", type(*node.items)}};
      case Type::kMap:
        return {{"type", "object"}, {"additionalProperties", type(*node.items)}};
      case Type::kUnion:
        return any_of(node);
      case Type::kRecord:
      case Type::kEnum:
      case Type::kFixed:
        if (seen_.insert(&node).second) open_.push_back(&node);
        return {{"$ref", "#/components/schemas/" + component_name(node) + suffix_}};
    }
    return {};
  }

  object definition(const Node& node) {
    object made =
        node.type == Type::kRecord ? record(node)
        : node.type == Type::kEnum
            ? object{{"type", "string"}, {"enum", array(node.symbols.begin(), node.symbols.end())}}
            : fixed(node);
    if (component_name(node) != node.full_name) made["title"] = node.full_name;
    describe(made, node.doc);
    return made;
  }

  object record(const Node& node) {
    object properties;
    array required;
    for (const avro::Field& field : node.fields) {
      object one = type(*field.type);
      describe(one, field.doc);
      const bool may_miss = use_ == JsonUse::kTaken && field.has_default();
      if (may_miss) {
        add_default(one, field);
      } else {
        required.emplace_back(field.name);
      }
      properties[field.name] = std::move(one);
    }
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", std::move(required)},
            {"additionalProperties", false}};
  }

  static void add_default(object& property, const avro::Field& field) {
    const Result<std::string> text = avro::default_json(field, {.version_field = ""});
    if (!text.ok()) return;
    boost::json::error_code error;
    boost::json::parse_options options;
    options.max_depth = limits::kDatumDepthMax + 1;
    value parsed = boost::json::parse(*text, error, {}, options);
    // NaN and the infinities are null, which is no number to take.
    const bool is_number = field.type->type == Type::kFloat || field.type->type == Type::kDouble;
    if (!error && !(is_number && parsed.is_null())) property["default"] = std::move(parsed);
  }

  object integer(const Node& node, std::string_view format, std::int64_t min, std::int64_t max) {
    object number = {{"type", "integer"}, {"format", format}, {"minimum", min}, {"maximum", max}};
    const Meaning* const meaning = meaning_of(node.logical);
    if (meaning == nullptr) return number;
    describe(number, meaning->number);
    if (!readable_) return number;
    object text = {{"type", "string"}};
    if (!meaning->format.empty()) text["format"] = meaning->format;
    describe(text, meaning->text);
    // Outside of the years 0000 to 9999, or of one day.
    return {{"anyOf", array{std::move(text), std::move(number)}}};
  }

  object floating(std::string_view format) {
    if (use_ == JsonUse::kTaken) return {{"type", "number"}, {"format", format}};
    return {{"type", array{"number", "null"}}, {"format", format}};
  }

  static object base64(const Node& node) {
    object made = {{"type", "string"}, {"contentEncoding", "base64"}};
    if (node.type == Type::kFixed) {
      const std::size_t rest = node.fixed_size % 3;
      made["pattern"] = base64_pattern(rest == 0 ? "" : rest == 1 ? kOneByte : kTwoBytes);
      const std::uint64_t size = (static_cast<std::uint64_t>(node.fixed_size) + 2) / 3 * 4;
      made["minLength"] = size;
      made["maxLength"] = size;
    } else {
      made["pattern"] =
          base64_pattern("(?:" + std::string(kOneByte) + "|" + std::string(kTwoBytes) + ")?");
    }
    if (node.logical == Logical::kDecimal) {
      describe(made,
               "a big-endian number in two's complement, of 1/10^" + std::to_string(node.scale));
    }
    return made;
  }

  static object decimal(const Node& node) {
    const std::string fraction =
        node.scale == 0 ? "" : "\\.[0-9]{" + std::to_string(node.scale) + "}";
    return {{"type", "string"}, {"pattern", "^-?[0-9]+" + fraction + "$"}};
  }

  object fixed(const Node& node) {
    if (readable_) {
      switch (node.logical) {
        case Logical::kDecimal:
          return node.fixed_size > avro::kDecimalBytesMax ? base64(node) : decimal(node);
        case Logical::kUuid:
          return {{"type", "string"}, {"format", "uuid"}};
        case Logical::kDuration:  // "duration" of JSON Schema has no fractions of seconds
          return {{"type", "string"},
                  {"pattern", "^P(?:[0-9]+M)?(?:[0-9]+D)?(?:T[0-9]+(?:\\.[0-9]+)?S)?$"}};
        default:
          break;
      }
    }
    return base64(node);
  }

  // Not "oneOf": a value may well be one of several branches, such as of int and double.
  object any_of(const Node& node) {
    if (node.branches.empty()) return {{"not", object()}};  // it has no values
    if (node.branches.size() == 1) return type(*node.branches.front());
    array branches;
    for (const Node* branch : node.branches) branches.push_back(type(*branch));
    return {{"anyOf", std::move(branches)}};
  }

  const JsonUse use_;
  const bool readable_;
  const std::string suffix_;
  std::vector<const Node*> open_;
  std::set<const Node*> seen_;
};

bool fits_beside(const object& types, const object& others) {
  for (const auto& [name, type] : types) {
    const value* const other = others.if_contains(name);
    if (other != nullptr && *other != type) return false;
  }
  return true;
}

}  // namespace

object JsonSchemas::add(const avro::Schema& schema, JsonUse use) {
  const LogicalTypes logical = use == JsonUse::kShown ? shown_ : LogicalTypes::kNumbers;
  Writer plain(use, logical, "");
  object made = plain.write(schema.root());
  std::string what = boost::json::serialize(array{made, plain.types});
  if (const auto known = made_.find(what); known != made_.end()) return known->second;

  const std::string base = use == JsonUse::kTaken ? "-input" : "";
  object types = std::move(plain.types);
  for (bool fits = base.empty() && fits_beside(types, components_); !fits;
       fits = fits_beside(types, components_)) {
    const unsigned number = ++suffixes_[std::string(schema.full_name()) + base];
    // Taken: the first one has no number.
    const unsigned shown_number = base.empty() ? number + 1 : number;
    Writer next(use, logical, base + (shown_number == 1 ? "" : "-" + std::to_string(shown_number)));
    made = next.write(schema.root());
    types = std::move(next.types);
  }
  for (auto& [name, type] : types) components_[name] = std::move(type);
  made_.emplace(std::move(what), made);
  return made;
}

}  // namespace push_cache::api
