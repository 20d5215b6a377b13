#include "app/key_stream.h"

#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <utility>

#include "base/limits.h"

namespace push_cache::app {
namespace {

namespace json = boost::json;

// What basic_parser calls: anything but strings within one array is refused.
struct Handler {
  static constexpr std::size_t max_object_size = 0;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = 0;
  static constexpr std::size_t max_string_size = limits::kKeyBytesMax;
  using Code = json::error_code;

  std::deque<std::string> keys;
  std::string open;  // of the string under way

  static bool refuse(Code& code) {
    code = json::make_error_code(json::error::syntax);
    return false;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_object_begin(Code& code) { return refuse(code); }
  bool on_object_end(std::size_t, Code& code) { return refuse(code); }
  bool on_string_part(json::string_view part, std::size_t, Code&) {
    open.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, std::size_t, Code&) {
    open.append(part.data(), part.size());
    keys.push_back(std::exchange(open, {}));
    return true;
  }
  bool on_key_part(json::string_view, std::size_t, Code& code) { return refuse(code); }
  bool on_key(json::string_view, std::size_t, Code& code) { return refuse(code); }
  bool on_number_part(json::string_view, Code& code) { return refuse(code); }
  bool on_int64(std::int64_t, json::string_view, Code& code) { return refuse(code); }
  bool on_uint64(std::uint64_t, json::string_view, Code& code) { return refuse(code); }
  bool on_double(double, json::string_view, Code& code) { return refuse(code); }
  bool on_bool(bool, Code& code) { return refuse(code); }
  bool on_null(Code& code) { return refuse(code); }
  bool on_comment_part(json::string_view, Code& code) { return refuse(code); }
  bool on_comment(json::string_view, Code& code) { return refuse(code); }
};

json::parse_options one_level() {
  json::parse_options options;
  options.max_depth = 1;
  return options;
}

}  // namespace

struct KeyStream::Parser {
  json::basic_parser<Handler> json{one_level()};
  bool begun_as_array = false;
};

KeyStream::KeyStream() : parser_(std::make_unique<Parser>()) {}
KeyStream::~KeyStream() = default;

Status KeyStream::feed(std::string_view piece) {
  if (piece.empty()) return {};
  if (!parser_->begun_as_array) {  // a lone string is a JSON document, too
    const std::size_t first = piece.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    if (piece[first] != '[') return Error{ErrorCode::kMalformed, "the list is no JSON array"};
    parser_->begun_as_array = true;
  }
  json::error_code code;
  const std::size_t used = parser_->json.write_some(true, piece.data(), piece.size(), code);
  if (code == json::error::string_too_large) {
    return Error{ErrorCode::kTooLarge,
                 "the list has a key beyond " + std::to_string(limits::kKeyBytesMax) + " bytes"};
  }
  if (code) {
    return Error{ErrorCode::kMalformed, "the list is no JSON array of strings: " + code.message()};
  }
  if (used < piece.size() && piece.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    return Error{ErrorCode::kMalformed, "something follows the list's JSON array"};
  }
  return {};
}

Status KeyStream::finish() {
  if (parser_->json.done()) return {};
  return Error{ErrorCode::kMalformed, "the list ended before its JSON array did"};
}

bool KeyStream::empty() const { return parser_->json.handler().keys.empty(); }
std::size_t KeyStream::size() const { return parser_->json.handler().keys.size(); }

std::string KeyStream::take() {
  auto& keys = parser_->json.handler().keys;
  std::string key = std::move(keys.front());
  keys.pop_front();
  return key;
}

}  // namespace push_cache::app
