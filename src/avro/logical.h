// Logical types ("Logical Types" of the specification).
#pragma once

#include <cstdint>
#include <optional>

#include "avro/json_tree.h"
#include "avro/node.h"

namespace push_cache::avro {

// Longest decimal that is understood: what is declared with more digits counts as ill-formed.
// Bounds the text that a scale can make of one byte.
inline constexpr std::uint32_t kDecimalPrecisionMax = 4096;

// Sets the logical type that `attributes` (an object) give to `node`, whose type and size are set.
// What is unknown or does not fit the type is ignored.
void apply_logical_type(Node& node, const JsonTree& tree, JsonTree::Ref attributes);

// A whole number from 0 to 2^31-1, or nothing.
std::optional<std::uint32_t> small_number(const JsonTree& tree, JsonTree::Ref ref);

}  // namespace push_cache::avro
