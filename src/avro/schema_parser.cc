#include "avro/schema_parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "avro/datum_writer.h"
#include "avro/logical.h"
#include "avro/names.h"
#include "avro/path_scope.h"
#include "base/limits.h"

namespace push_cache::avro {
namespace {

// Arrays and objects of the text, with all that tools keep in it: what Java's parser takes.
constexpr std::size_t kJsonDepthMax = 1000;
// Values in all defaults of one text, with those that nested records' defaults stand for.
constexpr std::size_t kDefaultStepsMax = 1'000'000;

// Of all full names and aliases: a long namespace counts with each name within it.
constexpr std::size_t kNameBytesMax = limits::kSchemaTextBytesMax * 4;

bool same_logical(const Node& a, const Node& b) {
  return a.logical == b.logical && a.precision == b.precision && a.scale == b.scale;
}

// Named types are the same only as one node: what is defined twice has become one by then.
bool same_type(const Node& a, const Node& b) {
  if (&a == &b) return true;
  if (a.type != b.type || a.is_named() || !same_logical(a, b)) return false;
  if (a.items != nullptr) return same_type(*a.items, *b.items);
  return std::equal(a.branches.begin(), a.branches.end(), b.branches.begin(), b.branches.end(),
                    [](const Node* x, const Node* y) { return same_type(*x, *y); });
}

// Whether data of both read the same.
bool same_definition(const Node& a, const Node& b) {
  return a.type == b.type && same_logical(a, b) && a.symbols == b.symbols &&
         a.fixed_size == b.fixed_size &&
         std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(),
                    [](const Field& x, const Field& y) {
                      return x.name == y.name && same_type(*x.type, *y.type);
                    });
}

}  // namespace

Result<const Node*> SchemaParser::parse(std::string_view json) {
  if (json.size() > limits::kSchemaTextBytesMax) {
    return Error{ErrorCode::kInvalidArgument, "schema of " + std::to_string(json.size()) +
                                                  " bytes, at most " +
                                                  std::to_string(limits::kSchemaTextBytesMax)};
  }
  Result<JsonTree> tree = JsonTree::parse(json, kJsonDepthMax, JsonTree::Dialect::kSchemaText);
  if (!tree) {
    fail(tree.error().public_text);
    return Error{ErrorCode::kInvalidArgument, error_};
  }
  tree_ = std::move(*tree);
  const Node* const root = parse_type(JsonTree::kRoot, "");
  if (root == nullptr) return Error{ErrorCode::kInvalidArgument, error_};
  parse_defaults();
  return root;
}

std::nullptr_t SchemaParser::fail(const std::string& what) {
  error_ = path_.empty() ? what : path_ + ": " + what;
  return nullptr;
}

std::nullptr_t SchemaParser::fail_at(std::string_view segment, const std::string& what) {
  const PathScope scope(path_, segment);
  return fail(what);
}

Node* SchemaParser::add(Type type) {
  if (types_.nodes.size() >= limits::kSchemaTypesMax) {
    return fail("more than " + std::to_string(limits::kSchemaTypesMax) + " types");
  }
  Node& node = types_.nodes.emplace_back();
  node.type = type;
  return &node;
}

const Node* SchemaParser::parse_type_at(std::string_view segment, Ref ref, std::string_view space) {
  const PathScope scope(path_, segment);
  return parse_type(ref, space);
}

const Node* SchemaParser::parse_type(Ref ref, std::string_view space) {
  if (depth_ >= limits::kSchemaDepthMax) {
    return fail("types nested deeper than " + std::to_string(limits::kSchemaDepthMax));
  }
  ++depth_;
  const Node* node = nullptr;
  switch (tree_.kind(ref)) {
    case JsonKind::kString:
      node = look_up(tree_.text(ref), space);
      break;
    case JsonKind::kArray:
      node = parse_union(ref, space);
      break;
    case JsonKind::kObject:
      node = parse_object(ref, space);
      break;
    default:
      fail("a type is needed (a name, an object or an array), not " +
           std::string(describe(tree_.kind(ref))));
  }
  --depth_;
  return node;
}

