// Reads the JSON text of one schema into nodes.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "avro/json_tree.h"
#include "avro/node.h"
#include "base/error.h"

namespace push_cache::avro {

// All types of a schema and of those it refers to; nodes never move.
struct SchemaTypes {
  std::deque<Node> nodes;
  std::map<std::string, const Node*, std::less<>> named;
  std::map<Type, const Node*> primitives;  // those without a logical type
  std::size_t default_bytes = 0;           // of all defaults so far
  std::size_t name_bytes = 0;              // of all full names and aliases so far
};

class SchemaParser {
 public:
  // Adds to `types`, which must outlive the parser. `text` names the text in errors ("" or
  // "references[2]").
  SchemaParser(SchemaTypes& types, std::string text)
      : types_(types), text_name_(std::move(text)), path_(text_name_) {}

  Result<const Node*> parse(std::string_view json);

 private:
  using Ref = JsonTree::Ref;
  struct PendingDefault {
    Node* record;
    std::size_t field;
    std::string path;
  };
  // Where the text defines a named type.
  struct Definition {
    Ref ref;
    std::string_view space;  // the namespace around it
    std::string path;
  };

  // Each gives nullptr (false) after `fail`.
  const Node* parse_type(Ref ref, std::string_view space);
  const Node* parse_type_at(std::string_view segment, Ref ref, std::string_view space);
  const Node* parse_object(Ref ref, std::string_view space);
  const Node* parse_union(Ref ref, std::string_view space);
  const Node* parse_record(Ref ref, std::string_view space);
  const Node* parse_enum(Ref ref, std::string_view space);
  const Node* parse_fixed(Ref ref, std::string_view space);
  const Node* parse_collection(Ref ref, std::string_view space, Type type);
  const Node* look_up(std::string_view name, std::string_view space);
  const Node* find_known(std::string_view name, std::string_view space) const;
  const Node* define_ahead(std::string_view name, std::string_view space);
  const Node* primitive(Type type, Ref attributes);
  bool parse_fields(Ref fields, Node& record, std::string_view space);
  bool parse_field(Ref ref, Node& record, std::string_view space);
  bool parse_symbols(Ref symbols, Node& node);
  bool read_aliases(Ref ref, std::string_view space, std::vector<std::string>& out);
  void parse_defaults();

  // Notes each definition below `ref`.
  void find_definitions(Ref ref, std::string_view space);
  void find_definitions_at(std::string_view segment, Ref ref, std::string_view space);
  std::string_view own_space(Ref ref, std::string_view space) const;
  std::string doc_of(Ref ref) const;

  // Reads name, namespace and aliases into a new node and makes it known, unless its name is.
  Node* define(Ref ref, Type type, std::string_view space);
  // At the end of a definition: the node to use for it, which is the first of its name.
  const Node* settle(const Node& node);
  Node* add(Type type);
  void set_logical(Node& node, Ref ref) const;

  std::nullptr_t fail(const std::string& what);
  std::nullptr_t fail_at(std::string_view segment, const std::string& what);

  SchemaTypes& types_;
  JsonTree tree_;
  const std::string text_name_;
  std::string path_;
  std::string error_;
  std::size_t depth_ = 0;
  std::vector<PendingDefault> pending_;
  std::vector<const Node*> open_;  // the records being read
  // Of a text that uses a type before it defines it:
  std::optional<std::map<std::string, Definition, std::less<>>> definitions_;
  std::map<Ref, const Node*> ahead_;  // those read before their turn
};

}  // namespace push_cache::avro
