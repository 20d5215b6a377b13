#include "config/url.h"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <cctype>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace push_cache::config {
namespace {

constexpr const char* kNotEncoded =
    "not a URL (special characters in a user name or password must be percent-encoded: '@' is "
    "%40, ':' is %3A, '/' is %2F)";

constexpr std::uint16_t kRedisPort = 6379;
constexpr std::uint16_t kSentinelPort = 26379;

struct RedisScheme {
  std::string_view name;
  std::optional<RedisTopology> topology;  // none: what the store's options say
};
constexpr RedisScheme kRedisSchemes[] = {
    {"redis", std::nullopt},
    {"rediss", std::nullopt},
    {"redis+cluster", RedisTopology::kCluster},
    {"rediss+cluster", RedisTopology::kCluster},
    {"redis+sentinel", RedisTopology::kSentinel},
    {"rediss+sentinel", RedisTopology::kSentinel},
};

Error bad(std::string text) { return Error{ErrorCode::kInvalidArgument, std::move(text)}; }

// "host:port,[::1],..." to `redis.hosts`.
Status take_hosts(std::string_view text, RedisUrl& redis) {
  const bool sentinels = redis.topology == RedisTopology::kSentinel;
  while (true) {
    const std::string_view part = text.substr(0, text.find(','));
    Result<Url> url = parse_url(fmt::format("redis://{}", part));
    if (!url) return std::move(url).error();
    if (url->port == 0) url->port = sentinels ? kSentinelPort : kRedisPort;
    redis.hosts.push_back({std::move(url->host), url->port});
    if (part.size() == text.size()) break;
    text.remove_prefix(part.size() + 1);
  }
  if (redis.topology == RedisTopology::kSingle && redis.hosts.size() > 1) {
    return bad(fmt::format("several hosts are nodes of a Cluster: begin it with redis{}+cluster://",
                           redis.tls ? "s" : ""));
  }
  return {};
}

// What follows the hosts, without its first slash: "database", or "master/database".
Status take_path(std::string_view text, RedisUrl& redis) {
  if (redis.topology == RedisTopology::kSentinel) {
    constexpr std::string_view kMarks = ".-_";  // what Redis allows in the name beside these:
    redis.master_name = text.substr(0, text.find('/'));
    for (const unsigned char c : redis.master_name) {
      if (std::isalnum(c) == 0 && kMarks.find(static_cast<char>(c)) == std::string_view::npos) {
        return bad("the name of the master in a Redis URL is of letters, digits, . - and _");
      }
    }
    if (redis.master_name.empty()) {
      return bad("behind the sentinels' hosts the name of their master is missing: /mymaster");
    }
    text.remove_prefix(std::min(redis.master_name.size() + 1, text.size()));
  }
  if (text.empty()) return {};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), redis.database);
  if (code != std::errc() || end != text.data() + text.size() || redis.database < 0) {
    return bad("a Redis URL ends with the number of a database, such as /0");
  }
  if (redis.topology == RedisTopology::kCluster && redis.database != 0) {
    return bad("a Cluster has no database but 0");
  }
  return {};
}

}  // namespace

std::string Url::without_userinfo() const {
  std::string text = fmt::format("{}://{}", scheme, host_is_ipv6 ? "[" + host + "]" : host);
  if (port != 0) text += fmt::format(":{}", port);
  return text + path;
}