const Node* SchemaParser::primitive(Type type, Ref attributes) {
  if (attributes != JsonTree::kNone && tree_.find(attributes, "logicalType") != JsonTree::kNone) {
    Node* const node = add(type);
    if (node == nullptr) return nullptr;
    set_logical(*node, attributes);
    return node;
  }
  const Node*& shared = types_.primitives[type];
  if (shared == nullptr) {
    Node* const node = add(type);
    if (node == nullptr) return nullptr;
    node->zero_size = type == Type::kNull;
    shared = node;
  }
  return shared;
}

const Node* SchemaParser::find_known(std::string_view name, std::string_view space) const {
  if (name.size() + space.size() > limits::kSchemaNameBytesMax) return nullptr;
  auto found = types_.named.find(qualify(name, space));
  // A name without a namespace may also be one of no namespace: what other parsers accept as well.
  if (found == types_.named.end()) found = types_.named.find(name);
  return found == types_.named.end() ? nullptr : found->second;
}

const Node* SchemaParser::look_up(std::string_view name, std::string_view space) {
  if (const std::optional<Type> type = primitive_type(name))
    return primitive(*type, JsonTree::kNone);
  if (const Node* const known = find_known(name, space)) return known;
  return define_ahead(name, space);
}

const Node* SchemaParser::parse_object(Ref ref, std::string_view space) {
  if (const auto read = ahead_.find(ref); read != ahead_.end() && read->second != nullptr) {
    return read->second;
  }
  const Ref type = tree_.find(ref, "type");
  if (type == JsonTree::kNone) return fail("'type' is missing");
  if (!tree_.is_string(type)) return parse_type_at("type", type, space);
  const std::string_view word = tree_.text(type);
  if (word == "record" || word == "error") return parse_record(ref, space);
  if (word == "enum") return parse_enum(ref, space);
  if (word == "fixed") return parse_fixed(ref, space);
  if (word == "array") return parse_collection(ref, space, Type::kArray);
  if (word == "map") return parse_collection(ref, space, Type::kMap);
  if (const std::optional<Type> plain = primitive_type(word)) return primitive(*plain, ref);
  const PathScope scope(path_, "type");
  return look_up(word, space);
}

const Node* SchemaParser::parse_union(Ref ref, std::string_view space) {
  Node* const node = add(Type::kUnion);
  if (node == nullptr) return nullptr;
  std::set<std::string_view> seen;
  std::size_t index = 0;
  for (Ref at = tree_.first(ref); at < tree_.end(ref); at = tree_.next(at), ++index) {
    const std::string segment = indexed("", index);
    const Node* const branch = parse_type_at(segment, at, space);
    if (branch == nullptr) return nullptr;
    if (branch->type == Type::kUnion) {
      return fail_at(segment, "a union directly within a union");
    }
    if (!seen.insert(branch->label()).second) {
      return fail_at(segment, "'" + std::string(branch->label()) + "' stands twice in the union");
    }
    node->branches.push_back(branch);
  }
  return node;  // without a branch it has no values: what other parsers accept as well
}

const Node* SchemaParser::parse_collection(Ref ref, std::string_view space, Type type) {
  const std::string_view key = type == Type::kArray ? "items" : "values";
  const Ref items = tree_.find(ref, key);
  if (items == JsonTree::kNone) return fail("'" + std::string(key) + "' is missing");
  Node* const node = add(type);
  if (node == nullptr) return nullptr;
  node->items = parse_type_at(key, items, space);
  return node->items == nullptr ? nullptr : node;
}

// What is no text is left out: it says nothing about the data.
std::string SchemaParser::doc_of(Ref ref) const {
  const Ref doc = tree_.find(ref, "doc");
  return doc == JsonTree::kNone || !tree_.is_string(doc) ? "" : std::string(tree_.text(doc));
}

std::string_view SchemaParser::own_space(Ref ref, std::string_view space) const {
  const Ref own = tree_.find(ref, "namespace");
  return own != JsonTree::kNone && tree_.is_string(own) ? tree_.text(own) : space;
}

