#include "avro/schema.h"

#include <gtest/gtest.h>

#include "avro/testing.h"

namespace push_cache::avro {
namespace {

TEST(Schema, NamesFollowTheirNamespace) {
  EXPECT_EQ(schema(R"("long")").full_name(), "long");
  EXPECT_EQ(schema(R"({"type":"array","items":"int"})").full_name(), "array");
  EXPECT_EQ(schema(R"({"type":"record","name":"R","namespace":"a.b","fields":[]})").full_name(),
            "a.b.R");
  EXPECT_EQ(schema(R"({"type":"record","name":"x.y.R","namespace":"a","fields":[]})").full_name(),
            "x.y.R");
  // A type named within a record is in the record's namespace, and can be referred to both ways.
  schema(R"({"type":"record","name":"n.R","fields":[{"name":"a","type":{"type":"enum","name":"E",)"
         R"("symbols":["A"]}},{"name":"b","type":"E"},{"name":"c","type":"n.E"}]})");
}

TEST(Schema, FaultsSayWhatAndWhere) {
  const char* const rows[][2] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {R"("lung")", "schema: unknown type 'lung'"},
      {R"({"type":"record","name":"R"})", "schema: the key 'fields' is missing"},
      {R"({"type":"record","fields":[]})", "schema: the key 'name' is missing"},
      {R"({"type":"record","name":"R","fields":[{"name":"a"}]})",
       "schema.fields[0]: the key 'type'"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"Foo"}]})",
       "schema.fields[0]: unknown type 'Foo'"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]})",
       "defined twice"},
      {R"({"type":"enum","name":"E"})", "'symbols'"},
      {R"({"type":"enum","name":"E","symbols":["A","A"]})", "there twice"},
      {R"({"type":"enum","name":"E","symbols":["A"],"default":"B"})", "none of the symbols"},
      {R"({"type":"fixed","name":"F"})", "'size'"},
      {R"({"type":"fixed","name":"F","size":-1})", "'size'"},
      {R"({"type":"array"})", "'items'"},
      {R"({"type":"map"})", "'values'"},
      {"[]", "at least one branch"},
      {R"([["null"]])", "schema[0]: a union directly within a union"},
      {R"(["int","int"])", "schema[1]: the union has 'int' twice"},
      {"3", "a type must be"},
      {R"({"name":"R"})", "'type' is missing"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"R","size":1}}]})",
       "defined twice"},
  };
  for (const auto& row : rows) {
    const auto parsed = Schema::parse(row[0]);
    ASSERT_FALSE(parsed.ok()) << row[0];
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(parsed.error().public_text.find(row[1]), std::string::npos)
        << row[0] << ": " << parsed.error().public_text;
  }
}

TEST(Schema, HugeNestingIsRefused) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += R"({"type":"array","items":)";
  EXPECT_FALSE(Schema::parse(deep + R"("int")" + std::string(100'000, '}')).ok());
  EXPECT_FALSE(Schema::parse(std::string(5'000'000, ' ')).ok());
}

TEST(Schema, ReferencesDefineNames) {
  const std::vector<std::string> references = {
      R"({"type":"record","name":"Address","namespace":"n","fields":[{"name":"zip","type":"int"}]})"};
  const char* text =
      R"({"type":"record","name":"P","namespace":"n","fields":[{"name":"at","type":"Address"},)"
      R"({"name":"was","type":["null","n.Address"]}]})";
  EXPECT_FALSE(Schema::parse(text).ok());
  const auto parsed = Schema::parse(text, references);
  ASSERT_TRUE(parsed.ok()) << parsed.error().public_text;
  EXPECT_EQ(parsed->full_name(), "n.P");
  EXPECT_EQ(render(**Plan::compile(*parsed, {}), unhex("02 02 04")),
            R"({"at":{"zip":1},"was":{"zip":2}})");
}

TEST(KeyText, StringsAndNumbers) {
  const auto key = [](const char* text, const char* hex) {
    const auto result = key_text(schema(text), ExactBytes(unhex(hex)));
    return result.ok() ? *result : "error: " + result.error().public_text;
  };
  EXPECT_EQ(key(R"("string")", "046869"), "hi");
  EXPECT_EQ(key(R"("bytes")", "046869"), "hi");
  EXPECT_EQ(key(R"("int")", "53"), "-42");
  EXPECT_EQ(key(R"("long")", "feffffffffffffffff01"), "9223372036854775807");
  EXPECT_EQ(key(R"(["null","string"])", "02046869"), "hi");
  EXPECT_NE(key(R"(["null","string"])", "00").find("null"), std::string::npos);
  EXPECT_NE(key(R"("string")", "04686900").find("left over"), std::string::npos);
  EXPECT_NE(key(R"("string")", "04ff69").find("UTF-8"), std::string::npos);
  EXPECT_NE(key(R"("string")", "0668").find("cut short"), std::string::npos);
  EXPECT_NE(key(R"("double")", "0000000000005940").find("must be a string"), std::string::npos);
}

}  // namespace
}  // namespace push_cache::avro
