#include "kafka/conf.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/log_limiter.h"
#include "config/options.h"

namespace push_cache::kafka {
namespace {

Status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> why{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) ==
      RD_KAFKA_CONF_OK) {
    return {};
  }
  // librdkafka quotes the value in its text, so a secret one must not be passed on.
  return Error{ErrorCode::kInvalidArgument,
               "kafka.properties." + name + ": " +
                   (config::is_secret_property(name) ? std::string("librdkafka refuses its value")
                                                     : std::string(why.data()))};
}

}  // namespace

void log_line(int level, std::string_view facility, std::string_view text) {
  static spdlog::logger& logger = log("kafka");
  static LogLimiter repeats{"kafka"};  // librdkafka's callback knows no object of ours
  const auto to = level <= 3   ? spdlog::level::err
                  : level == 4 ? spdlog::level::warn
                  : level <= 6 ? spdlog::level::info
                               : spdlog::level::debug;
  if (to == spdlog::level::debug) return logger.debug("librdkafka {}: {}", facility, text);
  // "[thrd:BROKER]: ..."; behind it are times and counts, in which repeats differ.
  const std::size_t who = std::min(text.find("]: "), text.size());
  std::string key = std::string(facility) + std::string(text.substr(0, who));
  std::copy_if(text.begin() + static_cast<std::ptrdiff_t>(who), text.end(), std::back_inserter(key),
               [](char letter) { return letter < '0' || letter > '9'; });
  repeats.log(key, to, "librdkafka {}: {}", facility, text);
}

void ConfDelete::operator()(rd_kafka_conf_s* conf) const { rd_kafka_conf_destroy(conf); }

Result<ConfPtr> make_conf(const Properties& defaults, const Properties& properties,
                          const Properties& forced) {
  ConfPtr conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t*, int level, const char* facility,
                                          const char* text) { log_line(level, facility, text); });
  for (const auto& [name, value] : defaults) {
    if (Status done = set(conf.get(), name, value); !done) return std::move(done).error();
  }
  for (const auto& [name, value] : properties) {
    const auto fixed = forced.find(name);
    if (fixed != forced.end() && fixed->second != value) {
      return Error{ErrorCode::kInvalidArgument, "kafka.properties." + name +
                                                    ": Push Cache depends on '" + fixed->second +
                                                    "' here; remove the property"};
    }
    if (Status done = set(conf.get(), name, value); !done) return std::move(done).error();
  }
  for (const auto& [name, value] : forced) {
    if (Status done = set(conf.get(), name, value); !done) return std::move(done).error();
  }
  return conf;
}

}  // namespace push_cache::kafka
