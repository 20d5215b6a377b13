#include "api/body_key.h"

#include <boost/json.hpp>

namespace push_cache::api {

Result<std::string> key_from_body(std::string_view body, std::string_view path) {
  namespace json = boost::json;
  const auto invalid = [](std::string text) {
    return Error{ErrorCode::kInvalidArgument, std::move(text)};
  };
  json::error_code error;
  const json::value root = json::parse(json::string_view(body.data(), body.size()), error);
  if (error) return invalid("the body is not JSON: " + error.message());
  const json::value* at = &root;
  std::string_view left = path;
  while (true) {
    const std::size_t dot = left.find('.');
    const std::string_view name = left.substr(0, dot);
    if (!at->is_object())
      return invalid("a JSON object with the field '" + std::string(path) + "' is needed");
    at = at->get_object().if_contains(json::string_view(name.data(), name.size()));
    if (at == nullptr)
      return invalid("the field '" + std::string(path) + "' is missing: it holds the key");
    if (dot == std::string_view::npos) break;
    left.remove_prefix(dot + 1);
  }
  if (at->is_string()) return std::string(at->get_string());
  if (at->is_int64()) return std::to_string(at->get_int64());
  if (at->is_uint64()) return std::to_string(at->get_uint64());
  return invalid("the field '" + std::string(path) +
                 "' holds the key: it must be a string or an integer");
}

}  // namespace push_cache::api
