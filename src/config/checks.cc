#include "config/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "config/options.h"
#include "config/url.h"
#include "config/value.h"

namespace push_cache::config {
namespace {

bool is_same_host(const HostPort& one, const HostPort& other) {
  const auto lower = [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
  return one.port == other.port &&
         std::equal(one.host.begin(), one.host.end(), other.host.begin(), other.host.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

// Whether both are one database of one Redis, as far as their URLs tell.
bool is_same_database(const RedisUrl& one, const RedisUrl& other) {
  if (one.topology != other.topology || one.database != other.database ||
      one.master_name != other.master_name) {
    return false;
  }
  return std::find_first_of(one.hosts.begin(), one.hosts.end(), other.hosts.begin(),
                            other.hosts.end(), is_same_host) != one.hosts.end();
}

// Whether the keys prefix:key of one are among those of `other`.
bool is_within(std::string_view prefix, std::string_view other) {
  return other.empty() || prefix == other || prefix.starts_with(std::string(other) + ":");
}

class Checker {
 public:
  Checker(Config& config, const Given& given, Faults& faults)
      : config_(config), given_(given), faults_(faults) {}

  void check_registry() {
    const SchemaRegistry& registry = config_.kafka.registry;
    if (!registry.token.empty() && !(registry.username.empty() && registry.password.empty())) {
      fault("kafka.schema_registry.token", where("kafka.schema_registry.token"),
            "a user name or password is given too; choose one");
    } else if (!registry.password.empty() && registry.username.empty()) {
      fault("kafka.schema_registry.password", where("kafka.schema_registry.password"),
            "a password needs kafka.schema_registry.username");
    }
    const std::string path = "kafka.wire_format";
    if (config_.kafka.wire_format == WireFormat::kApicurio && !registry.url.empty() &&
        registry.url.find("/apis/") == std::string::npos) {
      fault(path, where(path),
            "apicurio asks for globalIds in Apicurio's own API, and kafka.schema_registry_url has "
            "no /apis/ in it, as http://registry:8080/apis/ccompat/v7 has");
    }
  }

  void check_bad_records() {
    const Kafka& kafka = config_.kafka;
    const std::string path = "kafka.dead_letter_topic";
    const auto& topics = kafka.topics;
    if (kafka.on_bad_record == OnBadRecord::kDeadLetter && kafka.dead_letter_topic.empty()) {
      fault(path, where("kafka.on_bad_record"),
            "required for dead_letter, and set nowhere; it can also be given as " +
                environment_name(path));
    } else if (std::find(topics.begin(), topics.end(), kafka.dead_letter_topic) != topics.end()) {
      fault(path, where(path), "is a topic that is read: bad records would come back for ever");
    } else if (kafka.on_bad_record != OnBadRecord::kDeadLetter && given(path)) {
      config_.notes.push_back(fmt::format(
          "{}: {} has no effect without kafka.on_bad_record: dead_letter", where(path), path));
    }
  }

  void check_age() {
    const std::string path = "readiness.max_staleness";
    const auto limit = config_.readiness.max_staleness;
    if (limit.count() == 0 || limit >= std::chrono::seconds(1)) return;
    fault(path, where(path), "must be at least 1s (brokers are asked that often), or 0 for never");
  }

  void check_stores() {
    std::map<std::string, std::size_t> names;
    for (std::size_t i = 0; i < config_.cache.stores.size(); ++i) {
      const Store& store = config_.cache.stores[i];
      const std::string path = fmt::format("cache.stores[{}]", i);
      if (good(path + ".name")) {
        const auto [other, fresh] = names.emplace(store.name, i);
        if (!fresh) {
          fault(path + ".name", where(path + ".name"),
                fmt::format("'{}' is the name of cache.stores[{}] too ({})", shown(store.name),
                            other->second,
                            where(fmt::format("cache.stores[{}].name", other->second))));
        }
      }
      if (good(path + ".type") && store.type == StoreType::kInMemory) note_redis(store, path);
      if (good(path + ".type") && store.type == StoreType::kRedis && !given(path + ".url")) {
        fault(path + ".url", where(path + ".type"),
              fmt::format("required for redis, and set nowhere; it can also be given as {}",
                          environment_name(path + ".url")));
      }
      if (good(path + ".url")) check_redis(store, path);
      check_topics(store, path);
    }
    check_prefixes();
  }

  // Each of two stores with keys in common would take the other's records for its own.
  void check_prefixes() {
    std::vector<Place> places;
    for (std::size_t i = 0; i < config_.cache.stores.size(); ++i) {
      const Store& store = config_.cache.stores[i];
      const std::string path = fmt::format("cache.stores[{}]", i);
      const bool known = good(path + ".type") && good(path + ".url") &&
                         (!given(path + ".prefix") || good(path + ".prefix")) &&
                         (!given(path + ".cluster") || good(path + ".cluster"));
      if (!known || store.type != StoreType::kRedis) continue;
      auto url = parse_redis_url(store.url,
                                 store.cluster ? RedisTopology::kCluster : RedisTopology::kSingle);
      if (!url) continue;
      const Place own{path, store.prefix, *std::move(url)};
      for (const Place& other : places) check_prefixes(own, other);
      places.push_back(own);
    }
  }

  // The topics that a store takes are among those that are read.
  void check_topics(const Store& store, const std::string& path) {
    if (!good("kafka.topic")) return;
    const std::vector<std::string>& known = config_.kafka.topics;
    const std::vector<std::string_view> names(known.begin(), known.end());
    for (const std::string& topic : store.topics) {
      if (std::find(known.begin(), known.end(), topic) != known.end()) continue;
      fault(path + ".topics", where(path + ".topics"),
            not_among("'{}' is no topic of kafka.topic{}", topic, names));
    }
  }

  // What only a store in Redis has, set for one in memory.
  void note_redis(const Store& store, const std::string& path) {
    const Store unset;
    const std::pair<const char*, bool> keys[] = {
        {".url", !store.url.empty()},
        {".prefix", !store.prefix.empty()},
        {".cluster", store.cluster},
        {".ca_file", !store.ca_file.empty()},
        {".certificate_file", !store.certificate_file.empty()},
        {".key_file", !store.key_file.empty()},
        {".timeout", store.timeout != unset.timeout}};
    for (const auto& [key, set] : keys) {
      if (!set) continue;
      config_.notes.push_back(
          fmt::format("{}: {} has no effect for a store in memory", where(path + key), path + key));
    }
  }

  void check_redis(const Store& store, const std::string& path) {
    using enum RedisTopology;
    Result<RedisUrl> url = parse_redis_url(store.url, store.cluster ? kCluster : kSingle);
    // With `cluster` at fault either may be meant.
    if (!url && given(path + ".cluster") && !good(path + ".cluster")) {
      url = parse_redis_url(store.url, kCluster);
    }
    if (!url) return fault(path + ".url", where(path + ".url"), url.error().public_text);
    const std::pair<const char*, const std::string*> files[] = {
        {".ca_file", &store.ca_file},
        {".certificate_file", &store.certificate_file},
        {".key_file", &store.key_file}};
    for (const auto& [key, file] : files) {
      if (url->tls || file->empty()) continue;
      fault(path + key, where(path + key), "needs TLS: a URL that begins with rediss");
    }
    if (store.certificate_file.empty() == store.key_file.empty()) return;
    const bool has_key = store.certificate_file.empty();
    const std::string there = path + (has_key ? ".key_file" : ".certificate_file");
    const std::string missing = path + (has_key ? ".certificate_file" : ".key_file");
    if (!given(missing) || good(missing)) fault(there, where(there), "needs " + missing + " too");
  }

  void check_routes() {
    std::map<std::string, std::size_t> paths;
    std::set<std::string, std::less<>> used;
    std::vector<std::string_view> names;
    bool names_known = given("cache.stores");
    for (std::size_t i = 0; i < config_.cache.stores.size(); ++i) {
      names_known = names_known && good(fmt::format("cache.stores[{}].name", i));
      names.push_back(config_.cache.stores[i].name);
    }
    for (std::size_t i = 0; i < config_.cache.routes.size(); ++i) {
      const Route& route = config_.cache.routes[i];
      const std::string path = fmt::format("cache.routes[{}]", i);
      if (good(path + ".path")) {
        if (route.path.empty()) {
          fault(path + ".path", where(path + ".path"), "must not be empty");
        }
        claim(paths, route.path, i);
        if (!route.key_from_body.empty()) claim(paths, route.path + "_by_body", i);
      }
      if (!good(path + ".store")) continue;
      used.insert(route.store);
      check_topic(route, path);
      // With a store's name at fault the route may well mean that one.
      if (!names_known || std::find(names.begin(), names.end(), route.store) != names.end())
        continue;
      fault(path + ".store", where(path + ".store"),
            not_among("there is no store '{}'{}", route.store, names));
    }
    for (std::size_t i = 0; i < config_.cache.stores.size(); ++i) {
      if (used.contains(config_.cache.stores[i].name)) continue;
      const std::string path = fmt::format("cache.stores[{}].name", i);
      config_.notes.push_back(fmt::format("{}: no route serves the store '{}'", where(path),
                                          shown(config_.cache.stores[i].name)));
    }
  }

  // A write is a record of a topic that the route's store takes.
  void check_topic(const Route& route, const std::string& path) {
    if (route.topic.empty() || !good("kafka.topic")) return;
    const auto store = std::find_if(config_.cache.stores.begin(), config_.cache.stores.end(),
                                    [&route](const Store& one) { return one.name == route.store; });
    if (store == config_.cache.stores.end()) return;
    const auto& topics = store->topics.empty() ? config_.kafka.topics : store->topics;
    if (std::find(topics.begin(), topics.end(), route.topic) != topics.end()) return;
    const std::vector<std::string_view> names(topics.begin(), topics.end());
    fault(path + ".topic", where(path + ".topic"),
          not_among("the route's store takes no topic '{}'{}", route.topic, names));
  }

  // `text` takes the name and, perhaps, the one that was meant.
  static std::string not_among(std::string_view text, const std::string& name,
                               std::span<const std::string_view> names) {
    const std::string_view meant = closest(name, names);
    return fmt::format(fmt::runtime(text), shown(name),
                       meant.empty() ? "" : fmt::format("; did you mean '{}'?", shown(meant)));
  }

  void claim(std::map<std::string, std::size_t>& paths, const std::string& route,
             std::size_t index) {
    const auto [other, fresh] = paths.emplace(route, index);
    if (fresh) return;
    const std::string path = fmt::format("cache.routes[{}].path", index);
    fault(path, where(path),
          fmt::format("'{}' is served by cache.routes[{}] too ({})", shown(route), other->second,
                      where(fmt::format("cache.routes[{}].path", other->second))));
  }

  void check_addresses() {
    const std::string& api = config_.webservice.address;
    if (api != config_.hams.address || api.ends_with(":0")) return;
    const bool at_hams = given("hams.address");
    fault(at_hams ? "hams.address" : "webservice.address",
          where(at_hams ? "hams.address" : "webservice.address"),
          fmt::format("'{}' is the address of the {} too", api, at_hams ? "API" : "health checks"));
  }

 private:
  struct Place {
    std::string path;  // of the store
    std::string prefix;
    RedisUrl url;
  };

  void check_prefixes(const Place& own, const Place& other) {
    if (!is_same_database(own.url, other.url)) return;
    if (!is_within(own.prefix, other.prefix) && !is_within(other.prefix, own.prefix)) return;
    const auto named = [](const std::string& prefix) {
      return prefix.empty() ? std::string("no prefix") : "'" + shown(prefix) + "'";
    };
    const std::string path = own.path + ".prefix";
    const std::string there = other.path + (given(other.path + ".prefix") ? ".prefix" : ".url");
    fault(
        path, where(given(path) ? path : own.path + ".url"),
        fmt::format("{} and {} of {} ({}), the same Redis, have keys in common: give each store "
                    "in it a prefix of its own, none of which begins with another one and a colon",
                    named(own.prefix), named(other.prefix), other.path, where(there)));
  }

  void fault(std::string path, std::string where, std::string text) {
    faults_.add({std::move(path), std::move(where), std::move(text)});
  }
  std::string where(const std::string& path) const { return given_.where(path); }
  bool given(const std::string& path) const { return given_.places.contains(path); }
  bool good(const std::string& path) const { return given_.good.contains(path); }

  Config& config_;
  const Given& given_;
  Faults& faults_;
};

}  // namespace

void check(Config& config, const Given& given, Faults& faults) {
  Checker checker(config, given, faults);
  checker.check_registry();
  checker.check_bad_records();
  checker.check_age();
  checker.check_stores();
  checker.check_routes();
  checker.check_addresses();
}

}  // namespace push_cache::config
