// Counts what the tests of this folder allocate.
#pragma once

#include <cstddef>

namespace push_cache::avro {

// Calls of operator new in this program so far, by this thread.
std::size_t allocations();

}  // namespace push_cache::avro
