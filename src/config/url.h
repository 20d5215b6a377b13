// URLs with user and password, as they stand in a configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

enum class RedisTopology : std::uint8_t { kSingle, kCluster, kSentinel };

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// Where a Redis is; [] is what may be left out, rediss stands for redis with TLS everywhere:
//   redis://[user[:password]@]host[:port][/database]
//   redis+cluster://[user[:password]@]host[:port][,host[:port]...]
//   redis+sentinel://[user[:password]@]sentinel[:port][,sentinel[:port]...]/master[/database]
struct RedisUrl {
  RedisTopology topology = RedisTopology::kSingle;
  bool tls = false;
  std::string username;  // "" = the default user
  std::string password;  // "" = none
  // At least one, and only one with kSingle; some of a Cluster's nodes, or the sentinels. Without
  // port: 6379, of a sentinel 26379.
  std::vector<HostPort> hosts;
  std::string master_name;  // with kSentinel, as the sentinels know it
  int database = 0;         // 0 with kCluster, which has no other
};
// `plain` is what redis:// and rediss:// mean, kSingle or kCluster: what Store::cluster says. The
// error repeats nothing of `text`; with kCluster sentinels are one.
Result<RedisUrl> parse_redis_url(std::string_view text,
                                 RedisTopology plain = RedisTopology::kSingle);

// Where what listens on `address` (webservice.address, hams.address) is asked from the same
// machine: "http://127.0.0.1:8079" + `prefix`. Loopback for a wildcard address; nothing for port 0,
// which is any free one.
std::optional<std::string> local_url(std::string_view address, std::string_view prefix);

// `text` with what stands between "://" and the last '@' replaced by "***", and the query too, for
// logs and reports. Also right for text that is no valid URL, and for several URLs in one text.
std::string redact_url(std::string_view text);

}  // namespace push_cache::config
