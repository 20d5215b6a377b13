#include "avro/json_tree.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>

#include "base/json_text.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

namespace bj = boost::json;

// Below this many keys an object is checked for repeated ones without sorting.
constexpr std::size_t kFewKeys = 16;

// How many of the first `most` bytes of `text` are whole characters.
std::size_t whole_characters(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return most;
}

}  // namespace

std::string_view describe(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kFalse:
      return "false";
    case JsonKind::kTrue:
      return "true";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kObject:
      return "an object";
  }
  return "";
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kQuotedBytesMax = 64;
  const std::string_view shown = text.substr(0, whole_characters(text, kQuotedBytesMax));
  Buffer escaped;
  append_json_escaped(escaped, shown);
  return "'" + std::string(escaped.view()) + (shown.size() < text.size() ? "...'" : "'");
}

std::string_view beginning(std::string_view text) {
  constexpr std::size_t kBytesMax = 100;
  return text.substr(0, whole_characters(text, kBytesMax));
}

// What Boost.JSON's parser calls, one call a token.
class JsonTree::Handler {
 public:
  static constexpr std::size_t max_object_size = ~std::size_t{0};
  static constexpr std::size_t max_array_size = ~std::size_t{0};
  static constexpr std::size_t max_key_size = ~std::size_t{0};
  static constexpr std::size_t max_string_size = ~std::size_t{0};

  Handler(JsonTree& tree, Dialect dialect) : tree_(tree), dialect_(dialect) {}

  bool on_document_begin(bj::error_code&) { return true; }
  bool on_document_end(bj::error_code&) { return true; }
  bool on_array_begin(bj::error_code&) { return open(JsonKind::kArray); }
  bool on_array_end(std::size_t, bj::error_code&) { return close(); }
  bool on_object_begin(bj::error_code&) { return open(JsonKind::kObject); }
  bool on_object_end(std::size_t keys, bj::error_code& error) {
    const Ref object = open_.back();
    close();
    if (dialect_ == Dialect::kSchemaText || !repeats(object, keys)) return true;
    error = bj::error::syntax;
    found_repeated_ = true;
    return false;
  }
  bool on_string_part(bj::string_view part, std::size_t, bj::error_code&) { return add_part(part); }
  bool on_string(bj::string_view part, std::size_t, bj::error_code&) { return add_string(part); }
  bool on_key_part(bj::string_view part, std::size_t, bj::error_code&) { return add_part(part); }
  bool on_key(bj::string_view part, std::size_t, bj::error_code&) { return add_string(part); }
  bool on_number_part(bj::string_view, bj::error_code&) { return true; }
  bool on_int64(std::int64_t, bj::string_view text, bj::error_code&) { return add_number(text); }
  bool on_uint64(std::uint64_t, bj::string_view text, bj::error_code&) { return add_number(text); }
  bool on_double(double, bj::string_view text, bj::error_code&) { return add_number(text); }
  bool on_bool(bool value, bj::error_code&) {
    return add(value ? JsonKind::kTrue : JsonKind::kFalse, 0, 0, false);
  }
  bool on_null(bj::error_code&) { return add(JsonKind::kNull, 0, 0, false); }
  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }
  bool on_comment(bj::string_view, bj::error_code&) { return true; }

  // The key that stands twice, when that is what stopped the parser.
  const std::string* repeated_key() const { return found_repeated_ ? &repeated_key_ : nullptr; }

 private:
  bool add(JsonKind kind, std::size_t at, std::size_t size, bool unescaped) {
    tree_.tokens_.push_back(
        {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size), kind, unescaped});
    return true;
  }
  bool open(JsonKind kind) {
    open_.push_back(static_cast<Ref>(tree_.tokens_.size()));
    return add(kind, 0, 0, false);
  }
  bool close() {
    tree_.tokens_[open_.back()].size = static_cast<std::uint32_t>(tree_.tokens_.size());
    open_.pop_back();
    return true;
  }
  bool in_source(const char* place) const {
    const std::less_equal<const char*> le;
    return le(tree_.source_.data(), place) &&
           le(place, tree_.source_.data() + tree_.source_.size());
  }
  std::size_t offset(const char* place) const {
    return static_cast<std::size_t>(place - tree_.source_.data());
  }
  bool add_part(bj::string_view part) {
    if (!in_parts_) part_start_ = tree_.unescaped_.size();
    in_parts_ = true;
    tree_.unescaped_.append(part.data(), part.size());
    return true;
  }
  bool add_string(bj::string_view part) {
    if (!in_parts_ && in_source(part.data())) {
      return add(JsonKind::kString, offset(part.data()), part.size(), false);
    }
    add_part(part);
    in_parts_ = false;
    return add(JsonKind::kString, part_start_, tree_.unescaped_.size() - part_start_, true);
  }
  bool add_number(bj::string_view text) {
    return add(JsonKind::kNumber, offset(text.data()), text.size(), false);
  }

  bool repeats(Ref object, std::size_t keys) {
    if (keys < 2) return false;
    keys_.clear();
    const Ref end = tree_.end(object);
    for (Ref at = object + 1; at < end; at = tree_.next(at + 1)) keys_.push_back(tree_.text(at));
    if (keys > kFewKeys) {
      std::sort(keys_.begin(), keys_.end());
      const auto same = std::adjacent_find(keys_.begin(), keys_.end());
      if (same == keys_.end()) return false;
      repeated_key_ = *same;
      return true;
    }
    for (std::size_t i = 1; i < keys_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (keys_[i] != keys_[j]) continue;
        repeated_key_ = keys_[i];
        return true;
      }
    }
    return false;
  }

  JsonTree& tree_;
  Dialect dialect_;
  std::vector<Ref> open_;
  std::vector<std::string_view> keys_;
  bool in_parts_ = false;
  std::size_t part_start_ = 0;
  bool found_repeated_ = false;
  std::string repeated_key_;
};

