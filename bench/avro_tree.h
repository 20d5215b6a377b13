// What a service written by hand does with Avro: decodes to a generic tree, which a JSON library
// renders. The reference of avro_bench; for well-formed data only.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "avro/node.h"
#include "base/types.h"

namespace push_cache::bench {

// The value of `datum`, written by the schema `node`. Dates, timestamps and decimals as their text.
boost::json::value read_tree(const avro::Node& node, Bytes datum);

}  // namespace push_cache::bench
