#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>
#include <string>

namespace push_cache {
namespace {

struct Loggers {
  std::mutex mutex;
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> sink =
      std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::level::level_enum standard = spdlog::level::warn;
  std::map<std::string, spdlog::level::level_enum, std::less<>> levels;
  std::map<std::string, std::unique_ptr<spdlog::logger>, std::less<>> made;

  Loggers() { sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n: %v"); }
};

Loggers& loggers() {
  static auto* const instance = new Loggers;  // never destroyed: threads may log until the very end
  return *instance;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::optional<spdlog::level::level_enum> parse_level(std::string_view text) {
  const std::string name = lower(text);
  if (name == "trace") return spdlog::level::trace;
  if (name == "debug") return spdlog::level::debug;
  if (name == "info") return spdlog::level::info;
  if (name == "warn" || name == "warning") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  if (name == "off") return spdlog::level::off;
  return std::nullopt;
}

}  // namespace

Status set_log_levels(std::string_view text) {
  auto standard = spdlog::level::warn;
  std::map<std::string, spdlog::level::level_enum, std::less<>> levels;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    const bool named = equals != std::string_view::npos;
    const auto level = parse_level(named ? part.substr(equals + 1) : part);
    if (!level) {
      return Error{
          ErrorCode::kInvalidArgument,
          "CAPTURE_LOG: '" + std::string(part) +
              "' is no level: write trace, debug, info, warn, error or off, or component=level"};
    }
    if (named) {
      levels[std::string(part.substr(0, equals))] = *level;
    } else {
      standard = *level;
    }
  }
  Loggers& all = loggers();
  const std::lock_guard lock(all.mutex);
  all.standard = standard;
  all.levels = std::move(levels);
  for (const auto& [name, logger] : all.made) {
    const auto own = all.levels.find(name);
    logger->set_level(own == all.levels.end() ? all.standard : own->second);
  }
  return {};
}

spdlog::logger& log(std::string_view component) {
  Loggers& all = loggers();
  const std::lock_guard lock(all.mutex);
  auto found = all.made.find(component);
  if (found == all.made.end()) {
    auto logger = std::make_unique<spdlog::logger>(std::string(component), all.sink);
    const auto own = all.levels.find(component);
    logger->set_level(own == all.levels.end() ? all.standard : own->second);
    logger->flush_on(spdlog::level::trace);
    found = all.made.emplace(std::string(component), std::move(logger)).first;
  }
  return *found->second;
}

}  // namespace push_cache
