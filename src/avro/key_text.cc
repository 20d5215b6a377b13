#include "avro/key_text.h"

#include <optional>
#include <string_view>
#include <utility>

#include "avro/format.h"
#include "avro/node.h"
#include "avro/wire.h"
#include "base/limits.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

constexpr std::string_view kHexMark = "0x";

Error malformed(std::string_view what) {
  return Error{ErrorCode::kMalformed, "key: " + std::string(what)};
}

// A value within a datum that is known to be whole.
struct Value {
  const Node* node = nullptr;
  const std::uint8_t* at = nullptr;
  // What stands around the value in the JSON of the datum: {"name": before it, } after it.
  std::size_t json_before = 0;
  std::size_t json_after = 0;
};

std::size_t json_string_size(std::string_view text) {
  Buffer quoted;
  append_json_string(quoted, text);
  return quoted.size();
}

// Goes into unions and records of one field. Nothing when the value is nested too deep, or the
// datum is not whole after all.
std::optional<Value> innermost(const Node& root, Bytes datum) {
  Value value{.node = &root, .at = datum.data()};
  const std::uint8_t* const end = datum.data() + datum.size();
  for (std::size_t steps = 0; steps < 2 * limits::kDatumDepthMax; ++steps) {
    if (value.node->type == Type::kUnion) {
      const Varint branch = read_varint(value.at, end);
      const auto index = static_cast<std::uint64_t>(unzigzag(branch.raw));
      if (branch.next == nullptr || index >= value.node->branches.size()) return std::nullopt;
      value.at = branch.next;
      value.node = value.node->branches[index];
    } else if (value.node->type == Type::kRecord && value.node->fields.size() == 1) {
      const Field& field = value.node->fields.front();
      value.json_before += json_string_size(field.name) + 2;
      value.json_after += 1;
      value.node = field.type;
    } else {
      return value;
    }
  }
  return std::nullopt;
}

// The bytes of a string, bytes or fixed.
std::optional<Bytes> content(const Value& value, const std::uint8_t* end) {
  if (value.node->type == Type::kFixed) {
    if (static_cast<std::size_t>(end - value.at) < value.node->fixed_size) return std::nullopt;
    return Bytes(value.at, value.node->fixed_size);
  }
  const Varint size = read_varint(value.at, end);
  if (size.next == nullptr) return std::nullopt;
  const auto bytes = static_cast<std::uint64_t>(unzigzag(size.raw));
  if (bytes > static_cast<std::uint64_t>(end - size.next)) return std::nullopt;
  return Bytes(size.next, static_cast<std::size_t>(bytes));
}

std::string text_of_content(const Node& node, Bytes bytes) {
  if (node.type == Type::kString) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  if (node.logical == Logical::kUuid && bytes.size() == 16) return uuid_key_text(bytes.data());
  if (node.logical == Logical::kDecimal && bytes.size() <= kDecimalBytesMax) {
    Buffer quoted;
    append_decimal(quoted, bytes, node.scale);
    return std::string(quoted.view().substr(1, quoted.size() - 2));
  }
  return bytes_key_text(bytes);
}

}  // namespace

std::string bytes_key_text(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kHexMark) && is_utf8(text)) return std::string(text);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex(kHexMark);
  hex.reserve(kHexMark.size() + 2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::string uuid_key_text(const std::uint8_t* bytes) {
  char quoted[kUuidTextMax];
  const char* const end = write_uuid(quoted, bytes);
  return {quoted + 1, static_cast<std::size_t>(end - quoted) - 2};
}

Result<KeyText> KeyText::compile(const Schema& schema) {
  if (schema.root().zero_size) {
    return Error{ErrorCode::kInvalidArgument, "a key's schema must tell keys apart, which " +
                                                  std::string(schema.root().label()) + " does not"};
  }
  auto plan = Plan::compile(schema, {.version_field = ""});
  if (!plan.ok()) return std::move(plan).error();
  return KeyText(schema, *std::move(plan));
}

Result<std::string> KeyText::text(Bytes datum) const {
  if (const Status whole = plan_->validate(datum); !whole.ok()) {
    return malformed(whole.error().public_text);
  }
  const std::optional<Value> value = innermost(schema_.root(), datum);
  if (!value) return malformed("nested too deep");
  const std::uint8_t* const end = datum.data() + datum.size();
  switch (value->node->type) {
    case Type::kNull:
      return malformed("it is null");
    case Type::kString:
    case Type::kBytes:
    case Type::kFixed: {
      const std::optional<Bytes> bytes = content(*value, end);
      if (!bytes) return malformed("cut short");
      return text_of_content(*value->node, *bytes);
    }
    default:
      break;
  }
  Buffer json;
  if (Status made = plan_->to_json(datum, json); !made.ok()) {
    return malformed(made.error().public_text);
  }
  std::string_view text =
      json.view().substr(value->json_before, json.size() - value->json_before - value->json_after);
  if (value->node->type == Type::kEnum) return std::string(text.substr(1, text.size() - 2));
  if (text == "null") return malformed("it is no number");
  return std::string(text);
}

}  // namespace push_cache::avro
