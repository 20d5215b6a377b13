#include "snapshot/record_block.h"

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "base/utf8.h"
#include "snapshot/format.h"

namespace push_cache::snapshot {
namespace {

constexpr std::size_t kOriginBytes = 12;
constexpr std::size_t kHeadBytesMin = 5;
constexpr std::size_t kVarintBytesMax = 10;

char* put_varint(char* at, std::uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}

// Offsets may be anything: differences are taken modulo 2^64.
std::uint64_t zigzag_step(std::int64_t from, std::int64_t to) {
  const std::uint64_t step = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  return step << 1 ^ (0 - (step >> 63));
}
std::int64_t stepped(std::int64_t from, std::uint64_t zigzag) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(from) +
                                   (zigzag >> 1 ^ (0 - (zigzag & 1))));
}

// Varints from the front; after a fault all are 0.
class Heads {
 public:
  explicit Heads(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint64_t varint() {
    if (at_ != end_ && *at_ < 0x80) return *at_++;
    return long_varint();
  }
  bool failed() const { return failed_; }
  bool is_whole() const { return !failed_ && at_ == end_; }

 private:
  std::uint64_t long_varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const std::uint8_t byte = *at_++;
      if (shift == 63 && byte > 1) break;
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    at_ = end_;
    return 0;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace

std::size_t BlockBuilder::origin_of(const store::RecordView& record) {
  const RecordOrigin origin{record.schema.value, record.partition.value, record.topic};
  std::uint32_t& recent = recent_[static_cast<std::uint32_t>(origin.partition) % recent_.size()];
  if (recent < origins_.size() && origins_[recent] == origin) return recent;
  const auto found = std::find(origins_.begin(), origins_.end(), origin);
  recent = static_cast<std::uint32_t>(found - origins_.begin());
  if (found == origins_.end()) {
    origins_.push_back(origin);
    last_.emplace_back();
  }
  return recent;
}

void BlockBuilder::add(const store::RecordView& record) {
  const std::size_t origin = origin_of(record);
  Last& last = last_[origin];
  char* const begin = heads_.reserve(5 * kVarintBytesMax);
  char* at = put_varint(begin, origin);
  at = put_varint(at, record.key.size());
  at = put_varint(at, record.datum.size());
  at = put_varint(at, zigzag_step(last.offset, record.offset.value));
  at = put_varint(at, zigzag_step(last.timestamp_ms, record.timestamp_ms));
  heads_.commit(static_cast<std::size_t>(at - begin));
  last = {record.offset.value, record.timestamp_ms};
  keys_.append(record.key);
  if (!record.datum.empty()) datums_.append(record.datum);
  ++records_;
}

void BlockBuilder::finish(Buffer& out) {
  append_u32(out, static_cast<std::uint32_t>(origins_.size()));
  for (const RecordOrigin& origin : origins_) {
    append_u32(out, static_cast<std::uint32_t>(origin.schema));
    append_u32(out, static_cast<std::uint32_t>(origin.partition));
    append_u32(out, origin.topic);
  }
  append_u32(out, static_cast<std::uint32_t>(heads_.size()));
  append_u32(out, static_cast<std::uint32_t>(keys_.size()));
  out.append(heads_.view());
  out.append(keys_.view());
  out.append(datums_.view());
  origins_.clear();
  last_.clear();
  heads_.clear();
  keys_.clear();
  datums_.clear();
  records_ = 0;
}

Status parse_block(Bytes raw, std::uint32_t records, std::size_t topics,
                   std::vector<RecordOrigin>& origins, std::vector<store::RecordView>& out) {
  origins.clear();
  out.clear();
  if (raw.size() < 4) return damaged("a block is cut");
  const std::uint32_t origin_count = read_u32(raw.data());
  raw = raw.subspan(4);
  if (raw.size() < 8 || origin_count > (raw.size() - 8) / kOriginBytes) {
    return damaged("a block has too many origins");
  }
  struct Last {
    std::int64_t offset = 0;
    std::int64_t timestamp_ms = 0;
  };
  std::vector<Last> last(origin_count);
  origins.reserve(origin_count);
  for (std::uint32_t i = 0; i < origin_count; ++i, raw = raw.subspan(kOriginBytes)) {
    origins.push_back({static_cast<std::int32_t>(read_u32(raw.data())),
                       static_cast<std::int32_t>(read_u32(raw.data() + 4)),
                       read_u32(raw.data() + 8)});
    if (origins.back().partition < -1 ||
        (origins.back().partition >= 0 && origins.back().topic >= topics)) {
      return damaged("a block has records of no topic");
    }
  }
  const std::size_t heads_bytes = read_u32(raw.data());
  const std::size_t keys_bytes = read_u32(raw.data() + 4);
  raw = raw.subspan(8);
  if (heads_bytes > raw.size() || keys_bytes > raw.size() - heads_bytes ||
      records > heads_bytes / kHeadBytesMin) {
    return damaged("a block's columns are longer than itself");
  }
  Heads heads(raw.first(heads_bytes));
  const std::string_view keys{reinterpret_cast<const char*>(raw.data()) + heads_bytes, keys_bytes};
  const Bytes datums = raw.subspan(heads_bytes + keys_bytes);
  // All in one go; that each key begins with a character's first byte is checked below.
  if (!is_utf8(keys)) return damaged("a key is not UTF-8");

  out.reserve(records);
  std::size_t key_at = 0, datum_at = 0;
  for (std::uint32_t i = 0; i < records; ++i) {
    const std::uint64_t origin = heads.varint();
    const std::uint64_t key_bytes = heads.varint();
    const std::uint64_t datum_bytes = heads.varint();
    const std::uint64_t offset_step = heads.varint();
    const std::uint64_t timestamp_step = heads.varint();
    if (heads.failed() || origin >= origin_count || key_bytes > limits::kKeyBytesMax ||
        key_bytes > keys.size() - key_at || datum_bytes > limits::kValueBytesMax ||
        datum_bytes > datums.size() - datum_at) {
      return damaged("a record ends behind its block");
    }
    if (key_at < keys.size() && (static_cast<std::uint8_t>(keys[key_at]) & 0xC0) == 0x80) {
      return damaged("a key is not UTF-8");
    }
    Last& before = last[origin];
    before = {stepped(before.offset, offset_step), stepped(before.timestamp_ms, timestamp_step)};
    const RecordOrigin& from = origins[origin];
    out.push_back({.key = keys.substr(key_at, key_bytes),
                   .datum = datums.subspan(datum_at, datum_bytes),
                   .schema = SchemaId(from.schema),
                   .partition = Partition(from.partition),
                   .offset = Offset(before.offset),
                   .timestamp_ms = before.timestamp_ms,
                   .topic = from.topic});
    key_at += key_bytes;
    datum_at += datum_bytes;
  }
  if (!heads.is_whole() || key_at != keys.size() || datum_at != datums.size()) {
    return damaged("a block has more bytes than records");
  }
  return {};
}

}  // namespace push_cache::snapshot
