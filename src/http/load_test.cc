// What a server costs while nothing is wrong: memory of idle connections, allocations of a request,
// processor time when it is out of file descriptors.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "http/server.h"
#include "http/test_client.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PUSH_CACHE_SANITIZED 1
#else
#define PUSH_CACHE_SANITIZED 0
#endif

namespace {
std::atomic<std::uint64_t> allocations{0};
}

#if !PUSH_CACHE_SANITIZED
// Every allocation of this program by any thread.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* place = std::malloc(bytes)) return place;
  std::abort();
}
[[gnu::noinline]] void operator delete(void* place) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept { std::free(place); }
#endif

namespace push_cache::http {
namespace {

using test::Client;
using test::FunctionHandler;
using test::wait_for;

FunctionHandler& small() {
  static FunctionHandler handler([](Exchange& exchange) {
    Head head;
    head.etag = "\"1\"";
    head.cache_control = "public, max-age=60";
    exchange.begin(200, head).append("{\"a\":1}");
    exchange.finish();
  });
  return handler;
}

std::unique_ptr<Server> serve(const ServerOptions& options = {}) {
  auto started = Server::start(options, small());
  EXPECT_TRUE(started.ok());
  return std::move(*started);
}

// Sends `text` and reads `bytes` bytes, without an allocation.
bool turn(int fd, std::string_view text, std::size_t bytes) {
  static char sink[1 << 16];
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) {
    return false;
  }
  while (bytes != 0) {
    const ssize_t got = ::recv(fd, sink, sizeof sink, 0);
    if (got <= 0 || static_cast<std::size_t>(got) > bytes) return false;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

TEST(Load, ARequestAllocatesNothing) {
  if (PUSH_CACHE_SANITIZED) GTEST_SKIP() << "a sanitizer has the allocator";
  const auto server = serve();
  Client client(server->port());
  const std::string one =
      "GET /api/users/abc HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
  const auto response = client.ask(one);
  ASSERT_TRUE(response);
  const std::size_t answer = response->head.size() + response->body.size();
  std::string sixteen;
  for (int i = 0; i < 16; ++i) sixteen += one;
  for (int i = 0; i < 200; ++i) {  // warm
    ASSERT_TRUE(turn(client.fd(), one, answer));
    ASSERT_TRUE(turn(client.fd(), sixteen, 16 * answer));
  }
  const std::uint64_t before = allocations.load();
  constexpr int kRounds = 2000;
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(turn(client.fd(), one, answer));
    ASSERT_TRUE(turn(client.fd(), sixteen, 16 * answer));
    // Cut in two, so that the buffer outlives a read.
    ASSERT_TRUE(turn(client.fd(), std::string_view(one).substr(0, 30), 0));
    ASSERT_TRUE(turn(client.fd(), std::string_view(one).substr(30), answer));
  }
  // Of the loop's own timer a few are left.
  EXPECT_LE(allocations.load() - before, 20u);
  EXPECT_EQ(server->counts().requests_total, 1u + 200 * 17 + kRounds * 18u);
}

TEST(Load, ThousandsOfIdleConnectionsHoldLittle) {
  ServerOptions options;
  options.threads = 2;
  const auto server = serve(options);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const std::size_t count = files.rlim_cur >= 8192 ? 2000 : 300;
  std::vector<Client> clients;
  clients.reserve(count);
  {
    Client warm(server->port());
    ASSERT_TRUE(warm.get("/"));
  }
  const auto used = [] { return mallinfo2().uordblks; };
  const auto before = used();
  for (std::size_t i = 0; i < count; ++i) {
    clients.emplace_back(server->port());
    ASSERT_TRUE(clients.back().connected());
  }
  for (Client& client : clients) {
    ASSERT_TRUE(client.get("/"));
  }
  ASSERT_TRUE(wait_for([&] { return server->counts().connections_open == count; }));
  if (!PUSH_CACHE_SANITIZED) {
    const auto each = (used() - before) / count;
    RecordProperty("bytes_each", static_cast<int>(each));
    EXPECT_LT(each, 2048u);
    printf("heap of an idle connection: %zu bytes\n", each);
  }
  for (std::size_t i = 0; i < count; i += 97) EXPECT_EQ(clients[i].get("/")->status, 200u);
}

TEST(Load, WithoutFileDescriptorsItWaitsInsteadOfSpinning) {
  if (PUSH_CACHE_SANITIZED) GTEST_SKIP() << "a sanitizer needs file descriptors for its checks";
  ServerOptions options;
  const auto server = serve(options);
  Client first(server->port());
  ASSERT_TRUE(first.get("/"));
  // A client's socket that is there before they run out; then as many as there are.
  const int spare = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_GE(spare, 0);
  rlimit files{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit before = files;
  files.rlim_cur = static_cast<rlim_t>(spare) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int connected = ::connect(spare, reinterpret_cast<sockaddr*>(&address), sizeof address);
  const std::clock_t cpu_before = std::clock();
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  bool served = true;
  while (std::chrono::steady_clock::now() < until) {
    served = served && first.get("/").has_value();  // the others are served meanwhile
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const std::clock_t cpu = std::clock() - cpu_before;
  const auto waiting = server->counts().connections_total;
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(connected, 0);
  EXPECT_TRUE(served);
  EXPECT_EQ(waiting, 1u);
  EXPECT_LT(cpu, CLOCKS_PER_SEC / 5);
  // With descriptors again, it is taken.
  EXPECT_TRUE(wait_for([&] { return server->counts().connections_total == 2; }));
  ::close(spare);
}

}  // namespace
}  // namespace push_cache::http
