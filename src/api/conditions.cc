#include "api/conditions.h"

#include <algorithm>
#include <charconv>

namespace push_cache::api {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

EntityTag::EntityTag(const store::RecordView& record, std::optional<std::int64_t> version,
                     std::optional<std::uint32_t> reader) {
  char* at = text_.data();
  char* const end =
      at + text_.size();  // numbers of 10, 11, 20 and 8 digits and the marks do not fill it
  const auto number = [&at, end](std::int64_t value) { at = std::to_chars(at, end, value).ptr; };
  *at++ = '"';
  if (version) {
    number(*version);
  } else if (record.partition.value < 0) {
    for (const char letter : std::string_view("local-")) *at++ = letter;
    number(record.offset.value);
  } else {
    if (record.topic != 0) {
      number(record.topic);
      *at++ = '.';
    }
    number(record.partition.value);
    *at++ = '-';
    number(record.offset.value);
  }
  if (reader) {
    *at++ = '-';
    *at++ = 'r';
    for (int shift = 28; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[*reader >> shift & 15];
  }
  *at++ = '"';
  size_ = static_cast<std::size_t>(at - text_.data());
}

Provenance::Provenance(std::string_view topic, const store::RecordView& record, std::int64_t now_s)
    : dated_(record.timestamp_ms >= 0), date_(std::min(record.timestamp_ms / 1000, now_s)) {
  topic = topic.substr(0, kTopicBytesMax);
  char* at = std::copy(topic.begin(), topic.end(), position_.data());
  char* const end = position_.data() + position_.size();  // two numbers of 11 and 20 digits fit
  *at++ = '/';
  at = std::to_chars(at, end, record.partition.value).ptr;
  *at++ = '@';
  at = std::to_chars(at, end, record.offset.value).ptr;
  size_ = static_cast<std::size_t>(at - position_.data());
}

bool none_match_names(std::string_view header, std::string_view tag) {
  header = trim(header);
  if (header == "*") return true;
  // A tag may hold a comma, so the list is cut at the quotes.
  while (!header.empty()) {
    if (header.starts_with("W/")) header.remove_prefix(2);
    if (!header.starts_with('"')) return false;
    const std::size_t close = header.find('"', 1);
    if (close == std::string_view::npos) return false;
    if (header.substr(0, close + 1) == tag) return true;
    header = trim(header.substr(close + 1));
    if (!header.starts_with(',')) return false;
    header = trim(header.substr(1));
  }
  return false;
}

}  // namespace push_cache::api
