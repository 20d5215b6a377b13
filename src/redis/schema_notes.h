// The ids of the schemas that a store's records were written with, in Redis: see redis/layout.h.
// Only for redis_store; on the store's own loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "redis/client.h"

namespace push_cache::redis {

class SchemaNotes {
 public:
  // `client` must outlive it.
  SchemaNotes(Client& client, std::string key) : client_(client), key_(std::move(key)) {}

  // Writes it down, the first time. What fails is tried again at the next call.
  void note(SchemaId id);
  // `done` is called once, on the loop.
  void read(std::function<void(Result<std::vector<SchemaId>>)> done);
  // Why the server refused the last `read`, with the key; success when it did not.
  const Status& refused() const { return refused_; }

 private:
  struct Note final : ReplySink {
    bool sent = false;
    void reply(const Reply& reply) override { sent = reply.type == Reply::Type::kInteger; }
    void failed(const Error&) override { sent = false; }
  };
  struct Reading;

  Client& client_;
  const std::string key_;
  Status refused_;
  std::map<std::int32_t, Note> notes_;  // of this process; nodes stay where they are
};

}  // namespace push_cache::redis