Result<Url> parse_url(std::string_view text) {
  if (text.find("://") == std::string_view::npos) {
    return bad("not a URL: it has no scheme, such as http:// or redis://");
  }
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed) {
    return bad(kNotEncoded);
  }
  const boost::urls::url_view& view = *parsed;
  Url url;
  url.scheme = view.scheme();
  std::transform(url.scheme.begin(), url.scheme.end(), url.scheme.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  url.username = view.user();
  url.password = view.password();
  url.host = view.host_address();
  url.host_is_ipv6 = view.host_type() == boost::urls::host_type::ipv6;
  url.path = view.encoded_path();
  url.has_query = view.has_query() || view.has_fragment();
  if (url.host.empty()) return bad("the URL has no host");
  // Boost 1.81 takes what follows "user:pass@word" or "host:" and is no host or port for a path.
  if (!url.path.empty() && url.path.front() != '/') {
    return bad(url.path.find('@') == std::string::npos
                   ? "the URL's port is not a number from 1 to 65535"
                   : kNotEncoded);
  }
  if (view.has_port() && !view.port().empty()) {
    const std::string_view digits(view.port().data(), view.port().size());
    const auto [end, code] =
        std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (code != std::errc() || end != digits.data() + digits.size() || url.port == 0) {
      return bad("the URL's port is not a number from 1 to 65535");
    }
  }
  return url;
}

Result<RedisUrl> parse_redis_url(std::string_view text, RedisTopology plain) {
  // A generic URL has one host: it is read with the first of them, and each by itself.
  const std::size_t scheme_end = text.find("://");
  const std::size_t start = scheme_end == std::string_view::npos ? text.size() : scheme_end + 3;
  const std::size_t end = std::min(text.find_first_of("/?#", start), text.size());
  std::string_view hosts = text.substr(start, end - start);
  const std::string_view login = hosts.substr(0, hosts.rfind('@') + 1);  // npos + 1 is 0
  hosts.remove_prefix(login.size());
  const std::string_view first = hosts.substr(0, hosts.find(','));
  Result<Url> url =
      parse_url(fmt::format("{}{}{}{}", text.substr(0, start), login, first, text.substr(end)));
  if (!url) return std::move(url).error();
  const RedisScheme* scheme =
      std::find_if(std::begin(kRedisSchemes), std::end(kRedisSchemes),
                   [&](const RedisScheme& each) { return each.name == url->scheme; });
  if (scheme == std::end(kRedisSchemes)) {
    return bad(
        "a Redis URL begins with redis://, redis+cluster:// or redis+sentinel://, with rediss for "
        "TLS");
  }
  if (url->has_query) return bad("a Redis URL has no query");
  RedisUrl redis{.topology = scheme->topology.value_or(plain),
                 .tls = url->scheme.starts_with("rediss"),
                 .username = std::move(url->username),
                 .password = std::move(url->password)};
  if (plain == RedisTopology::kCluster && redis.topology == RedisTopology::kSentinel) {
    return bad("names sentinels, which a Cluster has not");
  }
  // Else "a,user:password@b" would have the user "a,user".
  if (redis.topology != RedisTopology::kSingle && login.find(',') != std::string_view::npos) {
    return bad("user and password stand before the first host alone, and a ',' in them is %2C");
  }
  if (Status done = take_hosts(hosts, redis); !done.ok()) return std::move(done).error();
  const std::string_view path = std::string_view(url->path).substr(url->path.empty() ? 0 : 1);
  if (Status done = take_path(path, redis); !done.ok()) return std::move(done).error();
  return redis;
}

std::optional<std::string> local_url(std::string_view address, std::string_view prefix) {
  const std::size_t colon = address.rfind(':');
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(std::min(colon, address.size()));
  if (port == ":0") return std::nullopt;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return fmt::format("http://{}{}{}", host, port, prefix);
}

std::string redact_url(std::string_view text) {
  std::string shown;
  while (true) {
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return shown.append(text);
    shown.append(text.substr(0, scheme_end + 3));
    text.remove_prefix(scheme_end + 3);
    // A password may hold any character by mistake, so everything up to the last '@' goes, and the
    // next URL of the text is looked for only after it.
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
      shown.append("***@");
      text.remove_prefix(at + 1);
    }
    const std::size_t query = text.find('?');
    if (query != std::string_view::npos) {
      shown.append(text.substr(0, query)).append("?***");
      return shown;
    }
  }
}

}  // namespace push_cache::config
