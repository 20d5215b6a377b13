#include "snapshot/format.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::snapshot {
namespace {

// Bytes that something takes at least: what a count is checked against before memory is taken.
constexpr std::size_t kTextBytesMin = 4;
constexpr std::size_t kTopicBytesMin = 2 * kTextBytesMin;
constexpr std::size_t kPositionBytes = 24;
constexpr std::size_t kIndexBytes = 4;
constexpr std::size_t kHeaderBytesMin = kTextBytesMin + 4;
constexpr std::size_t kPlaceBytes = 24;  // of a record: topic, partition, offset, timestamp
constexpr std::size_t kSetAsideBytesMin = kPlaceBytes + 4 + 4 + 4;
constexpr std::size_t kBadKeyBytesMin = kTextBytesMin + kPlaceBytes + 4;
constexpr std::size_t kSchemaBytesMin = 4 + kTextBytesMin + 4;

// Reads from the front; after the first fault everything reads as nothing.
class Cursor {
 public:
  explicit Cursor(Bytes bytes) : bytes_(bytes) {}

  std::uint32_t u32() { return has(4) ? read_u32(next(4)) : 0; }
  std::uint64_t u64() { return has(8) ? read_u64(next(8)) : 0; }
  std::optional<std::string> nullable_text() {
    return u32() == 0 ? std::nullopt : std::optional(text());
  }
  std::string text() {
    const std::uint32_t size = u32();
    if (!has(size)) return {};
    return {reinterpret_cast<const char*>(next(size)), size};
  }
  // How many of `item_bytes_min` bytes each follow.
  std::size_t count(std::size_t item_bytes_min) {
    const std::uint32_t number = u32();
    return has(std::uint64_t{number} * item_bytes_min) ? number : 0;
  }
  // All is read, and nothing was missing.
  bool is_whole() const { return !failed_ && at_ == bytes_.size(); }

 private:
  bool has(std::uint64_t bytes) {
    failed_ = failed_ || bytes > bytes_.size() - at_;
    return !failed_;
  }
  const std::uint8_t* next(std::size_t bytes) {
    at_ += bytes;
    return bytes_.data() + at_ - bytes;
  }

