#include "app/check_failures.h"

#include <fmt/format.h>

#include <algorithm>

namespace push_cache::app {
namespace {

using enum Check;

// In this order: an error may have the signs of several.
// clang-format off
constexpr Failure kFailures[] = {
    {kBrokers, {"Failed to resolve"}, "the brokers' name is not known",
     "check the host in kafka.brokers, and the DNS of this machine"},
    {kBrokers, {"Connection refused"}, "nothing listens there",
     "check host and port in kafka.brokers, and that the broker runs"},
    {kBrokers, {"certificate verify failed"}, "the brokers' certificate is not trusted",
     "check ssl.ca.location in kafka.properties: it has to name the authority that signed the brokers' certificate"},
    {kBrokers, {"PLAINTEXT broker listener", "wrong version number", "packet length too long"}, "TLS to a listener without TLS",
     "check security.protocol in kafka.properties, and the port in kafka.brokers: that listener takes no TLS"},
    {kBrokers, {"certificate required", "bad certificate", "handshake failure"}, "the brokers want a certificate of this client",
     "check ssl.certificate.location and ssl.key.location in kafka.properties: the brokers want a certificate that they trust"},
    {kBrokers, {"timed out", "Timed out"}, "the brokers do not answer in time",
     "check kafka.brokers, firewalls between here and there, and that the addresses that the brokers advertise can be reached from here"},
    {kBrokers, {"want TLS or SASL", "Broken pipe", "Disconnected"}, "no TLS or no SASL to a listener that wants it",
     "check security.protocol in kafka.properties, and the port in kafka.brokers: that listener wants TLS or SASL"},
    {kBrokers, {"Unsupported SASL mechanism"}, "the brokers do not know the SASL mechanism",
     "check sasl.mechanism in kafka.properties: it has to be one that the brokers have enabled"},
    {kBrokers, {"SASL"}, "wrong credentials",
     "check sasl.username and sasl.password in kafka.properties"},
    {kBrokers, {}, "the brokers cannot be used",
     "check kafka.brokers and kafka.properties"},

    {kTopic, {"does not exist"}, "the topic does not exist",
     "check kafka.topic, or create the topic: it is waited for"},
    {kTopic, {"needs Describe and Read"}, "the user may not see the topic",
     "check kafka.topic, and give the user (sasl.username in kafka.properties) Describe and Read on the topic"},
    {kTopic, {"needs Read"}, "the user may not read the topic",
     "give the user (sasl.username in kafka.properties) Read on the topic"},
    {kTopic, {}, "the topic cannot be used",
     "look at the brokers: this topic's partitions may have no leader"},

    {kGroup, {"needs Read"}, "the user may not use the consumer group",
     "check kafka.group_id, and give the user (sasl.username in kafka.properties) Read on the group: stores in Redis are fed by it"},
    {kGroup, {}, "the consumer group cannot be used",
     "look at the brokers: the group's coordinator may be away"},

    {kRegistry, {"Could not resolve host"}, "the registry's name is not known",
     "check the host in kafka.schema_registry_url, and the DNS of this machine"},
    {kRegistry, {"Connection refused", "Failed to connect"}, "nothing listens there",
     "check host and port in kafka.schema_registry_url, and that the registry runs; records with schemas not known yet wait for it"},
    {kRegistry, {"did not answer in time"}, "the registry does not answer in time",
     "check kafka.schema_registry_url and firewalls between here and there; records with schemas not known yet wait for it"},
    {kRegistry, {"certificate"}, "the registry's certificate is not trusted",
     "check kafka.schema_registry.ca_file: it has to name the authority that signed the registry's certificate"},
    {kRegistry, {"SSL", "TLS"}, "TLS to a registry without TLS",
     "check http or https in kafka.schema_registry_url"},
    {kRegistry, {"refuses the credentials"}, "the registry does not authorise this client",
     "check kafka.schema_registry.username and password, or token, and that they may read schemas"},
    {kRegistry, {"does not support AVRO"}, "the registry has no Avro",
     "check kafka.schema_registry_url: schemas of the topic have to be Avro, and this registry has other types only"},
    {kRegistry, {"is not in the schema registry", "makes no sense", "refuses the request"}, "that is no schema registry",
     "check the path in kafka.schema_registry_url: what answers there is no schema registry"},
    {kRegistry, {}, "the registry cannot be used",
     "look at the registry's own log; records with schemas not known yet wait for it"},

    {kStore, {"cannot be found"}, "the name of the store's Redis is not known",
     "check the host in cache.stores[].url, and the DNS of this machine"},
    {kStore, {"Connection refused"}, "nothing listens there",
     "check host and port in cache.stores[].url, and that Redis runs"},
    {kStore, {"certificate"}, "the certificate of the store's Redis is not trusted, or it wants one",
     "check cache.stores[].ca_file, and certificate_file and key_file where Redis asks for a certificate"},
    {kStore, {"TLS to Redis", "TLS handshake"}, "TLS to a Redis without TLS",
     "check redis or rediss in cache.stores[].url, and its port"},
    {kStore, {"refused the user or password", "NOAUTH"}, "wrong credentials of a store",
     "check user and password in cache.stores[].url"},
    {kStore, {"does not let this user"}, "the store's user may not do what is needed",
     "give the user in cache.stores[].url the commands and keys that docs/guides/redis.md lists"},
    {kStore, {"refused the database"}, "the store's Redis has no such database",
     "check the number at the end of cache.stores[].url"},
    {kStore, {"does not answer", "not connected yet", "no connection"}, "the store's Redis does not answer in time",
     "check cache.stores[].url, and firewalls between here and there"},
    {kStore, {}, "the store cannot be used",
     "check cache.stores[].url, and look at the log of Redis"},
};
// clang-format on

bool fits(const Failure& failure, std::string_view error) {
  if (failure.signs.front().empty()) return true;
  return std::any_of(failure.signs.begin(), failure.signs.end(), [error](std::string_view sign) {
    return !sign.empty() && error.find(sign) != std::string_view::npos;
  });
}

}  // namespace

std::string_view to_string(Check check) {
  switch (check) {
    case kBrokers:
      return "brokers";
    case kTopic:
      return "topic";
    case kGroup:
      return "group";
    case kRegistry:
      return "registry";
    case kStore:
      return "store";
  }
  return "";
}

std::span<const Failure> failures() { return kFailures; }

const Failure& failure_of(Check check, std::string_view error) {
  return *std::find_if(std::begin(kFailures), std::end(kFailures), [&](const Failure& failure) {
    return failure.check == check && fits(failure, error);
  });
}

std::string troubleshooting_page() {
  std::string page =
      R"(# Troubleshooting

The table is made from the one in `src/app/check_failures.cc` by the target `reference`.

## At the start

With `startup_checks.enabled` (the default) a start asks, in the background, whether the brokers can be reached and take the
credentials, whether each topic is there and may be read, whether the consumer group may be used (stores in Redis only), whether the
registry answers, takes the credentials and knows Avro, and whether each Redis can be reached. No failure ends the process: what is
away may come later, and each check is repeated every second until it succeeds.

What fails is said once, after `startup_checks.fails` attempts more than that one, with what to do; when it works, that is said too:

    warning app: startup check: brokers 127.0.0.1:9092: ...: Connection refused; check host and port in kafka.brokers, and ...
    warning app: startup check: brokers 127.0.0.1:9092: works now

`/status` has all of them under `startup_checks` (`state` is running, failed or ok), and `/hams/ready` names those that fail among
its reasons while it is not ready.

| check | what is wrong | what to do |
| --- | --- | --- |
)";
  for (const Failure& failure : kFailures) {
    page +=
        fmt::format("| {} | {} | {} |\n", to_string(failure.check), failure.name, failure.advice);
  }
  page += R"(
## Later

What is not ready says why: `push-cache health --ready`, or `reasons` of `/hams/ready`. What is counted there is in
[the metrics](../reference/metrics.md); more lines come with `CAPTURE_LOG=info` ([logs](logs.md)), and those of librdkafka with
`CAPTURE_LOG=warn,kafka=debug` and `debug: broker,security` in `kafka.properties`.

## A prefix that another configuration fills

`/hams/ready` and the log say `... is filled by another configuration: it has {...}, and this process has {...}`: what fills
the prefix of a store in Redis, and what this process would fill it with. They differ in `cluster` (the id of Kafka's cluster), `topics`,
`schemas` or `layout`. The process writes and reads nothing there until they are the same, and looks each second.

- **Two services by mistake**: give one of them another `cache.stores[].prefix`, or another database.
- **One service whose configuration was changed**, also in a rolling update: that takes another prefix and another group, or all old processes have to be stopped
  ([stores in Redis](redis.md#another-configuration) has the commands).
- **`it has the position '...'`**: the prefix was filled by version 0.1, and that position is of a topic or of `schemas`
  that this configuration does not have. The same two ways.
)";
  return page;
}

}  // namespace push_cache::app
