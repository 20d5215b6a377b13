// How a record stands in Redis; docs/reference/redis-layout.md says it to other clients.
//
// A record is a string: the Confluent wire payload (byte 0, schema id as 4 bytes big-endian, datum)
// and behind it 40 bytes that say where it came from. Decoders of Avro stop at the datum's end, so
// most clients can take the value as it is. All numbers are big-endian:
//
//   0  8  offset                          } of the last record of Kafka that this key had
//   8  8  its timestamp, ms since 1970    }
//  16  8  0, or the number of a record that came by HTTP (store/local_number.h)
//  24  4  partition; -1 = no record of Kafka yet
//  28  4  XXH32 (seed 0) of the topic's name; in the first layout 0 for a record of HTTP
//  32  4  XXH32 of the topic's id as text, 0 when that is not known: another topic of the same name
//  36  4  "PC\0\1" or "PC\0\2": the layout
//
// A deleted key is, for some time, a hash with one field, `position`: these 40 bytes of what
// deleted it. It keeps older records, which may be delivered again, from coming back.
//
// The first layout is that of a store that takes one topic. In the second one, of a store that
// takes several, a key has a record of each topic. That which is shown stands first, as above;
// between its datum and its 40 bytes are the others, and 4 bytes with the size of all of these.
// Each is its wire payload (of a tombstone, which stays for some time, 8 bytes: the ms since 1970
// at which it is forgotten), 4 bytes with the size of that (the highest bit set for a tombstone),
// and 40 bytes as above. The hash of a deleted key has the field `positions`: 40 bytes for each
// topic.
//
// How far each partition is in the store stands in hashes, the position keys: one, in a Cluster one
// in each 128th of the slots, so that every master has some. Their names are no UTF-8, which keys
// of records are. A field is "topic/partition id" (the topic's id, - = not known), and "#", a mark
// when the store takes only a part of the records; its value an offset as decimal digits: all
// before it were acknowledged by this server before the value was written.
//
// A set has the ids of the schemas that records were written with, as decimal digits.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "store/store.h"

namespace push_cache::redis {

inline constexpr std::size_t kPositionBytes = 40;
inline constexpr std::size_t kWireHeaderBytes = 5;
enum class Layout : std::uint8_t { kOneTopic, kTopics };
constexpr std::string_view layout_mark(Layout layout) {
  return layout == Layout::kOneTopic ? std::string_view{"PC\0\1", 4}
                                     : std::string_view{"PC\0\2", 4};
}
// What follows the name of the topic at a position's end: its id and the layout.
inline constexpr std::size_t kTopicBytes = 12;

// How long a deleted key stays so: longer than a replica that hung can hold a record before it
// writes it, and as long as Kafka keeps tombstones by default (delete.retention.ms).
inline constexpr std::chrono::hours kFenceLife{24};

// What a topic is called in a position.
struct TopicMark {
  std::uint32_t name = 0;
  std::uint32_t incarnation = 0;
  bool operator==(const TopicMark&) const = default;
};
TopicMark topic_mark(std::string_view name, std::string_view id);

// The 40 bytes of a record. One of HTTP (partition -1) has no position: its offset is its number.
std::array<char, kPositionBytes> position_of(const store::RecordView& record, TopicMark topic,
                                             Layout layout);
// What only the position of this record has: its number when it came by HTTP (bytes 16 to 23), else
// bytes 0 to 35. `topic_name`: as TopicMark has it.
std::string part_of_this_record(const store::RecordId& record, std::uint32_t topic_name);
// RecordView::log of a record of Kafka's.
constexpr std::uint64_t log_of(TopicMark topic) {
  return std::uint64_t{topic.name} << 32 | topic.incarnation;
}
// The bytes that name a topic in a position.
std::string topic_bytes(std::uint32_t name);
// Partition and topic, bytes 24 to 31 of a position: what its records are found by.
std::string_view partition_part(std::string_view position);
// Which topic of that name, bytes 32 to 35.
std::string_view incarnation_part(std::string_view position);
// What else the 40 bytes say. Nothing when they are none of ours.
struct Position {
  Offset offset;
  std::int64_t local;        // the number of a record that came by HTTP, or 0
  std::uint32_t topic_name;  // as TopicMark has it
  Layout layout;
};
std::optional<Position> parse_position(std::string_view position);

// The field of a deleted key's hash, and whether that is what such a field holds.
constexpr std::string_view fence_field(Layout layout) {
  return layout == Layout::kOneTopic ? "position" : "positions";
}
bool is_fence(std::string_view value, Layout layout);

// What the last kTopicBytes of a position, and so of a value, say. Nothing when they are none of
// ours.
struct TopicEnd {
  std::uint32_t name;
  Layout layout;
};
std::optional<TopicEnd> parse_topic(std::string_view end);

// Appends the wire payload and the position.
void append_value(std::string& out, const store::RecordView& record, TopicMark topic,
                  Layout layout);

// A value as it was read, of several topics the record that is shown; its views are of the value.
// `topic` is for the caller to find out, by `topic_name`. Nothing when it is none of ours.
struct Value {
  store::RecordView record;
  std::uint32_t topic_name;
  Layout layout;
};
std::optional<Value> parse_value(std::string_view value);

// What each key of a store begins with: the prefix and a colon, or nothing.
std::string key_start(std::string_view prefix);
// The names of the position keys.
std::vector<std::string> position_keys(std::string_view prefix, bool cluster);
// The field of a partition. `takes`: what is taken of the topic, "" = all.
std::string position_field(std::string_view topic, Partition partition, std::string_view id,
                           std::string_view takes);

std::string schemas_key(std::string_view prefix);

// The pattern of SCAN that all keys with this prefix match, and no others.
std::string key_pattern(std::string_view prefix);

}  // namespace push_cache::redis
