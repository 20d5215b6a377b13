#include "avro/schema.h"

#include <set>
#include <utility>

#include "avro/node.h"
#include "avro/schema_parser.h"
#include "avro/wire.h"
#include "base/limits.h"

namespace push_cache::avro {

struct Schema::Storage {
  SchemaTypes types;
};

Schema::Schema(std::shared_ptr<const Storage> storage, const Node* root)
    : storage_(std::move(storage)), root_(root) {}

Result<Schema> Schema::parse(std::string_view json, std::span<const std::string> references) {
  if (references.size() > limits::kSchemaReferencesMax) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(references.size()) +
                                                  " references, at most " +
                                                  std::to_string(limits::kSchemaReferencesMax)};
  }
  auto storage = std::make_shared<Storage>();
  std::set<std::string_view> seen;  // two ways may lead to one reference
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (!seen.insert(references[i]).second) continue;
    SchemaParser parser(storage->types, "references[" + std::to_string(i) + "]");
    Result<const Node*> root = parser.parse(references[i]);
    if (!root) return std::move(root).error();
  }
  SchemaParser parser(storage->types, "");
  Result<const Node*> root = parser.parse(json);
  if (!root) return std::move(root).error();
  return Schema(std::move(storage), *root);
}

std::string_view Schema::full_name() const { return root_->label(); }

std::vector<std::string> Schema::branch_names() const {
  std::vector<std::string> out;
  for (const Node* branch : root_->branches) out.emplace_back(branch->label());
  return out;
}

std::optional<std::size_t> branch_of(Bytes datum, std::size_t branches) {
  const Varint varint = read_varint(datum.data(), datum.data() + datum.size());
  const std::int64_t branch = unzigzag(varint.raw);
  if (varint.next == nullptr || branch < 0 || static_cast<std::uint64_t>(branch) >= branches) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(branch);
}

}  // namespace push_cache::avro
