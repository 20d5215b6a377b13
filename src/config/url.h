// URLs with user and password, as they stand in a configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace push_cache::config {

// The parts of an absolute URL (RFC 3986), percent-decoded but for the path.
struct Url {
  std::string scheme;  // lower case
  std::string username;
  std::string password;
  std::string host;  // without brackets
  bool host_is_ipv6 = false;
  std::uint16_t port = 0;  // 0 = not given
  std::string path;        // still percent-encoded, "" or "/..."
  bool has_query = false;  // a query or fragment

  // "scheme://host:port/path" without user, password and query.
  std::string without_userinfo() const;
};

// kInvalidArgument says what is wrong with it and repeats nothing of `text`, which may hold a
// secret.
Result<Url> parse_url(std::string_view text);

// A redis:// or rediss:// URL: redis://user:password@host:port/database.
struct RedisUrl {
  bool tls = false;
  std::string username;
  std::string password;
  std::string host;
  std::uint16_t port = 6379;
  std::uint32_t database = 0;
};
Result<RedisUrl> parse_redis_url(std::string_view text);

// `text` with what stands between "://" and the last '@' replaced by "***", and the query too, for
// logs and reports. Also right for text that is no valid URL, and for several URLs in one text.
std::string redact_url(std::string_view text);

}  // namespace push_cache::config
