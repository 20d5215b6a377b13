// An Avro type with everything the four sample types lack: nested records, maps, unions, an enum,
// logical types.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/buffer.h"

namespace push_cache::bench {

std::string_view nested_schema();

// Appends the datum of record `index`: some 500 bytes, always the same for one index.
void append_nested(std::uint64_t index, Buffer& out);

}  // namespace push_cache::bench
