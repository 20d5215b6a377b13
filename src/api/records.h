// The HTTP API of one route: its records as JSON, by key.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/conditions.h"
#include "base/log_limiter.h"
#include "base/types.h"
#include "http/http.h"
#include "metrics/counter.h"
#include "registry/reader_schemas.h"
#include "registry/schema_cache.h"
#include "store/local_writes.h"
#include "store/log_identities.h"
#include "store/store.h"
#include "store/unread_keys.h"

namespace push_cache::api {

// Safe from any thread.
class Gate {
 public:
  virtual ~Gate() = default;
  // Whether everything that was in the topics at the start is in the stores, and not too old.
  virtual bool ready() const = 0;
  // Whether what is in the stores is of the topics as they are, if older: what
  // `serve_while_loading` may show.
  virtual bool trusted() const { return true; }
};

struct RecordsOptions {
  std::string path;                            // "/api/users": the whole prefix, for Location
  store::Store* store = nullptr;               // these and the next five must outlive the handler
  store::LocalWrites* local_writes = nullptr;  // those of the store; not null
  // Asked for those that it has not, which only a store that others fill can have records of.
  registry::SchemaCache* schemas = nullptr;
  const Gate* gate = nullptr;
  // What the store does not have, though its key exists; null: there is nothing of the kind.
  store::UnreadKeys* unread = nullptr;
  std::uint32_t store_number = 0;                 // its number there
  std::vector<bool> store_topics = {};            // that it takes; empty = all
  const store::LogIdentities* logs = nullptr;     // of what fills the store; not null
  const registry::RouteReader* reader = nullptr;  // null = each record by its writer's schema
  std::uint32_t max_age_seconds = 300;
  // Names of the topics, to say which record an answer is.
  std::vector<std::string> topics;
  // The number of the topic that a write is a record of.
  std::uint32_t topic = 0;
  bool topic_only = false;       // DELETE removes no record of another one (409)
  bool position_headers = true;  // say it in headers, too
  // ETags are of the record's position also where it has a version.
  bool etag_by_position = false;
  // Before the gate is open: answer what is there, and 503 only for what is not.
  bool serve_while_loading = false;
  // Others fill the store too, with records of schemas that are not known here.
  bool shared = false;
  bool writes = true;         // false: POST and DELETE answer 405
  bool list = true;           // false: GET of the path alone answers 405
  std::string key_from_body;  // field that holds the key ("a.b" for a nested one); "" = none
  // The schemas a POST may be of: the latest of each record type of the store.
  std::function<std::vector<SchemaId>()> writable;
  // Whether the store takes records of this type; asked of the branches of a union. Empty: of all.
  std::function<bool(std::string_view full_name)> takes = {};
  // Which field of a record of this schema holds its key; asked when `key_from_body` is "".
  std::function<std::optional<std::string>(SchemaId)> key_field;
  unsigned loops = 1;  // event loops of the server
};

// With P = the route's path (see the API table of docs/reference/http-api.md):
//   GET, HEAD P/{id}   the record as JSON, with ETag and Cache-Control; 304; 404
//   DELETE P/{id}      removes it and answers it; 404; 409 when it is of another topic (topic_only)
//   GET, HEAD P        the keys as a JSON array: limit, offset, filter
//   POST P             adds a record: 201, 409 when the key exists, 400 with the field at fault
// 412 where the record of the key does not meet the request's conditions (api/conditions.h); for a
// DELETE that record is the one that is removed, whatever happens at the same time.
// A read that hits a store in memory allocates nothing. Until the gate is open everything answers
// 503. A key whose last record is of a schema that is not known yet is 503 (kSchemaUnknown), and
// one whose known records are all bad 500 (kBadRecord). A store that had to refuse keys
// (Store::health) answers those it has; others are 503, since they may exist.
class Records final : public http::Handler {
 public:
  explicit Records(RecordsOptions options);
  ~Records() override;

  // For P/... as Router hands it over (Request::rest).
  void handle(http::Exchange& exchange) override;
  // For P_by_body: GET and POST read the record whose key a field of the JSON body holds.
  void handle_by_body(http::Exchange& exchange);
  // For people, on any loop that runs a server: 200 with {"found":true,"topic":...,"partition":...,
  // "offset":...,"timestamp_ms":...,"schema":{"id":...,"name":...},"record":...}, where null is
  // what it has not (a record written through HTTP has no position); or {"found":false}; or the
  // error that a GET would be answered with. `key` must be UTF-8. No miss is counted.
  void inspect(http::Exchange& exchange, std::string_view key);

  // Reads of a key that is not there, answered by 404, since the start.
  std::uint64_t misses() const { return misses_.sum(); }

 private:
  class Reply;
  struct Addition;
  // How a record is shown.
  struct Way {
    const avro::Plan* plan;
    const registry::ReaderPlan* reader;  // where `plan` is from when the route has a reader schema

    std::optional<std::uint32_t> tag() const {
      return reader == nullptr ? std::nullopt : std::optional(reader->tag);
    }
  };

  // kSchemaUnknown while the reader schema is not known, kInternal when it cannot show the record.
  Result<Way> way_of(const registry::SchemaEntry& schema, const store::RecordView& record) const;
  EntityTag tag_of(const store::RecordView& record, const Way& way) const;
  bool may_serve_early() const { return options_.serve_while_loading && options_.gate->trusted(); }
  // For the header Allow, of an item or of the route itself.
  std::string_view allowed(bool item) const;
  store::UnreadKeys::Found unread(std::string_view key) const {
    if (options_.unread == nullptr || !options_.unread->any()) return {};
    return options_.unread->find(key, options_.store_number, options_.store_topics);
  }
  void read(http::Exchange& exchange, std::string_view key, std::uint64_t replaced);
  void remove(http::Exchange& exchange, std::string_view key, std::uint64_t replaced);
  void list(http::Exchange& exchange);
  Status check_branch(const registry::SchemaEntry& schema, Bytes datum) const;
  void insert(http::Exchange& exchange, std::uint64_t replaced);
  static void fail(http::Exchange& exchange, const Error& error);
  static void fail(http::Exchange& exchange, ErrorCode code, std::string_view message,
                   http::Head head = {});

  RecordsOptions options_;
  std::string cache_control_;
  metrics::ShardedCounter misses_;
  LogLimiter repeats_{"api"};
};

}  // namespace push_cache::api
