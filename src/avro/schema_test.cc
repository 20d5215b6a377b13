#include "avro/schema.h"

#include <gtest/gtest.h>

#include <utility>

#include "avro/encoder.h"
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
      {R"([["null"]])", "[0]: a union directly within a union"},
      {"[[]]", "[0]: a union directly within a union"},
      {R"(["int","int"])", "[1]: 'int' stands twice in the union"},
      {R"(["int",{"type":"int","logicalType":"date"}])", "[1]: 'int' stands twice"},
      {R"({"name":"R"})", "'type' is missing"},
      {R"({"type":"record","name":"R"})", "'fields' is missing"},
      {R"({"type":"record","fields":[]})", "'name' is missing"},
      {R"({"type":"record","name":7,"fields":[]})", "name: a string is needed"},
      {R"({"type":"record","name":"1R","fields":[]})", "name: '1R' is not a name"},
      {R"({"type":"record","name":"a-b","fields":[]})", "name: 'a-b' is not a name"},
      {R"({"type":"record","name":"a.","fields":[]})", "name: 'a.' is not a name"},
      {"{\"type\":\"record\",\"name\":\"gro\u0308\",\"fields\":[]}", "name: 'gro\u0308' is not"},
      {"{\"type\":\"record\",\"name\":\"\u0663\",\"fields\":[]}", "name: '\u0663' is not"},
      {R"({"type":"record","name":"x\ud800","fields":[]})", "name: 'x\xEF\xBF\xBD' is not a name"},
      {R"({"type":"record","name":"int","fields":[]})", "name: 'int' is a primitive type"},
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
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"R","fields":[]}}]})",
       "fields[0].type.name: 'R' is defined twice"},
      {R"([{"type":"fixed","name":"F","size":1},{"type":"map","values":{"type":"fixed","name":"F","size":2}}])",
       "[1].values.name: 'F' is defined twice"},
      // What is at fault in a type that was used before it is defined.
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"S"},{"name":"b","type":{"type":"record","name":"S","fields":[{"name":"x","type":"T"}]}}]})",
       "fields[1].type.fields[0].type: unknown type 'T'"},
      {R"({"type":"enum","name":"E"})", "'symbols' is missing"},
      {R"({"type":"enum","name":"E","symbols":"A"})", "symbols: an array of names is needed"},
      {R"({"type":"enum","name":"E","symbols":["A","1"]})", "symbols[1]: not a name"},
      {R"({"type":"enum","name":"E","symbols":["A","A"]})", "symbols: 'A' stands twice"},
      {R"({"type":"fixed","name":"F"})", "'size' is missing"},
      {R"({"type":"fixed","name":"F","size":-1})", "size: a number of bytes is needed"},
      {R"({"type":"fixed","name":"F","size":1.5})", "size: a number of bytes is needed"},
      {R"({"type":"fixed","name":"F","size":2147483648})", "size: a number of bytes is needed"},
      {R"({"type":"array"})", "'items' is missing"},
      {R"({"type":"array","items":7})", "items: a type is needed"},
      {R"({"type":"map"})", "'values' is missing"},
      {R"("int" /* not closed)", "not JSON: extra data "},
      {R"("int" # no comment)", "not JSON: extra data "},
      {R"({"type":"int","x":NaN})", "not JSON: "},
  };
  for (const auto& row : rows) {
    const auto parsed = Schema::parse(row[0]);
    ASSERT_FALSE(parsed.ok()) << row[0];
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(parsed.error().public_text.substr(0, std::string(row[1]).size()), row[1]) << row[0];
  }
}

