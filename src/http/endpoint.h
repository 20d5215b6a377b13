// Addresses for people. Only for src/http.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <string>

namespace push_cache::http {

// "127.0.0.1:8080", "[::1]:8080".
inline std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace push_cache::http
