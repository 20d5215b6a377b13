// What the service says of itself on /status.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "app/redis_stats.h"
#include "app/service.h"
#include "base/limits.h"

namespace push_cache::app {
namespace {

namespace json = boost::json;

json::value text_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : json::value(json::string(text));
}

// As hexadecimal text: JSON's numbers are doubles to many.
json::value digest_json(const ingest::Digest& digest) {
  if (digest.position == ingest::kNoDigest) return nullptr;
  return {{"position", digest.position.value}, {"value", fmt::format("{:016x}", digest.value)}};
}

// `refusals`: of topics that must not go on from it, though it is whole.
json::value snapshot_json(const Snapshots* snapshots, const std::vector<std::string>& refusals) {
  if (snapshots == nullptr) return nullptr;
  SnapshotStatus status = snapshots->status();
  for (const std::string& refusal : refusals) {
    status.refused += (status.refused.empty() ? "" : "; ") + refusal;
  }
  json::value loaded = nullptr;
  if (status.loaded_taken_ms) {
    loaded = {{"records", status.loaded_records},
              {"seconds", status.load_seconds},
              {"taken_ms", *status.loaded_taken_ms}};
  }
  json::value last = nullptr;
  if (status.taken > 0) {
    last = {{"records", status.last.records},
            {"bytes", status.last.bytes},
            {"seconds", status.last.seconds},
            {"taken_ms", status.last_taken_ms}};
  }
  return {{"loaded", std::move(loaded)},
          {"refused", text_or_null(status.refused)},
          {"taken", status.taken},
          {"failed", status.failed},
          {"error", text_or_null(status.last_error)},
          {"last", std::move(last)}};
}

json::value dead_letters_json(const std::optional<ingest::DeadLetterStatus>& letters) {
  if (!letters) return nullptr;
  return {{"topic", letters->topic},
          {"acknowledged", letters->acknowledged},
          {"waiting", letters->waiting},
          {"error", text_or_null(letters->error)}};
}

json::value group_json(const std::optional<ingest::GroupStatus>& group) {
  if (!group) return nullptr;
  json::value store_error = nullptr;
  if (!group->store_error.empty()) {
    store_error = {{"error", group->store_error}, {"seconds", group->store_error_seconds}};
  }
  return {{"group_id", group->group_id},
          {"rebalances", group->rebalances},
          {"losses", group->losses},
          {"commits", group->commits.sent},
          {"commit_errors", group->commits.failed},
          {"store_error", std::move(store_error)}};
}

json::object local_writes_json(const store::LocalWrites& writes) {
  const store::LocalWrites::Counts counts = writes.counts();
  return {
      {"added", counts.added}, {"removed", counts.removed}, {"in_snapshot", writes.in_snapshot()}};
}

// `local_writes`: whether the digest's stores have any; null when it is of none.
json::object partition_json(const ingest::PartitionStatus& partition,
                            const json::value& local_writes) {
  const bool has_digest = !local_writes.is_null();
  return {
      {"topic", partition.topic},
      {"partition", partition.partition.value},
      {"position", partition.position.value},
      {"end", partition.end.value},
      {"target", partition.target.value},
      {"log_start", partition.log_start.value},
      {"lag", partition.lag_records()},
      {"lag_seconds", partition.lag_seconds},
      {"owned", partition.owned},
      {"kept", partition.kept ? json::value(partition.kept->value) : json::value(nullptr)},
      {"digest", has_digest ? digest_json(partition.digest) : json::value(nullptr)},
      {"digest_mark", has_digest && partition.mark.position.value != 0 ? digest_json(partition.mark)
                                                                       : json::value(nullptr)},
      {"local_writes", local_writes},
      {"state", json::string(ingest::to_string(partition.stage))}};
}

// `intake`: the one of the feed. Asked after the digests were read, so that a write that they show
// is told.
json::object feed_json(const ingest::FeedStatus& feed, const Pipeline& pipeline,
                       const Intake& intake) {
  json::array partitions;
  for (const auto& partition : feed.partitions) {
    const json::value local_writes =
        intake.shared ? json::value(nullptr)
                      : json::value(pipeline.local_writes_of(intake, partition.topic));
    partitions.push_back(partition_json(partition, local_writes));
  }
  json::array topics;
  for (const ingest::TopicStatus& one : feed.topics) {
    topics.push_back({{"topic", one.topic},
                      {"id", text_or_null(one.id)},
                      {"cleanup_policy", one.cleanup_policy ? json::value(*one.cleanup_policy)
                                                            : json::value(nullptr)}});
  }
  return {{"connected", feed.connected},
          {"error", text_or_null(feed.error)},
          {"topic_ids", json::array(feed.topic_ids.begin(), feed.topic_ids.end())},
          {"topics", std::move(topics)},
          {"dead_letters", dead_letters_json(feed.dead_letters)},
          {"group", group_json(feed.group)},
          {"partitions", std::move(partitions)}};
}

json::object records_json(const ingest::Totals& totals) {
  json::object bad;
  for (std::size_t i = 0; i < ingest::kBadCauses; ++i) {
    bad[json::string(ingest::to_string(static_cast<ingest::BadCause>(i)))] = totals.bad[i];
  }
  return {{"updates", totals.updates},           {"tombstones", totals.tombstones},
          {"unrouted", totals.unrouted},         {"outdated", totals.outdated},
          {"type_changes", totals.type_changes}, {"future_timestamps", totals.future_timestamps},
          {"store_errors", totals.store_errors}, {"bad", std::move(bad)}};
}

// Of all intakes, the latest first.
json::array bad_records_json(const std::vector<Intake>& intakes,
                             const std::vector<std::string>& topics) {
  std::vector<ingest::BadRecord> all;
  for (const Intake& intake : intakes) {
    const std::vector<ingest::BadRecord> some = intake.applier->recent_bad().list();
    all.insert(all.end(), some.begin(), some.end());
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.seen_ms > b.seen_ms; });
  all.resize(std::min(all.size(), ingest::RecentBad::kRecordsMax));
  json::array out;
  for (const ingest::BadRecord& one : all) {
    out.push_back({{"seen_ms", one.seen_ms},
                   {"topic", topics[one.topic]},
                   {"partition", one.partition.value},
                   {"offset", one.offset.value},
                   {"cause", json::string(ingest::to_string(one.cause))},
                   {"schema_id", one.schema ? json::value(one.schema->value) : nullptr},
                   {"detail", one.detail}});
  }
  return out;
}

