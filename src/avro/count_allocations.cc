#include "avro/count_allocations.h"

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t counted = 0;

}  // namespace

std::size_t push_cache::avro::allocations() { return counted; }

// The other forms of new and delete come to these two. In a file of their own, where no compiler
// can see both and take malloc and delete for a mismatch.
void* operator new(std::size_t size) {
  ++counted;
  if (void* const place = std::malloc(size == 0 ? 1 : size)) return place;
  throw std::bad_alloc();
}
void operator delete(void* place) noexcept { std::free(place); }
void operator delete(void* place, std::size_t) noexcept { std::free(place); }
