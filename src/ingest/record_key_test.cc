#include "ingest/record_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "avro/testing.h"

namespace push_cache::ingest {
namespace {

using avro::ExactBytes;
using avro::unhex;
using testing::HasSubstr;
using testing::StartsWith;

// "text: TEXT", "datum of ID: DATUM" or "bad: why".
std::string read(KeyFormat format, std::string_view key, std::string_view header = "",
                 WireFormat wire = WireFormat::kConfluent) {
  const ExactBytes bytes(key);
  const ExactBytes header_bytes(header);
  const RecordFormats formats{.key = format, .wire = wire};
  const Bytes given = header.empty() ? Bytes() : Bytes(header_bytes);
  std::string scratch;
  const RawKey made = read_key(formats, bytes, given, scratch);
  const std::string text(made.text);
  if (is_plain_text(formats, bytes, given)) {
    EXPECT_EQ(made.kind, RawKey::Kind::kText);
    EXPECT_EQ(text, key);
  }
  switch (made.kind) {
    case RawKey::Kind::kText:
      EXPECT_TRUE(is_utf8(text));
      return "text: " + text;
    case RawKey::Kind::kBad:
      EXPECT_THAT(text, AllOf(HasSubstr("key"), HasSubstr("kafka.key_format")));
      return "bad: " + text;
    case RawKey::Kind::kDatum:
      break;
  }
  return "datum of " + std::to_string(made.framed.id.value) + ": " +
         std::string(reinterpret_cast<const char*>(made.framed.datum.data()),
                     made.framed.datum.size());
}

TEST(RecordKey, AutoReadsTextAndTheWireFormat) {
  EXPECT_EQ(read(KeyFormat::kAuto, "C1"), "text: C1");
  EXPECT_EQ(read(KeyFormat::kAuto, ""), "text: ");
  EXPECT_EQ(read(KeyFormat::kAuto, "漢"), "text: 漢");
  EXPECT_EQ(read(KeyFormat::kAuto, "\x01 text"), "text: \x01 text");
  EXPECT_EQ(read(KeyFormat::kAuto, unhex("0000000007") + "x"), "datum of 7: x");
  EXPECT_EQ(read(KeyFormat::kAuto, "x", unhex("0000000007")), "datum of 7: x");
  EXPECT_EQ(read(KeyFormat::kAuto, unhex("000000000000000007") + "x", "", WireFormat::kApicurio),
            "datum of 7: x");
}

TEST(RecordKey, AutoNeverGuessesIntegers) {
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("0000002a")),
              AllOf(StartsWith("bad: "), HasSubstr("kafka.key_format: int")));
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("ffffffd6")), HasSubstr("kafka.key_format: int"));
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("000000000000002a")),
              AllOf(HasSubstr("schema id 0"), HasSubstr("kafka.key_format: long")));
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("ffffffffffffffd6")),
              HasSubstr("kafka.key_format: long"));
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("f0112233445566778899aabbccddeeff")),
              HasSubstr("kafka.key_format: uuid"));
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("00")), StartsWith("bad: "));
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("ff")), HasSubstr("bytes takes any"));
}

TEST(RecordKey, AutoKnowsGlue) {
  EXPECT_THAT(read(KeyFormat::kAuto, unhex("0300") + "0123456789abcdef" + "x"),
              AllOf(StartsWith("bad: "), HasSubstr("AWS Glue")));
  EXPECT_EQ(read(KeyFormat::kAuto, "\x03short"), "text: \x03short");
}

TEST(RecordKey, TextIsTextWhateverItBeginsWith) {
  EXPECT_EQ(read(KeyFormat::kText, "C1"), "text: C1");
  EXPECT_EQ(read(KeyFormat::kText, std::string("\0\0\0\0\7x", 6)),
            "text: " + std::string("\0\0\0\0\7x", 6));
  EXPECT_EQ(read(KeyFormat::kText, "x", unhex("0000000007")), "text: x");
  EXPECT_THAT(read(KeyFormat::kText, unhex("ff")), StartsWith("bad: "));
}

TEST(RecordKey, AvroIsAlwaysTheWireFormat) {
  EXPECT_EQ(read(KeyFormat::kAvro, unhex("0000000007") + "x"), "datum of 7: x");
  EXPECT_EQ(read(KeyFormat::kAvro, "x", unhex("0000000007")), "datum of 7: x");
  EXPECT_THAT(read(KeyFormat::kAvro, "C1"), StartsWith("bad: "));
  EXPECT_THAT(read(KeyFormat::kAvro, ""), StartsWith("bad: "));
}

TEST(RecordKey, IntegersAreBigEndianTwosComplement) {
  EXPECT_EQ(read(KeyFormat::kInt, unhex("0000002a")), "text: 42");
  EXPECT_EQ(read(KeyFormat::kInt, unhex("ffffffd6")), "text: -42");
  EXPECT_EQ(read(KeyFormat::kInt, unhex("7fffffff")), "text: 2147483647");
  EXPECT_EQ(read(KeyFormat::kInt, unhex("80000000")), "text: -2147483648");
  EXPECT_EQ(read(KeyFormat::kInt, "1234"), "text: 825373492");  // whatever it looks like
  EXPECT_EQ(read(KeyFormat::kLong, unhex("000000000000002a")), "text: 42");
  EXPECT_EQ(read(KeyFormat::kLong, unhex("8000000000000000")), "text: -9223372036854775808");
  EXPECT_EQ(read(KeyFormat::kLong, unhex("7fffffffffffffff")), "text: 9223372036854775807");
  const std::string nine = unhex("000000000000002a01");
  for (std::size_t size = 0; size <= nine.size(); ++size) {
    const auto starts = [&](std::size_t right) {
      return StartsWith(size == right ? "text: " : "bad: ");
    };
    EXPECT_THAT(read(KeyFormat::kInt, nine.substr(0, size)), starts(4));
    EXPECT_THAT(read(KeyFormat::kLong, nine.substr(0, size)), starts(8));
  }
}

TEST(RecordKey, UuidsAndBytes) {
  const std::string seventeen = unhex("00112233445566778899aabbccddeeff") + "x";
  for (std::size_t size = 0; size <= seventeen.size(); ++size) {
    const std::string read_as = read(KeyFormat::kUuid, seventeen.substr(0, size));
    if (size == 16) {
      EXPECT_EQ(read_as, "text: 00112233-4455-6677-8899-aabbccddeeff");
    } else {
      EXPECT_THAT(read_as, StartsWith("bad: "));
    }
  }
  EXPECT_EQ(read(KeyFormat::kBytes, "C1"), "text: C1");
  EXPECT_EQ(read(KeyFormat::kBytes, unhex("00ff")), "text: 0x00ff");
  EXPECT_EQ(read(KeyFormat::kBytes, ""), "text: ");
}

TEST(RecordKey, NoTwoKeysOfBytesAreAlike) {
  EXPECT_EQ(read(KeyFormat::kBytes, "0xff"), "text: 0x30786666");
  EXPECT_EQ(read(KeyFormat::kBytes, unhex("ff")), "text: 0xff");
}

}  // namespace
}  // namespace push_cache::ingest
