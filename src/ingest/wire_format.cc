#include "ingest/wire_format.h"

#include <algorithm>
#include <limits>

namespace push_cache::ingest {
namespace {

constexpr std::size_t kGuidBytes = 16;

std::uint64_t big_endian(Bytes bytes) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

std::optional<Framed> fail(FrameFault& fault, bool truncated, std::string text) {
  fault = {.truncated = truncated, .text = std::move(text)};
  return std::nullopt;
}

// `number` as it stands in `size` bytes.
std::optional<Framed> framed(std::uint64_t number, std::size_t size, Bytes datum,
                             FrameFault& fault) {
  const auto id = size == 4 ? std::int64_t{static_cast<std::int32_t>(number)}
                            : static_cast<std::int64_t>(number);
  if (id <= 0) {
    return fail(fault, false, "schema id " + std::to_string(id) + " is none that a registry gives");
  }
  if (id > std::numeric_limits<std::int32_t>::max()) {
    return fail(fault, false,
                "schema id " + std::to_string(id) + " is beyond 2147483647, the highest that is " +
                    "read: is it an id of 4 bytes (kafka.wire_format: confluent)?");
  }
  return Framed{.id = SchemaId(static_cast<std::int32_t>(id)), .datum = datum};
}

std::optional<Framed> by_confluent_header(Bytes header, Bytes datum, FrameFault& fault) {
  if (!header.empty() && header[0] == 0 && header.size() >= 5) {
    return framed(big_endian(header.subspan(1, 4)), 4, datum, fault);
  }
  if (!header.empty() && header[0] == 1 && header.size() >= 1 + kGuidBytes) {
    return Framed{.guid = header.data() + 1, .datum = datum};
  }
  return fail(fault, header.empty() || header[0] <= 1,
              "its header with the schema is neither byte 0 and an id of 4 bytes nor byte 1 and a "
              "GUID of 16 bytes");
}

std::optional<Framed> by_apicurio_header(Bytes header, Bytes datum, FrameFault& fault) {
  if (header.size() != 8) {
    return fail(fault, header.size() < 8, "its header with the schema is no id of 8 bytes");
  }
  return framed(big_endian(header), 8, datum, fault);
}

// Of bytes that begin with an id of 4 bytes which is 0: whether one of 8 bytes may be meant.
bool may_be_apicurio(Bytes bytes) {
  return bytes.size() >= 9 && big_endian(bytes.subspan(1, 4)) == 0 &&
         big_endian(bytes.subspan(5, 4)) != 0;
}

}  // namespace

SchemaHeaders schema_headers(WireFormat format) {
  switch (format) {
    case WireFormat::kConfluent:
      return {"__key_schema_id", "__value_schema_id"};
    case WireFormat::kApicurio:
      return {"apicurio.key.globalId", "apicurio.value.globalId"};
    case WireFormat::kApicurioContentId:
      return {"apicurio.key.contentId", "apicurio.value.contentId"};
  }
  return {};
}

std::optional<Framed> unframe_any(WireFormat format, Bytes bytes, Bytes header, FrameFault& fault) {
  const bool confluent = format == WireFormat::kConfluent;
  if (header.data() != nullptr) {
    return confluent ? by_confluent_header(header, bytes, fault)
                     : by_apicurio_header(header, bytes, fault);
  }
  if (!bytes.empty() && bytes[0] != 0) {
    std::string text = "it does not start with byte 0";
    if (const std::string_view other = looks_like(bytes); !other.empty()) {
      text += ": it looks like " + std::string(other) + ", which is not read";
    }
    return fail(fault, false, std::move(text));
  }
  const std::size_t id_bytes = confluent ? 4 : 8;
  if (bytes.size() < 1 + id_bytes) {
    return fail(fault, true,
                "it is shorter than the " + std::to_string(1 + id_bytes) + " bytes of its header");
  }
  auto made =
      framed(big_endian(bytes.subspan(1, id_bytes)), id_bytes, bytes.subspan(1 + id_bytes), fault);
  if (!made && confluent && may_be_apicurio(bytes)) {
    fault.text +=
        "; ids of 8 bytes, as Apicurio's serializers write them, are read with "
        "kafka.wire_format: apicurio";
  }
  return made;
}

std::string_view looks_like(Bytes bytes) {
  const auto begins_with = [bytes](std::string_view start) {
    return bytes.size() >= start.size() &&
           std::equal(start.begin(), start.end(), bytes.begin(),
                      [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
  };
  if (bytes.size() >= 2 + kGuidBytes && bytes[0] == 3 && (bytes[1] == 0 || bytes[1] == 5)) {
    return "a record of the AWS Glue Schema Registry";
  }
  if (begins_with("Obj\x01")) return "an Avro object container file";
  if (begins_with("\xC3\x01")) return "Avro's single-object encoding";
  if (begins_with("\x1F\x8B")) return "gzip";
  if (begins_with("{") || begins_with("[")) return "JSON text";
  if (begins_with("<")) return "XML text";
  return "";
}

}  // namespace push_cache::ingest
