// Logging: one line an event on stderr, as text or as JSON, with a level per component.
#pragma once

#include <spdlog/spdlog.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <variant>

#include "base/error.h"
#include "base/log_format.h"

namespace push_cache {

// Sets the levels from a text such as "warn" or "warn,kafka=debug,http=off" (the value of the
// environment variable CAPTURE_LOG). Levels: trace, debug, info, warn, error, off, in any case.
// Components are the layers' names. An empty text means "warn". Nothing changes on an error.
// Call it at start, before threads log; loggers made earlier follow too.
Status set_log_levels(std::string_view text);

// What every later line of every logger is written as; text at first. Safe from any thread.
void set_log_format(LogFormat format);
LogFormat log_format();

// The logger of one component, such as "kafka"; made on first use, lives until the process ends.
// Its calls may come from any thread. Use: `log("kafka").warn("topic {} has gone", name)`. Hold on
// to the reference where a line may be written often: the look-up takes a lock. What may come at a
// high rate goes through a LogLimiter (log_limiter.h).
//
// An event is always one line, whatever is in its texts: control characters are escaped, and what
// is not UTF-8 (or is one of the controls U+007F to U+009F, which terminals obey) shows as U+FFFD.
spdlog::logger& log(std::string_view component);

// The name of a field: small letters, digits and _, and none that every line of JSON has already
// ("time", "level", "component", "message"). A wrong one does not compile.
class LogFieldName {
 public:
  consteval LogFieldName(const char* text) : text_(text) {  // NOLINT: implicit by design
    if (text_.empty()) throw "a field has a name";
    for (const char letter : text_) {
      const bool fits = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
      if (!fits && letter != '_') throw "small letters, digits and _ only";
    }
    for (const std::string_view taken : {"time", "level", "component", "message"}) {
      if (text_ == taken) throw "every line has a field of this name";
    }
  }
  constexpr std::string_view view() const { return text_; }

 private:
  std::string_view text_;
};

struct LogField {
  LogFieldName name;
  std::variant<std::string_view, std::int64_t, double> value;
};

// An event with fields: `log_event(logger, spdlog::level::info, "request", {{"status", 200}})`. The
// message is no format. Costs a comparison when the level is off. Safe from any thread.
// `write_log_event` writes it whatever the level is.
void write_log_event(spdlog::logger& logger, spdlog::level::level_enum level,
                     std::string_view message, std::span<const LogField> fields = {});
inline void log_event(spdlog::logger& logger, spdlog::level::level_enum level,
                      std::string_view message, std::initializer_list<LogField> fields = {}) {
  if (!logger.should_log(level)) return;
  write_log_event(logger, level, message, std::span(fields.begin(), fields.size()));
}

}  // namespace push_cache
