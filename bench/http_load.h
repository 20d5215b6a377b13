// The load generator of http_bench: epoll, one thread, loopback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace push_cache::bench {

// One request and what its answer must be.
struct Ask {
  std::string request;
  std::string status;  // "HTTP/1.1 200"
  // A text that the answer must hold, such as the record's key; "" = none.
  std::string proof;
  // Learned: the answer's length with its head, and where `proof` is in it.
  std::size_t response_bytes = 0;
  std::size_t proof_at = 0;
};

// Sends each once, checks status, Content-Length and proof by reading the whole answer, and notes
// what is to be learned. `seen` (may be empty) gets each answer's head and body. `at_once`: as many
// are pipelined.
void learn(
    std::uint16_t port, std::vector<Ask>& asks,
    const std::function<void(std::size_t, std::string_view head, std::string_view body)>& seen,
    std::size_t at_once = 16);

struct LoadShape {
  unsigned connections = 64;
  unsigned depth = 1;  // requests of a connection under way: written at once, their answers awaited
  double seconds = 1;
};

struct LoadResult {
  std::uint64_t requests = 0;  // answered
  double seconds = 0;
};

// Random ones of `asks` over new connections for some time. Each answer is checked: its length as
// learned, its status and its proof. A wrong one ends the benchmark.
LoadResult load(std::uint16_t port, const std::vector<Ask>& asks, const LoadShape& shape);

}  // namespace push_cache::bench
