#include "redis/layout.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <set>
#include <utility>

#include "redis/answers.h"
#include "redis/client.h"
#include "store/local_number.h"

namespace push_cache::redis {
namespace {

// No key of a record is like these: that is UTF-8.
constexpr std::string_view kPositionName = "\xffpositions";
constexpr std::string_view kSchemasName = "\xffschemas";
constexpr std::size_t kPositionKeys = 128;

template <typename T>
void write_big_endian(char* at, T value) {
  auto bits = static_cast<std::uint64_t>(value);
  for (std::size_t i = sizeof(T); i > 0; --i, bits >>= 8) at[i - 1] = static_cast<char>(bits & 255);
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (const char byte : bytes) out = out << 8 | static_cast<unsigned char>(byte);
  return out;
}

std::int64_t read_long(std::string_view position, std::size_t at) {
  return static_cast<std::int64_t>(read_big_endian(position.substr(at, 8)));
}

std::uint32_t read_int(std::string_view position, std::size_t at) {
  return static_cast<std::uint32_t>(read_big_endian(position.substr(at, 4)));
}

std::optional<Layout> layout_of(std::string_view mark) {
  for (const Layout layout : {Layout::kOneTopic, Layout::kTopics}) {
    if (mark == layout_mark(layout)) return layout;
  }
  return std::nullopt;
}

}  // namespace

TopicMark topic_mark(std::string_view name, std::string_view id) {
  return {XXH32(name.data(), name.size(), 0), id.empty() ? 0 : XXH32(id.data(), id.size(), 0)};
}

std::array<char, kPositionBytes> position_of(const store::RecordView& record, TopicMark topic,
                                             Layout layout) {
  const bool local = record.partition.value < 0;
  const bool named = !local || layout == Layout::kTopics;
  std::array<char, kPositionBytes> out{};
  write_big_endian(out.data(), local ? std::int64_t{0} : record.offset.value);
  write_big_endian(out.data() + 8, record.timestamp_ms);
  write_big_endian(out.data() + 16, local ? record.offset.value : std::int64_t{0});
  write_big_endian(out.data() + 24, local ? -1 : record.partition.value);
  write_big_endian(out.data() + 28, named ? topic.name : 0);
  write_big_endian(out.data() + 32, named ? topic.incarnation : 0);
  const std::string_view mark = layout_mark(layout);
  std::copy(mark.begin(), mark.end(), out.data() + 36);
  return out;
}

std::string part_of_this_record(const store::RecordId& record, std::uint32_t topic_name) {
  const store::RecordView view{
      .partition = record.partition, .offset = record.offset, .timestamp_ms = record.timestamp_ms};
  const TopicMark topic{topic_name, static_cast<std::uint32_t>(record.log)};
  const auto position = position_of(view, topic, Layout::kTopics);
  const std::string_view all(position.data(), position.size());
  return std::string(record.partition.value < 0 ? all.substr(16, 8) : all.substr(0, 36));
}

std::string topic_bytes(std::uint32_t name) {
  std::string out(4, '\0');
  write_big_endian(out.data(), name);
  return out;
}

std::string_view partition_part(std::string_view position) { return position.substr(24, 8); }

std::string_view incarnation_part(std::string_view position) { return position.substr(32, 4); }

std::optional<Position> parse_position(std::string_view position) {
  if (position.size() != kPositionBytes) return std::nullopt;
  const std::optional<Layout> layout = layout_of(position.substr(36));
  if (!layout) return std::nullopt;
  return Position{Offset(read_long(position, 0)), read_long(position, 16), read_int(position, 28),
                  *layout};
}

bool is_fence(std::string_view value, Layout layout) {
  if (layout == Layout::kOneTopic && value.size() != kPositionBytes) return false;
  const auto first = parse_position(value.substr(0, std::min(value.size(), kPositionBytes)));
  return value.size() % kPositionBytes == 0 && first && first->layout == layout;
}

std::optional<TopicEnd> parse_topic(std::string_view end) {
  if (end.size() != kTopicBytes) return std::nullopt;
  const std::optional<Layout> layout = layout_of(end.substr(8));
  if (!layout) return std::nullopt;
  return TopicEnd{read_int(end, 0), *layout};
}

void append_value(std::string& out, const store::RecordView& record, TopicMark topic,
                  Layout layout) {
  out += '\0';
  std::array<char, 4> schema{};
  write_big_endian(schema.data(), record.schema.value);
  out.append(schema.data(), schema.size());
  out.append(reinterpret_cast<const char*>(record.datum.data()), record.datum.size());
  const auto position = position_of(record, topic, layout);
  out.append(position.data(), position.size());
}

std::optional<Value> parse_value(std::string_view value) {
  if (value.size() < kWireHeaderBytes + kPositionBytes || value[0] != '\0') return std::nullopt;
  const std::string_view position = value.substr(value.size() - kPositionBytes);
  const std::optional<Layout> layout = layout_of(position.substr(36));
  if (!layout) return std::nullopt;
  std::size_t payload = value.size() - kPositionBytes;
  if (*layout == Layout::kTopics) {
    // Behind it are the records that are not shown, and their size.
    if (payload < kWireHeaderBytes + 4) return std::nullopt;
    payload -= 4;
    const std::uint32_t others = read_int(value, payload);
    if (others > payload - kWireHeaderBytes) return std::nullopt;
    payload -= others;
  }
  const std::string_view datum = value.substr(kWireHeaderBytes, payload - kWireHeaderBytes);
  Value out{.record = {}, .topic_name = read_int(position, 28), .layout = *layout};
  out.record.datum = {reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()};
  out.record.schema = SchemaId(static_cast<std::int32_t>(read_int(value, 1)));
  const std::int64_t local = read_long(position, 16);
  if (local != 0) {
    out.record.partition = Partition(-1);
    out.record.offset = Offset(local);
    out.record.timestamp_ms = store::time_us_of(local) / 1000;
    return out;
  }
  out.record.partition = Partition(static_cast<std::int32_t>(read_int(position, 24)));
  out.record.offset = Offset(read_long(position, 0));
  out.record.timestamp_ms = read_long(position, 8);
  out.record.log = log_of({out.topic_name, read_int(position, 32)});
  return out;
}

std::string key_start(std::string_view prefix) {
  return prefix.empty() ? "" : std::string(prefix) + ':';
}

std::vector<std::string> position_keys(std::string_view prefix, bool cluster) {
  const std::string start = key_start(prefix).append(kPositionName);
  if (!cluster) return {start};
  std::vector<std::string> out(kPositionKeys);
  std::set<std::size_t> found;
  // A prefix with a hash tag puts all into one slot, so that this ends early.
  for (std::size_t tag = 0; found.size() < kPositionKeys && tag < 64 * kPositionKeys; ++tag) {
    std::string key = start + "{" + std::to_string(tag) + "}";
    const std::size_t part = slot_of(key) / (kSlots / kPositionKeys);
    if (found.insert(part).second) out[part] = std::move(key);
  }
  std::erase(out, "");
  return out;
}

std::string position_field(std::string_view topic, Partition partition, std::string_view id,
                           std::string_view takes) {
  std::string out(topic);
  out += '/' + std::to_string(partition.value) + ' ';
  out += id.empty() ? "-" : id;
  if (!takes.empty()) out += " #" + std::to_string(XXH32(takes.data(), takes.size(), 0));
  return out;
}

std::string schemas_key(std::string_view prefix) { return key_start(prefix).append(kSchemasName); }

std::string key_pattern(std::string_view prefix) {
  std::string out;
  for (const char byte : prefix) {
    if (std::string_view("*?[]^\\").find(byte) != std::string_view::npos) out += '\\';
    out += byte;
  }
  return out + (prefix.empty() ? "*" : ":*");
}

}  // namespace push_cache::redis