// A namespace plays no role in reading, and nor do aliases in a writer's schema: any text will do.
Node* SchemaParser::define(Ref ref, Type type, std::string_view space) {
  const Ref name = tree_.find(ref, "name");
  if (name == JsonTree::kNone) return fail("'name' is missing");
  if (!tree_.is_string(name)) return fail_at("name", "a string is needed");
  const std::string_view text = tree_.text(name);
  if (!is_name(short_name_of(text))) {
    return fail_at("name", in_quotes(text) + " is not a name (letters, digits and _)");
  }
  space = own_space(ref, space);
  if (text.size() + space.size() > limits::kSchemaNameBytesMax) {
    return fail_at("name", "longer with its namespace than " +
                               std::to_string(limits::kSchemaNameBytesMax) + " bytes");
  }
  std::string full_name = qualify(text, space);
  if (primitive_type(full_name)) return fail_at("name", "'" + full_name + "' is a primitive type");

  Node* const node = add(type);
  if (node == nullptr) return nullptr;
  node->full_name = std::move(full_name);
  node->doc = doc_of(ref);
  types_.name_bytes += node->full_name.size();
  if (!read_aliases(ref, namespace_of(node->full_name), node->aliases)) return nullptr;
  types_.named.emplace(node->full_name, node);
  if (const auto wanted = ahead_.find(ref); wanted != ahead_.end()) wanted->second = node;
  return node;
}

// What is no array, and what in it is no text or beyond the limit, is left out. With a namespace
// for types', without one for fields'.
bool SchemaParser::read_aliases(Ref ref, std::string_view space, std::vector<std::string>& out) {
  const Ref names = tree_.find(ref, "aliases");
  if (names != JsonTree::kNone && tree_.is_array(names)) {
    for (Ref at = tree_.first(names); at < tree_.end(names); at = tree_.next(at)) {
      if (!tree_.is_string(at) || tree_.text(at).size() > limits::kSchemaNameBytesMax) continue;
      out.push_back(qualify(tree_.text(at), space));
      types_.name_bytes += out.back().size();
      if (types_.name_bytes > kNameBytesMax) break;
    }
  }
  if (types_.name_bytes <= kNameBytesMax) return true;
  return fail("more than " + std::to_string(kNameBytesMax) + " bytes in all names"), false;
}

const Node* SchemaParser::settle(const Node& node) {
  const Node* const first = types_.named.find(node.full_name)->second;
  if (first == &node) return first;
  const bool is_open = std::find(open_.begin(), open_.end(), first) != open_.end();
  if (!is_open && same_definition(*first, node)) return first;
  return fail_at("name", in_quotes(node.full_name) + " is defined twice");
}

const Node* SchemaParser::parse_record(Ref ref, std::string_view space) {
  Node* const node = define(ref, Type::kRecord, space);
  if (node == nullptr) return nullptr;
  const Ref fields = tree_.find(ref, "fields");
  if (fields == JsonTree::kNone) return fail("'fields' is missing");
  if (!tree_.is_array(fields)) return fail_at("fields", "an array is needed");
  open_.push_back(node);
  if (!parse_fields(fields, *node, namespace_of(node->full_name))) return nullptr;
  open_.pop_back();
  node->zero_size = std::all_of(node->fields.begin(), node->fields.end(),
                                [](const Field& field) { return field.type->zero_size; });
  return settle(*node);
}

bool SchemaParser::parse_fields(Ref fields, Node& record, std::string_view space) {
  std::size_t index = 0;
  for (Ref at = tree_.first(fields); at < tree_.end(fields); at = tree_.next(at), ++index) {
    const PathScope scope(path_, indexed("fields", index));
    if (!parse_field(at, record, space)) return false;
  }
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < record.fields.size(); ++i) {
    if (seen.insert(record.fields[i].name).second) continue;
    fail_at(indexed("fields", i) + ".name", "'" + record.fields[i].name + "' stands twice");
    return false;
  }
  return true;
}

