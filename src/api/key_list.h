// The list of keys, made page by page.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log_limiter.h"
#include "http/http.h"
#include "store/store.h"

namespace push_cache::api {

struct ListQuery {
  std::uint64_t limit = UINT64_MAX;
  std::uint64_t offset = 0;
  std::string filter;  // substring of the keys; "" = all

  // From a request's query: "limit=10&offset=20&filter=a%20b" ('+' is a space). Unknown names are
  // ignored; kInvalidArgument names a value that is no number, or a text that is not well encoded.
  static Result<ListQuery> parse(std::string_view query);
};

// A JSON array of the keys: in byte order, or in the own order of a remote store, which may give a
// key twice. `store` must outlive it. Looks at a bounded number of keys between two turns of the
// loop, whatever the filter, and sorts none. A store's failure is said by `repeats`, which must
// outlive it too.
std::unique_ptr<http::BodySource> make_key_list(store::Store& store, ListQuery query,
                                                LogLimiter& repeats);

}  // namespace push_cache::api
