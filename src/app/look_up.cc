// One record for people: GET /status/record of the health port.
#include <algorithm>

#include "app/service.h"
#include "base/utf8.h"

namespace push_cache::app {
namespace {

// The value of `name` in a query such as "route=/users&key=a%20b"; '+' stays, since keys may have
// it. Nothing when it is absent or no percent-encoded UTF-8.
std::optional<std::string> value_of(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    std::optional<std::string> value = percent_decode(pair.substr(equals + 1));
    if (value && !is_utf8(*value)) value.reset();
    return value;
  }
  return std::nullopt;
}

}  // namespace

void Service::look_up(http::Exchange& exchange) const {
  const http::Head head = {.cache_control = "no-store"};
  const auto path = value_of(exchange.request().query, "route");
  const auto key = value_of(exchange.request().query, "key");
  if (!path || !key) {
    return http::send_error(exchange, ErrorCode::kInvalidArgument,
                            "ask with ?route=/users&key=1, both percent-encoded UTF-8", head);
  }
  const auto route = std::find_if(routes_.begin(), routes_.end(),
                                  [&path](const RouteRow& row) { return row.path == *path; });
  if (route == routes_.end()) {
    return http::send_error(exchange, ErrorCode::kNotFound,
                            "no route of the configuration has this path", head);
  }
  route->records->inspect(exchange, *key);
}

}  // namespace push_cache::app
