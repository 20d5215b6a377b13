// Schemas and data that were made to cost too much: each is refused, and in little time.
#include <gtest/gtest.h>

#include <string>

#include "avro/compile.h"
#include "avro/encoder.h"
#include "avro/interpreter.h"
#include "avro/node.h"
#include "avro/testing.h"
#include "avro/wire.h"
#include "base/limits.h"

namespace push_cache::avro {
namespace {

// A record that holds two of the one before it: 2^levels of the innermost.
std::string doubling(int levels, std::string innermost) {
  for (int i = 1; i <= levels; ++i) {
    innermost = R"({"type":"record","name":"Z)" + std::to_string(i) +
                R"(","fields":[{"name":"a","type":)" + innermost + R"(},{"name":"b","type":"Z)" +
                std::to_string(i - 1) + R"("}]})";
  }
  return innermost;
}

const std::string kEmptyRecord = R"({"type":"record","name":"Z0","fields":[]})";

TEST(Limits, AProgramStaysInProportionToTheSchema) {
  const Schema wide = schema(doubling(20, kEmptyRecord));
  Result<Program> program = compile_program(wide.root(), wide.root(), {});
  ASSERT_TRUE(program.ok());
  EXPECT_LT(program->ops.size(), 20'000U);
  EXPECT_LT(program->constants.size(), 1'000'000U);

  const Schema leaves =
      schema(doubling(20, R"({"type":"record","name":"Z0","fields":[{"name":"x","type":"int"}]})"));
  program = compile_program(leaves.root(), leaves.root(), {});
  ASSERT_TRUE(program.ok());
  EXPECT_LT(program->ops.size(), 50'000U);
}

TEST(Limits, JsonThatCostsNoBytesOnTheWire) {
  const Schema wide = schema(doubling(30, kEmptyRecord));  // billions of braces
  Result<Program> program = compile_program(wide.root(), wide.root(), {});
  ASSERT_TRUE(program.ok());
  program->json_bytes_max = 1'000'000;
  Buffer out;
  EXPECT_EQ(run_to_json(*program, {}, out).fault, Fault::kTooLarge);
  EXPECT_LT(out.size(), 2'000'000U);
  EXPECT_EQ(run_validate(*program, {}).fault, Fault::kTooLarge);
}

TEST(Limits, TheCapOfJsonIsExact) {
  const Schema nulls = schema(R"({"type":"array","items":"null"})");
  Result<Program> program = compile_program(nulls.root(), nulls.root(), {});
  ASSERT_TRUE(program.ok());
  const std::string datum = unhex("c801 00");  // 100 nulls: 501 bytes of JSON
  for (const std::size_t capacity : {0U, 300U, 10'000U}) {
    for (const std::size_t cap : {400U, 500U, 501U, 502U}) {
      program->json_bytes_max = cap;
      Buffer out(capacity);
      out.append('x');
      EXPECT_EQ(run_to_json(*program, as_bytes(datum), out).fault,
                cap < 501 ? Fault::kTooLarge : Fault::kNone)
          << cap;
    }
  }
}

TEST(Limits, ItemsOfNoBytesAreCountedOverTheWholeDatum) {
  const auto nulls = plan(R"({"type":"array","items":{"type":"array","items":"null"}})");
  // Two arrays of 50,000 nulls, then one more null.
  EXPECT_EQ(render(*nulls, unhex("04 a08d06 00 a08d06 00 00")).substr(0, 6), "[[null");
  EXPECT_NE(render(*nulls, unhex("06 a08d06 00 a08d06 00 02 00 00"))
                .find("more than 100000 items of no bytes"),
            std::string::npos);
  // The same when they are passed over, and in the JSON that is sent.
  const auto skipped = Plan::compile(
      schema(
          R"({"type":"record","name":"R","fields":[{"name":"n","type":{"type":"array","items":"null"}}]})"),
      schema(R"({"type":"record","name":"R","fields":[]})"), {});
  ASSERT_TRUE(skipped.ok());
  EXPECT_EQ(render(**skipped, unhex("a08d06 00")), "{}");
  EXPECT_EQ(render(**skipped, unhex("feffffffffffffffff01 00")),
            "error: byte 0: more than 100000 items of no bytes");
  std::string json = "[null";
  for (int i = 0; i < 100'000; ++i) json += ",null";
  Buffer out;
  const Status sent =
      Encoder(schema(R"({"type":"array","items":"null"})")).from_json(json + "]", out);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().public_text, "more than 100000 items of no bytes");
}

TEST(Limits, ManyItemsAreRefusedBeforeTheyAreRead) {
  const auto ints = plan(R"({"type":"array","items":"int"})");
  EXPECT_EQ(render(*ints, unhex("feffffffffffffffff01 02")),
            "error: byte 0: 9223372036854775807 items, 1 bytes left");
  EXPECT_EQ(render(*ints, unhex("ffffffffffffffffff01 02 02")),
            "error: byte 0: 9223372036854775808 items, 1 bytes left");
}

TEST(Limits, DepthOfData) {
  const auto list =
      plan(R"({"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]})");
  const auto of_depth = [](std::size_t records) { return std::string(records - 1, '\2') + '\0'; };
  EXPECT_EQ(render(*list, of_depth(limits::kDatumDepthMax)).substr(0, 6), R"({"n":{)");
  EXPECT_NE(render(*list, of_depth(limits::kDatumDepthMax + 2)).find("nested deeper than 128"),
            std::string::npos);
  // What the encoder takes can be read again.
  const auto json_of = [](std::size_t records) {
    std::string json = "null";
    for (std::size_t i = 0; i < records; ++i) json = R"({"n":)" + json + "}";
    return json;
  };
  const Encoder encoder(
      schema(R"({"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]})"));
  Buffer datum;
  ASSERT_TRUE(encoder.from_json(json_of(limits::kDatumDepthMax), datum).ok());
  EXPECT_EQ(render(*list, datum.view()), json_of(limits::kDatumDepthMax));
  EXPECT_FALSE(encoder.from_json(json_of(limits::kDatumDepthMax + 3), datum).ok());
}

