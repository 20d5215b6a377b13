#include "avro/schema.h"

#include <array>
#include <boost/json.hpp>
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "avro/node.h"
#include "avro/reader.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::avro {

namespace json = boost::json;

struct Schema::Storage {
  std::deque<Node> nodes;  // addresses stay
  std::unordered_map<std::string, const Node*> named;
};

namespace {

constexpr std::array<std::string_view, 14> kTypeNames = {
    "null",   "boolean", "int",  "long",  "float", "double", "bytes",
    "string", "record",  "enum", "fixed", "array", "map",    "union"};
constexpr std::size_t kPrimitives = 8;

struct LogicalRow {
  std::string_view name;
  Logical logical;
  Type type;
};
constexpr LogicalRow kLogicals[] = {
    {"decimal", Logical::kDecimal, Type::kBytes},
    {"decimal", Logical::kDecimal, Type::kFixed},
    {"date", Logical::kDate, Type::kInt},
    {"time-millis", Logical::kTimeMillis, Type::kInt},
    {"time-micros", Logical::kTimeMicros, Type::kLong},
    {"timestamp-millis", Logical::kTimestampMillis, Type::kLong},
    {"timestamp-micros", Logical::kTimestampMicros, Type::kLong},
    {"timestamp-nanos", Logical::kTimestampNanos, Type::kLong},
    {"local-timestamp-millis", Logical::kLocalTimestampMillis, Type::kLong},
    {"local-timestamp-micros", Logical::kLocalTimestampMicros, Type::kLong},
    {"local-timestamp-nanos", Logical::kLocalTimestampNanos, Type::kLong},
    {"uuid", Logical::kUuid, Type::kString},
    {"uuid", Logical::kUuid, Type::kFixed},
    {"duration", Logical::kDuration, Type::kFixed},
};

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::string full_name_of(std::string_view name, std::string_view name_space) {
  if (name.find('.') != std::string_view::npos || name_space.empty()) return std::string(name);
  return std::string(name_space) + "." + std::string(name);
}

std::string namespace_of(std::string_view full_name) {
  const std::size_t dot = full_name.rfind('.');
  return std::string(dot == std::string_view::npos ? std::string_view() : full_name.substr(0, dot));
}

// Builds nodes from JSON. Names are taken as they come: a registry has accepted them, and refusing
// a schema for an odd character would lose its records. Defaults are looked at where they are used.
class Parser {
 public:
  explicit Parser(std::deque<Node>& nodes, std::unordered_map<std::string, const Node*>& named)
      : nodes_(nodes), named_(named) {}

  Result<const Node*> parse_text(std::string_view text) {
    if (text.size() > limits::kSchemaTextBytesMax) {
      return Error{
          ErrorCode::kInvalidArgument,
          "the schema's text has " + std::to_string(text.size()) + " bytes, more than is taken"};
    }
    json::error_code error;
    json::parse_options options;
    options.max_depth = limits::kSchemaDepthMax * 4;
    json::stream_parser parser(json::storage_ptr(), options);
    parser.write(text.data(), text.size(), error);
    if (!error) parser.finish(error);
    if (error) {
      return Error{ErrorCode::kInvalidArgument, "the schema is not JSON: " + error.message()};
    }
    const json::value root = parser.release();
    return parse(root, "", "schema", 0);
  }

 private:
  Error fault(std::string_view path, std::string_view text) const {
    return {ErrorCode::kInvalidArgument, std::string(path) + ": " + std::string(text)};
  }

  Result<Node*> make(Type type, std::string_view path) {
    if (nodes_.size() >= limits::kSchemaTypesMax)
      return fault(path, "the schema has too many types");
    nodes_.emplace_back().type = type;
    return &nodes_.back();
  }

