#include "app/health_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>

#include "registry/easy.h"

namespace push_cache::app {
namespace {

constexpr std::size_t kShownBytesMax = 64 * 1024;  // of an answer

int fail(std::string_view text) {
  std::fprintf(stderr, "push-cache: health: %.*s\n", static_cast<int>(text.size()), text.data());
  return EXIT_FAILURE;
}

std::size_t receive(const char* data, std::size_t, std::size_t bytes, void* user) {
  std::string& body = *static_cast<std::string*>(user);
  body.append(data, std::min(bytes, kShownBytesMax - body.size()));
  return bytes;
}

// "a; b" of {"reasons":["a","b"]}, or the body as it is.
std::string reasons_of(const std::string& body) {
  boost::system::error_code failed;
  const boost::json::value parsed = boost::json::parse(body, failed);
  const auto* object = failed ? nullptr : parsed.if_object();
  const auto* reasons = object ? object->if_contains("reasons") : nullptr;
  const auto* list = reasons ? reasons->if_array() : nullptr;
  if (list == nullptr) return body;
  std::string text;
  for (const boost::json::value& reason : *list) {
    if (const auto* words = reason.if_string()) {
      text += fmt::format("{}{}", text.empty() ? "" : "; ", std::string_view(*words));
    }
  }
  return text;
}

}  // namespace

int run_health(const HealthOptions& options) {
  registry::prepare_libcurl();
  const registry::Easy handle(curl_easy_init());
  CURL* easy = handle.get();
  registry::set_common_options(easy, registry::no_proxy_list());
  std::string body;
  const std::string page = options.url + (options.ready ? "/ready" : "/live");
  curl_easy_setopt(easy, CURLOPT_URL, page.c_str());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(options.timeout_seconds));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
  if (const CURLcode code = curl_easy_perform(easy); code != CURLE_OK) {
    return fail(fmt::format("{}: {}", page, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return fail(fmt::format("{} {}: {}", page, status, reasons_of(body)));
  std::puts(options.ready ? "ready" : "live");
  return EXIT_SUCCESS;
}

}  // namespace push_cache::app
