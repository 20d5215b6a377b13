// Avro schemas: parsed once, then immutable (Apache Avro 1.12 specification, "Schema Declaration").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace push_cache::avro {

struct Node;  // one type of a schema; see avro/node.h

// A parsed schema with all its named types resolved. Copying is cheap (shared, immutable); safe
// from any thread.
class Schema {
 public:
  // Parses a schema's JSON text. `references` are the texts of schemas whose named types this one
  // uses, each before those that use it (what a registry gives as "references"). The error says
  // what is wrong and where in the text ("fields[3].type: unknown type 'Foo'"). Limits: limits.h.
  // An unknown or ill-formed logicalType is ignored, as the specification asks.
  static Result<Schema> parse(std::string_view json, std::span<const std::string> references = {});

  const Node& root() const { return *root_; }

  // Namespace and name of a record, enum or fixed; the type's word ("string", "array") otherwise.
  // Lives as long as any copy of this schema.
  std::string_view full_name() const;

  // Of a union, that of each of its branches; empty otherwise.
  std::vector<std::string> branch_names() const;

 private:
  struct Storage;
  Schema(std::shared_ptr<const Storage> storage, const Node* root);
  std::shared_ptr<const Storage> storage_;
  const Node* root_;
};

// The number of the branch that a datum of a union begins with. Nothing when it begins with none of
// them; `datum` need not be valid otherwise.
std::optional<std::size_t> branch_of(Bytes datum, std::size_t branches);

}  // namespace push_cache::avro
