#include "avro/logical.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace push_cache::avro {
namespace {

struct LogicalRow {
  std::string_view name;
  Type type;
  std::size_t fixed_size;  // of a fixed, when it must have one
  Logical logical;
};

constexpr std::size_t kAnySize = 0;

constexpr LogicalRow kLogicalTypes[] = {
    {"decimal", Type::kBytes, kAnySize, Logical::kDecimal},
    {"decimal", Type::kFixed, kAnySize, Logical::kDecimal},
    {"uuid", Type::kString, kAnySize, Logical::kUuid},
    {"uuid", Type::kFixed, 16, Logical::kUuid},
    {"date", Type::kInt, kAnySize, Logical::kDate},
    {"time-millis", Type::kInt, kAnySize, Logical::kTimeMillis},
    {"time-micros", Type::kLong, kAnySize, Logical::kTimeMicros},
    {"timestamp-millis", Type::kLong, kAnySize, Logical::kTimestampMillis},
    {"timestamp-micros", Type::kLong, kAnySize, Logical::kTimestampMicros},
    {"timestamp-nanos", Type::kLong, kAnySize, Logical::kTimestampNanos},
    {"local-timestamp-millis", Type::kLong, kAnySize, Logical::kLocalTimestampMillis},
    {"local-timestamp-micros", Type::kLong, kAnySize, Logical::kLocalTimestampMicros},
    {"local-timestamp-nanos", Type::kLong, kAnySize, Logical::kLocalTimestampNanos},
    {"duration", Type::kFixed, 12, Logical::kDuration},
};

bool set_decimal(Node& node, const JsonTree& tree, JsonTree::Ref attributes) {
  const JsonTree::Ref precision_at = tree.find(attributes, "precision");
  const JsonTree::Ref scale_at = tree.find(attributes, "scale");
  if (precision_at == JsonTree::kNone) return false;
  const std::optional<std::uint32_t> precision = small_number(tree, precision_at);
  const std::optional<std::uint32_t> scale =
      scale_at == JsonTree::kNone ? std::optional<std::uint32_t>(0) : small_number(tree, scale_at);
  if (!precision || !scale || *precision == 0 || *precision > kDecimalPrecisionMax ||
      *scale > *precision) {
    return false;
  }
  if (node.type == Type::kFixed) {
    // floor(log10(2^(8n-1) - 1)): the digits that n bytes always hold.
    if (node.fixed_size == 0) return false;
    const double digits =
        std::floor((8.0 * static_cast<double>(node.fixed_size) - 1) * std::log10(2.0));
    if (*precision > digits) return false;
  }
  node.precision = *precision;
  node.scale = *scale;
  return true;
}

}  // namespace

std::optional<std::uint32_t> small_number(const JsonTree& tree, JsonTree::Ref ref) {
  if (tree.kind(ref) != JsonKind::kNumber) return std::nullopt;
  std::string_view text = tree.text(ref);
  if (text == "-0") text = "0";
  std::uint32_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size() ||
      value > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return value;
}

void apply_logical_type(Node& node, const JsonTree& tree, JsonTree::Ref attributes) {
  const JsonTree::Ref name = tree.find(attributes, "logicalType");
  if (name == JsonTree::kNone || !tree.is_string(name)) return;
  for (const LogicalRow& row : kLogicalTypes) {
    if (row.name != tree.text(name) || row.type != node.type) continue;
    if (row.fixed_size != kAnySize && row.fixed_size != node.fixed_size) return;
    if (row.logical == Logical::kDecimal && !set_decimal(node, tree, attributes)) return;
    node.logical = row.logical;
  }
}

}  // namespace push_cache::avro
