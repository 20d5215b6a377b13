// A JSON text as a flat run of tokens: what the schema parser and the encoder walk. Keeps what a
// boost::json::value drops: numbers as they were written, repeated keys, places in the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace push_cache::avro {

enum class JsonKind : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

// "a number", "an object", ...
std::string_view describe(JsonKind kind);

// Text from outside for an error: in single quotes, cut when it is long, without control
// characters.
std::string in_quotes(std::string_view text);

// The first characters of a text from outside, some 100 bytes at most.
std::string_view beginning(std::string_view text);

class JsonTree {
 public:
  using Ref = std::uint32_t;  // index of a token
  static constexpr Ref kRoot = 0;
  static constexpr Ref kNone = 0xFFFF'FFFF;

  enum class Dialect {
    kStrict,  // RFC 8259; a key that stands twice in one object is an error
    // As Java's parsers of schemas read: with comments, a byte order mark and halves of surrogate
    // pairs (see base/json_text.h); of a key that stands twice the last counts.
    kSchemaText,
  };

  // `text` is borrowed: it must outlive the tree. kInvalidArgument with the byte at fault.
  static Result<JsonTree> parse(std::string_view text, std::size_t depth_max, Dialect dialect);

  JsonKind kind(Ref ref) const { return tokens_[ref].kind; }
  bool is_object(Ref ref) const { return kind(ref) == JsonKind::kObject; }
  bool is_array(Ref ref) const { return kind(ref) == JsonKind::kArray; }
  bool is_string(Ref ref) const { return kind(ref) == JsonKind::kString; }

  // A string's characters, or a number as it was written. Lives as long as the tree and its text.
  std::string_view text(Ref ref) const;

  // An array's or object's first element and the place after its last. An object's elements are its
  // keys, each followed by its value.
  Ref first(Ref ref) const { return ref + 1; }
  Ref end(Ref ref) const { return tokens_[ref].size; }
  // The element after this one (past all that is inside it).
  Ref next(Ref ref) const { return is_array(ref) || is_object(ref) ? end(ref) : ref + 1; }
  // Number of elements (of pairs, in an object); walks them.
  std::size_t count(Ref ref) const;
  // The value of an object's key (of the last such), or kNone.
  Ref find(Ref object, std::string_view key) const;

  std::size_t size() const { return tokens_.size(); }

 private:
  struct Token {
    std::uint32_t at = 0;    // place of the characters, in the text or in `unescaped_`
    std::uint32_t size = 0;  // their number; for an array or object the index after its last token
    JsonKind kind = JsonKind::kNull;
    bool unescaped = false;
  };
  class Handler;

  std::string_view source_;
  std::unique_ptr<const std::string> mended_;  // what `source_` points to when the text was changed
  std::string unescaped_;                      // strings that had escapes
  std::vector<Token> tokens_;
};

}  // namespace push_cache::avro
