// The sides of redis_bench's reads over HTTP, each a process of its own: they serve on loopback,
// with a thread a core, the values of the Redis at a port.
#pragma once

#include <cstdint>

namespace push_cache::bench {

// Where the records are: the route over HTTP, and the prefix of their keys in Redis.
inline constexpr char kCustomersPath[] = "/cache/customers";
inline constexpr char kCustomersPrefix[] = "bench";

// `main` of a child, which prints its port as one line and serves until its stdin ends: the
// program's own HTTP server and API over a store in Redis.
int serve_from_redis(std::uint16_t redis_port);

// The same of the least that a proxy on the same parts can do: the program's HTTP server and Redis
// client, and a handler that sends GET and answers the value as it is.
int serve_bare_proxy(std::uint16_t redis_port);

}  // namespace push_cache::bench
