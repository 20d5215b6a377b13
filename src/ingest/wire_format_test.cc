#include "ingest/wire_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "avro/testing.h"

namespace push_cache::ingest {
namespace {

using avro::ExactBytes;
using avro::unhex;
using testing::HasSubstr;
using testing::Not;

const std::string kGuid = unhex("00112233445566778899aabbccddeeff");

struct Case {
  std::string bytes;
  std::optional<std::string> header = {};
  WireFormat format = WireFormat::kConfluent;
};

// "id 7: datum", "guid 0011...: datum", or "bad: why", with "cut: why" for what is too short.
std::string read(const Case& one) {
  const ExactBytes bytes(one.bytes);
  const ExactBytes header(one.header.value_or(""));
  FrameFault fault;
  const auto framed = unframe(one.format, bytes, one.header ? Bytes(header) : Bytes(), fault);
  if (!framed) return (fault.truncated ? "cut: " : "bad: ") + fault.text;
  const std::string datum(reinterpret_cast<const char*>(framed->datum.data()),
                          framed->datum.size());
  if (framed->guid == nullptr) return "id " + std::to_string(framed->id.value) + ": " + datum;
  EXPECT_EQ(framed->id, SchemaId(0));
  const bool same = std::equal(kGuid.begin(), kGuid.end(), framed->guid,
                               [](char a, std::uint8_t b) { return std::uint8_t(a) == b; });
  return (same ? "guid: " : "another guid: ") + datum;
}

TEST(WireFormat, ByteZeroAndAnIdOfFourBytes) {
  EXPECT_EQ(read({unhex("0000000007") + "datum"}), "id 7: datum");
  EXPECT_EQ(read({unhex("007fffffff")}), "id 2147483647: ");
  const std::string whole = unhex("0000000007");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(read({whole.substr(0, size)}), HasSubstr("cut: it is shorter than the 5 bytes"));
  }
}

TEST(WireFormat, AnIdOfZeroOrBelowIsBadAtOnce) {
  EXPECT_THAT(read({unhex("0000000000") + "x"}), HasSubstr("bad: schema id 0 is none that"));
  EXPECT_THAT(read({unhex("00ffffffff") + "x"}), HasSubstr("bad: schema id -1 is none that"));
  EXPECT_THAT(read({"x", unhex("0000000000")}), HasSubstr("bad: schema id 0 is none that"));
  EXPECT_THAT(read({"x", unhex("0080000000")}), HasSubstr("bad: schema id -2147483648"));
  EXPECT_THAT(read({unhex("000000000000000000"), {}, WireFormat::kApicurio}),
              HasSubstr("bad: schema id 0 is none that"));
  EXPECT_THAT(read({unhex("00ffffffffffffffff"), {}, WireFormat::kApicurio}),
              HasSubstr("bad: schema id -1 is none that"));
}

TEST(WireFormat, AnIdOfEightBytesIsToldFromOneOfFour) {
  EXPECT_THAT(read({unhex("00000000000000002a") + "datum"}),
              HasSubstr("kafka.wire_format: apicurio"));
  EXPECT_THAT(read({unhex("000000000000000000") + "datum"}), Not(HasSubstr("apicurio")));
  EXPECT_EQ(read({unhex("00000000000000002a") + "datum", {}, WireFormat::kApicurio}),
            "id 42: datum");
  EXPECT_EQ(read({unhex("00000000000000002a") + "datum", {}, WireFormat::kApicurioContentId}),
            "id 42: datum");
  EXPECT_THAT(read({unhex("00000000077fffffff"), {}, WireFormat::kApicurio}),
              AllOf(HasSubstr("bad: schema id 32212254719 is beyond"), HasSubstr("confluent")));
  const std::string whole = unhex("00000000000000002a");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(read({whole.substr(0, size), {}, WireFormat::kApicurio}),
                HasSubstr("cut: it is shorter than the 9 bytes"));
  }
}

TEST(WireFormat, AHeaderGoesBeforeWhatTheBytesBeginWith) {
  EXPECT_EQ(read({unhex("0000000007") + "datum", unhex("0000000009")}),
            "id 9: " + unhex("0000000007") + "datum");
  EXPECT_EQ(read({"datum", unhex("01") + kGuid}), "guid: datum");
  EXPECT_EQ(read({"", unhex("01") + kGuid}), "guid: ");
  // What Protobuf's serializer writes behind it is for its schema to refuse.
  EXPECT_EQ(read({"datum", unhex("01") + kGuid + "more"}), "guid: datum");
  EXPECT_EQ(read({"datum", unhex("0000000007ff")}), "id 7: datum");
  EXPECT_EQ(read({"datum", unhex("000000000000002a"), WireFormat::kApicurio}), "id 42: datum");
}

TEST(WireFormat, AHeaderThatNamesNoSchemaIsBad) {
  const std::string with_guid = unhex("01") + kGuid;
  for (std::size_t size = 0; size < with_guid.size(); ++size) {
    EXPECT_THAT(read({unhex("0000000007"), with_guid.substr(0, size)}), HasSubstr("cut: "));
  }
  const std::string with_id = unhex("0000000007");
  for (std::size_t size = 0; size < with_id.size(); ++size) {
    EXPECT_THAT(read({unhex("0000000007"), with_id.substr(0, size)}), HasSubstr("cut: "));
  }
  EXPECT_THAT(read({unhex("0000000007"), unhex("02") + kGuid}), HasSubstr("bad: its header"));
  EXPECT_THAT(read({"x", unhex("0000000000002a"), WireFormat::kApicurio}), HasSubstr("cut: "));
  EXPECT_THAT(read({"x", unhex("00000000000000002a"), WireFormat::kApicurio}),
              HasSubstr("bad: its header"));
}

TEST(WireFormat, WhatUsersMeetIsCalledByItsName) {
  EXPECT_THAT(read({unhex("0300") + kGuid + "datum"}), HasSubstr("AWS Glue"));
  EXPECT_THAT(read({unhex("0305") + kGuid}), HasSubstr("AWS Glue"));
  EXPECT_THAT(read({unhex("0305") + kGuid.substr(1)}), Not(HasSubstr("AWS Glue")));
  EXPECT_THAT(read({unhex("0301") + kGuid}), Not(HasSubstr("AWS Glue")));
  EXPECT_THAT(read({R"({"id":1})"}), HasSubstr("JSON"));
  EXPECT_THAT(read({R"([1])"}), HasSubstr("JSON"));
  EXPECT_THAT(read({"<id/>"}), HasSubstr("XML"));
  EXPECT_THAT(read({"Obj\x01"}), HasSubstr("object container file"));
  EXPECT_THAT(read({unhex("c301")}), HasSubstr("single-object"));
  EXPECT_THAT(read({unhex("1f8b")}), HasSubstr("gzip"));
  EXPECT_EQ(read({"datum"}), "bad: it does not start with byte 0");
  // Also where ids have 8 bytes.
  EXPECT_THAT(read({unhex("0300") + kGuid, {}, WireFormat::kApicurio}), HasSubstr("AWS Glue"));
}

TEST(WireFormat, TheHeadersThatAreLookedFor) {
  EXPECT_EQ(schema_headers(WireFormat::kConfluent).key, "__key_schema_id");
  EXPECT_EQ(schema_headers(WireFormat::kConfluent).value, "__value_schema_id");
  EXPECT_EQ(schema_headers(WireFormat::kApicurio).value, "apicurio.value.globalId");
  EXPECT_EQ(schema_headers(WireFormat::kApicurioContentId).key, "apicurio.key.contentId");
}

}  // namespace
}  // namespace push_cache::ingest