  Result<const Node*> parse(const json::value& value, const std::string& name_space,
                            const std::string& path, std::size_t depth) {
    if (depth > limits::kSchemaDepthMax) return fault(path, "nested too deeply");
    if (value.is_string()) return parse_name(view(value.get_string()), name_space, path);
    if (value.is_array()) return parse_union(value.get_array(), name_space, path, depth);
    if (!value.is_object()) return fault(path, "a type must be a string, an object or an array");
    const json::object& object = value.get_object();
    const json::value* type = object.if_contains("type");
    if (type == nullptr) return fault(path, "the key 'type' is missing");
    // {"type": {"type": "string"}}: one more layer around a type.
    if (!type->is_string()) return parse(*type, name_space, path, depth + 1);
    const std::string_view word = view(type->get_string());
    if (word == "record" || word == "error") return parse_record(object, name_space, path, depth);
    if (word == "enum") return parse_enum(object, name_space, path);
    if (word == "fixed") return parse_fixed(object, name_space, path);
    if (word == "array") return parse_items(object, Type::kArray, "items", name_space, path, depth);
    if (word == "map") return parse_items(object, Type::kMap, "values", name_space, path, depth);
    auto named = parse_name(word, name_space, path);
    if (!named.ok() || !object.contains("logicalType")) return named;
    if ((*named)->type >= Type::kRecord) return named;
    auto node = make((*named)->type, path);
    if (!node.ok()) return std::move(node).error();
    set_logical(**node, object);
    return static_cast<const Node*>(*node);
  }

  Result<const Node*> parse_name(std::string_view word, const std::string& name_space,
                                 const std::string& path) {
    for (std::size_t i = 0; i < kPrimitives; ++i) {
      if (word != kTypeNames[i]) continue;
      if (primitives_[i] == nullptr) {
        auto node = make(static_cast<Type>(i), path);
        if (!node.ok()) return std::move(node).error();
        primitives_[i] = *node;
      }
      return primitives_[i];
    }
    auto found = named_.find(full_name_of(word, name_space));
    // Some writers leave out a namespace that should be there, so the bare name is tried too.
    if (found == named_.end()) found = named_.find(std::string(word));
    if (found == named_.end()) return fault(path, "unknown type '" + std::string(word) + "'");
    return found->second;
  }

  Result<const Node*> parse_union(const json::array& branches, const std::string& name_space,
                                  const std::string& path, std::size_t depth) {
    auto made = make(Type::kUnion, path);
    if (!made.ok()) return std::move(made).error();
    Node* node = *made;
    if (branches.empty()) return fault(path, "a union needs at least one branch");
    std::unordered_set<std::string> seen;
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const std::string at = path + "[" + std::to_string(i) + "]";
      auto branch = parse(branches[i], name_space, at, depth + 1);
      if (!branch.ok()) return branch;
      if ((*branch)->type == Type::kUnion) return fault(at, "a union directly within a union");
      const std::string name = (*branch)->full_name.empty()
                                   ? std::string(to_string((*branch)->type))
                                   : (*branch)->full_name;
      if (!seen.insert(name).second) return fault(at, "the union has '" + name + "' twice");
      node->branches.push_back(*branch);
    }
    return static_cast<const Node*>(node);
  }

  Result<const Node*> parse_items(const json::object& object, Type type, std::string_view key,
                                  const std::string& name_space, const std::string& path,
                                  std::size_t depth) {
    auto made = make(type, path);
    if (!made.ok()) return std::move(made).error();
    Node* node = *made;
    const json::value* items = object.if_contains(json::string_view(key.data(), key.size()));
    if (items == nullptr) return fault(path, "the key '" + std::string(key) + "' is missing");
    auto parsed = parse(*items, name_space, path + "." + std::string(key), depth + 1);
    if (!parsed.ok()) return parsed;
    node->items = *parsed;
    return static_cast<const Node*>(node);
  }

  // Makes a named type known, so that it can be referred to from within itself.
  Result<Node*> make_named(const json::object& object, Type type, const std::string& name_space,
                           const std::string& path) {
    const json::value* name = object.if_contains("name");
    if (name == nullptr || !name->is_string() || name->get_string().empty()) {
      return fault(path, "the key 'name' is missing or no name");
    }
    auto made = make(type, path);
    if (!made.ok()) return made;
    Node* node = *made;
    std::string own_space = name_space;
    if (const json::value* given = object.if_contains("namespace"); given && given->is_string()) {
      own_space = view(given->get_string());
    }
    node->full_name = full_name_of(view(name->get_string()), own_space);
    if (const json::value* aliases = object.if_contains("aliases");
        aliases && aliases->is_array()) {
      for (const json::value& alias : aliases->get_array()) {
        if (!alias.is_string()) return fault(path, "an alias must be a string");
        node->aliases.push_back(
            full_name_of(view(alias.get_string()), namespace_of(node->full_name)));
      }
    }
    if (!named_.emplace(node->full_name, node).second) {
      return fault(path, "the name '" + node->full_name + "' is defined twice");
    }
    return node;
  }

