#include "config/url.h"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/src.hpp>  // this file is the one that holds Boost.URL's definitions
#include <cctype>
#include <charconv>

#include <fmt/format.h>

namespace push_cache::config {
namespace {

Error bad(std::string text) { return Error{ErrorCode::kInvalidArgument, std::move(text)}; }

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
    return bad(
        "not a URL (special characters in a user name or password must be percent-encoded: "
        "'@' is %40, ':' is %3A, '/' is %2F)");
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
  // Boost 1.81 takes "host:port" with a port of letters as a path without a slash.
  if (!url.path.empty() && url.path.front() != '/') {
    return bad("the URL's port is not a number from 1 to 65535");
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

Result<RedisUrl> parse_redis_url(std::string_view text) {
  Result<Url> url = parse_url(text);
  if (!url) return std::move(url).error();
  if (url->scheme != "redis" && url->scheme != "rediss") {
    return bad("a Redis URL begins with redis:// or rediss:// (TLS)");
  }
  if (url->has_query) return bad("a Redis URL has no query");
  RedisUrl redis;
  redis.tls = url->scheme == "rediss";
  redis.username = std::move(url->username);
  redis.password = std::move(url->password);
  redis.host = std::move(url->host);
  if (url->port != 0) redis.port = url->port;
  const std::string_view database = std::string_view(url->path).substr(url->path.empty() ? 0 : 1);
  if (!database.empty()) {
    const auto [end, code] =
        std::from_chars(database.data(), database.data() + database.size(), redis.database);
    if (code != std::errc() || end != database.data() + database.size()) {
      return bad("what follows the host in a Redis URL is the number of a database, such as /0");
    }
  }
  return redis;
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