  Bytes bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

void append_text(Buffer& out, std::string_view text) {
  append_u32(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

void append_nullable(Buffer& out, const std::optional<std::string>& text) {
  append_u32(out, text ? 1 : 0);
  if (text) append_text(out, *text);
}

void read_set_aside(Cursor& in, RawRecord& out) {
  out.topic = in.u32();
  out.partition = Partition(static_cast<std::int32_t>(in.u32()));
  out.offset = Offset(static_cast<std::int64_t>(in.u64()));
  out.timestamp_ms = static_cast<std::int64_t>(in.u64());
  out.key = in.nullable_text();
  out.value = in.nullable_text();
  out.headers.resize(in.count(kHeaderBytesMin));
  for (RawRecord::Header& header : out.headers) {
    header.name = in.text();
    header.value = in.nullable_text();
  }
}

void append_set_aside(Buffer& out, const RawRecord& record) {
  append_u32(out, record.topic);
  append_u32(out, static_cast<std::uint32_t>(record.partition.value));
  append_u64(out, static_cast<std::uint64_t>(record.offset.value));
  append_u64(out, static_cast<std::uint64_t>(record.timestamp_ms));
  append_nullable(out, record.key);
  append_nullable(out, record.value);
  append_u32(out, static_cast<std::uint32_t>(record.headers.size()));
  for (const RawRecord::Header& header : record.headers) {
    append_text(out, header.name);
    append_nullable(out, header.value);
  }
}

void read_bad_key(Cursor& in, BadKey& out) {
  out.record.kind = store::UnreadKeys::Kind::kBad;
  out.key = in.text();
  out.record.topic = in.u32();
  out.record.partition = Partition(static_cast<std::int32_t>(in.u32()));
  out.record.offset = Offset(static_cast<std::int64_t>(in.u64()));
  out.record.timestamp_ms = static_cast<std::int64_t>(in.u64());
  out.record.stores.resize(in.count(kIndexBytes));
  for (std::uint32_t& store : out.record.stores) store = in.u32();
}

void append_bad_key(Buffer& out, const BadKey& bad) {
  append_text(out, bad.key);
  append_u32(out, bad.record.topic);
  append_u32(out, static_cast<std::uint32_t>(bad.record.partition.value));
  append_u64(out, static_cast<std::uint64_t>(bad.record.offset.value));
  append_u64(out, static_cast<std::uint64_t>(bad.record.timestamp_ms));
  append_u32(out, static_cast<std::uint32_t>(bad.record.stores.size()));
  for (const std::uint32_t store : bad.record.stores) append_u32(out, store);
}

void read_description(Cursor& in, Description& out) {
  out.taken_ms = static_cast<std::int64_t>(in.u64());
  out.configuration = in.text();
  out.stores.resize(in.count(kTextBytesMin));
  for (std::string& store : out.stores) store = in.text();
  out.topics.resize(in.count(kTopicBytesMin));
  for (Topic& topic : out.topics) {
    topic.name = in.text();
    topic.id = in.text();
  }
  out.positions.resize(in.count(kPositionBytes));
  for (PartitionPosition& one : out.positions) {
    one.topic = in.u32();
    one.partition = Partition(static_cast<std::int32_t>(in.u32()));
    one.log_start = Offset(static_cast<std::int64_t>(in.u64()));
    one.position = Offset(static_cast<std::int64_t>(in.u64()));
  }
  out.local_writes.resize(in.count(kIndexBytes));
  for (std::uint32_t& store : out.local_writes) store = in.u32();
  out.set_aside.resize(in.count(kSetAsideBytesMin));
  for (RawRecord& record : out.set_aside) read_set_aside(in, record);
  out.bad_keys.resize(in.count(kBadKeyBytesMin));
  for (BadKey& bad : out.bad_keys) read_bad_key(in, bad);
}

void append_description(Buffer& out, const Description& description) {
  append_u64(out, static_cast<std::uint64_t>(description.taken_ms));
  append_text(out, description.configuration);
  append_u32(out, static_cast<std::uint32_t>(description.stores.size()));
  for (const std::string& store : description.stores) append_text(out, store);
  append_u32(out, static_cast<std::uint32_t>(description.topics.size()));
  for (const Topic& topic : description.topics) {
    append_text(out, topic.name);
    append_text(out, topic.id);
  }
  append_u32(out, static_cast<std::uint32_t>(description.positions.size()));
  for (const PartitionPosition& one : description.positions) {
    append_u32(out, one.topic);
    append_u32(out, static_cast<std::uint32_t>(one.partition.value));
    append_u64(out, static_cast<std::uint64_t>(one.log_start.value));
    append_u64(out, static_cast<std::uint64_t>(one.position.value));
  }
  append_u32(out, static_cast<std::uint32_t>(description.local_writes.size()));
  for (const std::uint32_t store : description.local_writes) append_u32(out, store);
  append_u32(out, static_cast<std::uint32_t>(description.set_aside.size()));
  for (const RawRecord& record : description.set_aside) append_set_aside(out, record);
  append_u32(out, static_cast<std::uint32_t>(description.bad_keys.size()));
  for (const BadKey& bad : description.bad_keys) append_bad_key(out, bad);
}

Status check_unread(const Description& description) {
  if (description.set_aside.size() > limits::kSetAsideRecordsMax ||
      description.bad_keys.size() > limits::kBadKeysMax) {
    return damaged("it has more records that were set aside, or bad keys, than there can be");
  }
  const auto is_place = [&](std::uint32_t topic, Partition partition, Offset offset) {
    return topic < description.topics.size() && partition.value >= 0 && offset.value >= 0;
  };
  for (const RawRecord& one : description.set_aside) {
    if (!is_place(one.topic, one.partition, one.offset)) {
      return damaged("a record that was set aside is of no partition");
    }
  }
  for (const BadKey& one : description.bad_keys) {
    const auto& stores = one.record.stores;
    const bool known = std::all_of(stores.begin(), stores.end(), [&](std::uint32_t store) {
      return store < description.stores.size();
    });
    if (!known || !is_utf8(one.key) || one.key.size() > limits::kKeyBytesMax ||
        !is_place(one.record.topic, one.record.partition, one.record.offset)) {
      return damaged("a bad key is of no partition or store");
    }
  }
  return {};
}

Status check_description(const Description& description) {
  for (const std::string& store : description.stores) {
    if (!is_utf8(store)) return damaged("the name of a store is not UTF-8");
  }
  for (const Topic& topic : description.topics) {
    if (!is_utf8(topic.name) || !is_utf8(topic.id)) return damaged("a topic's name is not UTF-8");
  }
  for (const PartitionPosition& one : description.positions) {
    if (one.topic >= description.topics.size() || one.partition.value < 0 ||
        one.position.value < 0) {
      return damaged("a position is of no partition");
    }
  }
  for (std::size_t i = 0; i < description.local_writes.size(); ++i) {
    const std::uint32_t store = description.local_writes[i];
    if (store >= description.stores.size() || (i > 0 && store <= description.local_writes[i - 1])) {
      return damaged("its local writes are of no store");
    }
  }
  return check_unread(description);
}

// Blocks fill what is between header and footer.
Status check_blocks(std::vector<BlockEntry>& blocks, std::size_t stores, std::uint64_t end) {
  std::uint64_t at = kHeaderBytes;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    BlockEntry& block = blocks[i];
    if (block.compressed_bytes > end - at) {
      return damaged("block " + std::to_string(i) + " ends behind the footer's begin");
    }
    if (block.raw_bytes > limits::kSnapshotBlockBytesMax) {
      return damaged("block " + std::to_string(i) + " has " + std::to_string(block.raw_bytes) +
                     " bytes, more than " + std::to_string(limits::kSnapshotBlockBytesMax));
    }
    if (block.records > block.raw_bytes || block.store >= stores) {
      return damaged("block " + std::to_string(i) + " has impossible numbers");
    }
    block.offset = at;
    at += block.compressed_bytes;
  }
  if (at != end) return damaged("there are bytes between the last block and the footer");
  return {};
}

}  // namespace

std::uint64_t checksum_of(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

void append_u32(Buffer& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.append(static_cast<char>(value >> shift));
}

void append_u64(Buffer& out, std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out.append(static_cast<char>(value >> shift));
}

std::uint32_t read_u32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 |
         std::uint32_t{at[3]} << 24;
}

std::uint64_t read_u64(const std::uint8_t* at) {
  return read_u32(at) | std::uint64_t{read_u32(at + 4)} << 32;
}

Error damaged(std::string what) {
  return {ErrorCode::kMalformed, "the snapshot is damaged: " + std::move(what)};
}

void append_header(Buffer& out) {
  out.append(kHeadMagic);
  append_u32(out, kVersion);
  append_u32(out, 0);
}

Status check_header(Bytes header) {
  if (header.size() != kHeaderBytes ||
      !std::equal(kHeadMagic.begin(), kHeadMagic.end(), header.begin())) {
    return damaged("it does not begin as one");
  }
  if (const std::uint32_t version = read_u32(header.data() + 8); version != kVersion) {
    return Error{ErrorCode::kUnsupported,
                 "the snapshot has format version " + std::to_string(version) +
                     ", and this program reads version " + std::to_string(kVersion)};
  }
  if (read_u32(header.data() + 12) != 0) return damaged("its header");
  return {};
}

void append_end(Buffer& out, const Footer& footer, std::uint64_t footer_offset) {
  const std::size_t begin = out.size();
  append_u32(out, static_cast<std::uint32_t>(footer.blocks.size()));
  for (const BlockEntry& block : footer.blocks) {
    append_u32(out, block.compressed_bytes);
    append_u32(out, block.raw_bytes);
    append_u32(out, block.records);
    append_u32(out, block.store);
    append_u64(out, block.checksum);
  }
  append_u64(out, footer.records);
  append_description(out, footer.description);
  append_u32(out, static_cast<std::uint32_t>(footer.schemas.size()));
  for (const Schema& schema : footer.schemas) {
    append_u32(out, static_cast<std::uint32_t>(schema.id.value));
    append_text(out, schema.text.schema);
    append_u32(out, static_cast<std::uint32_t>(schema.text.references.size()));
    for (const std::string& reference : schema.text.references) append_text(out, reference);
  }
  const Bytes bytes = out.bytes().subspan(begin);
  const std::uint64_t checksum = checksum_of(bytes);
  append_u64(out, footer_offset);
  append_u64(out, bytes.size());
  append_u64(out, checksum);
  out.append(kTailMagic);
}

Result<FooterPlace> parse_trailer(Bytes trailer, std::uint64_t file_bytes) {
  if (trailer.size() != kTrailerBytes || file_bytes < kHeaderBytes + kTrailerBytes ||
      !std::equal(kTailMagic.begin(), kTailMagic.end(), trailer.begin() + 24)) {
    return damaged("it does not end as one");
  }
  const FooterPlace place{read_u64(trailer.data()), read_u64(trailer.data() + 8),
                          read_u64(trailer.data() + 16)};
  const std::uint64_t end = file_bytes - kTrailerBytes;
  if (place.offset < kHeaderBytes || place.offset > end || place.bytes != end - place.offset ||
      place.bytes > limits::kSnapshotFooterBytesMax) {
    return damaged("its footer is not where it should be");
  }
  return place;
}

Result<Footer> parse_footer(Bytes bytes, const FooterPlace& place) {
  if (checksum_of(bytes) != place.checksum) return damaged("its footer");
  Cursor in(bytes);
  Footer footer;
  footer.blocks.resize(in.count(kBlockEntryBytes));
  std::uint64_t records = 0;
  for (BlockEntry& block : footer.blocks) {
    block.compressed_bytes = in.u32();
    block.raw_bytes = in.u32();
    block.records = in.u32();
    block.store = in.u32();
    block.checksum = in.u64();
    records += block.records;
  }
  footer.records = in.u64();
  read_description(in, footer.description);
  footer.schemas.resize(in.count(kSchemaBytesMin));
  for (Schema& schema : footer.schemas) {
    schema.id = SchemaId(static_cast<std::int32_t>(in.u32()));
    schema.text.schema = in.text();
    schema.text.references.resize(in.count(kTextBytesMin));
    for (std::string& reference : schema.text.references) reference = in.text();
  }
  if (!in.is_whole()) return damaged("its footer has too few or too many bytes");
  if (footer.records != records) return damaged("its blocks have another number of records");
  if (Status ok = check_description(footer.description); !ok) return std::move(ok).error();
  if (Status ok = check_blocks(footer.blocks, footer.description.stores.size(), place.offset);
      !ok) {
    return std::move(ok).error();
  }
  return footer;
}

}  // namespace push_cache::snapshot