bool SchemaParser::parse_field(Ref ref, Node& record, std::string_view space) {
  if (!tree_.is_object(ref)) return fail("an object is needed"), false;
  const Ref name = tree_.find(ref, "name");
  if (name == JsonTree::kNone) return fail("'name' is missing"), false;
  if (!tree_.is_string(name) || !is_name(tree_.text(name))) {
    return fail_at("name", "not a name (letters, digits and _)"), false;
  }
  Field field;
  field.name = tree_.text(name);
  field.doc = doc_of(ref);
  if (!read_aliases(ref, "", field.aliases)) return false;
  const Ref type = tree_.find(ref, "type");
  if (type == JsonTree::kNone) return fail("'type' is missing"), false;
  field.type = parse_type_at("type", type, space);
  if (field.type == nullptr) return false;
  const Ref value = tree_.find(ref, "default");
  if (value != JsonTree::kNone) {
    field.default_token = value;
    pending_.push_back({&record, record.fields.size(), path_});
  }
  record.fields.push_back(std::move(field));
  return true;
}

bool SchemaParser::parse_symbols(Ref symbols, Node& node) {
  const PathScope scope(path_, "symbols");
  if (!tree_.is_array(symbols)) return fail("an array of names is needed"), false;
  std::set<std::string_view> seen;
  std::size_t index = 0;
  for (Ref at = tree_.first(symbols); at < tree_.end(symbols); at = tree_.next(at), ++index) {
    if (!tree_.is_string(at) || !is_name(tree_.text(at))) {
      return fail_at(indexed("", index), "not a name (letters, digits and _)"), false;
    }
    if (!seen.insert(tree_.text(at)).second) {
      return fail(in_quotes(tree_.text(at)) + " stands twice"), false;
    }
    node.symbols.emplace_back(tree_.text(at));
  }
  return true;
}

const Node* SchemaParser::parse_enum(Ref ref, std::string_view space) {
  Node* const node = define(ref, Type::kEnum, space);
  if (node == nullptr) return nullptr;
  const Ref symbols = tree_.find(ref, "symbols");
  if (symbols == JsonTree::kNone) return fail("'symbols' is missing");
  if (!parse_symbols(symbols, *node)) return nullptr;
  const Ref value = tree_.find(ref, "default");
  if (value == JsonTree::kNone) return settle(*node);
  const auto found = tree_.is_string(value)
                         ? std::find(node->symbols.begin(), node->symbols.end(), tree_.text(value))
                         : node->symbols.end();
  if (found != node->symbols.end()) {
    node->default_symbol = static_cast<std::size_t>(found - node->symbols.begin());
  } else {
    node->default_fault = "it is not one of the symbols";
  }
  return settle(*node);
}

const Node* SchemaParser::parse_fixed(Ref ref, std::string_view space) {
  Node* const node = define(ref, Type::kFixed, space);
  if (node == nullptr) return nullptr;
  const Ref size = tree_.find(ref, "size");
  if (size == JsonTree::kNone) return fail("'size' is missing");
  const std::optional<std::uint32_t> bytes = small_number(tree_, size);
  if (!bytes) return fail_at("size", "a number of bytes is needed, from 0 to 2147483647");
  node->fixed_size = *bytes;
  node->zero_size = node->fixed_size == 0;
  set_logical(*node, ref);
  return settle(*node);
}

void SchemaParser::set_logical(Node& node, Ref ref) const { apply_logical_type(node, tree_, ref); }

// After the whole text, since a default may be of a type that its own field is part of. One that
// does not fit is noted, for a reader that needs it. When the caps are reached no more are tried.
void SchemaParser::parse_defaults() {
  constexpr std::size_t kBytesMax = limits::kSchemaTextBytesMax * 4;
  DatumWriter writer(tree_, DatumWriter::Mode::kDefaults, limits::kSchemaTextBytesMax,
                     kDefaultStepsMax);
  for (const PendingDefault& pending : pending_) {
    Field& field = pending.record->fields[pending.field];
    Buffer datum;
    if (types_.default_bytes > kBytesMax) {
      field.default_fault = "too many bytes in all defaults";
    } else {
      if (writer.write(*field.type, field.default_token, datum)) {
        field.default_datum = std::string(datum.view());
      } else {
        field.default_fault = writer.fault();
      }
      types_.default_bytes += datum.size();
    }
    field.default_token = Field::kNoToken;
  }
}

}  // namespace push_cache::avro
