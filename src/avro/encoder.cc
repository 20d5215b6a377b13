#include "avro/encoder.h"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <unordered_set>

#include "avro/encode.h"
#include "base/limits.h"

namespace push_cache::avro {
namespace {

namespace json = boost::json;

// Boost.JSON takes the last of two equal names; a client that sends two must hear of it. Its basic
// parser calls this handler for every part of the text.
class DuplicateFinder {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;

  std::string duplicate;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    names_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    names_.pop_back();
    return true;
  }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    key_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    key_.append(part.data(), part.size());
    if (!names_.back().insert(key_).second && duplicate.empty()) duplicate = key_;
    key_.clear();
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  std::vector<std::unordered_set<std::string>> names_;
  std::string key_;
};

}  // namespace

Encoder::Encoder(Schema schema) : schema_(std::move(schema)) {}

Status Encoder::from_json(std::string_view text, Buffer& out) const {
  json::parse_options options;
  options.max_depth = limits::kDatumDepthMax;
  json::error_code error;
  json::parser parser(json::storage_ptr(), options);
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error && read < text.size() &&
      text.find_first_not_of(" \t\r\n", read) != std::string_view::npos) {
    error = json::error::extra_data;
  }
  if (error) {
    return Error{ErrorCode::kInvalidArgument,
                 "the text is not JSON: " + error.message() + " near byte " + std::to_string(read)};
  }
  json::basic_parser<DuplicateFinder> finder(options);
  finder.write_some(false, text.data(), text.size(), error);
  if (!finder.handler().duplicate.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 finder.handler().duplicate + ": the field is there twice"};
  }
  const std::size_t before = out.size();
  Status done = encode_value(schema_.root(), parser.release(), Text::kBase64, out);
  if (!done.ok()) out.truncate(before);
  return done;
}

}  // namespace push_cache::avro
