// Which schema a key or a value was written with, and where its datum begins: the forms in which
// serializers say that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace push_cache::ingest {

enum class WireFormat : std::uint8_t {
  // Byte 0, the schema's id as 4 bytes big-endian, datum. Or a header __key_schema_id or
  // __value_schema_id, and the datum alone: the header's value is byte 0 and such an id, or byte 1
  // and the schema's GUID of 16 bytes (Confluent's SchemaId.java; what follows in the header is
  // ignored as there).
  kConfluent,
  // Byte 0, the schema's globalId as 8 bytes big-endian, datum. Or a header apicurio.key.globalId
  // or apicurio.value.globalId of these 8 bytes, and the datum alone (Apicurio's
  // Legacy8ByteIdHandler.java and DefaultHeadersHandler.java).
  kApicurio,
  kApicurioContentId,  // the same with contentIds
};

// The headers that are looked for.
struct SchemaHeaders {
  std::string_view key;
  std::string_view value;
};
SchemaHeaders schema_headers(WireFormat format);

// Borrows from what was unframed.
struct Framed {
  SchemaId id{0};                      // above 0; or 0, and `guid` names the schema
  const std::uint8_t* guid = nullptr;  // 16 bytes
  Bytes datum;
};

// Why bytes are in no form that is read.
struct FrameFault {
  bool truncated = false;  // they end within what should name the schema
  std::string text;        // for people: what they look like, and what to do
};

// The general case of `unframe`.
std::optional<Framed> unframe_any(WireFormat format, Bytes bytes, Bytes header, FrameFault& fault);

// `header`: the value of the last header of the name that `schema_headers` gives, `data()` null for
// none; it goes before what `bytes` begin with. Nothing, and `fault` is set, for an id of 0 or
// below, which no registry gives, and one beyond what is kept of it (31 bits).
inline std::optional<Framed> unframe(WireFormat format, Bytes bytes, Bytes header,
                                     FrameFault& fault) {
  constexpr std::size_t kHeaderBytes = 5;
  if (format == WireFormat::kConfluent && header.data() == nullptr &&
      bytes.size() >= kHeaderBytes && bytes[0] == 0) {
    const std::uint32_t id = std::uint32_t{bytes[1]} << 24 | std::uint32_t{bytes[2]} << 16 |
                             std::uint32_t{bytes[3]} << 8 | std::uint32_t{bytes[4]};
    const SchemaId schema(static_cast<std::int32_t>(id));
    if (schema.value > 0) return Framed{.id = schema, .datum = bytes.subspan(kHeaderBytes)};
  }
  return unframe_any(format, bytes, header, fault);
}

// What bytes look like that are in another format, by how they begin: "AWS Glue Schema Registry",
// "JSON text"; "" when nothing tells.
std::string_view looks_like(Bytes bytes);

}  // namespace push_cache::ingest
