#include <array>
#include <cctype>

#include "config/config.h"

namespace push_cache::config {
namespace {

// Closing words that say only that a type is data; see `schema_matches`.
constexpr std::array<std::string_view, 5> kEmptyWords = {"Record", "Event", "Message", "Value",
                                                         "Entry"};

bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// Where the last CamelCase word of `name` begins: at its last capital that follows a small letter
// or digit or is followed by one (HTTPRequest = HTTP, Request), or after its last underscore.
std::size_t last_word(std::string_view name) {
  for (std::size_t i = name.size(); i-- > 1;) {
    if (name[i - 1] == '_') return i;
    if (!is_upper(name[i])) continue;
    const bool after_small = !is_upper(name[i - 1]);
    const bool before_small = i + 1 < name.size() && !is_upper(name[i + 1]);
    if (after_small || before_small) return i;
  }
  return 0;
}

std::string_view short_form(std::string_view name) {
  std::size_t start = last_word(name);
  if (start > 0) {
    for (std::string_view empty : kEmptyWords) {
      if (!same(name.substr(start), empty)) continue;
      name = name.substr(0, start);
      while (!name.empty() && name.back() == '_') name.remove_suffix(1);
      start = last_word(name);
      break;
    }
  }
  return name.substr(start);
}

}  // namespace

bool schema_matches(std::string_view pattern, std::string_view full_name) {
  if (pattern.empty()) return false;
  if (same(pattern, full_name)) return true;
  const std::size_t dot = full_name.rfind('.');
  const std::string_view last = full_name.substr(dot == std::string_view::npos ? 0 : dot + 1);
  return same(pattern, last) || same(pattern, short_form(last));
}

}  // namespace push_cache::config
