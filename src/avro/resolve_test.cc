// Schema resolution: data of a writer's schema seen through a reader's.

#include <gtest/gtest.h>

#include "avro/testing.h"

namespace push_cache::avro {
namespace {

std::string resolve(std::string_view writer, std::string_view reader, std::string_view hex) {
  const auto compiled = Plan::compile(schema(writer), schema(reader), {});
  if (!compiled.ok()) return "cannot: " + compiled.error().public_text;
  return render(**compiled, unhex(hex));
}

std::string record(std::string_view fields, std::string_view name = "R") {
  return R"({"type":"record","name":")" + std::string(name) + R"(","fields":[)" +
         std::string(fields) + "]}";
}

TEST(Resolve, Promotions) {
  EXPECT_EQ(resolve(R"("int")", R"("long")", "02"), "1");
  EXPECT_EQ(resolve(R"("int")", R"("float")", "02"), "1.0");
  EXPECT_EQ(resolve(R"("int")", R"("double")", "02"), "1.0");
  EXPECT_EQ(resolve(R"("long")", R"("float")", "02"), "1.0");
  EXPECT_EQ(resolve(R"("long")", R"("double")", "03"), "-2.0");
  EXPECT_EQ(resolve(R"("float")", R"("double")", "cdcccc3d"), "0.10000000149011612");
  EXPECT_EQ(resolve(R"("string")", R"("bytes")", "06666f6f"), R"("Zm9v")");
  EXPECT_EQ(resolve(R"("bytes")", R"("string")", "06666f6f"), R"("foo")");
  EXPECT_EQ(resolve(R"("long")", R"("int")", "02"),
            "cannot: written as long, cannot be read as int");
  EXPECT_EQ(resolve(R"("double")", R"("float")", "02").substr(0, 6), "cannot");
  EXPECT_EQ(resolve(R"("string")", R"("int")", "02").substr(0, 6), "cannot");
  EXPECT_EQ(resolve(R"("bytes")", R"("string")", "02ff"),
            "error: byte 0: string that is not UTF-8");
}

TEST(Resolve, FieldsAddedRemovedAndReordered) {
  const std::string writer = record(R"({"name":"a","type":"int"},{"name":"b","type":"string"},)"
                                    R"({"name":"c","type":"boolean"})");
  EXPECT_EQ(resolve(writer, record(R"({"name":"c","type":"boolean"},{"name":"a","type":"long"})"),
                    "02 0478 79 01"),
            R"({"c":true,"a":1})");
  EXPECT_EQ(resolve(writer, record(R"({"name":"b","type":"string"})"), "02 0478 79 01"),
            R"({"b":"xy"})");
  EXPECT_EQ(resolve(writer, record(""), "02 0478 79 01"), "{}");
  EXPECT_EQ(resolve(writer,
                    record(R"({"name":"n","type":["null","int"],"default":null},)"
                           R"({"name":"a","type":"int"},)"
                           R"({"name":"s","type":"string","default":"d\"q"},)"
                           R"({"name":"m","type":{"type":"map","values":"int"},"default":{"k":1}},)"
                           R"({"name":"y","type":"bytes","default":"\u00ff"})"),
                    "02 0478 79 01"),
            R"({"n":null,"a":1,"s":"d\"q","m":{"k":1},"y":"/w=="})");
  EXPECT_EQ(resolve(writer, record(R"({"name":"z","type":"int"})"), "02 0478 79 01"),
            "cannot: z: not in the writer's R, and has no default");
  // What is skipped is still checked.
  EXPECT_EQ(resolve(writer, record(R"({"name":"a","type":"int"})"), "02 0478 79 07"),
            "error: byte 4: boolean of value 7");
}

TEST(Resolve, Aliases) {
  const std::string writer = record(R"({"name":"old","type":"int"})", "Old");
  EXPECT_EQ(resolve(writer,
                    R"({"type":"record","name":"New","aliases":["Old"],"fields":[)"
                    R"({"name":"fresh","aliases":["old"],"type":"int"}]})",
                    "02"),
            R"({"fresh":1})");
  EXPECT_EQ(resolve(writer, record(R"({"name":"old","type":"int"})", "Stranger"), "02"),
            "cannot: written as Old, cannot be read as Stranger (no alias says so)");
  EXPECT_EQ(resolve(R"({"type":"record","name":"a.R","fields":[]})",
                    R"({"type":"record","name":"b.R","fields":[]})", ""),
            "{}")
      << "names are compared without their namespace";
}

