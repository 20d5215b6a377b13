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
      {"", "not JSON: "},
      {"{", "not JSON: "},
      {R"("int" x)", "not JSON: extra data "},
      {"3", "a type is needed (a name, an object or an array), not a number"},
      {R"("lung")", "unknown type 'lung'"},
      {"[]", "a union needs at least one branch"},
      {R"([["null"]])", "[0]: a union directly within a union"},
      {R"(["int","int"])", "[1]: 'int' stands twice in the union"},
      {R"(["int",{"type":"int","logicalType":"date"}])", "[1]: 'int' stands twice"},
      {R"({"name":"R"})", "'type' is missing"},
      {R"({"type":"record","name":"R"})", "'fields' is missing"},
      {R"({"type":"record","fields":[]})", "'name' is missing"},
      {R"({"type":"record","name":7,"fields":[]})", "name: a string is needed"},
      {R"({"type":"record","name":"1R","fields":[]})", "name: '1R' is not a name"},
      {R"({"type":"record","name":"a..R","fields":[]})", "name: 'a..R' is not a name"},
      {R"({"type":"record","name":"R","namespace":"a-b","fields":[]})", "namespace: 'a-b' is not"},
      {R"({"type":"record","name":"int","fields":[]})", "name: 'int' is a primitive type"},
      {R"({"type":"record","name":"R","aliases":"S","fields":[]})", "aliases: an array of names"},
      {R"({"type":"record","name":"R","aliases":["S","-"],"fields":[]})", "aliases[1]: not a name"},
      {R"({"type":"record","name":"R","fields":{}})", "fields: an array is needed"},
      {R"({"type":"record","name":"R","fields":["a"]})", "fields[0]: an object is needed"},
      {R"({"type":"record","name":"R","fields":[{"type":"int"}]})", "fields[0]: 'name' is missing"},
      {R"({"type":"record","name":"R","fields":[{"name":"a-b","type":"int"}]})",
       "fields[0].name: not a name"},
      {R"({"type":"record","name":"R","fields":[{"name":"a"}]})", "fields[0]: 'type' is missing"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"Foo"}]})",
       "fields[0].type: unknown type 'Foo'"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":["null",{"type":"map","values":"Foo"}]}]})",
       "fields[0].type[1].values: unknown type 'Foo'"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]})",
       "fields[1].name: 'a' stands twice"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"R","size":1}}]})",
       "fields[0].type.name: 'R' is defined twice"},
      {R"({"type":"enum","name":"E"})", "'symbols' is missing"},
      {R"({"type":"enum","name":"E","symbols":"A"})", "symbols: an array of names is needed"},
      {R"({"type":"enum","name":"E","symbols":["A","1"]})", "symbols[1]: not a name"},
      {R"({"type":"enum","name":"E","symbols":["A","A"]})", "symbols: 'A' stands twice"},
      {R"({"type":"enum","name":"E","symbols":["A"],"default":"B"})",
       "default: not one of the symbols"},
      {R"({"type":"fixed","name":"F"})", "'size' is missing"},
      {R"({"type":"fixed","name":"F","size":-1})", "size: a number of bytes is needed"},
      {R"({"type":"fixed","name":"F","size":1.5})", "size: a number of bytes is needed"},
      {R"({"type":"fixed","name":"F","size":2147483648})", "size: a number of bytes is needed"},
      {R"({"type":"array"})", "'items' is missing"},
      {R"({"type":"array","items":7})", "items: a type is needed"},
      {R"({"type":"map"})", "'values' is missing"},
  };
  for (const auto& row : rows) {
    const auto parsed = Schema::parse(row[0]);
    ASSERT_FALSE(parsed.ok()) << row[0];
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(parsed.error().public_text.substr(0, std::string(row[1]).size()), row[1]) << row[0];
  }
}

