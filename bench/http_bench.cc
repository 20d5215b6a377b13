// The HTTP API's answers against those of a bare epoll server that sends as many bytes without
// reading a request: requests a second over loopback, and the server's CPU time for each.
//
// Rows: http/KIND/plain|pipelined16/CONNECTIONS/throughput|cpu. Each server is a process of its own
// with a thread a core; the load comes from one thread of this process, over new connections each
// time.
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "bench/child.h"
#include "bench/harness.h"
#include "bench/http_load.h"
#include "bench/http_servers.h"
#include "embedded/samples.h"

namespace push_cache::bench {
namespace {

constexpr std::uint64_t kRecords = 100'000;
// What the API did before it had an engine of its own: the bar of the README.
constexpr double kBarRequestsPerSecond = 50'000;
constexpr double kBarCpuSecondsPerThousand = 0.021;

class HttpServer {
 public:
  explicit HttpServer(const std::vector<std::string>& arguments) : child_(command(arguments)) {
    port_ = static_cast<std::uint16_t>(std::stoul(child_.read_line(60)));
  }
  std::uint16_t port() const { return port_; }
  pid_t pid() const { return child_.pid(); }

 private:
  static std::vector<std::string> command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_folder() + "http_bench");
    return arguments;
  }

  Child child_;
  std::uint16_t port_ = 0;
};

std::string key_of(std::uint64_t index) {
  Buffer key;
  embedded::append_sample_key(embedded::SampleType::kCustomer, index, key);
  return std::string(key.view());
}

std::string request(const std::string& path, const std::string& more_headers = "") {
  return "GET " + std::string(kRecordsPath) + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
         more_headers + "\r\n";
}

// The value of the ETag header.
std::string etag_of(std::string_view head) {
  constexpr std::string_view kName = "ETag: ";
  const std::size_t at = head.find(kName);
  if (at == head.npos) fail("an answer has no ETag");
  const std::string_view rest = head.substr(at + kName.size());
  return std::string(rest.substr(0, rest.find("\r\n")));
}

struct Kind {
  std::string name;
  bool has_goal;
  std::vector<Ask> asks;
};

// Every record once, its 304, a key that is absent for each, and pages from all over the list. The
// API has answered all of them rightly once by then.
std::vector<Kind> make_kinds(std::uint16_t port) {
  std::vector<Kind> kinds{
      {"hit", true, {}}, {"304", true, {}}, {"404", true, {}}, {"list100", false, {}}};
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    const std::string key = key_of(i);
    kinds[0].asks.push_back({request("/" + key), "HTTP/1.1 200", key});
    kinds[2].asks.push_back({request("/" + key_of(kRecords + i)), "HTTP/1.1 404", ""});
  }
  learn(port, kinds[0].asks, [&](std::size_t i, std::string_view head, std::string_view) {
    const std::string etag = etag_of(head);
    kinds[1].asks.push_back(
        {request("/" + key_of(i), "If-None-Match: " + etag + "\r\n"), "HTTP/1.1 304", etag});
  });
  for (std::uint64_t offset = 0; offset < kRecords; offset += 100) {
    kinds[3].asks.push_back({request("?limit=100&offset=" + std::to_string(offset)), "HTTP/1.1 200",
                             "\"" + key_of(offset) + "\""});
  }
  for (std::size_t i = 1; i < kinds.size(); ++i) learn(port, kinds[i].asks, {});
  return kinds;
}

std::size_t mean_response_bytes(const std::vector<Ask>& asks) {
  const std::size_t sum =
      std::accumulate(asks.begin(), asks.end(), std::size_t{0},
                      [](std::size_t bytes, const Ask& ask) { return bytes + ask.response_bytes; });
  return (sum + asks.size() / 2) / asks.size();
}

// One server under one load: requests a second, and the server's CPU time for each in microseconds.
Figures figures_of(const HttpServer& server, const std::vector<Ask>& asks, const LoadShape& shape) {
  return {2, [&server, &asks, shape]() -> std::vector<double> {
            const double before = cpu_seconds_of(server.pid());
            const LoadResult result = load(server.port(), asks, shape);
            const auto requests = static_cast<double>(result.requests);
            return {requests / result.seconds,
                    (cpu_seconds_of(server.pid()) - before) * 1e6 / requests};
          }};
}

void bench_shape(Suite& suite, const Kind& kind, const HttpServer& server, const HttpServer& bare,
                 const std::vector<Ask>& bare_asks, const LoadShape& shape) {
  const std::string name =
      "http/" + kind.name + "/" +
      (shape.depth == 1 ? "plain" : "pipelined" + std::to_string(shape.depth)) + "/" +
      std::to_string(shape.connections);
  const std::string reference = "bare epoll server, answers of the same size";
  Figures ours = figures_of(server, kind.asks, shape);
  Figures theirs = figures_of(bare, bare_asks, shape);
  Row throughput{name + "/throughput", "requests/s", false, reference, {}};
  Row cpu{name + "/cpu", "CPU-us", true, reference, {}};
  if (kind.has_goal) throughput.goal = 0.9;
  if (kind.has_goal && shape.depth > 1) cpu.goal = 0.5;
  suite.pair(
      throughput, [&] { return ours.next(0); }, [&] { return theirs.next(0); });
  suite.pair(
      cpu, [&] { return ours.next(1); }, [&] { return theirs.next(1); });
}

void bench_bar(Suite& suite, const std::vector<Ask>& asks, const HttpServer& server,
               double seconds) {
  Figures ours = figures_of(server, asks, {.connections = 64, .depth = 1, .seconds = seconds});
  suite.pair(
      {"http/bar/plain/64/throughput", "requests/s", false, "the bar", 1.0},
      [&] { return ours.next(0); }, [] { return kBarRequestsPerSecond; });
  suite.pair(
      {"http/bar/plain/64/cpu", "CPU-s/1000", true, "the bar", 1.0},
      [&] { return ours.next(1) / 1000; }, [] { return kBarCpuSecondsPerThousand; });
}

int run(int argc, char** argv) {
  Suite suite("http", argc, argv);
  const double seconds = suite.quick() ? 0.4 : 1.0;
  const HttpServer server({"--serve-records", std::to_string(kRecords)});
  const std::vector<Kind> kinds = make_kinds(server.port());
  for (const Kind& kind : kinds) {
    const std::size_t bytes = mean_response_bytes(kind.asks);
    const HttpServer bare({"--serve-fixed", std::to_string(bytes)});
    std::vector<Ask> bare_asks = kind.asks;
    for (Ask& ask : bare_asks) {
      ask.status = "HTTP/1.1 200";
      ask.proof.clear();
      ask.proof_at = 0;
      ask.response_bytes = bytes;
    }
    for (const unsigned connections : {64u, 512u}) {
      // Pages take long: thousands of them under way would be waited for at the end of each round.
      const bool few = kind.name == "list100" || (suite.quick() && kind.name != "hit");
      if (few && connections != 64) continue;
      for (const unsigned depth : {1u, 16u}) {
        bench_shape(suite, kind, server, bare, bare_asks,
                    {.connections = connections, .depth = depth, .seconds = seconds});
      }
    }
  }
  bench_bar(suite, kinds[0].asks, server, seconds);
  return suite.finish();
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) {
  // The two kinds of child; not for people.
  const std::string first = argc == 3 ? argv[1] : "";
  if (first == "--serve-records") return push_cache::bench::serve_records(std::stoull(argv[2]));
  if (first == "--serve-fixed") return push_cache::bench::serve_fixed(std::stoull(argv[2]));
  return push_cache::bench::run(argc, argv);
}
