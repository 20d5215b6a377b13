// GET of records through HTTP from a Redis: the part of redis_bench for reads.
#pragma once

#include <cstdint>
#include <string>

#include "bench/harness.h"

namespace push_cache::bench {

std::uint16_t free_port();

// Rows redis/get/...: the whole service against redis-benchmark's own GET (throughput), a bare
// proxy on our own parts and webdis (throughput, and processor time of the process for each
// request), with as many connections. Fills the Redis first. `webdis`: the program's path; rows
// against it are skipped when it is not there.
void bench_reads(Suite& suite, std::uint16_t redis_port, const std::string& webdis);

}  // namespace push_cache::bench
