#include "app/topic_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace push_cache::app {
namespace {

constexpr std::size_t kKeysAtOnce = 1024;
constexpr int kListAttempts = 3;

struct Keys final : store::KeySink {
  explicit Keys(std::vector<std::string>& out) : keys(out) {}
  std::vector<std::string>& keys;
  bool key(std::string_view key) override {
    keys.emplace_back(key);
    return true;
  }
};

struct Presence final : store::GetSink {
  bool present = false;
  void found(const store::RecordView&) override { present = true; }
  void absent() override {}
  void failed(const Error&) override {}
};

bool has(store::Store& store, std::string_view key) {
  Presence sink;
  store.get(key, sink);
  return sink.present;
}

// The JSON of a record as the service would give it.
struct Rendering final : store::GetSink {
  Rendering(const registry::SchemaCache& schema_cache, const registry::RouteReader* route_reader,
            const std::vector<std::string>& topic_names, Buffer& out)
      : schemas(schema_cache), reader(route_reader), topics(topic_names), json(out) {}
  const registry::SchemaCache& schemas;
  const registry::RouteReader* const reader;  // null = each record by its writer's schema
  const std::vector<std::string>& topics;
  Buffer& json;
  Truth truth;

  void found(const store::RecordView& record) override {
    truth.topic = record.topic < topics.size() ? topics[record.topic] : "?";
    truth.partition = record.partition;
    truth.offset = record.offset;
    const avro::Plan* const plan = plan_of(record);
    const Status rendered = plan == nullptr
                                ? Error{ErrorCode::kInternal, "no schema to show it by is known"}
                                : plan->to_json(record.datum, json);
    if (rendered.ok()) {
      truth.value = digest(json.view());
    } else {
      truth.fault = "the topic's record cannot be shown: " + rendered.error().describe();
    }
  }
  void absent() override {}
  void failed(const Error& error) override { truth.fault = error.describe(); }

 private:
  const avro::Plan* plan_of(const store::RecordView& record) const {
    const registry::SchemaEntry* schema = schemas.find(record.schema);
    if (schema == nullptr || reader == nullptr) {
      return schema == nullptr ? nullptr : schema->plan.get();
    }
    const registry::ReaderPlan* found = reader->plan(*schema, record.topic);
    return found == nullptr ? nullptr : found->plan.get();
  }
};

}  // namespace

std::string why_not_ready(const Pipeline& pipeline, const ingest::FeedStatus& status) {
  std::string reason = status.reasons.empty() ? "the replay" : status.reasons.front();
  for (const registry::Waiting& schema : pipeline.schemas().waiting()) {
    if (schema.last_error.empty()) continue;
    return reason + fmt::format("; {}: {}", pipeline.schemas().name(schema.id), schema.last_error);
  }
  return reason;
}

Status wait_until_replayed(const Pipeline& pipeline, Patience& patience) {
  const ingest::Feed& feed = *pipeline.intakes().front().feed;
  const auto wait_ready = [&]() -> Status {
    while (!feed.ready()) {
      const ingest::FeedStatus status = feed.status();
      if (status.ready) break;
      if (Status waited = patience.wait(why_not_ready(pipeline, status)); !waited.ok()) {
        return waited;
      }
    }
    for (const Pipeline::StoreRow& row : pipeline.stores()) {
      if (Status health = row.store->health(); !health.ok()) {
        health.error().public_text = "store '" + row.name + "': " + health.error().public_text;
        return health;
      }
    }
    return {};
  };
  if (Status ready = wait_ready(); !ready.ok()) return ready;
  auto ends = feed.ends();
  while (!ends.ok()) {
    if (Status waited = patience.wait(ends.error().public_text); !waited.ok()) return waited;
    ends = feed.ends();
  }
  for (;;) {
    std::map<std::pair<std::string, Partition>, Offset> positions;
    for (const ingest::PartitionStatus& one : feed.status().partitions) {
      positions[{one.topic, one.partition}] = one.position;
    }
    const auto behind = std::find_if(ends->begin(), ends->end(), [&positions](const auto& one) {
      return positions[{one.topic, one.partition}] < one.end;
    });
    if (behind == ends->end()) return wait_ready();
    const std::string reason =
        fmt::format("{}/{}: offset {} of {}", behind->topic, behind->partition.value,
                    positions[{behind->topic, behind->partition}].value, behind->end.value);
    if (Status waited = patience.wait(reason); !waited.ok()) return waited;
  }
}

TopicComparison::TopicComparison(const RouteAt& route, const Pipeline& pipeline,
                                 store::Store& store, const registry::RouteReader* reader,
                                 const std::vector<std::string>& topics, Patience& patience)
    : route_(route),
      pipeline_(pipeline),
      store_(store),
      reader_(reader),
      topics_(topics),
      patience_(patience),
      list_read_(route.list) {}

