#include "avro/encoder.h"

#include <gtest/gtest.h>

#include "avro/testing.h"

namespace push_cache::avro {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(byte));
    out += digits;
  }
  return out;
}

std::string encode(std::string_view schema_text, std::string_view json) {
  Buffer out;
  out.append(std::string_view("before"));
  const Status done = Encoder(schema(schema_text)).from_json(json, out);
  if (!done.ok()) {
    EXPECT_EQ(out.view(), "before");
    EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
    return "error: " + done.error().public_text;
  }
  return hex(out.view().substr(6));
}

constexpr const char* kBill =
    R"({"type":"record","name":"Bill","fields":[{"name":"id","type":"string"},{"name":"year","type":"int"},)"
    R"({"name":"payments","type":{"type":"array","items":{"type":"record","name":"Payment","fields":[)"
    R"({"name":"amount","type":"double"}]}}},{"name":"note","type":["null","string"],"default":null}]})";

TEST(Encoder, Values) {
  EXPECT_EQ(encode(R"("null")", "null"), "");
  EXPECT_EQ(encode(R"("boolean")", "true"), "01");
  EXPECT_EQ(encode(R"("int")", "-1"), "01");
  EXPECT_EQ(encode(R"("long")", "-9223372036854775808"), "ffffffffffffffffff01");
  EXPECT_EQ(encode(R"("double")", "100"), "0000000000005940");
  EXPECT_EQ(encode(R"("float")", "0.1"), "cdcccc3d");
  EXPECT_EQ(encode(R"("string")", R"("\u00fc")"), "04c3bc");
  EXPECT_EQ(encode(R"("bytes")", R"("AP8Q")"), "0600ff10");
  EXPECT_EQ(encode(R"({"type":"fixed","name":"F","size":2})", R"("/wA=")"), "ff00");
  EXPECT_EQ(encode(R"({"type":"enum","name":"E","symbols":["A","B"]})", R"("B")"), "02");
  EXPECT_EQ(encode(R"({"type":"array","items":"int"})", "[1,2]"), "04020400");
  EXPECT_EQ(encode(R"({"type":"array","items":"int"})", "[]"), "00");
  EXPECT_EQ(encode(R"({"type":"map","values":"int"})", R"({"a":1})"), "0202610200");
  EXPECT_EQ(encode(R"(["null","int","string"])", R"("a")"), "040261");
  EXPECT_EQ(encode(R"(["null","int","double"])", "1.5"), "04000000000000f83f");
  EXPECT_EQ(encode(kBill, R"({"payments":[{"amount":1}],"year":2,"id":"x"})"),
            "02780402000000000000f03f0000");
}

TEST(Encoder, FaultsNameTheField) {
  EXPECT_EQ(encode(kBill, R"({"id":"x","year":2,"payments":[{"amount":1},{"amount":"1"}]})"),
            "error: payments[1].amount: a number is needed, not a string");
  EXPECT_EQ(encode(kBill, R"({"id":"x","payments":[]})"),
            "error: year: the field is missing and has no default");
  EXPECT_EQ(encode(kBill, R"({"id":"x","year":2,"payments":[],"extra":1})"),
            "error: extra: no such field in Bill");
  EXPECT_EQ(encode(kBill, R"({"id":"x","year":2.0,"payments":[]})"),
            "error: year: a whole number is needed, not 2.0");
  EXPECT_EQ(encode(kBill, R"({"id":"x","year":2147483648,"payments":[]})"),
            "error: year: 2147483648 is out of the range of int");
  EXPECT_EQ(encode(kBill, R"({"id":"x","year":2,"payments":[],"note":7})"),
            "error: note: a string is needed, not a number");
  EXPECT_EQ(encode(kBill, "[]"), "error: an object is needed, not an array");
  EXPECT_EQ(encode(kBill, R"({"id":"x","id":"y","year":2,"payments":[]})"),
            "error: key 'id' stands twice in the object that ends at byte 41");
  EXPECT_EQ(encode(R"("long")", "9223372036854775808"),
            "error: 9223372036854775808 is out of the range of long");
  EXPECT_EQ(encode(R"("bytes")", R"("?")"), "error: base64 with padding is needed, not '?'");
  EXPECT_EQ(encode(R"({"type":"fixed","name":"F","size":2})", R"("AA==")"),
            "error: 2 bytes are needed, not 1");
  EXPECT_EQ(encode(R"({"type":"enum","name":"E","symbols":["A"]})", R"("B")"),
            "error: 'B' is no symbol of E");
  EXPECT_EQ(encode(R"("float")", "1e300"), "error: 1e300 is out of the range of float");
  for (const char* text : {"", "{", "{} x", "nul", "\"\xff\"", "1 2"}) {
    EXPECT_EQ(encode(R"("null")", text).substr(0, 16), "error: not JSON:") << text;
  }
}

TEST(Encoder, WhatPlansRenderCanBeSentBack) {
  const char* text = R"({"type":"record","name":"R","fields":[{"name":"b","type":"bytes"},)"
                     R"({"name":"u","type":["null",{"type":"map","values":"double"}]},)"
                     R"({"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}]})";
  const std::string datum = unhex("0401ff 02 02 0261 000000000000f83f 00 02");
  const std::string json = render(*plan(text), datum);
  EXPECT_EQ(json, R"({"b":"Af8=","u":{"a":1.5},"e":"B"})");
  EXPECT_EQ(encode(text, json), hex(datum));
}

TEST(Encoder, DefaultsOfMissingFields) {
  const char* text = R"({"type":"record","name":"R","fields":[)"
                     R"({"name":"b","type":"bytes","default":"\u00ff"},)"
                     R"({"name":"u","type":["null","int"],"default":null}]})";
  EXPECT_EQ(encode(text, "{}"), "02ff00");
}

}  // namespace
}  // namespace push_cache::avro
