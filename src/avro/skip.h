// Moving over data without looking at them. Internal to this folder.
#pragma once

#include <cstddef>

#include "avro/node.h"
#include "avro/reader.h"

namespace push_cache::avro {

// Moves `reader` behind one datum of `node`. False when it is malformed (as far as that shows: text
// is not looked at) or nested beyond limits::kDatumDepthMax.
bool skip_datum(const Node& node, Reader& reader, std::size_t depth = 0);

}  // namespace push_cache::avro
