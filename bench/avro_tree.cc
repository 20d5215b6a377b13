#include "bench/avro_tree.h"

#include <array>
#include <string>
#include <utility>

#include "avro/format.h"
#include "avro/wire.h"
#include "base/buffer.h"
#include "bench/harness.h"

namespace push_cache::bench {
namespace {

using avro::Logical;
using avro::Node;
using avro::Type;

// What was written to `text`, without the quotes around it.
boost::json::string unquoted(const char* text, const char* end) {
  return boost::json::string(text + 1, static_cast<std::size_t>(end - text) - 2);
}

class TreeReader {
 public:
  explicit TreeReader(Bytes datum) : at_(datum.data()), end_(at_ + datum.size()) {}

  boost::json::value read(const Node& node) {
    switch (node.type) {
      case Type::kNull:
        return nullptr;
      case Type::kBoolean:
        return *at_++ != 0;
      case Type::kInt:
      case Type::kLong:
        return whole(node);
      case Type::kFloat:
        return static_cast<double>(fixed<float>());
      case Type::kDouble:
        return fixed<double>();
      case Type::kString:
        return boost::json::string(text());
      case Type::kBytes:
        return decimal(node);
      case Type::kEnum:
        return boost::json::string(node.symbols[static_cast<std::size_t>(number())]);
      case Type::kUnion:
        return read(*node.branches[static_cast<std::size_t>(number())]);
      case Type::kArray:
        return array(node);
      case Type::kMap:
        return map(node);
      case Type::kRecord: {
        boost::json::object fields;
        for (const avro::Field& field : node.fields) {
          fields.emplace(field.name, read(*field.type));
        }
        return fields;
      }
      default:
        fail("the tree knows no such type");
    }
  }

 private:
  boost::json::value whole(const Node& node) {
    const std::int64_t value = number();
    std::array<char, avro::kTimeTextMax> text{};
    if (node.logical == Logical::kDate) {
      return unquoted(text.data(), avro::write_date(text.data(), value));
    }
    if (node.logical == Logical::kTimestampMillis) {
      return unquoted(text.data(), avro::write_timestamp(text.data(), value, 1000, false));
    }
    return value;
  }

  boost::json::value decimal(const Node& node) {
    if (node.logical != Logical::kDecimal) fail("the tree knows no such type");
    Buffer out;
    const std::string_view bytes = text();
    avro::append_decimal(out, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                         node.scale);
    return unquoted(out.data(), out.data() + out.size());
  }

  // The items of the next block; 0 = no more.
  std::int64_t block() {
    const std::int64_t count = number();
    if (count >= 0) return count;
    (void)number();  // the block's size in bytes
    return -count;
  }

  boost::json::value array(const Node& node) {
    boost::json::array items;
    for (std::int64_t count = block(); count != 0; count = block()) {
      for (; count > 0; --count) items.push_back(read(*node.items));
    }
    return items;
  }

  boost::json::value map(const Node& node) {
    boost::json::object items;
    for (std::int64_t count = block(); count != 0; count = block()) {
      for (; count > 0; --count) {
        const std::string_view key = text();
        items.emplace(key, read(*node.items));
      }
    }
    return items;
  }

  std::int64_t number() {
    const avro::Varint varint = avro::read_varint(at_, end_);
    at_ = varint.next;
    return avro::unzigzag(varint.raw);
  }
  template <typename T>
  T fixed() {
    const T value = avro::load<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view text() {
    const auto size = static_cast<std::size_t>(number());
    const std::string_view text(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return text;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

}  // namespace

boost::json::value read_tree(const Node& node, Bytes datum) { return TreeReader(datum).read(node); }

}  // namespace push_cache::bench
