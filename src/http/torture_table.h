// Requests that are malformed, ambiguous or at a limit, each with the answer it gets. The tests
// send each one, and docs/internals/http-torture.md is made from the table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace push_cache::http {

enum class After { kOpen, kClosed };

struct TortureRow {
  std::string_view group;
  std::string_view name;
  std::string bytes;
  // Of the answers, in order (100 aside); 200 is what the handler says to each request that comes
  // to it. None: the request is not whole, and the connection is closed at the client's end.
  std::vector<unsigned> statuses;
  After after = After::kClosed;
};

// The limits that the rows are made for.
ServerOptions torture_options();

const std::vector<TortureRow>& torture_rows();

// The page in Markdown.
std::string torture_page();

}  // namespace push_cache::http
