#include "avro/skip.h"

#include <limits>

#include "base/limits.h"

namespace push_cache::avro {
namespace {

bool skip_items(const Node& node, Reader& reader, std::size_t depth) {
  std::size_t zero_size_items = 0;
  for (;;) {
    std::int64_t count = 0;
    if (!reader.read_long(count)) return false;
    if (count == 0) return true;
    if (count < 0) {  // with its size in bytes: made for skipping
      std::int64_t size = 0;
      if (!reader.read_long(size) || size < 0) return false;
      if (!reader.skip(static_cast<std::size_t>(size))) return false;
      continue;
    }
    for (; count > 0; --count) {
      const std::size_t before = reader.position();
      Bytes key;
      if (node.type == Type::kMap && !reader.read_bytes(key)) return false;
      if (!skip_datum(*node.items, reader, depth + 1)) return false;
      if (reader.position() == before && ++zero_size_items > limits::kZeroSizeItemsMax) {
        return false;
      }
    }
  }
}

}  // namespace

bool skip_datum(const Node& node, Reader& reader, std::size_t depth) {
  if (depth > limits::kDatumDepthMax) return false;
  std::int64_t number = 0;
  Bytes bytes;
  switch (node.type) {
    case Type::kNull:
      return true;
    case Type::kBoolean:
      return reader.skip(1);
    case Type::kInt:
    case Type::kLong:
    case Type::kEnum:
      return reader.read_long(number);
    case Type::kFloat:
      return reader.skip(4);
    case Type::kDouble:
      return reader.skip(8);
    case Type::kBytes:
    case Type::kString:
      return reader.read_bytes(bytes);
    case Type::kFixed:
      return reader.skip(node.fixed_bytes);
    case Type::kRecord:
      for (const Field& field : node.fields) {
        if (!skip_datum(*field.type, reader, depth + 1)) return false;
      }
      return true;
    case Type::kArray:
    case Type::kMap:
      return skip_items(node, reader, depth);
    case Type::kUnion:
      if (!reader.read_long(number) || number < 0 ||
          static_cast<std::uint64_t>(number) >= node.branches.size()) {
        return false;
      }
      return skip_datum(*node.branches[static_cast<std::size_t>(number)], reader, depth + 1);
  }
  return false;
}

}  // namespace push_cache::avro
