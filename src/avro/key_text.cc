// Keys of Kafka records that were written with Avro: key_text of avro/schema.h.
#include <limits>

#include "avro/node.h"
#include "avro/schema.h"
#include "avro/wire.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

bool is_key_type(Type type) {
  return type == Type::kString || type == Type::kBytes || type == Type::kInt || type == Type::kLong;
}

bool is_key_union(const Node& node) {
  if (node.type != Type::kUnion || node.branches.size() != 2) return false;
  const Type first = node.branches[0]->type;
  const Type second = node.branches[1]->type;
  return (first == Type::kNull && is_key_type(second)) ||
         (second == Type::kNull && is_key_type(first));
}

Error malformed(std::string what) {
  return Error{ErrorCode::kMalformed, "key: " + std::move(what)};
}

}  // namespace

Result<std::string> key_text(const Schema& schema, Bytes datum) {
  const Node* node = &schema.root();
  if (!is_key_type(node->type) && !is_key_union(*node)) {
    return Error{ErrorCode::kInvalidArgument,
                 "a key's schema must be string, bytes, int or long (or a union of one of them "
                 "with null), not " +
                     std::string(node->label())};
  }
  const std::uint8_t* at = datum.data();
  const std::uint8_t* const end = at + datum.size();
  if (node->type == Type::kUnion) {
    const Varint branch = read_varint(at, end);
    if (branch.next == nullptr) return malformed("no branch of the union");
    const std::int64_t index = unzigzag(branch.raw);
    if (index != 0 && index != 1) return malformed("no branch " + std::to_string(index));
    at = branch.next;
    node = node->branches[static_cast<std::size_t>(index)];
    if (node->type == Type::kNull) return malformed("null");
  }
  const Varint varint = read_varint(at, end);
  if (varint.next == nullptr) return malformed("number cut short or too long");
  const std::int64_t number = unzigzag(varint.raw);
  const auto left = static_cast<std::size_t>(end - varint.next);
  if (node->type == Type::kInt || node->type == Type::kLong) {
    if (left != 0) return malformed(std::to_string(left) + " bytes left over");
    if (node->type == Type::kInt && (number < std::numeric_limits<std::int32_t>::min() ||
                                     number > std::numeric_limits<std::int32_t>::max())) {
      return malformed(std::to_string(number) + " is out of the range of int");
    }
    return std::to_string(number);
  }
  if (number < 0 || static_cast<std::uint64_t>(number) != left) {
    return malformed("text of " + std::to_string(number) + " bytes, " + std::to_string(left) +
                     " there");
  }
  std::string text(reinterpret_cast<const char*>(varint.next), left);
  if (!is_utf8(text)) return malformed("not UTF-8");
  return text;
}

}  // namespace push_cache::avro
