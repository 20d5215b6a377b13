#include "api/conditions.h"

#include <algorithm>
#include <charconv>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::api {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Which record of a topic's partition it is, whatever was there before it: see EntityTag.
std::uint64_t log_digits(std::uint64_t log, std::int64_t timestamp_ms) {
  const std::uint64_t parts[] = {log, static_cast<std::uint64_t>(timestamp_ms)};
  return XXH3_64bits(parts, sizeof parts);
}

char* put_hex(char* at, std::uint64_t value, int digits) {
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    *at++ = "0123456789abcdef"[value >> shift & 15];
  }
  return at;
}

}  // namespace

EntityTag::EntityTag(const store::RecordView& record, std::optional<std::int64_t> version,
                     std::uint64_t log, std::optional<std::uint32_t> reader) {
  char* at = text_.data();
  char* const end = at + text_.size();  // digits (16, 11, 20 and 8) and the marks do not fill it
  const auto number = [&at, end](std::int64_t value) { at = std::to_chars(at, end, value).ptr; };
  *at++ = '"';
  if (version) {
    number(*version);
  } else if (record.partition.value < 0) {
    for (const char letter : std::string_view("local-")) *at++ = letter;
    number(record.offset.value);
  } else {
    at = put_hex(at, log_digits(log, record.timestamp_ms), 16);
    *at++ = '.';
    number(record.partition.value);
    *at++ = '-';
    number(record.offset.value);
  }
  if (reader) {
    *at++ = '-';
    *at++ = 'r';
    at = put_hex(at, *reader, 8);
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

bool names(std::string_view header, std::string_view tag, Comparison comparison) {
  header = trim(header);
  if (header == "*") return true;
  for (;;) {
    while (header.starts_with(',')) header = trim(header.substr(1));
    const bool weak = header.starts_with("W/");
    if (weak) header.remove_prefix(2);
    if (!header.starts_with('"')) return false;
    // A tag may hold a comma, so the list is cut at the quotes.
    const std::size_t close = header.find('"', 1);
    if (close == std::string_view::npos) return false;
    const bool counts = !weak || comparison == Comparison::kWeak;
    if (counts && header.substr(0, close + 1) == tag) return true;
    header = trim(header.substr(close + 1));
    if (!header.starts_with(',')) return false;
  }
}

bool is_conditional(const http::Request& request) {
  return request.if_match || !request.if_none_match.empty() || !request.if_unmodified_since.empty();
}

bool needs_tag(const http::Request& request) {
  const auto lists = [](std::string_view header) {
    header = trim(header);
    return !header.empty() && header != "*";
  };
  return (request.if_match && lists(*request.if_match)) || lists(request.if_none_match);
}

Verdict judge(const http::Request& request, std::string_view tag,
              std::optional<std::int64_t> modified_s, std::int64_t now_s) {
  if (request.if_match) {
    if (!names(*request.if_match, tag, Comparison::kStrong)) return Verdict::kFailed;
  } else if (!request.if_unmodified_since.empty() && modified_s) {
    const auto since = http::parse_http_date(request.if_unmodified_since, now_s);
    if (since && std::min(*modified_s, now_s) > *since) return Verdict::kFailed;
  }
  const bool named =
      !request.if_none_match.empty() && names(request.if_none_match, tag, Comparison::kWeak);
  return named ? Verdict::kUnchanged : Verdict::kGo;
}

}  // namespace push_cache::api