  Result<const Node*> parse_record(const json::object& object, const std::string& name_space,
                                   const std::string& path, std::size_t depth) {
    auto made = make_named(object, Type::kRecord, name_space, path);
    if (!made.ok()) return std::move(made).error();
    Node* node = *made;
    const json::value* fields = object.if_contains("fields");
    if (fields == nullptr || !fields->is_array()) {
      return fault(path, "the key 'fields' is missing or no array");
    }
    const std::string inner_space = namespace_of(node->full_name);
    std::unordered_set<std::string> names;
    for (std::size_t i = 0; i < fields->get_array().size(); ++i) {
      const json::value& value = fields->get_array()[i];
      const std::string at = path + ".fields[" + std::to_string(i) + "]";
      if (!value.is_object()) return fault(at, "a field must be an object");
      const json::object& given = value.get_object();
      const json::value* name = given.if_contains("name");
      if (name == nullptr || !name->is_string() || name->get_string().empty()) {
        return fault(at, "the key 'name' is missing or no name");
      }
      Field field;
      field.name = view(name->get_string());
      if (!names.insert(field.name).second) {
        return fault(at, "the field '" + field.name + "' is defined twice");
      }
      const json::value* type = given.if_contains("type");
      if (type == nullptr) return fault(at, "the key 'type' is missing");
      auto parsed = parse(*type, inner_space, at, depth + 1);
      if (!parsed.ok()) return parsed;
      field.type = *parsed;
      // A logicalType beside the type's name, inside the field, is a common slip that all ignore.
      if (const json::value* standard = given.if_contains("default")) {
        field.default_value = *standard;
      }
      if (const json::value* aliases = given.if_contains("aliases");
          aliases && aliases->is_array()) {
        for (const json::value& alias : aliases->get_array()) {
          if (alias.is_string()) field.aliases.emplace_back(view(alias.get_string()));
        }
      }
      node->fields.push_back(std::move(field));
    }
    return static_cast<const Node*>(node);
  }

  Result<const Node*> parse_enum(const json::object& object, const std::string& name_space,
                                 const std::string& path) {
    auto made = make_named(object, Type::kEnum, name_space, path);
    if (!made.ok()) return std::move(made).error();
    Node* node = *made;
    const json::value* symbols = object.if_contains("symbols");
    if (symbols == nullptr || !symbols->is_array()) {
      return fault(path, "the key 'symbols' is missing or no array");
    }
    std::unordered_set<std::string> seen;
    for (const json::value& symbol : symbols->get_array()) {
      if (!symbol.is_string()) return fault(path, "a symbol must be a string");
      node->symbols.emplace_back(view(symbol.get_string()));
      if (!seen.insert(node->symbols.back()).second) {
        return fault(path, "the symbol '" + node->symbols.back() + "' is there twice");
      }
    }
    if (const json::value* standard = object.if_contains("default");
        standard && standard->is_string()) {
      for (std::size_t i = 0; i < node->symbols.size(); ++i) {
        if (node->symbols[i] == view(standard->get_string())) node->enum_default = i;
      }
      if (!node->enum_default) return fault(path, "the default is none of the symbols");
    }
    return static_cast<const Node*>(node);
  }

  Result<const Node*> parse_fixed(const json::object& object, const std::string& name_space,
                                  const std::string& path) {
    auto made = make_named(object, Type::kFixed, name_space, path);
    if (!made.ok()) return std::move(made).error();
    Node* node = *made;
    const json::value* size = object.if_contains("size");
    if (size == nullptr || !size->is_int64() || size->get_int64() < 0 ||
        size->get_int64() > static_cast<std::int64_t>(limits::kValueBytesMax)) {
      return fault(path, "the key 'size' is missing or no number of bytes");
    }
    node->fixed_bytes = static_cast<std::size_t>(size->get_int64());
    set_logical(*node, object);
    return static_cast<const Node*>(node);
  }

