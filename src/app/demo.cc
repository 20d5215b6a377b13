#include "app/demo.h"

#include <fmt/format.h>

#include <cstdio>

#include "app/run.h"
#include "app/service.h"
#include "avro/plan.h"
#include "base/log.h"
#include "config/config.h"
#include "embedded/mock_broker.h"
#include "embedded/populator.h"
#include "embedded/registry_server.h"
#include "embedded/samples.h"
#include "kafka/producer.h"

namespace push_cache::app {
namespace {

constexpr int kPartitions = 4;
constexpr std::uint64_t kSeed = 1;
constexpr std::chrono::seconds kUpdateInterval{1};

int fail(const Error& error) {
  std::fprintf(stderr, "push-cache demo: %s\n", error.describe().c_str());
  return 1;
}

// The configuration that a file would hold.
std::string config_text(const DemoOptions& options, const std::string& brokers,
                        const std::string& registry) {
  std::string topics, stores, routes;
  for (const embedded::SampleInfo& info : embedded::sample_infos()) {
    topics += fmt::format("{}{}", topics.empty() ? "" : ", ", info.topic);
    stores += fmt::format("    - {{name: {0}, type: in_memory, topics: [{0}], schemas: [{1}]}}\n",
                          info.topic, info.full_name);
    routes += fmt::format("    - {{path: /{0}, store: {0}}}\n", info.topic);
  }
  return fmt::format(
      "webservice: {{address: '127.0.0.1:{}', prefix: /cache}}\n"
      "hams: {{address: '127.0.0.1:{}'}}\n"
      "kafka:\n  brokers: '{}'\n  group_id: demo\n  topic: [{}]\n"
      "  schema_registry_url: '{}'\n  cache_max_age_seconds: 1\n"
      "cache:\n  stores:\n{}  routes:\n{}",
      options.port, options.port == 0 ? 0 : options.port - 1, brokers, topics, registry, stores,
      routes);
}

struct Demo {
  std::unique_ptr<embedded::MockBroker> broker;
  std::unique_ptr<embedded::RegistryServer> registry_server;
  std::unique_ptr<registry::Client> registry;
  std::unique_ptr<kafka::Producer> producer;
  SchemaId customer_id;
};

Status fill(Demo& demo, const DemoOptions& options) {
  embedded::MockBrokerOptions broker_options;
  for (const embedded::SampleInfo& info : embedded::sample_infos()) {
    const std::uint64_t most = embedded::MockBroker::records_max(kPartitions, info.bytes_max + 64);
    if (options.count > most) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("--count: the embedded broker keeps at most {} records of each "
                               "type; for more, use a real one (docs/tutorial.md)",
                               most)};
    }
    broker_options.topics.push_back({std::string(info.topic), kPartitions});
  }
  auto broker = embedded::MockBroker::start(broker_options);
  if (!broker.ok()) return std::move(broker).error();
  demo.broker = *std::move(broker);
  auto server = embedded::RegistryServer::start();
  if (!server.ok()) return std::move(server).error();
  demo.registry_server = *std::move(server);
  auto registry = registry::Client::create({.url = demo.registry_server->url()});
  if (!registry.ok()) return std::move(registry).error();
  demo.registry = *std::move(registry);
  auto producer = kafka::Producer::create({.brokers = demo.broker->bootstrap(), .properties = {}});
  if (!producer.ok()) return std::move(producer).error();
  demo.producer = *std::move(producer);
  for (const embedded::SampleInfo& info : embedded::sample_infos()) {
    auto done = embedded::populate(*demo.registry, *demo.producer,
                                   {.type = info.type,
                                    .topic = std::string(info.topic),
                                    .count = options.count,
                                    .seed = kSeed});
    if (!done.ok()) return std::move(done).error();
    if (info.type == embedded::SampleType::kCustomer) demo.customer_id = done->id;
  }
  return {};
}

std::string key_of(embedded::SampleType type, std::uint64_t index) {
  Buffer key;
  embedded::append_sample_key(type, index, key);
  return std::string(key.view());
}

// What the API answers for record `index` as it was first produced.
std::string expected_answer(const embedded::SampleInfo& info, std::uint64_t index) {
  const auto schema = avro::Schema::parse(info.schema);
  if (!schema.ok()) return schema.error().public_text;
  const auto plan = avro::Plan::compile(*schema, {});
  if (!plan.ok()) return plan.error().public_text;
  Buffer datum, answer;
  embedded::append_sample(info.type, kSeed, index, datum);
  if (const Status shown = (*plan)->to_json(datum.bytes(), answer); !shown.ok()) {
    return shown.error().public_text;
  }
  return std::string(answer.view());
}

void print_guide(const Service& service, std::uint64_t count) {
  const std::string api = service.api_url();
  const std::string health = service.health_url();
  std::printf("\n%llu records of each type were in Kafka and are loaded. Try:\n\n",
              static_cast<unsigned long long>(count));
  const std::uint64_t shown = count > 1 ? 1 : 0;  // the first customer is the one that changes
  if (count > 0) {
    for (const embedded::SampleInfo& info : embedded::sample_infos()) {
      std::printf("  curl -s %s/%s/%s\n    %s\n", api.c_str(), std::string(info.topic).c_str(),
                  key_of(info.type, shown).c_str(), expected_answer(info, shown).c_str());
    }
  }
  std::printf("  curl -s '%s/customers?limit=3'\n", api.c_str());
  std::printf("    the first keys as a JSON array\n");
  std::printf(
      "  curl -s %s/customers/nobody\n    404 {\"code\":\"not_found\",\"message\":\"no record has "
      "this key\"}\n",
      api.c_str());
  std::printf("  curl -s %s/ready\n    {\"ready\":true,\"reasons\":[]}\n", health.c_str());
  std::printf("  %s/ in a browser\n    the status page\n", health.c_str());
  std::printf("\nOnce a second a new value for %s is produced: ask for it again and again.\n",
              key_of(embedded::SampleType::kCustomer, 0).c_str());
  std::printf("Ctrl-C ends it.\n");
  std::fflush(stdout);
}

// Produces a new value for the first customer.
void update(Demo& demo, std::uint64_t round) {
  Buffer value;
  value.append('\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    value.append(static_cast<char>(static_cast<std::uint32_t>(demo.customer_id.value) >> shift));
  }
  embedded::append_sample(embedded::SampleType::kCustomer, kSeed + round, 0, value);
  const Status produced = demo.producer->produce(
      "customers", key_of(embedded::SampleType::kCustomer, 0), value.bytes());
  if (!produced.ok())
    log("app").warn("an update was not produced: {}", produced.error().describe());
}

}  // namespace

int run_demo(const DemoOptions& options) {
  Demo demo;
  if (const Status filled = fill(demo, options); !filled.ok()) return fail(filled.error());
  config::Sources sources;
  sources.file = "the demo's configuration";
  sources.text = config_text(options, demo.broker->bootstrap(), demo.registry_server->url());
  const auto config = config::load(sources);
  if (!config.ok()) return fail(config.error());
  auto service = Service::start(*config);
  if (!service.ok()) return fail(service.error());

  bool guided = false;
  std::uint64_t round = 0;
  auto next_update = std::chrono::steady_clock::now();
  return run_until_stopped(**service, [&] {
    if (!guided && (*service)->ready()) {
      print_guide(**service, options.count);
      guided = true;
    }
    if (options.count == 0 || std::chrono::steady_clock::now() < next_update) return;
    next_update += kUpdateInterval;
    update(demo, ++round);
  });
}

}  // namespace push_cache::app
