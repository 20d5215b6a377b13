// The configuration before it has types: what a YAML file says, with the place of each value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/faults.h"

namespace push_cache::config {

struct Entry;

struct Value {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;            // of a scalar, without quotes
  std::vector<Value> items;    // of a list
  std::vector<Entry> entries;  // of a map, in the order they were given, keys unique
  std::string where;           // as in Fault

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }

  // The value of `key` in a map, or null when there is none. The pointer lives until the map
  // changes.
  Value* find(std::string_view key);
  // The same, made as null value first when it is not there; what was no map becomes an empty one.
  Value& at(std::string_view key, std::string_view place);
  void erase(std::string_view key);
};

struct Entry {
  std::string key;
  std::string where;  // of the key
  Value value;
};

Value scalar(std::string text, std::string where);

// `over` on top of `under`: maps are merged key by key, all else is replaced.
void merge(Value& under, Value over);

// The content of a file. The error says that it cannot be read or is beyond a mebibyte, which no
// configuration and no secret is.
Result<std::string> read_text(const std::string& path);

// Parses one YAML document. `source` is its name in reports. Faults (bad syntax, duplicate keys,
// too deep, too large, more than one document) are added to `faults`, and what could be read is
// returned.
Value parse_yaml(std::string_view text, const std::string& source, Faults& faults);
// The same for a value that has no lines to speak of: each part's place is `where`.
Value parse_yaml_value(std::string_view text, const std::string& where, Faults& faults);

// `value` as YAML text.
std::string to_yaml(const Value& value);

// `text` made fit for a report: redacted as a URL, cut at some length, UTF-8 whatever it was, and
// control characters as '?'.
std::string shown(std::string_view text);

}  // namespace push_cache::config
