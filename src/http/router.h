// Which handler a path belongs to.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/http.h"

namespace push_cache::http {

// Sends a request to the handler with the longest prefix that ends at a segment border of its path
// ("/api/users" takes "/api/users", "/api/users/" and "/api/users/a/b" but not "/api/usersx"), with
// Request::rest set to what follows ("", "/", "/a/b"). 404 when there is none. Prefixes are added
// before the server starts; `handle` is then safe from every loop.
class Router : public Handler {
 public:
  // `prefix` starts with '/' and ends without one ("/" alone = everything). A prefix added twice
  // keeps the first handler and returns false. `handler` must outlive the router. `route`: by which
  // the server counts its requests (Exchange::set_route).
  bool add(std::string prefix, Handler& handler, std::size_t route = 0);
  // What the 404 of a path that has no handler is to say in `Link` (RFC 8288); "" = nothing.
  void link_unserved(std::string link) { link_ = std::move(link); }
  void handle(Exchange& exchange) override;

 private:
  struct Row {
    std::string prefix;
    Handler* handler;
    std::size_t route;
  };
  std::vector<Row> rows_;  // longest prefix first
  std::string link_;
};

}  // namespace push_cache::http
