#include "ingest/record_key.h"

#include <bit>
#include <utility>

#include "avro/key_text.h"

namespace push_cache::ingest {
namespace {

std::string_view view_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

RawKey text_key(std::string_view text) { return {.kind = RawKey::Kind::kText, .text = text}; }

RawKey made_key(std::string text, std::string& scratch) {
  scratch = std::move(text);
  return text_key(scratch);
}

RawKey bad_key(const RecordFormats& formats, Bytes key, std::string_view why,
               std::string& scratch) {
  scratch = "the key: " + std::string(why) + key_format_advice(formats, key.size());
  return {.kind = RawKey::Kind::kBad, .text = scratch};
}

RawKey avro_key(const RecordFormats& formats, Bytes key, Bytes header, std::string& scratch) {
  FrameFault fault;
  const std::optional<Framed> framed = unframe(formats.wire, key, header, fault);
  if (!framed) return bad_key(formats, key, fault.text, scratch);
  return {.kind = RawKey::Kind::kDatum, .framed = *framed};
}

RawKey auto_key(const RecordFormats& formats, Bytes key, Bytes header, std::string& scratch) {
  if (header.data() != nullptr || (key.size() >= 5 && key[0] == 0)) {
    return avro_key(formats, key, header, scratch);
  }
  if (const std::string_view other = looks_like(key); other.find("Glue") != other.npos) {
    return bad_key(formats, key, "it looks like " + std::string(other) + ", which is not read",
                   scratch);
  }
  if (!key.empty() && key[0] == 0) {
    return bad_key(formats, key, "it begins with byte 0 and is too short for the wire format",
                   scratch);
  }
  if (!is_utf8(view_of(key))) {
    return bad_key(formats, key, "it is neither UTF-8 text nor in the wire format", scratch);
  }
  return text_key(view_of(key));
}

// `Number` in big-endian bytes.
template <typename Number>
RawKey number_key(const RecordFormats& formats, Bytes key, std::string& scratch) {
  if (key.size() != sizeof(Number)) {
    return bad_key(
        formats, key,
        "it has " + std::to_string(key.size()) + " bytes, not " + std::to_string(sizeof(Number)),
        scratch);
  }
  std::make_unsigned_t<Number> number = 0;
  for (const std::uint8_t byte : key) {
    number = static_cast<std::make_unsigned_t<Number>>(number << 8 | byte);
  }
  return made_key(std::to_string(std::bit_cast<Number>(number)), scratch);
}

}  // namespace

RawKey read_key(const RecordFormats& formats, Bytes key, Bytes header, std::string& scratch) {
  switch (formats.key) {
    case KeyFormat::kAuto:
      return auto_key(formats, key, header, scratch);
    case KeyFormat::kText:
      if (!is_utf8(view_of(key))) return bad_key(formats, key, "it is not UTF-8", scratch);
      return text_key(view_of(key));
    case KeyFormat::kAvro:
      return avro_key(formats, key, header, scratch);
    case KeyFormat::kInt:
      return number_key<std::int32_t>(formats, key, scratch);
    case KeyFormat::kLong:
      return number_key<std::int64_t>(formats, key, scratch);
    case KeyFormat::kUuid:
      if (key.size() != 16) {
        return bad_key(formats, key, "it has " + std::to_string(key.size()) + " bytes, not 16",
                       scratch);
      }
      return made_key(avro::uuid_key_text(key.data()), scratch);
    case KeyFormat::kBytes:
      return made_key(avro::bytes_key_text(key), scratch);
  }
  return bad_key(formats, key, "", scratch);
}

std::string key_format_advice(const RecordFormats& formats, std::size_t key_bytes) {
  if (formats.key != KeyFormat::kAuto) return " (see kafka.key_format)";
  switch (key_bytes) {
    case 4:
      return " (4 bytes: kafka.key_format: int reads the keys of Kafka's IntegerSerializer)";
    case 8:
      return " (8 bytes: kafka.key_format: long reads the keys of Kafka's LongSerializer)";
    case 16:
      return " (16 bytes: kafka.key_format: uuid reads binary UUIDs)";
    default:
      return " (kafka.key_format says what keys are; bytes takes any)";
  }
}

}  // namespace push_cache::ingest
