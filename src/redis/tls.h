// TLS as a client of Redis.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include <memory>

#include "base/error.h"
#include "redis/client.h"

namespace push_cache::redis {

// Null when `options` want none. kInvalidArgument when a file cannot be read or the key is not that
// of the certificate. TLS 1.2 at least; the server's certificate is verified.
Result<std::shared_ptr<boost::asio::ssl::context>> make_tls(const ClientOptions& options);

}  // namespace push_cache::redis
