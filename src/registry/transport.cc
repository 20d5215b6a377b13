#include "registry/transport.h"

#include <array>
#include <mutex>
#include <utility>

#include "base/limits.h"
#include "registry/easy.h"

namespace push_cache::registry {
namespace {

struct UrlDelete {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

Result<Endpoint> parse_endpoint(const std::string& text) {
  const auto fault = [](std::string why) {
    return Error{ErrorCode::kInvalidArgument, std::move(why)};
  };
  if (!text.starts_with("http://") && !text.starts_with("https://")) {
    return fault("it does not begin with http:// or https://");
  }
  const std::unique_ptr<CURLU, UrlDelete> url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return fault("it is not a valid URL");
  }
  if (!part(url.get(), CURLUPART_QUERY).empty() || !part(url.get(), CURLUPART_FRAGMENT).empty()) {
    return fault("it has a query or a fragment");
  }
  Endpoint endpoint{.url = {},
                    .username = part(url.get(), CURLUPART_USER, CURLU_URLDECODE),
                    .password = part(url.get(), CURLUPART_PASSWORD, CURLU_URLDECODE)};
  curl_url_set(url.get(), CURLUPART_USER, nullptr, 0);
  curl_url_set(url.get(), CURLUPART_PASSWORD, nullptr, 0);
  endpoint.url = part(url.get(), CURLUPART_URL);
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  return endpoint;
}

struct Sink {
  std::string body;
  bool too_large = false;
};

std::size_t receive(const char* data, std::size_t, std::size_t bytes, void* user) {
  Sink& sink = *static_cast<Sink*>(user);
  if (bytes > limits::kRegistryBodyBytesMax - sink.body.size()) {
    sink.too_large = true;
    return 0;  // ends the transfer
  }
  sink.body.append(data, bytes);
  return bytes;
}

}  // namespace

Result<std::vector<Endpoint>> parse_endpoints(const ClientOptions& options) {
  std::vector<Endpoint> endpoints;
  std::size_t at = 0;
  while (at <= options.url.size()) {
    const std::size_t end = std::min(options.url.find(',', at), options.url.size());
    std::string text = options.url.substr(at, end - at);
    at = end + 1;
    text.erase(0, text.find_first_not_of(" \t"));
    text.erase(text.find_last_not_of(" \t") + 1);
    if (text.empty()) continue;
    Result<Endpoint> endpoint = parse_endpoint(text);
    if (!endpoint.ok()) {
      return Error{ErrorCode::kInvalidArgument,
                   "URL " + std::to_string(endpoints.size() + 1) +
                       " of the schema registry: " + endpoint.error().public_text};
    }
    if (!options.username.empty()) {
      endpoint->username = options.username;
      endpoint->password = options.password;
    }
    endpoints.push_back(*std::move(endpoint));
  }
  if (endpoints.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the schema registry has no URL"};
  }
  return endpoints;
}

// A multi handle for the sake of its wake-up: a blocked request can be given up at once.
struct Transport::Session {
  Multi multi{curl_multi_init()};
  Easy easy{curl_easy_init()};
};

Transport::Transport(ClientOptions options)
    : options_(std::move(options)), no_proxy_(no_proxy_list()) {
  prepare_libcurl();
}

Transport::~Transport() = default;

std::unique_ptr<Transport::Session> Transport::take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Session> session = std::move(idle_.back());
      idle_.pop_back();
      return session;
    }
  }
  return std::make_unique<Session>();
}

void Transport::give_back(std::unique_ptr<Session> session) {
  curl_easy_reset(session->easy.get());  // forgets the credentials, keeps the connections
  std::lock_guard lock(mutex_);
  if (idle_.size() < 8) idle_.push_back(std::move(session));
}

Result<Reply> Transport::perform(const Endpoint& endpoint, std::string_view path,
                                 const std::string* body, std::stop_token stop) {
  std::unique_ptr<Session> session = take();
  CURL* easy = session->easy.get();
  CURLM* multi = session->multi.get();
  if (easy == nullptr || multi == nullptr) {
    return Error{ErrorCode::kUnavailable, "the schema registry cannot be asked",
                 "libcurl is out of resources"};
  }
  const std::string url = endpoint.url + std::string(path);
  Sink sink;
  std::array<char, CURL_ERROR_SIZE> why{};
  static constexpr const char* kAccept = "Accept: application/vnd.schemaregistry.v1+json";
  std::unique_ptr<curl_slist, ListDelete> headers(curl_slist_append(nullptr, kAccept));

  set_common_options(easy, no_proxy_);
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why.data());
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options_.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.total_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &sink);
  if (!options_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  if (!options_.certificate_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options_.certificate_file.c_str());
  }
  if (!options_.key_file.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, options_.key_file.c_str());
  // Both kinds of credentials are libcurl's own options, so that a redirect takes them to no other
  // host.
  if (!options_.bearer_token.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, options_.bearer_token.c_str());
  } else if (!endpoint.username.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    curl_easy_setopt(easy, CURLOPT_USERNAME, endpoint.username.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, endpoint.password.c_str());
  }
  if (body != nullptr) {
    headers.reset(curl_slist_append(headers.release(),
                                    "Content-Type: application/vnd.schemaregistry.v1+json"));
    headers.reset(curl_slist_append(headers.release(), "Expect:"));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data());
  } else {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());

  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  curl_multi_add_handle(multi, easy);
  {
    const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    int running = 1;
    while (!stop.stop_requested()) {
      if (curl_multi_perform(multi, &running) != CURLM_OK || running == 0) break;
      curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
    }
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi, easy);
  Reply reply;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply.status);
  give_back(std::move(session));

  if (code == CURLE_OK) {
    reply.body = std::move(sink.body);
    return reply;
  }
  const std::string detail = url + ": " + (why[0] != '\0' ? why.data() : curl_easy_strerror(code));
  if (sink.too_large) {
    return Error{ErrorCode::kTooLarge,
                 "the schema registry's answer is larger than " +
                     std::to_string(limits::kRegistryBodyBytesMax) + " bytes",
                 url};
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Error{ErrorCode::kUnavailable, "the schema registry did not answer in time", detail};
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
      return Error{ErrorCode::kUnavailable, "the schema registry's answer broke off", detail};
    case CURLE_ABORTED_BY_CALLBACK:
      return Error{ErrorCode::kUnavailable, "the request to the schema registry was given up", url};
    default:
      return Error{ErrorCode::kUnavailable, "the schema registry cannot be reached", detail};
  }
}

}  // namespace push_cache::registry
