// push-cache: the command line.
#include <librdkafka/rdkafka.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include "app/demo.h"
#include "app/health_check.h"
#include "app/readers.h"
#include "app/run.h"
#include "app/service.h"
#include "app/verify.h"
#include "base/log.h"
#include "config/config.h"
#include "config/options.h"
#include "config/url.h"

namespace push_cache::app {
namespace {

struct Arguments {
  std::string config;
  std::optional<std::string> secrets;
  bool print = false;
  DemoOptions demo;
  VerifyOptions verify;
  HealthOptions health;
};

int fail(std::string_view text) {
  if (log_format() == LogFormat::kJson) {
    write_log_event(log("app"), spdlog::level::err, text);
    return EXIT_FAILURE;
  }
  std::fprintf(stderr, "push-cache: %.*s\n", static_cast<int>(text.size()), text.data());
  return EXIT_FAILURE;
}

Result<config::Config> load(const Arguments& arguments) {
  config::Sources sources;
  sources.file = arguments.config;
  sources.secrets_dir = arguments.secrets;
  sources.environment = config::process_environment();
  return config::load(sources);
}

void begin_log(const config::Config& config) {
  set_log_format(config.log.format);
  for (const std::string& note : config.notes) log("config").warn("{}", note);
}

int start(const Arguments& arguments) {
  const auto config = load(arguments);
  if (!config.ok()) return fail(config.error().public_text);
  begin_log(*config);
  auto service = Service::start(*config);
  if (!service.ok()) return fail(service.error().describe());
  return run_until_stopped(**service);
}

int config_check(const Arguments& arguments) {
  const auto config = load(arguments);
  if (!config.ok()) return fail(config.error().public_text);
  if (const Status files = check_schema_files(*config); !files.ok()) {
    return fail(files.error().public_text);
  }
  for (const std::string& note : config->notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  if (arguments.print) {
    std::fputs(config::describe(*config).c_str(), stdout);
  } else {
    std::printf("%s: the configuration is right\n", arguments.config.c_str());
  }
  return EXIT_SUCCESS;
}

int verify(const Arguments& arguments) {
  const auto config = load(arguments);
  if (!config.ok()) {
    fail(config.error().public_text);
    return kVerifyFailed;
  }
  begin_log(*config);
  return run_verify(*config, arguments.verify);
}

// Without --config and --url: where the service is by default.
int health(const Arguments& arguments) {
  HealthOptions options = arguments.health;
  if (!options.url.empty()) return run_health(options);
  config::Hams hams;
  if (!arguments.config.empty()) {
    const auto config = load(arguments);
    if (!config.ok()) return fail(config.error().public_text);
    hams = config->hams;
  }
  const auto url = config::local_url(hams.address, hams.prefix);
  if (!url) return fail("health: hams.address has port 0 (any free one): give --url");
  options.url = *url;
  return run_health(options);
}

void add_health_options(CLI::App& command, Arguments& arguments) {
  HealthOptions& options = arguments.health;
  command.add_option("-c,--config", arguments.config, "where hams.address and hams.prefix stand")
      ->type_name("FILE");
  command.add_option("-s,--secrets", arguments.secrets, "the secrets directory of the service")
      ->type_name("DIR");
  command
      .add_option("-u,--url", options.url,
                  "the health port, with hams.prefix; default: that of the configuration on this "
                  "machine, or http://127.0.0.1:8079/hams")
      ->type_name("URL");
  command.add_flag("--ready", options.ready,
                   "ask whether everything is loaded, not only whether the process answers");
  command.add_option("--timeout", options.timeout_seconds, "longest time for an answer")
      ->capture_default_str()
      ->check(CLI::Range(1u, 3600u).description(""))
      ->type_name("SECONDS");
}

int version() {
  std::printf("push-cache %s (librdkafka %s)\n", std::string(kVersion).c_str(),
              rd_kafka_version_str());
  return EXIT_SUCCESS;
}

void add_config_options(CLI::App& command, Arguments& arguments, const std::string& more = {}) {
  command.footer(more + config::help_text());
  command.add_option("-c,--config", arguments.config, "the YAML configuration file")
      ->required()
      ->type_name("FILE");
  command
      .add_option("-s,--secrets", arguments.secrets,
                  "folder whose files override the configuration (file name = key path)")
      ->type_name("DIR");
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app(
      "Push Cache: keeps the last record of each key of Kafka topics and serves them as JSON.",
      "push-cache");
  app.get_formatter()->column_width(34);
  app.require_subcommand(1);
  app.footer(
      "Settings: docs/reference/configuration.md. Each may also come from the environment, such "
      "as\n"
      "APP_WEBSERVICE__ADDRESS=0.0.0.0:8080. CAPTURE_LOG sets the log level: warn,kafka=debug.\n"
      "Exit code: 0 after SIGTERM or SIGINT or when all is right, 1 otherwise;\n"
      "verify: 0 all equal, 1 differences, 2 it could not be done.");
  CLI::App* start_command = app.add_subcommand("start", "runs the service");
  add_config_options(*start_command, arguments);
  CLI::App* check_command =
      app.add_subcommand("config-check", "checks the configuration and starts nothing");
  add_config_options(*check_command, arguments);
  check_command->add_flag("--print", arguments.print,
                          "print the configuration in effect, without secrets");
  CLI::App* verify_command = app.add_subcommand(
      "verify", "compares a running service, key by key, with what a replay of its topics gives");
  add_config_options(*verify_command, arguments, verify_help());
  VerifyOptions& options = arguments.verify;
  verify_command
      ->add_option("-u,--url", options.url,
                   "the service, with webservice.prefix, such as http://host:8080/api; default: "
                   "webservice.address of the configuration on this machine")
      ->type_name("URL");
  verify_command
      ->add_option("--against", options.against,
                   "compare with this service instead of the topics, which are not read")
      ->type_name("URL");
  verify_command->add_option("--show", options.show, "how many of the keys that differ are shown")
      ->capture_default_str()
      ->type_name("N");
  verify_command
      ->add_option("--timeout", options.timeout_seconds,
                   "give up after so long, replay and all waiting included")
      ->capture_default_str()
      ->check(CLI::Range(1u, 1'000'000u).description(""))
      ->type_name("SECONDS");
  verify_command->add_flag("--json", options.json, "print the result as JSON");
  CLI::App* health_command =
      app.add_subcommand("health", "asks a running service whether it is live, or ready");
  add_health_options(*health_command, arguments);
  CLI::App* demo_command = app.add_subcommand(
      "demo", "runs everything in one process: a Kafka, a registry, sample records, the service");
  demo_command->add_option("-n,--count", arguments.demo.count, "records of each of the four types")
      ->capture_default_str()
      ->type_name("N");
  demo_command
      ->add_option("-p,--port", arguments.demo.port,
                   "port of the API on 127.0.0.1; the health port is the one below; 0 = free ones")
      ->capture_default_str()
      ->type_name("P");
  app.add_subcommand("version", "prints the version");
  CLI11_PARSE(app, argc, argv);

  const char* levels = std::getenv("CAPTURE_LOG");
  if (const Status set = set_log_levels(levels == nullptr ? "" : levels); !set.ok()) {
    return fail(set.error().public_text);
  }
  if (app.got_subcommand(verify_command)) return verify(arguments);
  if (app.got_subcommand(health_command)) return health(arguments);
  block_stop_signals();
  if (app.got_subcommand(start_command)) return start(arguments);
  if (app.got_subcommand(check_command)) return config_check(arguments);
  if (app.got_subcommand(demo_command)) return run_demo(arguments.demo);
  return version();
}

}  // namespace
}  // namespace push_cache::app

int main(int argc, char** argv) {
  try {
    return push_cache::app::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "push-cache: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
