#include "http/request_log.h"

#include <sys/socket.h>

#include <array>
#include <string>

#include "base/limits.h"
#include "base/log.h"
#include "http/endpoint.h"

namespace push_cache::http {
namespace {

// "" when the connection has gone.
std::string peer_of(int socket) {
  boost::asio::ip::tcp::endpoint peer;
  auto size = static_cast<socklen_t>(peer.capacity());
  if (::getpeername(socket, peer.data(), &size) != 0) return {};
  return to_text(peer);
}

}  // namespace

void write_request_log(const LoggedRequest& logged) {
  static spdlog::logger& logger = log("request");
  const Request& request = logged.request;
  const std::string peer = peer_of(logged.socket);
  std::array<LogField, 8> fields{{
      {"method", to_string(request.method)},
      {"path", request.target.substr(0, limits::kLoggedTargetBytesMax)},
      {"status", std::int64_t{logged.status}},
      {"body_bytes", static_cast<std::int64_t>(logged.body_bytes)},
      {"duration_ms", std::chrono::duration<double, std::milli>(logged.duration).count()},
      {"client", std::string_view(peer)},
      {"request_id", request.correlation.request_id},
      {"trace_id", std::string_view()},
  }};
  std::size_t size = 6;
  if (!request.correlation.request_id.empty()) ++size;
  if (!request.correlation.traceparent.empty()) {
    // version "-" trace-id "-" ...
    fields[size++] = {"trace_id", request.correlation.traceparent.substr(3, 32)};
  }
  write_log_event(logger, spdlog::level::info, "request", std::span(fields).first(size));
}

}  // namespace push_cache::http
