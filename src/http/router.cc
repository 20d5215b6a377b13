#include "http/router.h"

#include <algorithm>
#include <utility>

namespace push_cache::http {
namespace {

std::string_view rest_of(std::string_view path, std::string_view prefix) {
  return prefix == "/" ? path : path.substr(prefix.size());
}

bool matches(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

bool Router::add(std::string prefix, Handler& handler, std::size_t route) {
  for (const Row& row : rows_) {
    if (row.prefix == prefix) return false;
  }
  const auto place = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) {
    return row.prefix.size() < prefix.size();
  });
  rows_.insert(place, Row{std::move(prefix), &handler, route});
  return true;
}

void Router::handle(Exchange& exchange) {
  const std::string_view path = exchange.request().path;
  for (const Row& row : rows_) {
    if (!matches(path, row.prefix)) continue;
    exchange.set_route(row.route);
    exchange.set_rest(rest_of(path, row.prefix));
    row.handler->handle(exchange);
    return;
  }
  exchange.set_route(0);
  send_error(exchange, ErrorCode::kNotFound, kUnserved, {.link = link_});
}

}  // namespace push_cache::http
