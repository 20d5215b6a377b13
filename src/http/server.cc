#include "http/server.h"

#include <boost/asio/ip/tcp.hpp>

#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "http/endpoint.h"
#include "http/loop.h"

namespace push_cache::http {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

std::optional<HostPort> split_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // IPv6 without its brackets
  }
  HostPort out{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size()) return std::nullopt;
  return out;
}

Result<tcp::endpoint> to_endpoint(const std::string& address) {
  const std::optional<HostPort> parts = split_address(address);
  if (!parts) {
    return Error{ErrorCode::kInvalidArgument,
                 "'" + address + "' is no address to listen on: host:port is needed"};
  }
  error_code ec;
  const auto ip = boost::asio::ip::make_address(parts->host, ec);
  if (!ec) return tcp::endpoint(ip, parts->port);
  boost::asio::io_context io;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(parts->host, std::to_string(parts->port), tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return Error{ErrorCode::kUnavailable, "cannot listen on " + address + ": unknown host",
                 ec.message()};
  }
  return found.begin()->endpoint();
}

// Whether another socket has the port: SO_REUSEPORT, which the loops need among themselves, would
// let a second server of the same user take half of the first one's connections without a word.
error_code probe(const tcp::endpoint& endpoint) {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io);
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  return ec;
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, Handler& handler) : shared_(options, handler) {}

  ~ServerImpl() override {
    for (auto& loop : loops_) loop->stop();
  }

  Status listen(tcp::endpoint endpoint) {
    error_code ec;
    if (endpoint.port() != 0) ec = probe(endpoint);
    const unsigned threads = shared_.options.threads == 0 ? 1 : shared_.options.threads;
    for (unsigned index = 0; index < threads && !ec; ++index) {
      loops_.push_back(std::make_unique<Loop>(shared_, index));
      ec = loops_.back()->listen(endpoint);
      if (!ec) endpoint = loops_.back()->endpoint();  // with the port that 0 stood for
    }
    if (ec) {
      return Error{ErrorCode::kUnavailable,
                   "cannot listen on " + shared_.options.address + ": " + ec.message()};
    }
    endpoint_ = endpoint;
    for (auto& loop : loops_) loop->start();
    return {};
  }

  std::string address() const override { return to_text(endpoint_); }

  std::uint16_t port() const override { return endpoint_.port(); }

  ServerCounts counts() const override {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    ServerCounts sum;
    sum.connections_open = shared_.connections_open.load(kRelaxed);
    for (const auto& loop : loops_) {
      const LoopCounts& counts = std::as_const(*loop).counts();
      sum.connections_total += counts.connections_total.load(kRelaxed);
      sum.connections_refused += counts.connections_refused.load(kRelaxed);
      sum.requests_total += counts.requests_total.load(kRelaxed);
      sum.bad_requests_total += counts.bad_requests_total.load(kRelaxed);
      sum.bytes_in_total += counts.bytes_in_total.load(kRelaxed);
      sum.bytes_out_total += counts.bytes_out_total.load(kRelaxed);
    }
    return sum;
  }

  std::vector<RouteCounts> routes() const override {
    std::vector<RouteCounts> sums(loops_.front()->requests().size());
    for (const auto& loop : loops_) std::as_const(*loop).requests().add_to(sums);
    return sums;
  }

  bool drain(std::chrono::milliseconds timeout) override {
    for (auto& loop : loops_) loop->drain();
    std::unique_lock lock(shared_.mutex);
    return shared_.changed.wait_for(lock, timeout,
                                    [this] { return shared_.loops_drained == loops_.size(); });
  }

 private:
  Shared shared_;
  std::vector<std::unique_ptr<Loop>> loops_;
  tcp::endpoint endpoint_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Handler& handler) {
  Result<tcp::endpoint> endpoint = to_endpoint(options.address);
  if (!endpoint.ok()) return std::move(endpoint).error();
  auto server = std::make_unique<ServerImpl>(options, handler);
  Status listening = server->listen(*endpoint);
  if (!listening.ok()) return std::move(listening).error();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace push_cache::http
