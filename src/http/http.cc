#include "http/http.h"

#include <array>

#include "base/utf8.h"

namespace push_cache::http {

std::string_view to_string(Method method) {
  constexpr std::array<std::string_view, kMethods> kNames{"GET",    "HEAD",  "POST",    "PUT",
                                                          "DELETE", "PATCH", "OPTIONS", "other"};
  return kNames[static_cast<std::size_t>(method)];
}

void send_error(Exchange& exchange, unsigned status, std::string_view message, Head head) {
  head.content_type = "application/json";
  Buffer& body = exchange.begin(status, head);
  body.append(R"({"message":)");
  append_json_string(body, is_utf8(message) ? message : "the request is not UTF-8");
  body.append('}');
  exchange.finish();
}

void send_error(Exchange& exchange, const Error& error, Head head) {
  if (error.code == ErrorCode::kUnavailable && head.retry_after.empty()) head.retry_after = "1";
  send_error(exchange, static_cast<unsigned>(http_status(error.code)), error.public_text, head);
}

}  // namespace push_cache::http