// A default of each type, in a record of one field: the error, or "" and the JSON of a record that
// was written without the field.
TEST(Schema, DefaultsFitTheirType) {
  struct Row {
    const char* type;
    const char* value;
    const char* error;
    const char* json;
  };
  const Row rows[] = {
      {R"("null")", "null", "", "null"},
      {R"("null")", "0", "null is needed, not a number", ""},
      {R"("boolean")", "true", "", "true"},
      {R"("boolean")", R"("true")", "true or false is needed, not a string", ""},
      {R"("int")", "-5", "", "-5"},
      {R"("int")", "5.0", "a whole number is needed, not 5.0", ""},
      {R"("int")", "2147483648", "2147483648 is out of the range of int", ""},
      {R"("long")", "9007199254740993", "", "9007199254740993"},
      {R"("long")", "9223372036854775808", "9223372036854775808 is out of the range of long", ""},
      {R"("float")", "0.1", "", "0.1"},
      {R"("double")", "1", "", "1.0"},
      {R"("double")", "0.30000000000000004", "", "0.30000000000000004"},
      {R"("double")", R"("NaN")", "a number is needed, not a string", ""},
      {R"("double")", "1e999", "1e999 is out of the range of double", ""},
      {R"("string")", R"("a\u00fc")", "", "\"a\xC3\xBC\""},
      {R"("bytes")", R"("\u0000\u00ff")", "", R"("AP8=")"},
      {R"("bytes")", R"("\u0100")", "characters up to U+00FF are needed", ""},
      {R"({"type":"fixed","name":"F","size":2})", R"("\u00ff\u0001")", "", R"("/wE=")"},
      {R"({"type":"fixed","name":"F","size":2})", R"("a")", "2 bytes are needed, not 1", ""},
      {R"({"type":"enum","name":"E","symbols":["A","B"]})", R"("B")", "", R"("B")"},
      {R"({"type":"enum","name":"E","symbols":["A","B"]})", R"("C")", "'C' is no symbol of E", ""},
      {R"({"type":"array","items":"int"})", "[1,2]", "", "[1,2]"},
      {R"({"type":"array","items":"int"})", R"([1,"2"])", "[1]: a number is needed, not a string",
       ""},
      {R"({"type":"map","values":"int"})", R"({"k":1})", "", R"({"k":1})"},
      {R"({"type":"map","values":"int"})", R"({"k":null})", "['k']: a number is needed, not null",
       ""},
      {R"(["null","int"])", "null", "", "null"},
      {R"(["null","int"])", "7", "", "7"},  // any branch, since 1.12
      {R"(["int","null"])", "null", "", "null"},
      {R"(["null","int"])", R"("x")", "a number is needed, not a string", ""},
      {R"({"type":"record","name":"S","fields":[{"name":"x","type":"int"},)"
       R"({"name":"y","type":"int","default":2}]})",
       R"({"x":1})", "", R"({"x":1,"y":2})"},
      {R"({"type":"record","name":"S","fields":[{"name":"x","type":"int"}]})", "{}",
       "x: the field is missing and has no default", ""},
      {R"({"type":"record","name":"S","fields":[]})", R"({"x":1})", "x: no such field in S", ""},
      {R"(["null","R"])", R"({"f":{"f":null}})", "", R"({"f":{"f":null}})"},
      {R"("R")", "{}", "nested deeper than 128", ""},
  };
  const Schema writer = schema(R"({"type":"record","name":"R","fields":[]})");
  for (const Row& row : rows) {
    const std::string text = R"({"type":"record","name":"R","fields":[{"name":"f","type":)" +
                             std::string(row.type) + R"(,"default":)" + row.value + "}]}";
    const auto reader = Schema::parse(text);
    ASSERT_EQ(reader.ok(), *row.error == '\0')
        << text << (reader.ok() ? "" : reader.error().public_text);
    if (reader.ok()) {
      const auto compiled = Plan::compile(writer, *reader, {});
      ASSERT_TRUE(compiled.ok()) << compiled.error().public_text;
      EXPECT_EQ(render(**compiled, ""), R"({"f":)" + std::string(row.json) + "}") << text;
    } else {
      const std::string& error = reader.error().public_text;
      EXPECT_EQ(error.substr(0, 17), "fields[0].default") << text;
      EXPECT_EQ(error.substr(error.size() - std::string(row.error).size()), row.error) << error;
    }
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

}  // namespace
}  // namespace push_cache::avro