TEST(Limits, DefaultsThatStandForMoreThanTheirText) {
  std::string text =
      R"({"type":"record","name":"Z0","fields":[{"name":"x","type":"int","default":7}]})";
  for (int i = 1; i <= 30; ++i) {
    const std::string before = "Z" + std::to_string(i - 1);
    text = R"({"type":"record","name":"Z)" + std::to_string(i) +
           R"(","fields":[{"name":"a","type":)" + text + R"(,"default":{}},{"name":"b","type":")" +
           before + R"(","default":{}}]})";
  }
  // Such a default costs nothing but itself, until a reader needs it.
  const Schema parsed = schema(text);
  EXPECT_TRUE(Plan::compile(parsed, {}).ok());
  const auto resolved =
      Plan::compile(schema(R"({"type":"record","name":"Z30","fields":[]})"), parsed, {});
  ASSERT_FALSE(resolved.ok());
  EXPECT_NE(resolved.error().public_text.find("too many bytes in all defaults"), std::string::npos)
      << resolved.error().public_text;
}

// 40,000 defaults, each of which stands for a MiB: no more are tried than the cap lets.
TEST(Limits, ManyDefaultsThatStandForMoreThanTheirText) {
  std::string text =
      R"({"type":"record","name":"R","fields":[{"name":"big","type":{"type":"record",)"
      R"("name":"B","fields":[{"name":"x","type":"string","default":")" +
      std::string(1'000'000, 'x') + R"("}]}})";
  for (int i = 0; i < 40'000; ++i) {
    text += R"(,{"name":"f)" + std::to_string(i) + R"(","type":"B","default":{}})";
  }
  const Schema parsed = schema(text + "]}");
  std::size_t bytes = 0;
  for (const Field& field : parsed.root().fields) bytes += field.default_datum.value_or("").size();
  EXPECT_LT(bytes, limits::kSchemaTextBytesMax * 5);
  EXPECT_TRUE(parsed.root().fields[1].has_default());
  EXPECT_EQ(parsed.root().fields.back().default_fault, "too many bytes in all defaults");
}