// Of all intakes: how many there are, and the first of them.
json::object set_aside_json(const std::vector<Intake>& intakes,
                            const std::vector<std::string>& topics) {
  constexpr std::size_t kListed = 100;
  ingest::SetAside::Counts sum;
  json::array first;
  for (const Intake& intake : intakes) {
    const ingest::SetAside& set_aside = intake.applier->set_aside();
    const ingest::SetAside::Counts counts = set_aside.counts();
    sum.records += counts.records;
    sum.given_up += counts.given_up;
    sum.bytes += counts.bytes;
    sum.total += counts.total;
    for (const auto& one : set_aside.list(kListed - first.size())) {
      const kafka::RecordCopy& record = one->record;
      first.push_back({{"topic", topics[record.at.topic]},
                       {"partition", record.at.partition.value},
                       {"offset", record.offset.value},
                       {"timestamp_ms", record.timestamp_ms},
                       {"key", one->key ? json::value(json::string(*one->key)) : nullptr},
                       {"schema_of", one->schema_of_key ? "key" : "value"},
                       {"schema_id", one->waits_for.value > 0 ? json::value(one->waits_for.value)
                                                              : json::value(nullptr)},
                       {"given_up", one->given_up},
                       {"since_ms", one->since_ms}});
    }
  }
  return {{"records", sum.records},
          {"given_up", sum.given_up},
          {"bytes", sum.bytes},
          {"records_max", limits::kSetAsideRecordsMax},
          {"bytes_max", limits::kSetAsideBytesMax},
          {"total", sum.total},
          {"first", std::move(first)}};
}

// Keys whose last record is bad.
json::object bad_keys_json(const std::vector<Intake>& intakes) {
  store::UnreadKeys::Counts sum;
  bool full = false;
  for (const Intake& intake : intakes) {
    const store::UnreadKeys::Counts counts = intake.applier->unread_keys().counts();
    sum.bad += counts.bad;
    sum.bad_dropped += counts.bad_dropped;
    full = full || counts.full;
  }
  return {{"keys", sum.bad},
          {"keys_max", limits::kBadKeysMax},
          {"full", full},
          {"dropped", sum.bad_dropped}};
}

json::array checks_json(const std::vector<CheckStatus>& checks) {
  json::array out;
  for (const CheckStatus& one : checks) {
    out.push_back({{"check", json::string(to_string(one.check))},
                   {"target", one.target},
                   {"state", json::string(to_string(one.state))},
                   {"error", text_or_null(one.error)},
                   {"advice", text_or_null(one.advice)},
                   {"seconds", one.seconds}});
  }
  return out;
}

// One for each subject: `latest` has one a topic.
json::array readers_json(const registry::RouteReader& route) {
  json::array readers;
  for (const registry::ReaderSchema* reader : route.by_topic) {
    const registry::ReaderStatus status = reader->status();
    const char* state = status.kind == registry::StateKind::kKnown    ? "known"
                        : status.kind == registry::StateKind::kFailed ? "failed"
                                                                      : "waiting";
    json::array writers;
    for (const SchemaId id : status.unresolvable_writers) writers.emplace_back(id.value);
    const bool numbered = status.id.value >= 0;
    readers.push_back({{"name", reader->name()},
                       {"state", state},
                       {"id", numbered ? json::value(status.id.value) : json::value(nullptr)},
                       {"version", numbered ? json::value(status.version) : json::value(nullptr)},
                       {"error", text_or_null(status.error)},
                       {"unresolvable_writers", std::move(writers)}});
  }
  return readers;
}

