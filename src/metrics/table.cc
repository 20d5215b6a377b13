#include "metrics/table.h"

#include <fmt/format.h>

namespace push_cache::metrics {
namespace {

using enum Type;

constexpr std::string_view kCause[] = {"cause"};
constexpr std::string_view kOutcome[] = {"outcome"};
constexpr std::string_view kRoute[] = {"route"};
constexpr std::string_view kRouteMethodStatus[] = {"route", "method", "status"};
constexpr std::string_view kStore[] = {"store"};
constexpr std::string_view kStoreKind[] = {"store", "kind"};
constexpr std::string_view kStoreKindOutcome[] = {"store", "kind", "outcome"};
constexpr std::string_view kServer[] = {"server"};
// The feed: "replica" (of stores in memory, which every process reads whole) or "group".
constexpr std::string_view kPartition[] = {"topic", "partition", "feed"};
constexpr std::string_view kBuild[] = {"version"};

// clang-format off
constexpr Metric kTable[] = {
    // The names of the first form. Some of them end as Prometheus' conventions want another type to end,
    // so they are of none: `promtool check metrics` (tests/e2e/test_prometheus.py) takes the page then.
    {"requests_total", kCounter, "Requests to the API."},
    {"requests_miss", kUntyped, "Reads of a key that is not there (404)."},
    {"updates_received", kUntyped, "Records from Kafka that were put into a store."},
    {"tombstones_processed", kUntyped, "Records from Kafka with a null value: their keys were removed."},
    {"schema_mismatch_count", kUntyped, "Records from Kafka without the wire format, or that do not fit their schema."},
    {"schema_unrouted_count", kUntyped, "Records from Kafka whose schema no store takes."},
    {"push_cache_records_total", kUntyped, "Records in the store.", kStore},
    {"push_cache_consumer_lag_total", kUntyped, "Records in Kafka that are still to be read, over all partitions."},

    // Readiness and loading.
    {"push_cache_ready", kGauge, "1 when /hams/ready answers 200: everything that was in the topics at the start is in the stores, and these are in order. Else 0."},
    {"push_cache_ready_seconds", kGauge, "Time from the start of the process until it was ready the first time; absent before."},
    {"push_cache_load_rate", kGauge, "Records from Kafka a second, lately."},
    {"push_cache_load_eta_seconds", kGauge, "Time until ready at that rate; absent when unknown or ready."},

    // Kafka.
    {"push_cache_kafka_connected", kGauge, "1 when the brokers answered lately, else 0. The cache goes on serving without them, ever staler."},
    {"push_cache_partition_position", kGauge, "Offset of the next record to be read from the partition; all before it are in the stores.", kPartition},
    {"push_cache_partition_end", kGauge, "Offset behind the last record of the partition, when its leader was asked last.", kPartition},
    {"push_cache_partition_lag", kGauge, "Records still to be read from the partition.", kPartition},
    {"push_cache_partition_lag_seconds", kGauge, "Age of what is held of the partition: of the latest moment of which all that was in the log then is applied. Grows while Kafka is not heard.", kPartition},
    {"push_cache_freshness_seconds", kHistogram, "Time from a record's timestamp (of its producer, or of the broker: message.timestamp.type) until it was served from here. Of records that came while their partition was caught up."},
    {"push_cache_dead_letters_total", kCounter, "Bad records that the dead letter topic has acknowledged. Absent without kafka.on_bad_record: dead_letter."},
    {"push_cache_dead_letters_waiting", kGauge, "Bad records that it has not acknowledged yet."},
    {"push_cache_partitions_waiting", kGauge, "Partitions that do not go on: their next record waits for a schema, a store or dead letters, or is bad and stops them, or they are read anew."},
    {"push_cache_outdated_total", kCounter, "Records from Kafka that were not kept since another partition of the topic has a later one of their key: it moved when partitions were added."},
    {"push_cache_type_changes_total", kCounter, "Records from Kafka that took their key out of a store, since the store does not take their type (cache.stores[].schemas) and the topic is compacted."},
    {"push_cache_future_timestamps_total", kCounter, "Records from Kafka with a timestamp more than an hour ahead of this machine's clock, or after 2099."},
    {"push_cache_consumed_total", kCounter, "Records from Kafka that came to an end, whatever it was."},
    {"bad_records_total", kCounter, "Records from Kafka that could not be applied, by cause.", kCause},
    {"push_cache_set_aside_records", kGauge, "Records from Kafka that are set aside, since their schema is not known yet: their keys answer 503. At most 10,000; then their partitions wait."},
    {"push_cache_set_aside_bytes", kGauge, "What they take. At most 64 MiB."},
    {"push_cache_set_aside_total", kCounter, "Records from Kafka that were set aside."},
    {"push_cache_bad_keys", kGauge, "Keys whose last record is bad: they answer 500 where no good record of the key is known. At most 100,000 are kept."},
    {"push_cache_store_errors_total", kCounter, "Writes that a store refused; they are tried again."},

    // Schema registry.
    {"push_cache_registry_requests_total", kCounter, "Requests to the schema registry. outcome: ok, not_found (404), denied (401 or 403: the credentials), refused (another 4xx), server_error (408, 429, 5xx), unreachable (no answer in time). All but ok are tried again as long as something needs the answer.", kOutcome},
    {"push_cache_registry_request_duration_seconds", kHistogram, "Time from such a request to its answer, or to its time-out."},
    {"push_cache_registry_schemas", kGauge, "Schemas known."},
    {"push_cache_registry_schemas_waiting", kGauge, "Schemas that records wait for."},
    {"push_cache_registry_schemas_failed", kGauge, "Schemas that are not well-formed Avro, or that the registry has not known for kafka.unknown_schema_wait."},
    {"push_cache_unresolvable_writers", kGauge, "Schemas whose records the route's reader schema cannot show, of those met since the start. Absent for routes without one.", kRoute},

    // Stores.
    {"push_cache_store_bytes", kGauge, "Bytes of keys and values in the store, without its own overhead.", kStore},
    {"push_cache_store_memory_bytes", kGauge, "Memory of the store: index, order (of the keys, for lists), records (keys, values and their heads), slack (free for records to come).", kStoreKind},
    {"push_cache_store_memory_max_bytes", kGauge, "Cap of the store's memory, beyond which it refuses new keys; 0 = none.", kStore},
    {"push_cache_store_refused_total", kCounter, "Records with a new key that the store refused at its cap of memory. The store is not ready from then on.", kStore},
    {"push_cache_local_writes_total", kCounter, "Records that this process has added by POST (kind: added) and removed by DELETE (removed): the store then differs from its topics. A write that Redis may have done although it failed is not counted.", kStoreKind},

    // Stores in Redis; absent for others. kind: read, write, scan, other.
    {"push_cache_redis_calls_total", kCounter, "Calls to Redis that have ended. outcome: ok, wrong_type (of a read: a deleted key), oom (beyond Redis' maxmemory), denied (by its ACL), refused (another error of Redis), timeout, lost (the connection or the node went before the answer), overload (not sent: too much was waiting).", kStoreKindOutcome},
    {"push_cache_redis_call_duration_seconds", kHistogram, "Time from a call to its answer, or to its time-out.", kStoreKind},
    {"push_cache_redis_calls_waiting", kGauge, "Calls that wait for their answers, or to be sent.", kStore},
    {"push_cache_redis_connections", kGauge, "Open connections to Redis, those to sentinels aside.", kStore},
    {"push_cache_redis_connections_total", kCounter, "Connections to Redis that were made.", kStore},
    {"push_cache_redis_connections_lost_total", kCounter, "Connections that were lost, or given up since Redis did not answer.", kStore},
    {"push_cache_redis_connect_errors_total", kCounter, "Attempts at a connection that failed; they go on.", kStore},
    {"push_cache_redis_redirections_total", kCounter, "Answers of a Cluster that another node has the key. kind: moved, or ask for a key on its move.", kStoreKind},
    {"push_cache_redis_retries_total", kCounter, "Commands that were sent again: Redis was loading, had no master, had forgotten a script or wanted them later, or the connection was lost.", kStore},

    // Snapshots; absent without snapshot.dir.
    {"push_cache_snapshots_total", kCounter, "Snapshots taken since the start."},
    {"push_cache_snapshot_errors_total", kCounter, "Snapshots that could not be taken; the one before stays."},
    {"push_cache_snapshot_timestamp_seconds", kGauge, "When the latest one of this run was taken, in seconds since 1970; absent before."},
    {"push_cache_snapshot_records", kGauge, "Records in it."},
    {"push_cache_snapshot_bytes", kGauge, "Bytes of its file."},
    {"push_cache_snapshot_duration_seconds", kGauge, "How long it took."},
    {"push_cache_snapshot_loaded_records", kGauge, "Records that this run has loaded from one at its start; 0 = none was there, or it was refused."},

    // HTTP.
    {"push_cache_requests_total", kCounter, "Requests to the API. route: its path without the prefix, empty for requests to none. status: the class, such as 2xx; a list that broke off is 5xx.", kRouteMethodStatus},
    {"push_cache_request_duration_seconds", kHistogram, "Time from when the server turned to a request, whole in its buffer, until all of its answer was handed to the connection. A list takes as long as its reader; pipelined requests that were answered together share their time evenly.", kRoute},
    {"push_cache_http_connections", kGauge, "Open connections. server: api or hams.", kServer},
    {"push_cache_http_connections_total", kCounter, "Connections taken.", kServer},
    {"push_cache_http_connections_refused_total", kCounter, "Connections refused since there were too many.", kServer},
    {"push_cache_http_requests_total", kCounter, "Requests read.", kServer},
    {"push_cache_http_bad_requests_total", kCounter, "Requests that are no valid HTTP, too large or too slow.", kServer},
    {"push_cache_http_received_bytes_total", kCounter, "Bytes received.", kServer},
    {"push_cache_http_sent_bytes_total", kCounter, "Bytes sent.", kServer},

    // The process, by the names that Prometheus' client libraries use.
    {"push_cache_build_info", kGauge, "Always 1; the labels say what runs.", kBuild},
    {"process_cpu_seconds_total", kCounter, "Processor time, user and system."},
    {"process_resident_memory_bytes", kGauge, "Resident memory."},
    {"process_virtual_memory_bytes", kGauge, "Virtual memory."},
    {"process_open_fds", kGauge, "Open file descriptors."},
    {"process_max_fds", kGauge, "Limit of open file descriptors."},
    {"process_threads", kGauge, "Threads."},
    {"process_start_time_seconds", kGauge, "Start of the process, seconds since 1970."},
};
// clang-format on

constexpr std::string_view kIntroduction = R"(# Metrics

<!-- Made from the table in src/metrics/table.cc by `cmake --build --preset release --target reference`. -->

`GET /metrics` on the health port answers in the text format of Prometheus (0.0.4). Counters begin at 0 with each start of
the process. The first eight have the names of the service's first form; there, `push_cache_records_total` had no label:
`sum(push_cache_records_total)` is its value. Seven of them have names that Prometheus' conventions keep for another type, so
they are `untyped`: `push_cache_records_total` and `push_cache_consumer_lag_total` go up and down, the other five only grow,
as counters do. `promtool check metrics` finds nothing in the page.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
)";

}  // namespace

std::string_view to_string(Type type) {
  switch (type) {
    case kCounter:
      return "counter";
    case kGauge:
      return "gauge";
    case kHistogram:
      return "histogram";
    case kUntyped:
      return "untyped";
  }
  return "";
}

std::span<const Metric> table() { return kTable; }

const Metric* find(std::string_view name) {
  for (const Metric& metric : kTable) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

std::string reference_page() {
  std::string page(kIntroduction);
  for (const Metric& metric : kTable) {
    page += fmt::format("| `{}` | {} | {} | {} |\n", metric.name, to_string(metric.type),
                        fmt::join(metric.labels, ", "), metric.help);
  }
  page += R"(
## What to watch

[Alert rules and a dashboard](../guides/monitoring.md) are made of these, and [what to do](../guides/alerts.md) is said for each
alert. The causes of `bad_records_total` are `null_key`, `bad_key`, `bad_magic`, `truncated`, `undecodable`, `schema_failed`,
`schema_not_found` (the registry has not known the schema for `kafka.unknown_schema_wait`), `too_large`, `store_full` (a new key, and the store has reached its cap of memory), and `unresolvable` (a route's reader schema
cannot show it).
)";
  return page;
}

}  // namespace push_cache::metrics
