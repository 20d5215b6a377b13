// populate_kafka: fills a topic with made-up records of one of the four sample types.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/config.h"
#include "embedded/populator.h"
#include "embedded/samples.h"
#include "kafka/producer.h"
#include "registry/client.h"

namespace push_cache {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string config;
  std::optional<std::string> secrets;
  std::string message_type = "customer";
  std::string topic;
  std::uint64_t count = 100;
  std::uint64_t seed = 1;
  std::uint64_t start_index = 0;
  bool tombstones = false;
};

int fail(const Error& error) {
  std::fprintf(stderr, "populate_kafka: %s\n", error.describe().c_str());
  return EXIT_FAILURE;
}

// A bar on a terminal; elsewhere a line every few seconds.
class Progress {
 public:
  explicit Progress(std::uint64_t count) : count_(count) {}

  void show(std::uint64_t delivered) {
    const auto now = Clock::now();
    if (now - last_ <
        (terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000))) {
      return;
    }
    last_ = now;
    print(delivered);
  }
  void finish(std::uint64_t delivered) {
    if (!terminal_ || !shown_) return;
    print(delivered);
    std::fputc('\n', stderr);
  }

 private:
  void print(std::uint64_t delivered) {
    shown_ = true;
    const double part =
        count_ == 0 ? 1.0 : static_cast<double>(delivered) / static_cast<double>(count_);
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(delivered) / seconds : 0;
    if (!terminal_) {
      std::fprintf(stderr, "populate_kafka: %llu of %llu delivered, %.0f/s\n",
                   static_cast<unsigned long long>(delivered),
                   static_cast<unsigned long long>(count_), rate);
      return;
    }
    constexpr std::size_t kWidth = 40;
    std::string bar(kWidth, '.');
    std::fill_n(bar.begin(), static_cast<std::size_t>(std::min(part, 1.0) * kWidth), '#');
    std::fprintf(stderr, "\r[%s] %3.0f %%  %llu of %llu  %.0f/s ", bar.c_str(), part * 100,
                 static_cast<unsigned long long>(delivered),
                 static_cast<unsigned long long>(count_), rate);
  }

  const std::uint64_t count_;
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  bool shown_ = false;
};

// The one topic, or of several the one that is called like the records: "bills" for "bill".
Result<std::string> choose_topic(const Arguments& arguments, const config::Kafka& kafka) {
  if (!arguments.topic.empty()) return arguments.topic;
  if (kafka.topics.size() == 1) return kafka.topics.front();
  std::vector<std::string> fitting;
  for (const std::string& topic : kafka.topics) {
    if (topic.find(arguments.message_type) != std::string::npos) fitting.push_back(topic);
  }
  if (fitting.size() == 1) return fitting.front();
  return Error{ErrorCode::kInvalidArgument,
               "the configuration names several topics: choose one with --topic"};
}

int run(const Arguments& arguments) {
  Result<config::Config> config = config::load({.file = arguments.config,
                                                .text = std::nullopt,
                                                .secrets_dir = arguments.secrets,
                                                .environment = config::process_environment(),
                                                .hostname = ""});
  if (!config.ok()) return fail(config.error());
  const config::Kafka& kafka = config->kafka;
  Result<std::string> topic = choose_topic(arguments, kafka);
  if (!topic.ok()) return fail(topic.error());

  Result<std::unique_ptr<registry::Client>> registry =
      registry::Client::create({.url = kafka.registry.url,
                                .username = kafka.registry.username,
                                .password = kafka.registry.password,
                                .bearer_token = kafka.registry.token,
                                .ca_file = kafka.registry.ca_file,
                                .total_timeout = kafka.registry.timeout});
  if (!registry.ok()) return fail(registry.error());
  Result<std::unique_ptr<kafka::Producer>> producer =
      kafka::Producer::create({.brokers = kafka.brokers, .properties = kafka.properties});
  if (!producer.ok()) return fail(producer.error());

  Progress progress(arguments.count);
  const auto type = embedded::sample_type(arguments.message_type);
  Result<embedded::PopulateResult> result = embedded::populate(
      **registry, **producer,
      {.type = *type,
       .topic = *topic,
       .count = arguments.count,
       .seed = arguments.seed,
       .start_index = arguments.start_index,
       .tombstones = arguments.tombstones,
       .progress = [&progress](std::uint64_t delivered) { progress.show(delivered); }});
  progress.finish(result.ok() ? result->count : (*producer)->counts().delivered);
  if (!result.ok()) return fail(result.error());

  std::printf("topic    %s (%d partitions)\n", topic->c_str(), result->partitions);
  if (!arguments.tombstones) {
    std::printf("schema   id %d, subject %s\n", result->id.value, result->subject.c_str());
  }
  std::printf("count    %llu %s\n", static_cast<unsigned long long>(result->count),
              arguments.tombstones ? "tombstones" : arguments.message_type.c_str());
  std::printf("rate     %.0f messages/s, %.3f s\n", result->rate(), result->seconds);
  std::printf("size     min %zu, max %zu, average %.1f bytes\n", result->bytes_min,
              result->bytes_max, result->bytes_average);
  return EXIT_SUCCESS;
}

int parse_and_run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Fills a Kafka topic with made-up Avro records, and registers their schema.",
               "populate_kafka");
  app.get_formatter()->column_width(36);
  app.add_option("-c,--config", arguments.config,
                 "Push Cache's configuration, for brokers, registry and topic")
      ->required()
      ->type_name("FILE");
  app.add_option("-s,--secrets", arguments.secrets,
                 "folder whose files override the configuration (file name = key path)")
      ->type_name("DIR");
  std::vector<std::string> names;
  for (const embedded::SampleInfo& info : embedded::sample_infos()) names.emplace_back(info.name);
  app.add_option("-m,--message-type", arguments.message_type,
                 "kind of record: customer, bill, usage or ticket")
      ->check(CLI::IsMember(names, CLI::ignore_case).description(""))
      ->capture_default_str()
      ->type_name("TYPE");
  app.add_option("-t,--topic", arguments.topic, "topic (default: the configuration's)")
      ->type_name("NAME");
  app.add_option("-n,--count", arguments.count, "number of records, each with a key of its own")
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--seed", arguments.seed, "another seed makes other values for the same keys")
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--start-index", arguments.start_index,
                 "number in the first key: 42 begins with ACC-000000042")
      ->capture_default_str()
      ->type_name("N");
  app.add_flag("--tombstone", arguments.tombstones,
               "write null values for the keys instead, which remove the records");
  app.footer(
      "The schema goes under the subject TOPIC-value or, when that holds another record's schema,\n"
      "TOPIC-RECORD.NAME. Settings can also come from the environment (APP_KAFKA__BROKERS=...).\n"
      "CAPTURE_LOG=info (or kafka=debug) shows more of what happens.\n"
      "Exit code: 0 when every record was acknowledged by the broker, 1 otherwise.");
  CLI11_PARSE(app, argc, argv);

  // librdkafka's own lines would bury the one that says what is wrong.
  const char* levels = std::getenv("CAPTURE_LOG");
  if (Status set = set_log_levels(levels != nullptr ? levels : "error,kafka=off"); !set.ok()) {
    set.error().public_text = "CAPTURE_LOG: " + set.error().public_text;
    return fail(set.error());
  }
  return run(arguments);
}

}  // namespace
}  // namespace push_cache

int main(int argc, char** argv) {
  try {
    return push_cache::parse_and_run(argc, argv);
  } catch (const std::exception& fault) {
    std::fprintf(stderr, "populate_kafka: %s\n", fault.what());
    return EXIT_FAILURE;
  }
}
