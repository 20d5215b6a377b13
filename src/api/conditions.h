// Entity tags of records and the requests that depend on them (RFC 9110, 8.8.3 and 13).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/date.h"
#include "http/http.h"
#include "store/store.h"

namespace push_cache::api {

// The tag of a record, with its quotes. Allocates nothing.
//
//   "VERSION"               when there is a version
//   "LOG.PARTITION-OFFSET"  else; LOG is 16 hex digits of a hash of the log that the record is of
//                           and of the record's timestamp
//   "local-NUMBER"          else, of a record written through HTTP
//
// "-rREADER" is behind it when a reader schema shows the record, as its answer changes with that
// schema.
//
// `log`: what tells the log from others of the topic's name (store/log_identities.h). A topic that
// was recreated begins again at offset 0. The timestamp also tells records apart where the log does
// not: when no broker tells ids, and when a log has lost its end and grew again.
class EntityTag {
 public:
  EntityTag(const store::RecordView& record, std::optional<std::int64_t> version,
            std::uint64_t log = 0, std::optional<std::uint32_t> reader = std::nullopt);
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 64> text_;
  std::size_t size_ = 0;
};

// What the headers Push-Cache-Position and Last-Modified say of a record of a topic.
class Provenance {
 public:
  // `topic`: its name. `now_s`: a record from the future is said to be of now (RFC 9110, 8.8.2.1).
  Provenance(std::string_view topic, const store::RecordView& record, std::int64_t now_s);
  // "topic/partition@offset"
  std::string_view position() const { return {position_.data(), size_}; }
  // An HTTP date; "" for a record without a timestamp.
  std::string_view last_modified() const { return dated_ ? date_.view() : std::string_view(); }

 private:
  static constexpr std::size_t kTopicBytesMax = 249;  // by Kafka
  std::array<char, kTopicBytesMax + 40> position_;
  std::size_t size_ = 0;
  bool dated_;
  http::HttpDate date_;
};

// What a request's conditions say (RFC 9110, 13.2.2; see `judge`).
enum class Verdict : std::uint8_t {
  kGo,         // there are none, or they are met
  kUnchanged,  // If-None-Match names the tag: 304 for a read, else 412
  kFailed,     // 412
};

// The message of a 412.
inline constexpr std::string_view kPreconditionFailed =
    "a condition of the request (If-Match, If-None-Match, If-Unmodified-Since) is not met";

bool is_conditional(const http::Request& request);
// Whether `judge` needs to know the tag: not for `*` and dates.
bool needs_tag(const http::Request& request);

// Evaluates the conditions for what exists, in the order of RFC 9110, 13.2.2: If-Match by strong
// comparison, only without it If-Unmodified-Since, then If-None-Match by weak comparison. What is
// no date is ignored, and so is the date when `modified_s` is not known. If-Modified-Since is never
// looked at: a record's timestamp is the producer's, has whole seconds, and a later record may have
// an earlier one.
Verdict judge(const http::Request& request, std::string_view tag,
              std::optional<std::int64_t> modified_s, std::int64_t now_s);

// Whether a list of tags, such as If-None-Match, names `tag`; `*` names any. Empty members are
// ignored (RFC 9110, 5.6.1), repeated header lines are one list. A list counts up to the first
// thing that is no tag: what follows cannot be told apart.
enum class Comparison : std::uint8_t { kWeak, kStrong };
bool names(std::string_view header, std::string_view tag, Comparison comparison);

}  // namespace push_cache::api
