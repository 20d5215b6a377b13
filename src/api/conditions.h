// Entity tags of records and the requests that depend on them (RFC 9110, 8.8.3 and 13.1.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/date.h"
#include "store/store.h"

namespace push_cache::api {

// The tag of a record, with its quotes: "VERSION" when the schema has a version field, else
// "PARTITION-OFFSET" ("TOPIC.PARTITION-OFFSET" for a topic after the first, "local-NUMBER" for a
// record written through HTTP), with "-rREADER" behind it when a reader schema shows the record, as
// its answer changes with that schema. Allocates nothing.
class EntityTag {
 public:
  EntityTag(const store::RecordView& record, std::optional<std::int64_t> version,
            std::optional<std::uint32_t> reader = std::nullopt);
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

// Whether an If-None-Match header names `tag` (weak comparison; * names any).
bool none_match_names(std::string_view header, std::string_view tag);

}  // namespace push_cache::api
