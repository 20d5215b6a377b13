#include "http/http.h"

#include <array>

#include "base/utf8.h"

namespace push_cache::http {

std::string_view to_string(Method method) {
  constexpr std::array<std::string_view, kMethods> kNames{"GET",    "HEAD",  "POST",    "PUT",
                                                          "DELETE", "PATCH", "OPTIONS", "other"};
  return kNames[static_cast<std::size_t>(method)];
}

void append_error(Buffer& to, ErrorCode code, std::string_view message) {
  to.append(R"({"code":")");
  to.append(to_string(code));
  to.append(R"(","message":)");
  append_json_string(to, is_utf8(message) ? message : "the request is not UTF-8");
  to.append('}');
}

void send_error(Exchange& exchange, ErrorCode code, std::string_view message, Head head) {
  const auto status = static_cast<unsigned>(http_status(code));
  head.content_type = "application/json";
  if (head.cache_control.empty()) head.cache_control = "no-store";
  if (status == 503 && head.retry_after.empty()) head.retry_after = "1";
  append_error(exchange.begin(status, head), code, message);
  exchange.finish();
}

void send_error(Exchange& exchange, const Error& error, Head head) {
  send_error(exchange, error.code, error.public_text, head);
}

}  // namespace push_cache::http
