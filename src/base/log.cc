#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/buffer.h"
#include "base/utf8.h"

namespace push_cache {
namespace {

using Fields = std::span<const LogField>;

// `text` as UTF-8 without the controls U+007F to U+009F.
std::string readable(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t good = utf8_prefix(text);
    for (std::size_t i = 0; i < good; ++i) {
      const bool c1 = text[i] == '\xC2' && static_cast<unsigned char>(text[i + 1]) < 0xA0;
      if (!c1 && text[i] != '\x7F') {
        out += text[i];
        continue;
      }
      out += kReplacement;
      if (c1) ++i;
    }
    if (good < text.size()) out += kReplacement;
    text.remove_prefix(std::min(good + 1, text.size()));
  }
  return out;
}

void append_json_text(Buffer& out, std::string_view text) {
  append_json_string(out, readable(text));
}

// For people: only what would break the line is escaped.
void append_plain(Buffer& out, std::string_view text) {
  for (const char letter : readable(text)) {
    if (static_cast<unsigned char>(letter) >= 0x20) {
      out.append(letter);
    } else {
      append_json_escaped(out, {&letter, 1});
    }
  }
}

// A value with quotes where without them its end, or that it is a text, would not be seen.
void append_value(Buffer& out, std::string_view text) {
  const bool plain = !text.empty() && std::none_of(text.begin(), text.end(), [](char letter) {
    return static_cast<unsigned char>(letter) <= 0x20 || letter == '"' || letter == '=' ||
           letter == '\\';
  });
  plain ? append_plain(out, text) : append_json_text(out, text);
}

std::string_view view(const spdlog::memory_buf_t& text) { return {text.data(), text.size()}; }
std::string_view view(spdlog::string_view_t text) { return {text.data(), text.size()}; }

void append_text_line(Buffer& out, std::string_view time, const spdlog::details::log_msg& event,
                      Fields fields) {
  out.append(time);
  out.append(' ');
  out.append(view(spdlog::level::to_string_view(event.level)));
  out.append(' ');
  out.append(view(event.logger_name));
  out.append(": ");
  append_plain(out, view(event.payload));
  for (const LogField& field : fields) {
    out.append(' ');
    out.append(field.name.view());
    out.append('=');
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      append_value(out, *text);
    } else if (const auto* whole = std::get_if<std::int64_t>(&field.value)) {
      out.append(fmt::format("{}", *whole));
    } else {
      out.append(fmt::format("{}", *std::get_if<double>(&field.value)));
    }
  }
}

void append_json_line(Buffer& out, std::string_view time, const spdlog::details::log_msg& event,
                      Fields fields) {
  out.append(R"({"time":)");
  append_json_string(out, time);
  out.append(R"(,"level":)");
  append_json_string(out, view(spdlog::level::to_string_view(event.level)));
  out.append(R"(,"component":)");
  append_json_text(out, view(event.logger_name));
  out.append(R"(,"message":)");
  append_json_text(out, view(event.payload));
  for (const LogField& field : fields) {
    out.append(',');
    append_json_string(out, field.name.view());
    out.append(':');
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      append_json_text(out, *text);
    } else if (const auto* whole = std::get_if<std::int64_t>(&field.value)) {
      out.append(fmt::format("{}", *whole));
    } else {
      const double number = *std::get_if<double>(&field.value);
      out.append(std::isfinite(number) ? fmt::format("{}", number) : "null");  // JSON has no other
    }
  }
  out.append('}');
}

// Where all loggers write. Each line is one write of stderr, which does not buffer.
class LineSink final : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& event) override { write(event, {}); }
  void write(const spdlog::details::log_msg& event, Fields fields) {
    spdlog::memory_buf_t time;
    {
      const std::lock_guard lock(mutex_);
      time_.format(event, time);
    }
    Buffer line;
    (format() == LogFormat::kJson ? append_json_line : append_text_line)(line, view(time), event,
                                                                         fields);
    line.append('\n');
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void set_format(LogFormat format) { format_.store(format, std::memory_order_relaxed); }
  LogFormat format() const { return format_.load(std::memory_order_relaxed); }

  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::atomic<LogFormat> format_ = LogFormat::kText;
  std::mutex mutex_;
  spdlog::pattern_formatter time_{"%Y-%m-%dT%H:%M:%S.%e%z", spdlog::pattern_time_type::local, ""};
};

struct Loggers {
  std::mutex mutex;
  std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();
  spdlog::level::level_enum standard = spdlog::level::warn;
  std::map<std::string, spdlog::level::level_enum, std::less<>> levels;
  std::map<std::string, std::unique_ptr<spdlog::logger>, std::less<>> made;
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

void set_log_format(LogFormat format) { loggers().sink->set_format(format); }
LogFormat log_format() { return loggers().sink->format(); }

void write_log_event(spdlog::logger& logger, spdlog::level::level_enum level,
                     std::string_view message, std::span<const LogField> fields) {
  const spdlog::details::log_msg event(logger.name(), level,
                                       spdlog::string_view_t(message.data(), message.size()));
  loggers().sink->write(event, fields);
}

spdlog::logger& log(std::string_view component) {
  Loggers& all = loggers();
  const std::lock_guard lock(all.mutex);
  auto found = all.made.find(component);
  if (found == all.made.end()) {
    auto logger = std::make_unique<spdlog::logger>(std::string(component), all.sink);
    const auto own = all.levels.find(component);
    logger->set_level(own == all.levels.end() ? all.standard : own->second);
    found = all.made.emplace(std::string(component), std::move(logger)).first;
  }
  return *found->second;
}

}  // namespace push_cache
