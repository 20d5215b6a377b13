// What all requests over libcurl of this program have in common.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

namespace push_cache::registry {

struct EasyDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDelete {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
using Easy = std::unique_ptr<CURL, EasyDelete>;
using Multi = std::unique_ptr<CURLM, MultiDelete>;

// Before the first handle is made; from any thread, any number of times.
void prepare_libcurl();

// The environment's no_proxy and this machine: a proxy named there is for the world outside.
std::string no_proxy_list();

// HTTP/1.1 and HTTPS without signals, with this program's name. For a handle that is new or reset.
void set_common_options(CURL* easy, const std::string& no_proxy);

}  // namespace push_cache::registry
