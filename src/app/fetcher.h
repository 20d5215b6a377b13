// Questions to a running service over HTTP: many keys at once, and lists as they come.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/key_stream.h"
#include "base/error.h"
#include "registry/easy.h"

namespace push_cache::app {

// What a GET has given. Borrowed: lives during the call that hands it out.
struct Answer {
  long status = 0;  // 0 = none came: `fault` says why
  std::string_view body;
  std::string etag;          // "" = none
  std::string position;      // Push-Cache-Position, "topic/partition@offset"; "" = none
  std::string local_writes;  // Push-Cache-Local-Writes of a list; "" = none
  std::string fault;         // names no password
};

// For one thread. Keeps its connections.
class Fetcher {
 public:
  Fetcher();
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // GETs `base`/{key} for each key, several at once, in any order. `asked(i)` is called right
  // before the i-th request goes out, `answered(i, answer)` once it has ended.
  void get_all(const std::string& base, std::span<const std::string> keys,
               const std::function<void(std::size_t)>& asked,
               const std::function<void(std::size_t, const Answer&)>& answered);

  // One GET.
  void get(const std::string& url, const std::function<void(const Answer&)>& answered);

 private:
  struct Transfer;

  void begin(Transfer& transfer, const std::string& url);
  // Waits until one has ended and gives it; none when none runs.
  Transfer* wait_for_one(int& running);
  static Answer answer_of(const Transfer& transfer);

  const std::string no_proxy_;
  registry::Multi multi_;
  std::vector<std::unique_ptr<Transfer>> transfers_;
};

// The keys of one list, with bounded memory: more is read from the service when it is needed.
class ListReader {
 public:
  // Asks for nothing yet. `url`: that of the list.
  explicit ListReader(const std::string& url);
  ~ListReader();
  ListReader(const ListReader&) = delete;
  ListReader& operator=(const ListReader&) = delete;

  // The next key, nothing after the last one. kMethodNotAllowed (405): this route has no list.
  // kUnavailable: a 503, no connection, a list that broke off. kMalformed, kTooLarge: no list of
  // keys.
  Result<std::optional<std::string>> next();

 private:
  static std::size_t receive(const char* data, std::size_t, std::size_t bytes, void* user);
  Status end(CURLcode code);

  registry::Multi multi_;
  registry::Easy easy_;
  KeyStream keys_;
  std::string refusal_;  // the beginning of the body of another status than 200
  Status fault_;
  bool ended_ = false;
};

}  // namespace push_cache::app