Truth TopicComparison::truth(std::string_view key, Buffer& json) const {
  json.clear();
  Rendering sink(pipeline_.schemas(), reader_, topics_, json);
  store_.get(key, sink);
  return std::move(sink.truth);
}

Status TopicComparison::next_keys(std::vector<std::string>& keys) {
  while (more_ && keys.empty()) {
    Keys sink(keys);
    const auto page = store_.page({.after = after_, .from_start = from_start_}, kKeysAtOnce, sink);
    if (!page.ok()) return page.error();
    more_ = *page;
    if (keys.empty()) break;
    after_ = keys.back();
    from_start_ = false;
    if (keys.front().empty()) {  // the first one in the order
      empty_key_ = true;
      keys.erase(keys.begin());
    }
  }
  return {};
}

void TopicComparison::look(Fetcher& fetcher, std::span<Suspect> suspects) {
  std::vector<std::string> keys;
  keys.reserve(suspects.size());
  for (const Suspect& one : suspects) keys.push_back(one.key);
  Buffer json;
  std::vector<Truth> before(suspects.size());
  fetcher.get_all(
      route_.url, keys, [&](std::size_t i) { before[i] = truth(keys[i], json); },
      [&](std::size_t i, const Answer& answer) {
        Truth after = truth(keys[i], json);
        Observation seen;
        // Byte for byte; the digests are for a value that has gone meanwhile.
        if (answer.status != 200 || !after.value || answer.body != json.view()) {
          seen.first = told_of(answer);
          seen.verdict = judge(before[i], after, seen.first, suspects[i].listed);
          seen.truth = std::move(after);
        }
        suspects[i].see(std::move(seen), Suspect::Clock::now());
      });
}

template <typename Take>
Status TopicComparison::read_list(Fetcher& fetcher, const Take& take) {
  for (int attempt = 1;; ++attempt) {
    ListReader list(route_.url);
    for (;;) {
      const auto key = list.next();
      if (key.ok() && *key) {
        take(**key);
        continue;
      }
      if (key.ok()) return {};
      list_fault_ = key.error().describe();
      if (key.error().code == ErrorCode::kMethodNotAllowed) {
        list_read_ = false;
        return {};
      }
      break;
    }
    if (Status there = check_services(fetcher); !there.ok()) return there;
    if (attempt == kListAttempts) {
      return Error{ErrorCode::kUnavailable, route_.url + ": " + list_fault_};
    }
  }
}

Status TopicComparison::find_more(Fetcher& fetcher, std::vector<Suspect>& suspects) {
  if (!list_read_) return {};
  std::unordered_set<std::string_view> known;  // a difference may be listed, too
  for (const Suspect& one : suspects) known.insert(one.key);
  std::set<std::string> extra;
  std::uint64_t listed = 0;
  const Status read = read_list(fetcher, [&](const std::string& key) {
    if (++listed % kKeysAtOnce == 0) {
      patience_.show(fmt::format("{}: {} keys of the service's list", route_.name, listed));
    }
    if (!key.empty() && !known.contains(key) && !has(store_, key)) extra.insert(key);
  });
  if (!read.ok()) return read;
  for (const std::string& key : extra) {
    Suspect& one = suspects.emplace_back();
    one.key = key;
    one.listed = true;
  }
  return {};
}

Status TopicComparison::before_another_look(Fetcher& fetcher, std::span<Suspect> suspects) {
  if (Status there = check_services(fetcher); !there.ok()) return there;
  // A key that only the list has is different for as long as it is listed.
  std::unordered_map<std::string_view, Suspect*> of_list;
  for (Suspect& one : suspects) {
    if (one.listed && (one.looks == 0 || one.last.first.status == 404)) of_list[one.key] = &one;
  }
  const bool looked_before = std::any_of(of_list.begin(), of_list.end(),
                                         [](const auto& one) { return one.second->looks > 0; });
  if (looked_before) {
    for (auto& [key, one] : of_list) one->listed = false;
    const Status read = read_list(fetcher, [&of_list](const std::string& key) {
      const auto found = of_list.find(key);
      if (found != of_list.end()) found->second->listed = true;
    });
    if (!read.ok()) return read;
  }
  return wait_until_replayed(pipeline_, patience_);
}

Status TopicComparison::check_services(Fetcher& fetcher) {
  return wait_until_answering(fetcher, route_, patience_);
}

std::vector<std::string> TopicComparison::notes() const {
  std::vector<std::string> notes;
  if (!list_read_) {
    notes.emplace_back("keys that only the service has were not looked for: the route has no list");
  }
  if (empty_key_) notes.emplace_back("the empty key was not asked for: no URL stands for it");
  return notes;
}

}  // namespace push_cache::app
