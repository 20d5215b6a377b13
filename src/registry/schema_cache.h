// Schema ids to compiled schemas: asked for once, in the background, until the registry answers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "avro/plan.h"
#include "avro/schema.h"
#include "base/error.h"
#include "base/types.h"
#include "registry/guid.h"
#include "registry/id_table.h"
#include "registry/retry.h"
#include "registry/schema_source.h"

namespace push_cache::registry {

// One schema, ready for use. Immutable.
struct SchemaEntry {
  SchemaId id;
  avro::Schema schema;
  std::string
      full_name;  // of the writer's schema: "com.polecatworks.billing.Customer", or "string"
  std::shared_ptr<const avro::Plan> plan;
  SchemaText text;  // as the source gave it, so that a snapshot can carry it
  // Of a union, the names of its branches; else empty. Each may go to stores of its own.
  std::vector<std::string> branches = {};
};

struct SchemaCacheOptions {
  RetryTimes retry = {};
  unsigned threads = 2;  // requests under way at once
  // Ids that are not known: garbage in a topic could name any number of them.
  std::size_t waiting_max = 20'000;  // more than records can be set aside
  // When the registry has answered "not found" for so long, the id turns to failed; 0 = never.
  std::chrono::milliseconds not_found_wait{0};
  avro::PlanOptions plan = {};
};

enum class StateKind {
  kKnown,    // `find` has it
  kWaiting,  // asked for, or never requested
  // The registry's answer is of no use, or was "not found" for too long (kNotFound); asked again
  // now and then all the same.
  kFailed,
};

struct State {
  StateKind kind = StateKind::kWaiting;
  // The last failure, without the id, which whoever asks knows; meaningful when kFailed, or
  // kWaiting with attempts > 0. kNotFound tells an id that the registry does not know from a
  // registry that cannot be asked.
  Error error = {};
  std::uint64_t attempts = 0;  // finished ones that failed
  // The registry has answered, at least once, that it does not know the id.
  bool not_found = false;
};

// One id that is not known yet; for people.
struct Waiting {
  SchemaId id;       // below 0: provisional
  std::string guid;  // of a provisional id
  StateKind kind = StateKind::kWaiting;
  std::uint64_t attempts = 0;
  std::chrono::system_clock::time_point first_asked;
  std::string last_error;  // "" before the first answer; holds no secrets
};

struct SchemaCacheCounts {
  std::uint64_t requests_total = 0;  // made to the source
  std::uint64_t errors_total = 0;    // of them in vain
  std::size_t known = 0;
  std::size_t waiting = 0;
  std::size_t failed = 0;
};

// All of it is safe from any thread. Entries live as long as the cache.
class SchemaCache {
 public:
  // `source` must outlive the cache.
  explicit SchemaCache(SchemaSource& source, SchemaCacheOptions options = {});
  // Gives up what is under way and joins the threads. No listener runs after it.
  ~SchemaCache();
  SchemaCache(const SchemaCache&) = delete;
  SchemaCache& operator=(const SchemaCache&) = delete;

  // The entry, or null when it is not known (yet). Takes no lock, some nanoseconds. The entry of a
  // provisional id has the registry's id.
  const SchemaEntry* find(SchemaId id) const {
    if (id.value > 0) return table_.find(id);
    const Resolved* resolved = resolved_.find(id);
    return resolved == nullptr ? nullptr : resolved->entry;
  }

  // The id of the schema with this GUID: the registry's when it is known. Until then a provisional
  // one below -1, which `find`, `request` and `state` take as they take others and listeners are
  // called with. It must not leave the process. -1 when there is no room for one more: ask again
  // later.
  SchemaId id_of(const Guid& guid);
  // What people know it by: "schema 17", "the schema with GUID 7ac2f1b0-...".
  std::string name(SchemaId id) const;

  // Sees to it that `id` becomes known: asks the source, for ever, until it has a usable answer.
  // Returns at once with the state; asking twice costs nothing. kFailed without any request for an
  // id that no registry gives (0 and below, unless provisional). When `waiting_max` ids are not
  // known, one that nobody has requested for a second is forgotten; when there is none, nothing is
  // asked and the state is kWaiting with kTooLarge: request it again later.
  State request(SchemaId id);

  State state(SchemaId id) const;

  // Adds a schema that is known from elsewhere, such as a snapshot. Nothing happens when `id` is
  // known already. The error is that of the schema, without the id.
  Status insert(SchemaId id, SchemaText text);

  // Adds a listener that is called, on a thread of the cache and without any lock, each time an id
  // becomes known or turns to failed. By then `find` and `state` say so. A listener must not
  // destroy the cache. Listeners are added before the first request.
  void on_resolved(std::function<void(SchemaId)> listener);

  // Those not known, by id.
  std::vector<Waiting> waiting() const;
  SchemaCacheCounts counts() const;

 private:
  struct Worker;
  // What a provisional id has turned out to be.
  struct Resolved {
    SchemaId id;  // the provisional one
    const SchemaEntry* entry;
  };

  IdTable<SchemaEntry> table_;  // by the registry's ids
  IdTable<Resolved> resolved_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace push_cache::registry
