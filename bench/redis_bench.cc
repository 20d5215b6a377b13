// Redis, in turns on the same server: the store's fenced writes against redis-benchmark's plain
// SET, with as many commands under way; and reads through HTTP (redis_reads.h).
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "bench/child.h"
#include "bench/redis_reads.h"
#include "bench/redis_servers.h"
#include "bench/store_subjects.h"
#include "redis/redis_store.h"

namespace push_cache::bench {
namespace {

constexpr std::uint64_t kKeys = 200'000;
constexpr unsigned kConnections = 2;

class Server {
 public:
  Server()
      : port_(free_port()),
        child_({"/usr/bin/redis-server", "--port", std::to_string(port_), "--bind", "127.0.0.1",
                "--save", "", "--appendonly", "no", "--dir",
                std::filesystem::temp_directory_path().string()}) {
    while (child_.read_line(30).find("Ready to accept connections") == std::string::npos) {
    }
  }
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
  Child child_;
};

// Of all customers, each once more, with so many writes in a batch and a batch a thread under way.
double fenced_writes(store::Store& store, const Datums& datums, std::size_t depth,
                     std::int64_t round) {
  const double start = now_seconds();
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < kConnections; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Key> keys;
      std::vector<store::Write> writes;
      std::vector<store::WriteOutcome> outcomes(depth);
      for (std::uint64_t at = t * depth; at < kKeys; at += kConnections * depth) {
        keys.clear();
        writes.clear();
        keys.reserve(depth);
        for (std::uint64_t i = at; i < std::min<std::uint64_t>(at + depth, kKeys); ++i) {
          const std::string_view datum = datums.at(i);
          writes.push_back(
              {{.key = keys.emplace_back(i).view(),
                .datum = {reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()},
                .schema = SchemaId(1),
                .partition = Partition(static_cast<std::int32_t>(i % 4)),
                .offset =
                    Offset(round * static_cast<std::int64_t>(kKeys) + static_cast<std::int64_t>(i)),
                .timestamp_ms = 1'700'000'000'000}});
        }
        const Status done = store.write(writes, std::span(outcomes).first(writes.size()));
        if (!done.ok()) fail(done.error().describe());
        for (std::size_t i = 0; i < writes.size(); ++i) {
          if (outcomes[i] != store::WriteOutcome::kInserted &&
              outcomes[i] != store::WriteOutcome::kReplaced) {
            fail("a write was not done");
          }
        }
      }
    });
  }
  threads.clear();
  return static_cast<double>(kKeys) / (now_seconds() - start);
}

double plain_sets(std::uint16_t port, std::size_t depth, std::size_t bytes) {
  Child benchmark({"/usr/bin/redis-benchmark", "-p", std::to_string(port), "-t", "set", "-c",
                   std::to_string(kConnections), "-P", std::to_string(depth), "-n",
                   std::to_string(kKeys), "-r", std::to_string(kKeys), "-d", std::to_string(bytes),
                   "--csv"});
  for (;;) {
    const std::string line = benchmark.read_line(120);
    constexpr std::string_view kStart = "\"SET\",\"";
    if (line.starts_with(kStart)) return std::strtod(line.c_str() + kStart.size(), nullptr);
  }
}

int run(int argc, char** argv) {
  std::string webdis = "/usr/bin/webdis";
  Suite suite("redis", argc, argv, [&webdis](CLI::App& app) {
    app.add_option("--webdis", webdis, "the program, a proxy to Redis to compare with");
  });
  const Datums datums;
  const Server server;
  const auto store = redis::RedisStore::create(
      {.name = "bench",
       .client = {.seeds = {{"127.0.0.1", server.port()}}, .timeout = std::chrono::seconds(30)},
       .prefix = "pc",
       .topics = {"customers"}});
  if (!store.ok()) fail(store.error().describe());
  if (const Status own = (*store)->claim(""); !own.ok()) fail(own.error().describe());
  const std::size_t bytes = datums.at(0).size() + 45;  // as a value has them
  std::int64_t round = 0;
  for (const std::size_t depth : {16, 128, 1024}) {
    suite.pair(
        {.name = "redis/write/" + std::to_string(depth),
         .unit = "writes/s",
         .lower_is_better = false,
         .reference = "redis-benchmark SET",
         .goal = 0.8},
        [&] { return fenced_writes(**store, datums, depth, ++round); },
        [&] { return plain_sets(server.port(), depth, bytes); });
  }
  bench_reads(suite, server.port(), webdis);
  return suite.finish();
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) {
  // The two kinds of child; not for people.
  const std::string first = argc == 3 ? argv[1] : "";
  const auto port = [argv] { return static_cast<std::uint16_t>(std::stoul(argv[2])); };
  if (first == "--serve-records") return push_cache::bench::serve_from_redis(port());
  if (first == "--serve-bare") return push_cache::bench::serve_bare_proxy(port());
  return push_cache::bench::run(argc, argv);
}
