// Numbers that must not be mistaken for each other.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace push_cache {

// A number of one kind. Converts to and from `Rep` only when asked to.
template <typename Tag, typename Rep>
struct Strong {
  Rep value = Rep{};
  constexpr Strong() = default;
  constexpr explicit Strong(Rep raw) : value(raw) {}
  friend constexpr auto operator<=>(Strong, Strong) = default;
};

// Id of a schema in the registry: a non-negative 32-bit number, big-endian on the wire.
using SchemaId = Strong<struct SchemaIdTag, std::int32_t>;
// Number of a partition within its topic; -1 = none (a record written through HTTP).
using Partition = Strong<struct PartitionTag, std::int32_t>;
// Position of a record within its partition; -1 = none.
using Offset = Strong<struct OffsetTag, std::int64_t>;

// Bytes that are borrowed: the owner says how long they live.
using Bytes = std::span<const std::uint8_t>;

}  // namespace push_cache

template <typename Tag, typename Rep>
struct std::hash<push_cache::Strong<Tag, Rep>> {
  std::size_t operator()(push_cache::Strong<Tag, Rep> number) const {
    return std::hash<Rep>{}(number.value);
  }
};