json::array stores_json(const Pipeline& pipeline) {
  json::array stores;
  for (const Pipeline::StoreRow& row : pipeline.stores()) {
    const store::Counts counts = row.store->counts();
    const store::MemoryUse memory = row.store->memory();
    const Status health = row.store->health();
    stores.push_back(
        {{"name", row.name},
         {"type", row.shared != nullptr ? "redis" : "in_memory"},
         {"state", health.ok() ? "ok" : json::string(to_string(health.error().code))},
         {"records", counts.records},
         {"hidden", counts.hidden},
         {"bytes", counts.bytes},
         {"refused", memory.refused},
         {"local_writes", local_writes_json(*row.local_writes)},
         {"memory",
          {{"index", memory.index},
           {"order", memory.order},
           {"records", memory.records},
           {"slack", memory.slack},
           {"total", memory.total()},
           {"max", memory.max == 0 ? json::value(nullptr) : json::value(memory.max)}}},
         {"redis", row.redis == nullptr ? json::value(nullptr) : redis_json(row.redis->sum())}});
  }
  return stores;
}

// Of all stores together.
json::object local_writes_json(const std::vector<Pipeline::StoreRow>& stores) {
  store::LocalWrites::Counts sum;
  for (const Pipeline::StoreRow& row : stores) {
    const store::LocalWrites::Counts counts = row.local_writes->counts();
    sum.added += counts.added;
    sum.removed += counts.removed;
  }
  return {{"added", sum.added}, {"removed", sum.removed}};
}

}  // namespace

std::string Service::status_json() const {
  const std::vector<ingest::FeedStatus> feeds = feed_statuses();
  const ingest::FeedStatus feed = sum(feeds);
  const std::vector<std::string> reasons = not_ready_reasons(feed);
  const ingest::Totals totals = sum(pipeline_->intakes());
  json::array waiting;
  for (const registry::Waiting& one : pipeline_->schemas().waiting()) {
    json::object row = {{"schema_id", one.id.value},
                        {"state", one.kind == registry::StateKind::kFailed ? "failed" : "waiting"},
                        {"attempts", one.attempts},
                        {"error", one.last_error}};
    if (!one.guid.empty()) {  // the id is known when the schema is
      row["schema_id"] = nullptr;
      row["schema_guid"] = one.guid;
    }
    waiting.push_back(std::move(row));
  }
  json::array routes;
  const std::vector<http::RouteCounts> requests = api_server_->routes();
  for (const RouteRow& row : routes_) {
    json::object route = {{"path", row.path},
                          {"store", row.store},
                          {"schema", row.schema},
                          {"requests", answers_of(row, requests).total()},
                          {"misses", row.records->misses()}};
    if (row.reader != nullptr) route["readers"] = readers_json(*row.reader);
    routes.push_back(std::move(route));
  }
  const char* state = stopping_                              ? "stopping"
                      : reasons.empty()                      ? "ready"
                      : feed.first_ready_seconds.has_value() ? "not_ready"
                                                             : "loading";
  const json::object status = {
      {"state", state},
      {"ready", reasons.empty()},
      {"reasons", json::array(reasons.begin(), reasons.end())},
      {"version", json::string(kVersion)},
      {"uptime_seconds",
       std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count()},
      {"kafka", feed_json(feeds.front(), *pipeline_, pipeline_->intakes().front())},
      // Beside stores in memory: the feed of the shared ones.
      {"kafka_group", feeds.size() > 1 ? json::value(feed_json(feeds.back(), *pipeline_,
                                                               pipeline_->intakes().back()))
                                       : nullptr},
      {"snapshot", snapshot_json(pipeline_->snapshots(), feed.resume_refusals)},
      {"load",
       {{"records_total", totals.records},
        {"records_per_second", feed.records_per_second},
        {"eta_seconds", feed.eta_seconds ? json::value(*feed.eta_seconds) : json::value(nullptr)}}},
      {"records", records_json(totals)},
      {"local_writes", local_writes_json(pipeline_->stores())},
      {"set_aside", set_aside_json(pipeline_->intakes(), config_.kafka.topics)},
      {"bad_keys", bad_keys_json(pipeline_->intakes())},
      {"bad_records", bad_records_json(pipeline_->intakes(), config_.kafka.topics)},
      {"registry", {{"waiting", std::move(waiting)}}},
      {"startup_checks", checks_json(checks_->status())},
      {"stores", stores_json(*pipeline_)},
      {"routes", std::move(routes)}};
  return json::serialize(status);
}

}  // namespace push_cache::app
