// The configuration of the service: what it holds, and how it is loaded and shown.
//
// Each key, its type, default and help is a row of the table in options.h;
// docs/reference/configuration.md is made from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log_format.h"
#include "config/faults.h"

namespace push_cache::config {

enum class OffsetReset : std::uint8_t { kEarliest, kLatest };
enum class StoreType : std::uint8_t { kInMemory, kRedis };
// What POST and DELETE do: change the store at once, or nothing (405).
enum class Writes : std::uint8_t { kLocal, kOff };
// What the ETags of a route's records are made of; see EntityTag of api/conditions.h.
enum class Etag : std::uint8_t { kUpdatedAt, kPosition };
// What becomes of a record that cannot be applied.
enum class OnBadRecord : std::uint8_t { kSkip, kStop, kDeadLetter };
// What keys are, and how keys and values name their schema: see ingest/record_key.h.
enum class KeyFormat : std::uint8_t { kAuto, kText, kAvro, kInt, kLong, kUuid, kBytes };
enum class WireFormat : std::uint8_t { kConfluent, kApicurio, kApicurioContentId };
// How Avro's logical types show in JSON: as the numbers they are stored as, or as text (dates,
// decimals).
enum class LogicalTypes : std::uint8_t { kNumbers, kReadable };

struct Webservice {
  std::string address = "0.0.0.0:8080";  // IP address and port, "[::1]:8080" for IPv6
  std::string prefix = "/api";           // "" or "/a/b": a slash in front, none at the end
  bool serve_while_loading = false;
  std::uint32_t threads = 0;  // event loops; 0 = one a core
  bool position_headers = true;
  bool operator==(const Webservice&) const = default;
};

struct SchemaRegistry {
  // http:// or https://, without user and password and without a slash at the end: safe to log.
  std::string url = {};
  std::string username = {};  // "" = no basic authentication; secret together with the password
  std::string password = {};  // secret
  std::string token = {};     // secret; "" = none; never together with a user name
  std::string ca_file = {};   // PEM file of the authorities to trust; "" = the system's
  std::chrono::milliseconds timeout{5'000};  // of one request
  bool operator==(const SchemaRegistry&) const = default;
};

struct Kafka {
  std::string brokers = {};              // host:port, comma-separated, as librdkafka takes it
  std::string group_id = {};             // with use_hostname: the host's name already
  std::vector<std::string> topics = {};  // at least one, each once
  SchemaRegistry registry = {};
  std::chrono::seconds cache_max_age{300};  // of Cache-Control
  OffsetReset offset_reset = OffsetReset::kEarliest;
  bool force_reset_earliest = false;
  std::vector<std::int32_t> preload_schemas = {};
  std::chrono::milliseconds fetch_metadata_timeout{5'000};
  KeyFormat key_format = KeyFormat::kAuto;
  WireFormat wire_format = WireFormat::kConfluent;
  OnBadRecord on_bad_record = OnBadRecord::kSkip;
  std::chrono::milliseconds unknown_schema_wait{15 * 60'000};  // 0 = for ever
  std::string dead_letter_topic = {};                          // with kDeadLetter
  std::map<std::string, std::string> properties = {};  // for librdkafka; see `is_secret_property`
  bool operator==(const Kafka&) const = default;
};

struct Store {
  std::string name = {};
  StoreType type = StoreType::kInMemory;
  std::vector<std::string> topics = {};   // some of kafka.topic, each once; empty = all
  std::vector<std::string> schemas = {};  // for `schema_matches`; empty = all
  std::uint64_t memory_max_bytes = 0;     // in memory only; 0 = no cap
  // All below: Redis only.
  // `parse_redis_url` takes it, with `cluster`; may hold a password: log it only by `redact_url`.
  std::string url = {};
  std::string prefix = {};            // "" = none
  bool cluster = false;               // redis:// is a Cluster too
  std::string ca_file = {};           // PEM file of the authorities to trust; "" = the system's
  std::string certificate_file = {};  // PEM file of the client's certificate, with `key_file`
  std::string key_file = {};
  std::chrono::milliseconds timeout{1'000};  // of one command
  bool operator==(const Store&) const = default;
};

struct Route {
  std::string path = {};   // "/users": a slash in front, none at the end
  std::string store = {};  // the name of one of `stores`
  std::string topic = {};  // what a write through HTTP is a record of; "" = the store's first
  std::string key_from_body = {};  // field of the request's body that holds the key; "" = none
  bool list = true;                // false: no list of its keys, nor memory for their order
  Etag etag = Etag::kUpdatedAt;
  std::string schema = "writer";  // what its records are shown by; `parse_reader_schema` takes it
  bool operator==(const Route&) const = default;
};

struct Cache {
  Writes writes = Writes::kLocal;
  std::vector<Store> stores = {};  // at least one, names unique
  std::vector<Route> routes = {};  // at least one, paths unique
  bool operator==(const Cache&) const = default;
};

struct Hams {
  std::string address = "0.0.0.0:8079";
  std::string prefix = "/hams";
  bool operator==(const Hams&) const = default;
};

struct StartupChecks {
  std::uint32_t fails = 2;                   // attempts that may fail before it is said
  std::chrono::milliseconds timeout{5'000};  // of one attempt
  bool enabled = true;
  bool operator==(const StartupChecks&) const = default;
};

struct Readiness {
  std::chrono::milliseconds max_staleness{0};  // 0 = off
  bool operator==(const Readiness&) const = default;
};

struct Snapshot {
  std::string dir = {};                         // "" = no snapshots
  std::chrono::milliseconds interval{300'000};  // 0 = only when it stops
  bool operator==(const Snapshot&) const = default;
};

struct Json {
  LogicalTypes logical_types = LogicalTypes::kNumbers;
  bool operator==(const Json&) const = default;
};

struct Log {
  LogFormat format = LogFormat::kText;
  std::uint32_t requests = 0;  // one of so many requests to the API is logged; 0 = none, 1 = all
  bool operator==(const Log&) const = default;
};

// A whole, checked configuration. A plain value: make it, then share it as const.
struct Config {
  Webservice webservice = {};
  Kafka kafka = {};
  Cache cache = {};
  Hams hams = {};
  StartupChecks startup_checks = {};
  Readiness readiness = {};
  Snapshot snapshot = {};
  Json json = {};
  Log log = {};
  // What was accepted but does nothing, such as keys that only the first form knew; for the log,
  // one warning each. Holds no secret.
  std::vector<std::string> notes = {};
  bool operator==(const Config&) const = default;
};

// Where the configuration comes from; each layer overrides the ones before it.
struct Sources {
  std::string file = {};                        // the YAML file's path; also its name in reports
  std::optional<std::string> text = {};         // instead of the file's content
  std::optional<std::string> secrets_dir = {};  // file name = key path, content = value
  std::map<std::string, std::string>
      environment;  // only names that start with APP_ (any case) count
  std::string
      hostname;  // for group_id {use_hostname: true}; "" = $HOSTNAME, or else the host's own
};

// The process's environment, for Sources.
std::map<std::string, std::string> process_environment();

// Loads, merges and checks. Every fault of every layer is listed, none hides another. Never throws.
// Nothing when there is at least one fault.
std::optional<Config> load(const Sources& sources, Faults& faults);
// The same, with the report (`Faults::format`) as the error's public text.
Result<Config> load(const Sources& sources);

// The effective configuration as YAML that `load` would take, each secret shown as "***".
std::string describe(const Config& config);

// Whether the store takes a topic, one of kafka.topics.
bool takes_topic(const Store& store, const std::string& topic);
// For each of kafka.topics, in its order, whether the store takes it.
std::vector<bool> topics_of(const Config& config, const Store& store);
// What else than topics and schemas makes the records of a configuration others than those of
// another: one line for each format of keys and records that is not the default, "key_format long".
std::string record_formats(const Config& config);
// The place in kafka.topics of the topic that a write through the route is a record of.
std::uint32_t topic_of(const Config& config, const Route& route);

// Whether a store with `pattern` in its schemas takes the schema `full_name` (such as
// "com.polecatworks.billing.CustomerBill"). Without regard to case, `pattern` is one of:
//  - the full name;
//  - its last part: "customerbill";
//  - its short form: the last word of the last part, after a closing word that only says "this is
//    data" (Record, Event, Message, Value, Entry) is left out: "bill" for CustomerBill, "usage" for
//    UsageRecord, "ticket" for SupportTicket, "customer" for Customer but not for CustomerBill.
bool schema_matches(std::string_view pattern, std::string_view full_name);

}  // namespace push_cache::config
