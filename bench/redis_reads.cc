#include "bench/redis_reads.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "base/buffer.h"
#include "bench/child.h"
#include "bench/http_client.h"
#include "bench/http_load.h"
#include "bench/redis_servers.h"
#include "embedded/samples.h"
#include "redis/redis_store.h"

namespace push_cache::bench {
namespace {

constexpr std::uint64_t kRecords = 50'000;

std::string key_of(std::uint64_t index) {
  Buffer key;
  embedded::append_sample_key(embedded::SampleType::kCustomer, index, key);
  return std::string(key.view());
}

// As the service keeps them. The size of a value.
std::size_t fill(std::uint16_t redis_port) {
  auto store = redis::RedisStore::create(
      {.name = "fill",
       .client = {.seeds = {{"127.0.0.1", redis_port}}, .timeout = std::chrono::seconds(30)},
       .prefix = kCustomersPrefix,
       .topics = {"customers"}});
  if (!store.ok()) fail(store.error().describe());
  if (const Status own = (*store)->claim(""); !own.ok()) fail(own.error().describe());
  constexpr std::uint64_t kAtOnce = 1000;
  std::vector<store::WriteOutcome> outcomes(kAtOnce);
  std::size_t bytes = 0;
  for (std::uint64_t first = 0; first < kRecords; first += kAtOnce) {
    std::vector<std::string> keys;
    std::vector<Buffer> datums(kAtOnce);
    std::vector<store::Write> writes;
    for (std::uint64_t i = first; i < first + kAtOnce; ++i) keys.push_back(key_of(i));
    for (std::uint64_t i = 0; i < kAtOnce; ++i) {
      embedded::append_sample(embedded::SampleType::kCustomer, 1, first + i, datums[i]);
      bytes += datums[i].size();
      writes.push_back({{.key = keys[i],
                         .datum = datums[i].bytes(),
                         .schema = SchemaId(1),
                         .partition = Partition(0),
                         .offset = Offset(static_cast<std::int64_t>(first + i)),
                         .timestamp_ms = 1'700'000'000'000}});
    }
    const Status done = (*store)->write(writes, outcomes);
    if (!done.ok()) fail(done.error().describe());
  }
  return bytes / kRecords + 45;
}

struct HttpServer {
  std::string name;
  std::unique_ptr<Child> child;
  std::uint16_t port = 0;
  std::vector<Ask> asks;
};

void learn_all(HttpServer& server, const std::string& path, const std::string& tail,
               std::size_t at_once) {
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    const std::string key = key_of(i);
    server.asks.push_back(
        {"GET " + path + key + tail + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "HTTP/1.1 200", key});
  }
  learn(server.port, server.asks, {}, at_once);
}

HttpServer start_ours(const std::string& name, const std::string& option,
                      std::uint16_t redis_port) {
  HttpServer server{.name = name};
  server.child = std::make_unique<Child>(std::vector<std::string>{
      program_folder() + "redis_bench", option, std::to_string(redis_port)});
  server.port = static_cast<std::uint16_t>(std::stoul(server.child->read_line(60)));
  learn_all(server, std::string(kCustomersPath) + "/", "", 16);
  return server;
}

bool listens(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool there =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return there;
}

// With a thread a core, as ours.
HttpServer start_webdis(const std::string& program, std::uint16_t redis_port) {
  HttpServer server{.name = "webdis", .port = free_port()};
  const auto file = std::filesystem::temp_directory_path() /
                    ("push-cache-bench-webdis-" + std::to_string(::getpid()) + ".json");
  std::ofstream(file) << R"({"redis_host":"127.0.0.1","redis_port":)" << redis_port
                      << R"(,"http_host":"127.0.0.1","http_port":)" << server.port
                      << R"(,"threads":)" << std::max(std::thread::hardware_concurrency(), 1u)
                      << R"(,"pool_size":8,"daemonize":false,"websockets":false,"database":0,)"
                      << R"("acl":[],"verbosity":0,"logfile":"/dev/null"})";
  server.child = std::make_unique<Child>(std::vector<std::string>{program, file.string()});
  const double end = now_seconds() + 30;
  while (!listens(server.port)) {
    server.child->require_alive();
    if (now_seconds() > end) fail("webdis does not listen");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::filesystem::remove(file);
  learn_all(server, std::string("/GET/") + kCustomersPrefix + ":", ".txt",
            1);  // it answers pipelined requests in any order
  return server;
}

double benchmark_gets(std::uint16_t port, const LoadShape& shape, std::size_t bytes) {
  const auto requests = static_cast<std::uint64_t>(shape.seconds * (shape.depth == 1 ? 6e4 : 3e5));
  Child benchmark({"/usr/bin/redis-benchmark", "-p", std::to_string(port), "-t", "set,get", "-c",
                   std::to_string(shape.connections), "-P", std::to_string(shape.depth), "-n",
                   std::to_string(requests), "-r", std::to_string(kRecords), "-d",
                   std::to_string(bytes), "--csv"});
  for (;;) {
    const std::string line = benchmark.read_line(120);
    constexpr std::string_view kStart = "\"GET\",\"";
    if (line.starts_with(kStart)) return std::strtod(line.c_str() + kStart.size(), nullptr);
  }
}

// Requests a second, and processor time of the process for each in microseconds.
Figures figures_of(const HttpServer& server, const LoadShape& shape) {
  return {2, [&server, shape]() -> std::vector<double> {
            const double before = cpu_seconds_of(server.child->pid());
            const LoadResult result = load(server.port, server.asks, shape);
            const auto requests = static_cast<double>(result.requests);
            return {requests / result.seconds,
                    (cpu_seconds_of(server.child->pid()) - before) * 1e6 / requests};
          }};
}

std::string name_of(const std::string& part, const LoadShape& shape) {
  return "redis/get/" + part + "/" +
         (shape.depth == 1 ? "plain" : "pipelined" + std::to_string(shape.depth)) + "/" +
         std::to_string(shape.connections);
}

bool any_wanted(const Suite& suite) {
  for (const unsigned depth : {1u, 16u}) {
    for (const char* part : {"redis-benchmark", "bare-proxy", "webdis"}) {
      const std::string name = name_of(part, {.depth = depth});
      if (suite.wants(name + "/throughput") || suite.wants(name + "/cpu")) return true;
    }
  }
  return false;
}

void compare(Suite& suite, const HttpServer& ours, const HttpServer& other,
             const LoadShape& shape) {
  const std::string name = name_of(other.name, shape);
  Figures our_figures = figures_of(ours, shape);
  Figures their_figures = figures_of(other, shape);
  suite.pair(
      {name + "/throughput", "requests/s", false, other.name, {}},
      [&] { return our_figures.next(0); }, [&] { return their_figures.next(0); });
  // At most 1.5 times the processor time.
  suite.pair(
      {name + "/cpu", "CPU-us", true, other.name, 1 / 1.5}, [&] { return our_figures.next(1); },
      [&] { return their_figures.next(1); });
}

}  // namespace

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd, raw, size) != 0 || ::getsockname(fd, raw, &size) != 0) fail("no free port");
  ::close(fd);
  return ntohs(address.sin_port);
}

