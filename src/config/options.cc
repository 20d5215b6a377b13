#include "config/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

namespace push_cache::config {
namespace {

using enum Type;
using namespace std::string_view_literals;

constexpr Choice kOffsetResets[] = {{"earliest", static_cast<std::uint8_t>(OffsetReset::kEarliest)},
                                    {"latest", static_cast<std::uint8_t>(OffsetReset::kLatest)}};
constexpr Choice kStoreTypes[] = {{"in_memory", static_cast<std::uint8_t>(StoreType::kInMemory)},
                                  {"redis", static_cast<std::uint8_t>(StoreType::kRedis)}};
constexpr std::string_view kReservedStoreTypes[] = {"mongo", "oracle", "postgres"};
constexpr Choice kWrites[] = {{"local", static_cast<std::uint8_t>(Writes::kLocal)},
                              {"off", static_cast<std::uint8_t>(Writes::kOff)}};
constexpr Choice kEtags[] = {{"updated_at", static_cast<std::uint8_t>(Etag::kUpdatedAt)},
                             {"position", static_cast<std::uint8_t>(Etag::kPosition)}};
constexpr std::string_view kReservedWrites[] = {"kafka"};
constexpr Choice kKeyFormats[] = {{"auto", static_cast<std::uint8_t>(KeyFormat::kAuto)},
                                  {"text", static_cast<std::uint8_t>(KeyFormat::kText)},
                                  {"avro", static_cast<std::uint8_t>(KeyFormat::kAvro)},
                                  {"int", static_cast<std::uint8_t>(KeyFormat::kInt)},
                                  {"long", static_cast<std::uint8_t>(KeyFormat::kLong)},
                                  {"uuid", static_cast<std::uint8_t>(KeyFormat::kUuid)},
                                  {"bytes", static_cast<std::uint8_t>(KeyFormat::kBytes)}};
constexpr Choice kWireFormats[] = {
    {"confluent", static_cast<std::uint8_t>(WireFormat::kConfluent)},
    {"apicurio", static_cast<std::uint8_t>(WireFormat::kApicurio)},
    {"apicurio_content_id", static_cast<std::uint8_t>(WireFormat::kApicurioContentId)}};
constexpr Choice kOnBadRecord[] = {
    {"skip", static_cast<std::uint8_t>(OnBadRecord::kSkip)},
    {"stop", static_cast<std::uint8_t>(OnBadRecord::kStop)},
    {"dead_letter", static_cast<std::uint8_t>(OnBadRecord::kDeadLetter)}};
constexpr Choice kLogicalTypes[] = {
    {"numbers", static_cast<std::uint8_t>(LogicalTypes::kNumbers)},
    {"readable", static_cast<std::uint8_t>(LogicalTypes::kReadable)}};
constexpr Choice kLogFormats[] = {{"text", static_cast<std::uint8_t>(LogFormat::kText)},
                                  {"json", static_cast<std::uint8_t>(LogFormat::kJson)}};

constexpr std::int64_t kYearSeconds = 365LL * 24 * 3600;
constexpr std::int64_t kHourMs = 3'600'000;

// clang-format off
constexpr Option kOptions[] = {
    {.path = "webservice.address", .type = kAddress, .fallback = "0.0.0.0:8080",
     .help = "IP address and port of the API. Also a URL, whose path is then the prefix: http://0.0.0.0:8080/api.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.webservice.address; }},
    {.path = "webservice.prefix", .type = kPath, .fallback = "/api",
     .help = "What every path of the API begins with; / for nothing.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.webservice.prefix; }},
    {.path = "webservice.serve_while_loading", .type = kBool, .fallback = "false",
     .help = "Before everything that was in the topic at the start is loaded, answer what is there already, which may be an older value, and 503 only for the rest.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.webservice.serve_while_loading; }},
    {.path = "webservice.threads", .type = kCount, .fallback = "0",
     .help = "Threads that serve the API; 0 = one a core.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.webservice.threads; }, .max = 1024},
    {.path = "webservice.position_headers", .type = kBool, .fallback = "true",
     .help = "Send Push-Cache-Position (topic/partition@offset) and Last-Modified (the record's timestamp) with each record.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.webservice.position_headers; }},

    {.path = "kafka.brokers", .type = kBrokers, .required = true,
     .help = "Brokers to begin with: host:port, several with commas or as a list. kafka:// in front is accepted.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.brokers; }},
    {.path = "kafka.group_id", .type = kGroupId, .required = true,
     .help = "Consumer group; {use_hostname: true} takes the host's name. A store in memory reads every partition whatever the group.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.group_id; }},
    {.path = "kafka.topic", .type = kTopics, .required = true,
     .help = "The topic to read, or a list of topics. Their order counts: of equal timestamps the later topic's record is shown, and another order is another configuration to snapshots and to Redis.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.topics; }},
    {.path = "kafka.schema_registry_url", .type = kHttpUrl, .required = true,
     .help = "URL of the Schema Registry. A user and password in it are used as kafka.schema_registry.username and password.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.registry.url; }},
    {.path = "kafka.schema_registry.username", .type = kString, .secret = true,
     .help = "User name for the registry (basic authentication).",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.registry.username; }},
    {.path = "kafka.schema_registry.password", .type = kString, .secret = true,
     .help = "Password for the registry.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.registry.password; }},
    {.path = "kafka.schema_registry.token", .type = kString, .secret = true,
     .help = "Bearer token for the registry, instead of a user name and password.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.registry.token; }},
    {.path = "kafka.schema_registry.ca_file", .type = kString,
     .help = "PEM file with the authorities to trust for the registry; without it the system's.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.registry.ca_file; }},
    {.path = "kafka.schema_registry.timeout", .type = kDuration, .fallback = "5s",
     .help = "Longest time for one request to the registry.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.registry.timeout; }, .min = 1, .max = kHourMs},
    {.path = "kafka.cache_max_age_seconds", .type = kSeconds, .fallback = "300",
     .help = "max-age of Cache-Control in answers.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.cache_max_age; }, .max = kYearSeconds},
    {.path = "kafka.offset_reset", .type = kChoice, .fallback = "earliest",
     .help = "Where a shared store (redis) starts that keeps no position, when its group has committed none. A store in memory always reads from the beginning.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.offset_reset; }, .choices = kOffsetResets},
    {.path = "kafka.force_reset_earliest", .type = kBool, .fallback = "false",
     .help = "A shared store (redis) reads from the beginning at each start. A store in memory always does.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.force_reset_earliest; }},
    {.path = "kafka.preload_schemas", .type = kIds,
     .help = "Schema ids to fetch from the registry at the start.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.preload_schemas; }, .min = 1, .max = std::numeric_limits<std::int32_t>::max()},
    {.path = "kafka.fetch_metadata_timeout", .type = kDuration, .fallback = "5s",
     .help = "Longest time for one request for the topic's metadata and offsets.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.fetch_metadata_timeout; }, .min = 1, .max = kHourMs},
    {.path = "kafka.key_format", .type = kChoice, .fallback = "auto",
     .help = "What record keys are. auto: Avro where the key names a schema, else UTF-8 text; text; avro; int and long: 4 and 8 bytes, as Kafka's IntegerSerializer and LongSerializer write them; uuid: 16 bytes; bytes: any. Integers and UUIDs are never guessed.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.key_format; }, .choices = kKeyFormats},
    {.path = "kafka.wire_format", .type = kChoice, .fallback = "confluent",
     .help = "How records name their schema. confluent: byte 0 and an id of 4 bytes, or a header __value_schema_id (keys: __key_schema_id). apicurio: byte 0 and a globalId of 8 bytes, or a header apicurio.value.globalId (keys: apicurio.key.globalId). apicurio_content_id: the same with contentId.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.wire_format; }, .choices = kWireFormats},
    {.path = "kafka.on_bad_record", .type = kChoice, .fallback = "skip",
     .help = "What becomes of a record that cannot be applied (its key keeps the last good value): skip counts and logs it, stop halts its partition there and is not ready, dead_letter produces it to kafka.dead_letter_topic and moves on when that has it.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.on_bad_record; }, .choices = kOnBadRecord},
    {.path = "kafka.unknown_schema_wait", .type = kDuration, .fallback = "15m",
     .help = "A record whose schema the registry has answered \"not found\" for so long is bad; 0 = never. Until then it is set aside: its key answers 503, and what comes behind it is applied. A store in Redis with schemas, or whose route has a reader schema, waits instead.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.unknown_schema_wait; }, .max = 365 * 24 * kHourMs},
    {.path = "kafka.dead_letter_topic", .type = kString,
     .help = "Required for dead_letter: the topic that takes bad records, with headers that say why and where from.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.dead_letter_topic; }},
    {.path = "kafka.properties", .type = kProperties,
     .help = "Handed to librdkafka as they are: security.protocol, sasl.mechanism, ssl.ca.location, ...",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.kafka.properties; }},

    {.path = "cache.writes", .type = kChoice, .fallback = "local",
     .help = "What POST and DELETE do: local changes the store at once, off refuses them with 405.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.cache.writes; }, .choices = kWrites, .reserved = kReservedWrites},
    {.path = "cache.stores[].name", .type = kString, .required = true,
     .help = "Name of the store, which routes refer to; no two alike.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].name; }},
    {.path = "cache.stores[].type", .type = kChoice, .required = true,
     .help = "in_memory: the whole topic in each process; redis: in a Redis that many processes share, fed by the consumer group kafka.group_id.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].type; }, .choices = kStoreTypes, .reserved = kReservedStoreTypes},
    {.path = "cache.stores[].topics", .type = kStrings,
     .help = "Those of kafka.topic that the store takes; empty = all. Of a key that several of them have it shows the record with the latest timestamp, of equal ones that of the topic that kafka.topic names later.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].topics; }},
    {.path = "cache.stores[].schemas", .type = kStrings,
     .help = "Names of the schemas whose records the store takes; empty = all.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].schemas; }},
    {.path = "cache.stores[].memory_max_bytes", .type = kBytes, .fallback = "0",
     .help = "For in_memory: when the store has taken so much memory it refuses new keys and is not ready any more; updates and deletes go on. 0 = no cap.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].memory_max_bytes; }},
    {.path = "cache.stores[].url", .type = kRedisUrl, .secret = true,
     .help = "Required for redis: redis://user:password@host:port/db. redis+cluster://host:port,host:port for a Redis Cluster, redis+sentinel://host:port,host:port/master/db for the master that sentinels name. rediss instead of redis for TLS.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].url; }},
    {.path = "cache.stores[].prefix", .type = kString,
     .help = "For redis: keys are prefix:key. No two stores of one Redis have keys in common, and no two services whose topics or schemas differ.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].prefix; }},
    {.path = "cache.stores[].cluster", .type = kBool, .fallback = "false",
     .help = "For redis: a URL of redis:// or rediss:// is that of a Redis Cluster too.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].cluster; }},
    {.path = "cache.stores[].ca_file", .type = kString,
     .help = "For redis with TLS: PEM file with the authorities to trust; without it the system's.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].ca_file; }},
    {.path = "cache.stores[].certificate_file", .type = kString,
     .help = "For redis with TLS: PEM file with the certificate to show, for servers that ask for one.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].certificate_file; }},
    {.path = "cache.stores[].key_file", .type = kString,
     .help = "PEM file with the key of that certificate.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].key_file; }},
    {.path = "cache.stores[].timeout", .type = kDuration, .fallback = "1s",
     .help = "For redis: longest time for one command.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.stores[i].timeout; }, .min = 1, .max = kHourMs},
    {.path = "cache.routes[].path", .type = kPath, .required = true,
     .help = "Path below webservice.prefix; no two alike.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].path; }},
    {.path = "cache.routes[].store", .type = kString, .required = true,
     .help = "Name of the store that the path serves.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].store; }},
    {.path = "cache.routes[].topic", .type = kString,
     .help = "The topic that a write through this route is a record of, one that its store takes; then DELETE removes no record of another topic (409). Without it, the first that the store takes, and DELETE removes what the route shows.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].topic; }},
    {.path = "cache.routes[].key_from_body", .type = kString,
     .help = "Field of a JSON request body that holds the key, a.b for one within another; makes the path with _by_body at its end.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].key_from_body; }},
    {.path = "cache.routes[].list", .type = kBool, .fallback = "true",
     .help = "Whether the route answers the list of its keys. A store in memory none of whose routes does saves the memory and time that the keys' order costs.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].list; }},
    {.path = "cache.routes[].etag", .type = kChoice, .fallback = "updated_at",
     .help = "What the ETag of a record is made of. updated_at: its field updatedAt, or its position when it has no such integer. position: always its place in the topic, which changes with every record; for records of which two values may have the same updatedAt.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].etag; }, .choices = kEtags},
    {.path = "cache.routes[].schema", .type = kReader, .fallback = "writer",
     .help = "The schema that the route shows its records by. writer: the one each was written with. latest: the latest version of the subject TOPIC-value of the record's topic. SUBJECT:VERSION or SUBJECT:latest. file:PATH, a file with a schema's JSON text.",
     .slot = [](Config& c, std::size_t i) -> Slot { return &c.cache.routes[i].schema; }},

    {.path = "hams.address", .type = kAddress, .fallback = "0.0.0.0:8079",
     .help = "IP address and port for health and metrics.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.hams.address; }},
    {.path = "hams.prefix", .type = kPath, .fallback = "/hams",
     .help = "What the paths of the health checks begin with.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.hams.prefix; }},

    {.path = "startup_checks.enabled", .type = kBool, .fallback = "true",
     .help = "Ask at the start whether brokers, topics, the consumer group, the registry and each Redis can be reached and let the service in; what fails is said in the log with what to do, and in /status. It never ends the service, which waits for all of them.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.startup_checks.enabled; }},
    {.path = "startup_checks.fails", .type = kCount, .fallback = "2",
     .help = "Attempts that may fail before that is said; there is one a second.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.startup_checks.fails; }, .max = 1'000'000},
    {.path = "startup_checks.timeout", .type = kDuration, .fallback = "5s",
     .help = "Longest time for one attempt.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.startup_checks.timeout; }, .min = 1, .max = kHourMs},

    {.path = "readiness.max_staleness", .type = kDuration, .fallback = "0s",
     .help = "Not ready, and reads answer 503, once what is held of a partition is older than this: Kafka is not heard, or ingest lags. 0 = never.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.readiness.max_staleness; }, .max = 24 * kHourMs},

    {.path = "snapshot.dir", .type = kString,
     .help = "Folder for a snapshot of the stores, from which the next start goes on instead of reading the topics from their beginning. Without it there is none.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.snapshot.dir; }},
    {.path = "snapshot.interval", .type = kDuration, .fallback = "5m",
     .help = "Time between two snapshots; one more is taken when the service is stopped. 0 = only that one.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.snapshot.interval; }, .max = 24 * kHourMs},

    {.path = "json.logical_types", .type = kChoice, .fallback = "numbers",
     .help = "Dates, times and decimals of Avro in JSON: numbers as they are stored, or readable text.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.json.logical_types; }, .choices = kLogicalTypes},

    {.path = "log.format", .type = kChoice, .fallback = "text",
     .help = "Lines of the log: text, or json for one object a line. What is logged before the configuration is read is text.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.log.format; }, .choices = kLogFormats},
    {.path = "log.requests", .type = kCount, .fallback = "0",
     .help = "One of so many requests to the API is logged: 1 = all, 0 = none.",
     .slot = [](Config& c, std::size_t) -> Slot { return &c.log.requests; }, .max = std::numeric_limits<std::uint32_t>::max()},

    // Keys of the first form.
    {.path = "kafka.cache_max_age", .type = kAlias, .fallback = "kafka.cache_max_age_seconds", .help = "A duration: 300s."},
    {.path = "runtime.threads", .type = kAlias, .fallback = "webservice.threads", .help = "Threads of the Tokio runtime."},
    {.path = "runtime.stack_size", .type = kIgnored, .help = "Stack size of the Tokio runtime's threads."},
    {.path = "runtime.name", .type = kIgnored, .help = "Name of the Tokio runtime's threads."},
    {.path = "webservice.forwarding_headers", .type = kIgnored, .help = "The first form did not use it either."},
    {.path = "hams.logging", .type = kIgnored, .help = "The log level is set by CAPTURE_LOG."},
    {.path = "hams.checks", .type = kIgnored, .help = "Checks of the health library of the first form."},
    {.path = "persistence", .type = kIgnored, .help = "Left over from the template of the first form, which did not use it."},
};
// clang-format on

// Parts of a property's name that make its value a secret, and the endings that make it a mere file
// name after all.
constexpr std::string_view kSecretWords[] = {
    "password",   "passphrase",         "secret", "token",  "jaas",
    "credential", "oauthbearer.config", ".pem",   "ssl.key"};
constexpr std::string_view kFileEndings[] = {".location", ".url"};

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

bool starts_with_part(std::string_view path, std::string_view section) {
  return path.size() > section.size() && path.starts_with(section) && path[section.size()] == '.';
}

// Edits (insert, delete, replace, swap of neighbours) that make `b` of `a`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string_view Option::name() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string_view Option::section() const {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

std::span<const Option> options() { return kOptions; }

const Option* find_option(std::string_view path) {
  for (const Option& option : kOptions) {
    if (option.path == path) return &option;
  }
  return nullptr;
}

bool is_section(std::string_view path) {
  return std::any_of(std::begin(kOptions), std::end(kOptions),
                     [path](const Option& option) { return starts_with_part(option.path, path); });
}

bool is_list_section(std::string_view path) { return is_section(std::string(path) + "[]"); }

std::vector<std::string_view> names_in(std::string_view path) {
  std::vector<std::string_view> names;
  for (const Option& option : kOptions) {
    std::string_view rest = option.path;
    if (!path.empty()) {
      if (!starts_with_part(rest, path)) continue;
      rest.remove_prefix(path.size() + 1);
    }
    const std::string_view name = rest.substr(0, rest.find_first_of(".["));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::string type_text(const Option& option) {
  switch (option.type) {
    case kString:
      return "string";
    case kBool:
      return "true or false";
    case kCount:
      return fmt::format("whole number from {} to {}", option.min, option.max);
    case kBytes:
      return "number of bytes";
    case kSeconds:
      return "duration, in whole seconds";
    case kDuration:
      return "duration";
    case kAddress:
      return "address";
    case kPath:
      return "path";
    case kHttpUrl:
      return "URL";
    case kRedisUrl:
      return "Redis URL";
    case kBrokers:
      return "string or list of strings";
    case kTopics:
      return "string or list of strings";
    case kStrings:
      return "list of strings";
    case kIds:
      return "list of numbers";
    case kGroupId:
      return "string or {use_hostname: true}";
    case kProperties:
      return "map of strings";
    case kReader:
      return "reader schema";
    case kChoice: {
      std::string text;
      for (const Choice& choice : option.choices) {
        if (!text.empty()) text += " or ";
        text += choice.name;
      }
      return text;
    }
    case kAlias:
      return fmt::format("as {}", option.fallback);
    case kIgnored:
      return "any";
  }
  return {};
}

std::string environment_name(std::string_view path) {
  std::string name = "APP_";
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '[') {
      // "[]" stands for any number, "[3]" for the fourth item.
      name += "__";
      if (i + 1 < path.size() && path[i + 1] == ']') name += '0';
    } else if (path[i] == '.') {
      name += "__";
    } else if (path[i] != ']') {
      name += upper(path.substr(i, 1));
    }
  }
  return name;
}

bool is_secret_property(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (std::string_view ending : kFileEndings) {
    if (text.ends_with(ending)) return false;
  }
  return std::any_of(std::begin(kSecretWords), std::end(kSecretWords),
                     [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

std::string_view closest(std::string_view name, std::span<const std::string_view> names) {
  if (name.size() > 100) return {};
  std::string_view best;
  // A third of the name may be wrong, and at most three letters of it.
  std::size_t best_distance = std::min<std::size_t>(name.size() / 3 + 1, 3) + 1;
  for (std::string_view candidate : names) {
    const std::size_t here = distance(name, candidate);
    if (here < best_distance) {
      best = candidate;
      best_distance = here;
    }
  }
  return best;
}

}  // namespace push_cache::config