// A default of each type, in a record of one field: the error of a reader that needs it, or "" and
// the JSON of a record that was written without the field. A writer's schema may have any.
TEST(Schema, DefaultsAreCheckedWhereAReaderNeedsThem) {
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
      {R"("int")", "5.0", "", "5"},
      {R"("int")", "5.5", "a whole number is needed, not 5.5", ""},
      {R"("int")", "1e300", "a whole number is needed, not 1e300", ""},
      {R"("int")", "2147483648", "2147483648 is out of the range of int", ""},
      {R"("long")", "9007199254740993", "", "9007199254740993"},
      {R"("long")", "9223372036854775808", "9223372036854775808 is out of the range of long", ""},
      {R"("float")", "0.1", "", "0.1"},
      {R"("double")", "1", "", "1.0"},
      {R"("double")", "0.30000000000000004", "", "0.30000000000000004"},
      {R"("double")", R"("NaN")", "", "null"},
      {R"("float")", R"("-Infinity")", "", "null"},
      {R"("float")", R"(" +1.5f ")", "", "1.5"},
      {R"("double")", R"("nan")", "a number is needed, not a string", ""},
      {R"("double")", R"("inf")", "a number is needed, not a string", ""},
      {R"("double")", R"("1.5x")", "a number is needed, not a string", ""},
      {R"("double")", R"("")", "a number is needed, not a string", ""},
      {R"(["double","string"])", R"("NaN")", "", R"("NaN")"},
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
    const Schema reader = schema(text);
    EXPECT_TRUE(Plan::compile(reader, {}).ok()) << text;
    const auto compiled = Plan::compile(writer, reader, {});
    if (*row.error == '\0') {
      ASSERT_TRUE(compiled.ok()) << compiled.error().public_text;
      EXPECT_EQ(render(**compiled, ""), R"({"f":)" + std::string(row.json) + "}") << text;
      continue;
    }
    ASSERT_FALSE(compiled.ok()) << text;
    const std::string start =
        "f: not in the writer's R, and the default in the reader's R cannot be used: ";
    const std::string& error = compiled.error().public_text;
    EXPECT_EQ(error.substr(0, start.size()), start) << text;
    EXPECT_EQ(error.substr(error.size() - std::string(row.error).size()), row.error) << error;
    // Nor can a record that is sent leave the field out.
    Buffer datum;
    const Status sent = Encoder(reader).from_json("{}", datum);
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().public_text.find("f: the field is missing, and its default"), 0)
        << sent.error().public_text;
  }
}

TEST(Schema, DefaultOfAnEnumThatIsNoSymbol) {
  const Schema writer = schema(R"({"type":"enum","name":"E","symbols":["A","B"],"default":7})");
  const Schema reader = schema(R"({"type":"enum","name":"E","symbols":["B"],"default":"Z"})");
  EXPECT_EQ(render(**Plan::compile(writer, {}), unhex("02")), R"("B")");
  const auto compiled = Plan::compile(writer, reader, {});
  ASSERT_TRUE(compiled.ok());
  EXPECT_EQ(render(**compiled, unhex("02")), R"("B")");
  EXPECT_EQ(
      render(**compiled, unhex("00")),
      "error: byte 0: symbol 'A' is not in the reader's E, whose default cannot be used: it is "
      "not one of the symbols");
}

