// The numbers that records written through HTTP have in place of an offset.
#pragma once

#include <cstdint>

namespace push_cache::store {

// The low bits are microseconds since 1970 (until 2112), the others tell processes apart that write
// to the same store.
inline constexpr unsigned kLocalTimeBits = 52;

constexpr std::int64_t local_number(std::int64_t process, std::int64_t time_us) {
  return process << kLocalTimeBits | time_us;
}
constexpr std::int64_t time_us_of(std::int64_t local_number) {
  return local_number & ((std::int64_t{1} << kLocalTimeBits) - 1);
}

}  // namespace push_cache::store