// A long namespace counts in each name within it.
TEST(Limits, LongNames) {
  const auto record = [](std::size_t bytes, int types) {
    std::string text = R"({"type":"record","name":"R","namespace":")" + std::string(bytes, 'n') +
                       R"(","fields":[)";
    for (int i = 0; i < types; ++i) {
      const std::string number = std::to_string(i);
      text += (i == 0 ? R"({"name":"f)" : R"(,{"name":"f)") + number +
              R"(","type":{"type":"fixed","name":"F)" + number + R"(","size":1}})";
    }
    return text + "]}";
  };
  EXPECT_TRUE(Schema::parse(record(limits::kSchemaNameBytesMax - 100, 10)).ok());
  const auto too_long = Schema::parse(record(limits::kSchemaNameBytesMax, 0));
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().public_text, "name: longer with its namespace than 4096 bytes");
  const auto too_many = Schema::parse(record(limits::kSchemaNameBytesMax - 100, 40'000));
  ASSERT_FALSE(too_many.ok());
  EXPECT_NE(too_many.error().public_text.find("bytes in all names"), std::string::npos);
}

TEST(Limits, UnionsThatFitOnlyAfterManyTries) {
  // Each level fits both branches but for its last field: 2^40 ways without a budget.
  const char* text = R"({"type":"record","name":"A","fields":[
      {"name":"n","type":["null","A",{"type":"record","name":"B","fields":[
        {"name":"n","type":["null","A","B"]},{"name":"x","type":"string"}]}]},
      {"name":"x","type":"int"}]})";
  std::string json = R"({"n":null,"x":true})";
  for (int i = 0; i < 40; ++i) json = R"({"n":)" + json + R"(,"x":1})";
  Buffer out;
  const Status sent = Encoder(schema(text)).from_json(json, out);
  ASSERT_FALSE(sent.ok());
  EXPECT_TRUE(out.empty());
}

// A million keys: all the same, half of them, none; and all with the same first and last bytes.
// What they cost grows like sorting them.
TEST(Limits, MapsOfAMillionKeys) {
  const auto map = plan(R"({"type":"map","values":"null"})");
  const std::string same(8, 's');
  constexpr std::size_t kKeys = 1'000'000;
  for (const std::size_t distinct : {std::size_t{1}, kKeys / 2, kKeys}) {
    Buffer datum;
    append_varint(datum, kKeys);
    for (std::size_t i = 0; i < kKeys; ++i) {
      const std::string key = same + std::to_string(kKeys + i % distinct) + same;
      append_varint(datum, static_cast<std::int64_t>(key.size()));
      datum.append(key);
    }
    append_varint(datum, 0);
    Buffer json;
    ASSERT_TRUE(map->to_json(datum.bytes(), json).ok());
    EXPECT_EQ(json.size(), distinct * (2 * same.size() + 7 + 8) + 1);
  }
}

TEST(Limits, LongChainsOfNamedTypes) {
  // 3,000 records, each of which holds the one before it: no text is deep, but the types are.
  std::string chain = R"([{"type":"record","name":"R0","fields":[]})";
  for (int i = 1; i < 3000; ++i) {
    const std::string before = "R" + std::to_string(i - 1);
    chain += R"(,{"type":"record","name":"R)" + std::to_string(i) +
             R"(","fields":[{"name":"a","type":")" + before + R"("},{"name":"b","type":["null",")" +
             before + R"("]}]})";
  }
  chain += "]";
  const Schema writer = schema(chain);
  const auto compiled = Plan::compile(writer, {});
  ASSERT_TRUE(compiled.ok()) << compiled.error().public_text;
  EXPECT_EQ(render(**compiled, unhex("04 00 00")), R"({"a":{"a":{},"b":null},"b":null})");
  (void)Plan::compile(writer, schema(chain), {});
}

TEST(Limits, SchemaTextsAndReferences) {
  const std::string huge = '"' + std::string(limits::kSchemaTextBytesMax, 'x') + '"';
  EXPECT_FALSE(Schema::parse(huge).ok());
  const std::vector<std::string> many(limits::kSchemaReferencesMax + 1, R"("int")");
  EXPECT_FALSE(Schema::parse(R"("int")", many).ok());
  const std::vector<std::string> twice(2, R"({"type":"fixed","name":"F","size":1})");
  EXPECT_TRUE(Schema::parse(R"("F")", twice).ok()) << "two ways may lead to one reference";
  std::string types = "[\"null\"";
  for (std::size_t i = 0; i <= limits::kSchemaTypesMax; ++i) {
    types += R"(,{"type":"fixed","name":"F)" + std::to_string(i) + R"(","size":1})";
  }
  const auto parsed = Schema::parse(types + "]");
  ASSERT_FALSE(parsed.ok());
  EXPECT_NE(parsed.error().public_text.find("more than 50000 types"), std::string::npos);
}

}  // namespace
}  // namespace push_cache::avro