TEST(Resolve, Enums) {
  const char* writer = R"({"type":"enum","name":"E","symbols":["A","B","C"]})";
  EXPECT_EQ(
      resolve(writer, R"({"type":"enum","name":"E","symbols":["C","A"],"default":"A"})", "04"),
      R"("C")");
  EXPECT_EQ(
      resolve(writer, R"({"type":"enum","name":"E","symbols":["C","A"],"default":"A"})", "02"),
      R"("A")");
  EXPECT_EQ(resolve(writer, R"({"type":"enum","name":"E","symbols":["C"]})", "04"), R"("C")");
  EXPECT_EQ(resolve(writer, R"({"type":"enum","name":"E","symbols":["C"]})", "00"),
            "error: byte 0: symbol 'A' is not in the reader's E, which has no default");
}

TEST(Resolve, Unions) {
  EXPECT_EQ(resolve(R"("int")", R"(["null","long"])", "02"), "1");
  EXPECT_EQ(resolve(R"("int")", R"(["double","int"])", "02"), "1")
      << "the same type before a promotion";
  EXPECT_EQ(resolve(R"(["int","string"])", R"("long")", "0002"), "1");
  EXPECT_EQ(resolve(R"(["int","string"])", R"("long")", "020261"),
            "error: byte 1: a union's string cannot be read as the reader's long");
  EXPECT_EQ(resolve(R"(["null","int"])", R"(["string","null","double"])", "0202"), "1.0");
  EXPECT_EQ(resolve(R"(["null","int"])", R"(["string","null","double"])", "00"), "null");
  EXPECT_EQ(resolve(R"(["null","int"])", R"("string")", "00").substr(0, 6), "cannot");
  EXPECT_EQ(resolve(R"("boolean")", R"(["null","string"])", "01").substr(0, 6), "cannot");
}

TEST(Resolve, InsideArraysMapsAndFixed) {
  EXPECT_EQ(resolve(R"({"type":"array","items":"int"})", R"({"type":"array","items":"double"})",
                    "04020400"),
            "[1.0,2.0]");
  EXPECT_EQ(resolve(R"({"type":"map","values":"int"})",
                    R"({"type":"map","values":["null","long"]})", "020261 02 00"),
            R"({"a":1})");
  EXPECT_EQ(resolve(R"({"type":"fixed","name":"F","size":2})",
                    R"({"type":"fixed","name":"F","size":3})", "0000")
                .substr(0, 6),
            "cannot");
  // Reordered fields within the items of an array, each with places of its own.
  const std::string writer = R"({"type":"array","items":)" +
                             record(R"({"name":"a","type":"int"},{"name":"b","type":"int"})") + "}";
  const std::string reader = R"({"type":"array","items":)" +
                             record(R"({"name":"b","type":"int"},{"name":"a","type":"int"})") + "}";
  EXPECT_EQ(resolve(writer, reader, "04 02 04 06 08 00"), R"([{"b":2,"a":1},{"b":4,"a":3}])");
}

TEST(Resolve, Recursion) {
  const std::string writer = record(R"({"name":"v","type":"int"},{"name":"x","type":"string"},)"
                                    R"({"name":"next","type":["null","R"]})");
  const std::string reader =
      record(R"({"name":"next","type":["null","R"]},{"name":"v","type":"double"})");
  EXPECT_EQ(resolve(writer, reader, "02 0261 02 04 0262 02 06 00 00"),
            R"({"next":{"next":{"next":null,"v":3.0},"v":2.0},"v":1.0})");
  // A recursive type that cannot be resolved somewhere inside.
  const std::string bad =
      record(R"({"name":"v","type":"boolean"},{"name":"next","type":["null","R"]})");
  EXPECT_EQ(resolve(writer, bad, "02").substr(0, 11), "cannot: v: ");
}

TEST(Resolve, VersionComesFromTheReadersField) {
  const auto compiled = Plan::compile(
      schema(record(R"({"name":"s","type":"string"},{"name":"changed","type":"long"})")),
      schema(record(R"({"name":"updatedAt","aliases":["changed"],"type":"long"})")), {});
  ASSERT_TRUE(compiled.ok());
  EXPECT_EQ((*compiled)->version(ExactBytes(unhex("0261 0e"))), 7);
}

}  // namespace
}  // namespace push_cache::avro
