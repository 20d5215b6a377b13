// HTTP requests over libcurl, for the registry's client.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "registry/client.h"

namespace push_cache::registry {

// One base URL, without userinfo and without a '/' at its end.
struct Endpoint {
  std::string url;
  std::string username;
  std::string password;
};

// The URLs of a comma-separated list. kInvalidArgument says what is wrong with which of them (by
// number) and repeats nothing of the text, which may hold a secret.
Result<std::vector<Endpoint>> parse_endpoints(const ClientOptions& options);

struct Reply {
  long status = 0;
  std::string body;
};

// Safe from any thread; keeps the connections of finished requests for the next ones.
class Transport {
 public:
  explicit Transport(ClientOptions options);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // GET, or POST when `body` is not null. Any status is a reply. kUnavailable when there is none,
  // kTooLarge when its body is. The public text says no address, the detail does.
  Result<Reply> perform(const Endpoint& endpoint, std::string_view path, const std::string* body,
                        std::stop_token stop);

 private:
  struct Session;
  std::unique_ptr<Session> take();
  void give_back(std::unique_ptr<Session> session);

  const ClientOptions options_;
  std::string no_proxy_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;
};

}  // namespace push_cache::registry
