// The table of every configuration key: name, type, default, help and where it goes in the struct.
//
// The parser, `--help`, `describe` and docs/reference/configuration.md are all made from it: a new
// option is a member of a struct in config.h and a row in options.cc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.h"

namespace push_cache::config {

enum class Type {
  kString,
  kBool,
  kCount,     // a whole number in min..max
  kBytes,     // a number of bytes, with a unit or without
  kSeconds,   // a duration, kept in whole seconds
  kDuration,  // a duration, kept in milliseconds
  kAddress,   // IP address and port
  kPath,      // URL path, with or without the slash in front
  kHttpUrl,   // of the schema registry
  kRedisUrl,
  kBrokers,     // host:port, comma-separated or a list
  kTopics,      // a topic name or a list of them
  kStrings,     // a list of strings
  kIds,         // a list of schema ids
  kGroupId,     // a string or {use_hostname: true}
  kProperties,  // a map of strings
  kReader,      // which schema a route shows its records by
  kChoice,      // one of `choices`
  kAlias,       // another spelling of the key in `fallback`
  kIgnored,     // taken so that files of the first form load; does nothing
};

struct Choice {
  std::string_view name;
  std::uint8_t value;  // of the enum
};

// The member of a Config that an option is about.
using Slot =
    std::variant<std::string*, bool*, std::uint32_t*, std::uint64_t*, std::chrono::seconds*,
                 std::chrono::milliseconds*, std::vector<std::string>*, std::vector<std::int32_t>*,
                 std::map<std::string, std::string>*, OffsetReset*, StoreType*, Writes*, Etag*,
                 OnBadRecord*, KeyFormat*, WireFormat*, LogicalTypes*, LogFormat*>;

struct Option {
  std::string_view
      path;  // "kafka.topic"; "[]" stands for each item of a list: "cache.stores[].name"
  Type type = Type::kString;
  std::string_view fallback = {};  // the default as it would stand in the file; "" = none
  bool required = false;
  bool secret = false;
  std::string_view help = {};
  // The member of `config`, of its list's item `index` when the path has "[]".
  Slot (*slot)(Config& config, std::size_t index) = nullptr;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::span<const Choice> choices = {};
  std::span<const std::string_view> reserved = {};  // choices that this version does not have

  std::string_view name() const;     // the last part of the path
  std::string_view section() const;  // the part before it
};

std::span<const Option> options();
const Option* find_option(std::string_view path);
// Whether `path` is a section ("kafka") or a list of them ("cache.stores").
bool is_section(std::string_view path);
bool is_list_section(std::string_view path);
// The names that may stand in section `path` ("" = at the top).
std::vector<std::string_view> names_in(std::string_view path);

// "list of strings", "one of earliest, latest", ...
std::string type_text(const Option& option);
// The environment variable of an option: "APP_CACHE__STORES__0__NAME" for "cache.stores[].name".
std::string environment_name(std::string_view path);

// Whether a property of librdkafka must not be shown: its name says password, secret, token, key,
// ...
bool is_secret_property(std::string_view name);

// The keys with type, default and help, for `--help`.
std::string help_text();
// docs/reference/configuration.md.
std::string reference_page();

// The entry of `names` that `name` was probably meant to be, or "".
std::string_view closest(std::string_view name, std::span<const std::string_view> names);

}  // namespace push_cache::config