  // Sets the logical type, or leaves it out when it does not fit ("must ignore", the
  // specification).
  static void set_logical(Node& node, const json::object& object) {
    const json::value* name = object.if_contains("logicalType");
    if (name == nullptr || !name->is_string()) return;
    Logical logical = Logical::kNone;
    for (const LogicalRow& row : kLogicals) {
      if (row.name == view(name->get_string()) && row.type == node.type) logical = row.logical;
    }
    if (logical == Logical::kUuid && node.type == Type::kFixed && node.fixed_bytes != 16) return;
    if (logical == Logical::kDuration && node.fixed_bytes != 12) return;
    if (logical == Logical::kDecimal) {
      const json::value* precision = object.if_contains("precision");
      const json::value* scale = object.if_contains("scale");
      if (precision == nullptr || !precision->is_int64() || precision->get_int64() < 1) return;
      if (scale != nullptr) {
        if (!scale->is_int64() || scale->get_int64() < 0 ||
            scale->get_int64() > precision->get_int64() || scale->get_int64() > 1000) {
          return;
        }
        node.scale = static_cast<std::uint32_t>(scale->get_int64());
      }
    }
    node.logical = logical;
  }

  std::deque<Node>& nodes_;
  std::unordered_map<std::string, const Node*>& named_;
  std::array<const Node*, kPrimitives> primitives_ = {};
};

}  // namespace

std::string_view to_string(Type type) { return kTypeNames[static_cast<std::size_t>(type)]; }

Schema::Schema(std::shared_ptr<const Storage> storage, const Node* root)
    : storage_(std::move(storage)), root_(root) {}

Result<Schema> Schema::parse(std::string_view text, std::span<const std::string> references) {
  auto storage = std::make_shared<Storage>();
  Parser parser(storage->nodes, storage->named);
  for (std::size_t i = 0; i < references.size(); ++i) {
    auto parsed = parser.parse_text(references[i]);
    if (!parsed.ok()) {
      Error error = std::move(parsed).error();
      error.public_text = "reference " + std::to_string(i + 1) + ": " + error.public_text;
      return error;
    }
  }
  auto root = parser.parse_text(text);
  if (!root.ok()) return std::move(root).error();
  return Schema(std::move(storage), *root);
}

std::string_view Schema::full_name() const {
  return root_->full_name.empty() ? to_string(root_->type) : std::string_view(root_->full_name);
}

Result<std::string> key_text(const Schema& schema, Bytes datum) {
  const Node* node = &schema.root();
  Reader reader(datum);
  const auto malformed = [&reader](std::string_view what) {
    return Error{ErrorCode::kMalformed,
                 "byte " + std::to_string(reader.position()) + " of the key: " + std::string(what)};
  };
  if (node->type == Type::kUnion) {
    const bool nullable = node->branches.size() == 2 && (node->branches[0]->type == Type::kNull ||
                                                         node->branches[1]->type == Type::kNull);
    if (nullable) {
      std::int64_t branch = 0;
      if (!reader.read_long(branch) || branch < 0 || branch > 1) return malformed("no such branch");
      node = node->branches[static_cast<std::size_t>(branch)];
      if (node->type == Type::kNull) return malformed("the key is null");
    }
  }
  std::string text;
  if (node->type == Type::kInt || node->type == Type::kLong) {
    std::int64_t value = 0;
    const bool whole = node->type == Type::kInt ? reader.read_int(value) : reader.read_long(value);
    if (!whole) return malformed("not a number");
    text = std::to_string(value);
  } else if (node->type == Type::kString || node->type == Type::kBytes) {
    Bytes bytes;
    if (!reader.read_bytes(bytes)) return malformed("a string that is cut short");
    text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!is_utf8(text)) return malformed("not UTF-8");
  } else {
    return Error{ErrorCode::kInvalidArgument, "a key must be a string, bytes, int or long, not " +
                                                  std::string(schema.full_name())};
  }
  if (!reader.at_end()) return malformed("bytes are left over");
  return text;
}

}  // namespace push_cache::avro
