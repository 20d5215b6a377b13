// The key that a request's JSON body holds.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace push_cache::api {

// The text of the field `path` ("id", or "customer.id" for a nested one): a string as it is, an
// integer in decimal. kInvalidArgument, naming the field, when the body is no JSON object, the
// field is not there, or it is neither.
Result<std::string> key_from_body(std::string_view body, std::string_view path);

}  // namespace push_cache::api
