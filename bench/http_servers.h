// The two sides of http_bench, each the `main` of a child process: they print their port as one
// line and serve on loopback, with a thread a core, until their stdin ends.
#pragma once

#include <cstddef>
#include <cstdint>

namespace push_cache::bench {

// The route of the records.
inline constexpr char kRecordsPath[] = "/cache/customers";

// The program's own HTTP server, API, schema cache and store with `records` Customers (indices 0 to
// records-1 of the samples).
int serve_records(std::uint64_t records);

// The least an HTTP server can do with epoll: counts the requests' ends and answers each with the
// same `response_bytes` bytes (head and body), those of one read in one write. Parses nothing.
int serve_fixed(std::size_t response_bytes);

}  // namespace push_cache::bench
