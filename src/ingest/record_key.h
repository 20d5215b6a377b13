// The text of a record's key, under which the record is asked for, out of the key's bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/types.h"
#include "base/utf8.h"
#include "ingest/wire_format.h"

namespace push_cache::ingest {

// What a topic's keys are; an integer is never guessed.
enum class KeyFormat : std::uint8_t {
  kAuto,   // a header with the schema, or byte 0 and what names a schema: Avro. Other UTF-8 that
           // does not begin with byte 0: text
  kText,   // UTF-8
  kAvro,   // in the wire format, always
  kInt,    // 4 bytes, big-endian two's complement: its decimal text
  kLong,   // 8 bytes likewise
  kUuid,   // 16 bytes: 8-4-4-4-12 lower-case hexadecimal digits
  kBytes,  // any: avro::bytes_key_text
};

// How the bytes of a record are read. The same for all topics.
struct RecordFormats {
  KeyFormat key = KeyFormat::kAuto;
  WireFormat wire = WireFormat::kConfluent;
};

struct RawKey {
  enum class Kind : std::uint8_t {
    kText,   // `text` is it
    kDatum,  // `framed` is an Avro datum whose schema gives the text
    kBad,    // `text` says why, for people, and what to do
  };
  Kind kind = Kind::kBad;
  std::string_view text;  // borrows from the key or from `scratch`
  Framed framed;
};

// `header`: see `unframe`. `scratch` holds a text that is not in the key.
RawKey read_key(const RecordFormats& formats, Bytes key, Bytes header, std::string& scratch);

// What most keys are, so that nothing more need be asked of them: with KeyFormat::kAuto, UTF-8 that
// begins with no byte of a binary format.
inline bool is_plain_text(const RecordFormats& formats, Bytes key, Bytes header) {
  constexpr std::uint8_t kBinaryMax = 3;  // 0: the wire format; 3: AWS Glue
  return formats.key == KeyFormat::kAuto && header.data() == nullptr &&
         (key.empty() || key[0] > kBinaryMax) && key.size() <= limits::kKeyBytesMax &&
         is_utf8({reinterpret_cast<const char*>(key.data()), key.size()});
}

// What stands behind the reason of a bad key: how to read keys of so many bytes.
std::string key_format_advice(const RecordFormats& formats, std::size_t key_bytes);

}  // namespace push_cache::ingest