Result<JsonTree> JsonTree::parse(std::string_view text, std::size_t depth_max, Dialect dialect) {
  if (text.size() >= kNone) return Error{ErrorCode::kInvalidArgument, "JSON text of 4 GiB or more"};
  JsonTree tree;
  if (dialect == Dialect::kSchemaText) {
    if (auto mended = strict_json(text, JsonExtras::kSurrogatesAndComments)) {
      tree.mended_ = std::make_unique<const std::string>(*std::move(mended));
      text = *tree.mended_;
    }
  }
  tree.source_ = text;
  bj::parse_options options;
  options.max_depth = depth_max;
  bj::basic_parser<Handler> parser(options, tree, dialect);
  bj::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (error || used != text.size()) {
    if (const std::string* key = parser.handler().repeated_key()) {
      return Error{ErrorCode::kInvalidArgument,
                   "key " + in_quotes(*key) + " stands twice in the object that ends at byte " +
                       std::to_string(used)};
    }
    std::string what =
        error == bj::error::too_deep
            ? "nested deeper than " + std::to_string(depth_max)
            : "not JSON: " + (error ? error.message() : "extra data after the value");
    return Error{ErrorCode::kInvalidArgument, what + " at byte " + std::to_string(used)};
  }
  return tree;
}

std::string_view JsonTree::text(Ref ref) const {
  const Token& token = tokens_[ref];
  const std::string_view from = token.unescaped ? std::string_view(unescaped_) : source_;
  return from.substr(token.at, token.size);
}

std::size_t JsonTree::count(Ref ref) const {
  std::size_t elements = 0;
  for (Ref at = first(ref); at < end(ref); at = next(at)) ++elements;
  return is_object(ref) ? elements / 2 : elements;
}

JsonTree::Ref JsonTree::find(Ref object, std::string_view key) const {
  Ref found = kNone;
  for (Ref at = first(object); at < end(object); at = next(at + 1)) {
    if (text(at) == key) found = at + 1;
  }
  return found;
}

}  // namespace push_cache::avro
