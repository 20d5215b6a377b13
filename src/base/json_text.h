// JSON as Java's usual parser (Jackson) takes it, where that is more than RFC 8259 has.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace push_cache {

enum class JsonExtras {
  kSurrogates,             // a byte order mark, and half of a surrogate pair
  kSurrogatesAndComments,  // these, and comments as C and C++ have them
};

// `text` as JSON by the book, or nothing when it needs no change. A byte order mark and comments
// become blanks. Half of a surrogate pair, written as \uD800 or in the three bytes that UTF-8 would
// have for it, becomes U+FFFD. Each change keeps the number of bytes, so that places in the text
// stay what they were. What is wrong otherwise stays wrong.
std::optional<std::string> strict_json(std::string_view text, JsonExtras extras);

}  // namespace push_cache
