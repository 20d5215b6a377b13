#include "registry/easy.h"

#include <cstdlib>
#include <mutex>
#include <string_view>

namespace push_cache::registry {

void prepare_libcurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

std::string no_proxy_list() {
  std::string list = "localhost,127.0.0.1,::1";
  for (const char* name : {"no_proxy", "NO_PROXY"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      return std::string_view(value) == "*" ? value : list + "," + value;
    }
  }
  return list;
}

void set_common_options(CURL* easy, const std::string& no_proxy) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "push-cache");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy.c_str());
}

}  // namespace push_cache::registry
