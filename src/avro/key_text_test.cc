#include "avro/key_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "avro/encoder.h"
#include "avro/testing.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

using testing::HasSubstr;

std::string key(const char* text, std::string_view bytes) {
  const Result<KeyText> made = KeyText::compile(schema(text));
  if (!made.ok()) return "no key: " + made.error().public_text;
  const Result<std::string> result = made->text(ExactBytes(std::string(bytes)));
  return result.ok() ? *result : "error: " + result.error().public_text;
}

// The key text of the datum that this JSON stands for.
std::string key_of_json(const char* text, const char* json) {
  Buffer datum;
  const Status made = Encoder(schema(text)).from_json(json, datum);
  if (!made.ok()) return "no datum: " + made.error().public_text;
  return key(text, datum.view());
}

TEST(KeyText, AValueIsWhatItsJsonShowsWithoutQuotes) {
  EXPECT_EQ(key(R"("string")", unhex("046869")), "hi");
  EXPECT_EQ(key(R"("string")", unhex("00")), "");
  EXPECT_EQ(key(R"("int")", unhex("53")), "-42");
  EXPECT_EQ(key(R"("long")", unhex("feffffffffffffffff01")), "9223372036854775807");
  EXPECT_EQ(key(R"("boolean")", unhex("01")), "true");
  EXPECT_EQ(key(R"("double")", unhex("0000000000005940")), "100.0");
  EXPECT_EQ(key(R"("float")", unhex("0000003f")), "0.5");
  EXPECT_EQ(key(R"({"type":"enum","name":"E","symbols":["A","null"]})", unhex("00")), "A");
  EXPECT_EQ(key(R"({"type":"enum","name":"E","symbols":["A","null"]})", unhex("02")), "null");
  EXPECT_EQ(key(R"({"type":"long","logicalType":"timestamp-millis"})", unhex("02")), "1");
  EXPECT_EQ(key(R"({"type":"array","items":"int"})", unhex("040204"
                                                           "00")),
            "[1,2]");
}

TEST(KeyText, BytesAreTheirTextOrHexadecimalAndNoTwoAreAlike) {
  EXPECT_EQ(key(R"("bytes")", unhex("046869")), "hi");
  EXPECT_EQ(key(R"("bytes")", unhex("04ff00")), "0xff00");
  EXPECT_EQ(key(R"("bytes")", unhex("06307866")), "0x307866");  // the text "0xf"
  EXPECT_EQ(key(R"({"type":"fixed","name":"F","size":3})", unhex("616263")), "abc");
  EXPECT_EQ(key(R"({"type":"fixed","name":"F","size":2})", unhex("c328")), "0xc328");
  EXPECT_EQ(bytes_key_text({}), "");
}

TEST(KeyText, LogicalTypesOfBytes) {
  EXPECT_EQ(key(R"({"type":"fixed","name":"F","size":16,"logicalType":"uuid"})",
                unhex("00112233445566778899AABBCCDDEEFF")),
            "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(key(R"({"type":"string","logicalType":"uuid"})", unhex("046869")), "hi");
  EXPECT_EQ(
      key(R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})", unhex("04fb32")),
      "-12.30");
}

TEST(KeyText, AUnionIsTheValueOfItsBranch) {
  EXPECT_EQ(key(R"(["null","string"])", unhex("02046869")), "hi");
  EXPECT_EQ(key(R"(["int","string","null"])", unhex("0054")), "42");
  EXPECT_THAT(key(R"(["null","string"])", unhex("00")), HasSubstr("key: it is null"));
}

// As Debezium writes the keys of rows.
TEST(KeyText, ARecordOfOneFieldIsThatFieldAndOthersAreTheirJson) {
  constexpr const char* kOne =
      R"({"type":"record","name":"Key","fields":[{"name":"id","type":["null","long"]}]})";
  EXPECT_EQ(key_of_json(kOne, R"({"id":17})"), "17");
  EXPECT_THAT(key_of_json(kOne, R"({"id":null})"), HasSubstr("null"));
  EXPECT_EQ(key_of_json(R"({"type":"record","name":"Key","fields":[{"name":"a","type":"int"},)"
                        R"({"name":"b","type":"string"}]})",
                        R"({"b":"x\"y","a":1})"),
            R"({"a":1,"b":"x\"y"})");
  // A record within a record, an enum, a float and several fields within one.
  constexpr const char* kNested =
      R"({"type":"record","name":"K","fields":[{"name":"outer","type":)"
      R"({"type":"record","name":"L","fields":[{"name":"in","type":%}]}}]})";
  const auto nested = [&](std::string_view type, const std::string& value) {
    std::string text(kNested);
    text.replace(text.find('%'), 1, type);
    return key_of_json(text.c_str(), (R"({"outer":{"in":)" + value + "}}").c_str());
  };
  EXPECT_EQ(nested(R"("string")", R"("deep")"), "deep");
  EXPECT_EQ(nested(R"({"type":"enum","name":"E","symbols":["A","B"]})", R"("B")"), "B");
  EXPECT_EQ(nested(R"("double")", "2.5"), "2.5");
  EXPECT_EQ(nested(R"({"type":"record","name":"M","fields":[{"name":"x","type":"int"},)"
                   R"({"name":"y","type":"int"}]})",
                   R"({"x":1,"y":2})"),
            R"({"x":1,"y":2})");
}

TEST(KeyText, WhatIsNotOneWholeValueHasNoText) {
  EXPECT_THAT(key(R"("string")", unhex("04686900")), HasSubstr("key: "));
  EXPECT_THAT(key(R"("string")", unhex("04ff69")), HasSubstr("UTF-8"));
  EXPECT_THAT(key(R"("string")", unhex("0668")), HasSubstr("key: "));
  EXPECT_THAT(key(R"("double")", unhex("000000000000f07f")), HasSubstr("no number"));
  EXPECT_THAT(key(R"("null")", ""), HasSubstr("must tell keys apart"));
  EXPECT_THAT(key(R"({"type":"record","name":"R","fields":[]})", ""),
              HasSubstr("must tell keys apart"));
  const std::string whole = unhex("0c02") + std::string(5, 'x') + unhex("0c") + "abcdef";
  EXPECT_THAT(key(R"({"type":"record","name":"R","fields":[{"name":"a","type":"R"}]})", whole),
              HasSubstr("key: "));
}

TEST(KeyText, EachPrefixOfAKeyIsRefused) {
  constexpr const char* kKey =
      R"({"type":"record","name":"Key","fields":[{"name":"a","type":["null","string"]},)"
      R"({"name":"b","type":"bytes"},{"name":"c","type":"long"}]})";
  Buffer datum;
  ASSERT_TRUE(
      Encoder(schema(kKey)).from_json(R"({"a":"hello","b":"AAEC","c":-70000})", datum).ok());
  for (std::size_t size = 0; size < datum.size(); ++size) {
    EXPECT_THAT(key(kKey, datum.view().substr(0, size)), HasSubstr("error: key: "));
  }
  EXPECT_THAT(key(kKey, datum.view()), HasSubstr(R"({"a":"hello")"));
}

}  // namespace
}  // namespace push_cache::avro
