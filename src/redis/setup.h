// The commands that a new connection starts with.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"
#include "redis/client.h"

namespace push_cache::redis {

struct SetupOptions {
  std::string username;
  std::string password;           // "" = no AUTH
  bool may_need_no_auth = false;  // a refused AUTH is no error: what is asked next tells
  int database = 0;
  bool name = true;          // CLIENT SETNAME: who this is, in the server's CLIENT LIST
  bool master_only = false;  // ROLE: refuse what is no master
  bool identity = false;     // INFO replication: which data set this is
};

// AUTH, SELECT, CLIENT SETNAME, ROLE and INFO, as far as wanted: all are sent at once, and the
// answers are judged one by one.
class Setup {
 public:
  explicit Setup(const SetupOptions& options);

  const std::string& bytes() const { return bytes_; }
  bool done() const { return answered_ == steps_.size(); }
  // The server's master_replid: another one after each restart and each failover. "" = not told.
  const std::string& identity() const { return identity_; }
  // The next answer; not when `done`. kUnavailable: the connection is of no use; the text says why
  // and never holds the password.
  Status take(const Reply& reply);

 private:
  enum class Step : std::uint8_t { kAuth, kSelect, kName, kRole, kIdentity };
  template <typename... Args>
  void add(Step step, const Args&... args);

  std::vector<Step> steps_;
  std::size_t answered_ = 0;
  std::string bytes_;
  std::string password_;
  bool may_need_no_auth_;
  std::string identity_;
};

}  // namespace push_cache::redis