// What plays no role in reading: each text, and the name of its type.
TEST(Schema, ReadsWhatJavaReads) {
  const auto record = [](const std::string& attributes) {
    return R"({"type":"record","name":"R","fields":[],)" + attributes + "}";
  };
  const auto field = [](const std::string& attributes) {
    return R"({"type":"record","name":"R","fields":[{"name":"f","type":"int",)" + attributes +
           "}]}";
  };
  const std::pair<std::string, const char*> rows[] = {
      {record(R"("aliases":["ref-no",".Old","",7,null,{},"R","R"])"), "R"},
      {record(R"("aliases":"Old")"), "R"},
      {field(R"("aliases":["ref-no","a.b"])"), "R"},
      {field(R"("aliases":null)"), "R"},
      {record(R"("namespace":"cdc-eu-1.sales")"), "cdc-eu-1.sales.R"},
      {record(R"("namespace":"prod.20240101.t")"), "prod.20240101.t.R"},
      {record(R"("namespace":"com.acme.Outer$")"), "com.acme.Outer$.R"},
      {record(R"("namespace":"a..b")"), "a..b.R"},
      {record(R"("namespace":"")"), "R"},
      {record(R"("namespace":7)"), "R"},
      {record(R"("namespace":"\ud800")"), "\xEF\xBF\xBD.R"},
      {R"({"type":"record","name":"a-b..R","fields":[]})", "a-b..R"},
      {R"({"type":"record","name":".R","namespace":"n","fields":[{"name":"f","type":["null",".R"]}]})",
       "R"},
      {R"({"type":"record","name":"größe","fields":[{"name":"größe","type":"int"}]})", "größe"},
      {R"({"type":"enum","name":"É٣","symbols":["ÉTÉ","日本","ª"]})", "É٣"},
      {R"({"type":"enum","name":"E","symbols":[],"default":null})", "E"},
      {field(R"("default":{"a":[]},"order":"sideways","doc":{"a":1})"), "R"},
      {"\xEF\xBB\xBF /** a **/ \"int\" // the end", "int"},
      {"{/*a*/\"type\"/*b*/:/***/\"int\"//c\r,\"doc\"://d\n\"/*no*/ //no\"}/*e*/", "int"},
      {record(R"("doc":"\ud800","x\udfff":["\udc00\ud800","\ud83d\ude00\\ud800"])"), "R"},
      {"{\"type\":\"int\",\"doc\":\"\xED\xA0\x80\"}", "int"},
      {R"({"type":"array","items":[]})", "array"},
      {R"({"type":"map","values":[]})", "map"},
      {"[]", "union"},
      {R"({"type":"fixed","name":"F","size":-0})", "F"},
      {R"({"type":"bytes","logicalType":{},"precision":"x"})", "bytes"},
      {R"({"type":"bytes","logicalType":"decimal","precision":2,"scale":"5"})", "bytes"},
      {R"({"type":"int","x":)" + std::string(900, '[') + std::string(900, ']') + "}", "int"},
      // Defined twice in the same way; used before it is defined.
      {R"([{"type":"enum","name":"E","symbols":["A"]},{"type":"array","items":)"
       R"({"type":"enum","name":"E","symbols":["A"]}}])",
       "union"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"S"},{"name":"b","type":)"
       R"({"type":"record","name":"S","fields":[{"name":"t","type":["null","T"]},{"name":"u","type":)"
       R"({"type":"record","name":"T","fields":[{"name":"s","type":["null","S"]}]}}]}}]})",
       "R"},
  };
  for (const auto& [text, name] : rows) {
    const Schema read = schema(text);
    EXPECT_EQ(read.full_name(), name) << text;
    EXPECT_TRUE(Plan::compile(read, {}).ok()) << text;
    EXPECT_TRUE(Plan::compile(read, schema(text), {}).ok()) << text;
    EXPECT_TRUE(Schema::parse(R"("int")", std::vector{text}).ok()) << text;
  }
}

TEST(Schema, TypesUsedBeforeTheyAreDefined) {
  const auto read = plan(R"({"type":"record","name":"R","namespace":"n","fields":[
      {"name":"a","type":"S"},{"name":"b","type":{"type":"record","name":"S","fields":[
        {"name":"x","type":"int"}]}},{"name":"c","type":"n.S"}]})");
  EXPECT_EQ(render(*read, unhex("02 04 06")), R"({"a":{"x":1},"b":{"x":2},"c":{"x":3}})");
}

TEST(Schema, UnionsWithoutBranches) {
  const auto array = plan(R"({"type":"array","items":[]})");
  EXPECT_EQ(render(*array, unhex("00")), "[]");
  EXPECT_EQ(render(*array, unhex("02 00 00")), "error: byte 1: branch 0 of a union of 0");
  const auto skipped = Plan::compile(
      schema(
          R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"map","values":[]}}]})"),
      schema(R"({"type":"record","name":"R","fields":[]})"), {});
  ASSERT_TRUE(skipped.ok());
  EXPECT_EQ(render(**skipped, unhex("00")), "{}");
  EXPECT_EQ(render(**skipped, unhex("02 00 00 00")).find("error: byte 2: branch 0"), 0);
}

// An alias may hold any text, and matches the field or type of that name.
TEST(Schema, AliasesThatAreNoNamesStillMatch) {
  const auto compiled = Plan::compile(
      schema(R"({"type":"record","name":"Old","fields":[{"name":"a","type":"int"}]})"),
      schema(R"({"type":"record","name":"R","namespace":"n","aliases":["ref-no",".Old"],)"
             R"("fields":[{"name":"b","type":"int","aliases":["a-b","a"]}]})"),
      {});
  ASSERT_TRUE(compiled.ok()) << compiled.error().public_text;
  EXPECT_EQ(render(**compiled, unhex("02")), R"({"b":1})");
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
