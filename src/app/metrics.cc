// What the service tells Prometheus; the names are those of the table in metrics/table.cc.
#include "app/redis_stats.h"
#include "app/service.h"
#include "base/log.h"
#include "metrics/page.h"

namespace push_cache::app {
namespace {

template <typename Count>
double number(const Count& count) {
  return static_cast<double>(static_cast<std::uint64_t>(count));
}

void add_server(metrics::Page& page, std::string_view name, const http::ServerCounts& counts) {
  page.add("push_cache_http_connections", {name}, number(counts.connections_open));
  page.add("push_cache_http_connections_total", {name}, number(counts.connections_total));
  page.add("push_cache_http_connections_refused_total", {name}, number(counts.connections_refused));
  page.add("push_cache_http_requests_total", {name}, number(counts.requests_total));
  page.add("push_cache_http_bad_requests_total", {name}, number(counts.bad_requests_total));
  page.add("push_cache_http_received_bytes_total", {name}, number(counts.bytes_in_total));
  page.add("push_cache_http_sent_bytes_total", {name}, number(counts.bytes_out_total));
}

void add_feed(metrics::Page& page, const ingest::FeedStatus& feed) {
  if (feed.first_ready_seconds) page.add("push_cache_ready_seconds", {}, *feed.first_ready_seconds);
  page.add("push_cache_load_rate", {}, feed.records_per_second);
  if (feed.eta_seconds) page.add("push_cache_load_eta_seconds", {}, *feed.eta_seconds);
  page.add("push_cache_kafka_connected", {}, feed.connected ? 1 : 0);
  int waiting = 0;
  for (const ingest::PartitionStatus& partition : feed.partitions) {
    waiting += partition.stage != ingest::PartitionStage::kLoading &&
                       partition.stage != ingest::PartitionStage::kCaughtUp
                   ? 1
                   : 0;
  }
  page.add("push_cache_consumer_lag_total", {}, static_cast<double>(feed.lag_records()));
  page.add("push_cache_partitions_waiting", {}, waiting);
  if (feed.dead_letters) {
    page.add("push_cache_dead_letters_total", {}, number(feed.dead_letters->acknowledged));
    page.add("push_cache_dead_letters_waiting", {}, number(feed.dead_letters->waiting));
  }
}

void add_partitions(metrics::Page& page, const ingest::FeedStatus& feed) {
  const char* const kind = feed.group ? "group" : "replica";
  for (const ingest::PartitionStatus& partition : feed.partitions) {
    const std::string number = std::to_string(partition.partition.value);
    page.add("push_cache_partition_position", {partition.topic, number, kind},
             static_cast<double>(partition.position.value));
    page.add("push_cache_partition_end", {partition.topic, number, kind},
             static_cast<double>(partition.end.value));
    page.add("push_cache_partition_lag", {partition.topic, number, kind},
             static_cast<double>(partition.lag_records()));
    page.add("push_cache_partition_lag_seconds", {partition.topic, number, kind},
             partition.lag_seconds);
  }
}

// What the stores do not have, though its key exists.
void add_unread(metrics::Page& page, const std::vector<Intake>& intakes) {
  std::size_t set_aside = 0;
  std::size_t bytes = 0;
  std::uint64_t total = 0;
  std::size_t bad = 0;
  for (const Intake& intake : intakes) {
    const ingest::SetAside::Counts counts = intake.applier->set_aside().counts();
    set_aside += counts.records;
    bytes += counts.bytes;
    total += counts.total;
    bad += intake.applier->unread_keys().counts().bad;
  }
  page.add("push_cache_set_aside_records", {}, number(set_aside));
  page.add("push_cache_set_aside_bytes", {}, number(bytes));
  page.add("push_cache_set_aside_total", {}, number(total));
  page.add("push_cache_bad_keys", {}, number(bad));
}

void add_totals(metrics::Page& page, const ingest::Totals& totals) {
  using ingest::BadCause;
  const auto bad = [&totals](BadCause cause) {
    return number(totals.bad[static_cast<std::size_t>(cause)]);
  };
  page.add("updates_received", {}, number(totals.updates));
  page.add("tombstones_processed", {}, number(totals.tombstones));
  page.add("schema_mismatch_count", {},
           bad(BadCause::kBadMagic) + bad(BadCause::kTruncated) + bad(BadCause::kUndecodable));
  page.add("schema_unrouted_count", {}, number(totals.unrouted));
  page.add("push_cache_outdated_total", {}, number(totals.outdated));
  page.add("push_cache_type_changes_total", {}, number(totals.type_changes));
  page.add("push_cache_future_timestamps_total", {}, number(totals.future_timestamps));
  page.add("push_cache_consumed_total", {}, number(totals.records));
  page.add("push_cache_store_errors_total", {}, number(totals.store_errors));
  page.add_durations("push_cache_freshness_seconds", {}, totals.freshness);
  for (std::size_t i = 0; i < ingest::kBadCauses; ++i) {
    page.add("bad_records_total", {to_string(static_cast<BadCause>(i))}, number(totals.bad[i]));
  }
}

void add_snapshots(metrics::Page& page, const SnapshotStatus& status) {
  page.add("push_cache_snapshots_total", {}, number(status.taken));
  page.add("push_cache_snapshot_errors_total", {}, number(status.failed));
  page.add("push_cache_snapshot_loaded_records", {}, number(status.loaded_records));
  if (status.taken == 0) return;
  page.add("push_cache_snapshot_timestamp_seconds", {},
           static_cast<double>(status.last_taken_ms) / 1000);
  page.add("push_cache_snapshot_records", {}, number(status.last.records));
  page.add("push_cache_snapshot_bytes", {}, number(status.last.bytes));
  page.add("push_cache_snapshot_duration_seconds", {}, status.last.seconds);
}

// Of each route all classes of GET, also those that are 0 so far, and of the other methods what
// came.
void add_requests(metrics::Page& page, const std::vector<std::string>& labels,
                  const std::vector<http::RouteCounts>& routes) {
  constexpr std::array<std::string_view, http::kStatusClasses> kClasses = {"other", "1xx", "2xx",
                                                                           "3xx",   "4xx", "5xx"};
  std::uint64_t total = 0;
  for (std::size_t route = 0; route < routes.size(); ++route) {
    const http::RouteCounts& counts = routes[route];
    total += counts.total();
    for (std::size_t i = 0; i < http::kMethods; ++i) {
      const auto method = static_cast<http::Method>(i);
      for (std::size_t group = 0; group < kClasses.size(); ++group) {
        const std::uint64_t count = counts.requests[i][group];
        if (count == 0 && (method != http::Method::kGet || group < 2)) continue;
        page.add("push_cache_requests_total", {labels[route], to_string(method), kClasses[group]},
                 number(count));
      }
    }
    page.add_durations("push_cache_request_duration_seconds", {labels[route]}, counts.durations);
  }
  page.add("requests_total", {}, number(total));
}

}  // namespace

std::string Service::metrics_text() const {
  metrics::Page page;
  const std::vector<ingest::FeedStatus> feeds = feed_statuses();
  const ingest::FeedStatus all = sum(feeds);
  page.add("push_cache_ready", {}, not_ready_reasons(all).empty() ? 1 : 0);
  add_feed(page, all);
  for (const ingest::FeedStatus& feed : feeds) add_partitions(page, feed);
  add_totals(page, sum(pipeline_->intakes()));
  add_unread(page, pipeline_->intakes());

  if (const Snapshots* snapshots = pipeline_->snapshots()) {
    add_snapshots(page, snapshots->status());
  }
  std::uint64_t misses = 0;
  for (const RouteRow& route : routes_) {
    misses += route.records->misses();
    if (route.reader != nullptr) {
      std::size_t unresolvable = 0;
      for (const registry::ReaderSchema* reader : route.reader->by_topic) {
        unresolvable += reader->status().unresolvable_writers.size();
      }
      page.add("push_cache_unresolvable_writers", {route.path}, number(unresolvable));
    }
  }
  const std::vector<http::RouteCounts> requests = api_server_->routes();
  add_requests(page, counted_, requests);
  page.add("requests_miss", {}, number(misses));

  const registry::SchemaCacheCounts schemas = pipeline_->schemas().counts();
  const registry::ClientCounts calls = pipeline_->registry().counts();
  for (std::size_t i = 0; i < registry::kCallOutcomes; ++i) {
    page.add("push_cache_registry_requests_total",
             {to_string(static_cast<registry::CallOutcome>(i))}, number(calls.calls[i]));
  }
  page.add_durations("push_cache_registry_request_duration_seconds", {}, calls.durations);
  page.add("push_cache_registry_schemas", {}, number(schemas.known));
  page.add("push_cache_registry_schemas_waiting", {}, number(schemas.waiting));
  page.add("push_cache_registry_schemas_failed", {}, number(schemas.failed));

  for (const Pipeline::StoreRow& row : pipeline_->stores()) {
    const store::Counts counts = row.store->counts();
    page.add("push_cache_records_total", {row.name}, number(counts.records));
    page.add("push_cache_store_bytes", {row.name}, number(counts.bytes));
    const store::MemoryUse memory = row.store->memory();
    const std::pair<const char*, std::uint64_t> kinds[] = {{"index", memory.index},
                                                           {"order", memory.order},
                                                           {"records", memory.records},
                                                           {"slack", memory.slack}};
    for (const auto& [kind, bytes] : kinds) {
      page.add("push_cache_store_memory_bytes", {row.name, kind}, number(bytes));
    }
    page.add("push_cache_store_memory_max_bytes", {row.name}, number(memory.max));
    page.add("push_cache_store_refused_total", {row.name}, number(memory.refused));
    const store::LocalWrites::Counts local = row.local_writes->counts();
    page.add("push_cache_local_writes_total", {row.name, "added"}, number(local.added));
    page.add("push_cache_local_writes_total", {row.name, "removed"}, number(local.removed));
    if (row.redis != nullptr) add_redis(page, row.name, row.redis->sum());
  }
  add_server(page, "api", api_server_->counts());
  // The health port opens last and may be asked while it opens.
  if (const http::Server* own = opened_health_server_.load(std::memory_order_acquire)) {
    add_server(page, "hams", own->counts());
  }
  page.add("push_cache_build_info", {kVersion}, 1);
  metrics::add_process(page);
  for (const std::string& name : page.refused()) {
    log("app").error("metric {} is not as the table of metrics has it", name);
  }
  return page.text();
}

}  // namespace push_cache::app