void bench_reads(Suite& suite, std::uint16_t redis_port, const std::string& webdis) {
  if (!any_wanted(suite)) return;
  const double seconds = suite.quick() ? 0.4 : 1.0;
  const std::size_t bytes = fill(redis_port);
  const HttpServer ours = start_ours("service", "--serve-records", redis_port);
  const HttpServer bare = start_ours("bare-proxy", "--serve-bare", redis_port);
  const bool has_webdis = ::access(webdis.c_str(), X_OK) == 0;
  const HttpServer other = has_webdis ? start_webdis(webdis, redis_port) : HttpServer();
  for (const unsigned depth : {1u, 16u}) {
    const LoadShape shape{.connections = 64, .depth = depth, .seconds = seconds};
    Figures figures = figures_of(ours, shape);
    suite.pair(
        {name_of("redis-benchmark", shape) + "/throughput",
         "requests/s",
         false,
         "redis-benchmark GET",
         {}},
        [&] { return figures.next(0); }, [&] { return benchmark_gets(redis_port, shape, bytes); });
    compare(suite, ours, bare, shape);
    if (depth > 1) continue;
    if (has_webdis) {
      compare(suite, ours, other, shape);
    } else {
      suite.skip({name_of("webdis", shape), "", true, "webdis", {}}, "no webdis: " + webdis);
    }
  }
}

}  // namespace push_cache::bench
