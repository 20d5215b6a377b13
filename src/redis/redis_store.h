// The store in Redis (or Valkey): one server, a Cluster, or what Sentinels name. Shared: any number
// of processes write and read it. Keys are prefix:key, values as redis/layout.h has them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "redis/client.h"
#include "store/shared_store.h"

namespace push_cache::redis {

struct RedisStoreOptions {
  std::string name;  // for log lines
  ClientOptions client;
  std::string prefix;               // "" = none
  std::vector<std::string> topics;  // by the number that RecordView::topic is
  std::vector<bool> takes_topics;   // by the same number; empty = all. With one, Layout::kOneTopic
  // What it takes of the topics, as text; "" = all. With another text positions are not known: the
  // topics are read from their beginning.
  std::string takes;
  std::vector<std::string> schemas;  // the part of `takes` that is not topics, for people
};

// What each of the store's calls is, beside what store/store.h says:
//
// A write is fenced in Redis by the partition and offset of the last record or tombstone that its
// key had: one of the same partition that is not later is kOutdated, so that nothing that is
// delivered again makes a key older. Of two partitions the timestamps decide (store::is_outdated).
// A tombstone is remembered for kFenceLife.
//
// On a thread of net::this_loop each loop has connections of its own, made at its first call. All
// other threads share those of a thread of the store's, and wait. While Redis does not answer,
// calls fail with kUnavailable within ClientOptions::timeout. A write that Redis refuses for want
// of memory is kUnavailable too: it may pass.
//
// What others wrote under a key, of whatever type, is kMalformed for `get`, `take` and `insert`,
// since nobody knows whether there should be a record; `put` and `erase` take its place. Errors of
// one key name it in Error::detail; the other keys of the call are written.
//
// Of writes of one key and partition in one call of `write` only the last is sent. Without a
// Cluster those of many keys go in one command.
//
// `page` and `scan` are kUnsupported. `counts` are the records at the last count, made in the
// background by SCAN at a small part of the server's time; bytes are not known (0).
//
// A prefix is one filling's (SharedStore::claim): what fills it stands there as a fingerprint, see
// redis/fingerprint.h.
//
// A doubt (SharedStore::doubts) comes with each server that was restarted or takes over: one that
// says in INFO that it is the same gives none. The store's own client raises it. Other loops are
// answered only by the servers that this client is connected to, so no call is answered by a server
// before its doubt; while it has lost its connection, calls of other loops are kUnavailable. Calls
// of all loops are so while Redis refuses to tell the positions. In a Cluster a server whose slots
// lie all between two of layout.h's position keys has none of them: what it loses is not noticed.
class RedisStore : public store::SharedStore {
 public:
  // Connects in the background: a server that is away is no error. kInvalidArgument when the TLS
  // files cannot be read.
  static Result<std::unique_ptr<RedisStore>> create(RedisStoreOptions options);

 protected:
  RedisStore() = default;
};

}  // namespace push_cache::redis
