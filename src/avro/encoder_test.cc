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

TEST(Encoder, FaultsOfNumbers) {
  const char* const rows[][3] = {
      {"int", "2147483647", "feffffff0f"},
      {"int", "-2147483649", "error: -2147483649 is out of the range of int"},
      {"int", "-0", "00"},
      {"int", "1e2", "error: a whole number is needed, not 1e2"},
      {"int", "\"1\"", "error: a number is needed, not a string"},
      {"int", "null", "error: a number is needed, not null"},
      {"long", "9223372036854775807", "feffffffffffffffff01"},
      {"long", "-9223372036854775809", "error: -9223372036854775809 is out of the range of long"},
      {"long", "5.0", "error: a whole number is needed, not 5.0"},
      {"double", "9007199254740993", "0000000000004043"},
      {"double", "1e-400", "0000000000000000"},
      {"double", "1e400", "error: 1e400 is out of the range of double"},
      {"double", "-1e400", "error: -1e400 is out of the range of double"},
      {"double", "null", "error: a number is needed, not null"},
      {"double", "true", "error: a number is needed, not true"},
      {"float", "3.4028235e38", "ffff7f7f"},
      {"float", "1e-50", "00000000"},
      {"float", "16777217", "0000804b"},
      {"boolean", "1", "error: true or false is needed, not a number"},
      {"null", "false", "error: null is needed, not false"},
      {"string", "7", "error: a string is needed, not a number"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(encode("\"" + std::string(row[0]) + "\"", row[1]), row[2]) << row[0] << " " << row[1];
  }
}

TEST(Encoder, PathsLeadThroughEveryContainer) {
  const char* text =
      R"({"type":"record","name":"R","fields":[{"name":"m","type":{"type":"map","values":
      {"type":"array","items":["null",{"type":"record","name":"S","fields":[
        {"name":"x","type":"long"}]}]}}}]})";
  EXPECT_EQ(encode(text, R"({"m":{"k k":[null,{"x":1},{"x":"1"}]}})"),
            "error: m['k k'][2].x: a number is needed, not a string");
  EXPECT_EQ(encode(text, R"({"m":{"a":[{"y":1}]}})"), "error: m['a'][0].y: no such field in S");
  EXPECT_EQ(encode(text, R"({"m":{"a":[{}]}})"),
            "error: m['a'][0].x: the field is missing and has no default");
  EXPECT_EQ(encode(text, R"({"m":{"a":[],"a":[]}})").substr(0, 27), "error: key 'a' stands twice");
  EXPECT_EQ(encode(text, R"({"m":{"a":7}})"), "error: m['a']: an array is needed, not a number");
  EXPECT_EQ(encode(text, R"({"m":[]})"), "error: m: an object is needed, not an array");
  EXPECT_EQ(encode(text, "{\"m\":{\"a\\nb\":1}}"),
            "error: m['a\\nb']: an array is needed, not a number")
      << "no line of a log is broken by what somebody sends";
}

TEST(Encoder, RepeatedKeysAmongMany) {
  std::string json = "{";
  for (int i = 0; i < 100; ++i) json += "\"k" + std::to_string(i) + "\":1,";
  const char* map = R"({"type":"map","values":"int"})";
  EXPECT_EQ(encode(map, json + "\"k50\":2}").substr(0, 29), "error: key 'k50' stands twice");
  EXPECT_EQ(encode(map, json + "\"\":1}").substr(0, 4), "ca01");
  EXPECT_EQ(encode(map, R"({"":1,"":2})").substr(0, 26), "error: key '' stands twice");
  EXPECT_EQ(encode(map, R"({"a":1,"\u0061":2})").substr(0, 27), "error: key 'a' stands twice");
}

TEST(Encoder, UnionsTakeTheFirstBranchThatFits) {
  EXPECT_EQ(encode(R"(["int","long"])", "3000000000"), "0280f882ad16");
  EXPECT_EQ(encode(R"(["int","double"])", "5"), "000a");
  EXPECT_EQ(encode(R"(["int","double"])", "5.0"), "020000000000001440");
  EXPECT_EQ(encode(R"(["bytes","string"])", R"("abc")"), "0206616263") << "not base64";
  EXPECT_EQ(encode(R"([{"type":"enum","name":"E","symbols":["A"]},"string"])", R"("B")"), "020242");
  EXPECT_EQ(encode(R"(["null",{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]},
                      {"type":"record","name":"B","fields":[{"name":"x","type":"string"}]}])",
                   R"({"x":"s"})"),
            "040273");
  EXPECT_EQ(encode(R"(["null","int","string"])", "true"),
            "error: true fits no branch of the union (null, int, string)");
  EXPECT_EQ(encode(R"(["null","int"])", "1.5"), "error: a whole number is needed, not 1.5");
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
