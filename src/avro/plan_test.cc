#include "avro/plan.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_map>

#include "avro/count_allocations.h"
#include "avro/testing.h"
#include "avro/wire.h"

namespace push_cache::avro {
namespace {

struct Case {
  const char* schema;
  const char* hex;
  const char* json;
};

constexpr const char* kCustomer =
    R"({"type":"record","name":"Customer","namespace":"com.polecatworks.billing","fields":[)"
    R"({"name":"accountId","type":"string"},{"name":"name","type":"string"},)"
    R"({"name":"address","type":"string"},{"name":"phone","type":"string"},)"
    R"({"name":"createdAt","type":"long"},{"name":"updatedAt","type":"long"}]})";
constexpr const char* kNode =
    R"({"type":"record","name":"Node","fields":[{"name":"v","type":"int"},)"
    R"({"name":"next","type":["null","Node"]}]})";
constexpr const char* kTree =
    R"({"type":"record","name":"Tree","fields":[{"name":"kids","type":{"type":"array","items":"Tree"}}]})";

const Case kCases[] = {
    {R"("null")", "", "null"},
    {R"("boolean")", "00", "false"},
    {R"("boolean")", "01", "true"},
    {R"("int")", "01", "-1"},
    {R"("int")", "feffffff0f", "2147483647"},
    {R"("int")", "ffffffff0f", "-2147483648"},
    {R"("long")", "feffffffffffffffff01", "9223372036854775807"},
    {R"("long")", "ffffffffffffffffff01", "-9223372036854775808"},
    {R"("long")", "8000", "0"},  // longer than needed, but a right varint
    {R"("float")", "00000000", "0.0"},
    {R"("float")", "cdcccc3d", "0.1"},
    {R"("float")", "0000c07f", "null"},
    {R"("double")", "0000000000005940", "100.0"},
    {R"("double")", "9a9999999999b93f", "0.1"},
    {R"("double")", "0000000000000080", "-0.0"},
    {R"("double")", "000000000000f07f", "null"},
    {R"("double")", "000000000000f87f", "null"},
    {R"("double")", "50efe2d6e41a4b44", "1e+21"},
    {R"("double")", "0100000000000000", "5e-324"},
    {R"("string")", "00", R"("")"},
    {R"("string")", "06666f6f", R"("foo")"},
    {R"("string")", "0c61220a5c0762", R"("a\"\n\\\u0007b")"},
    {R"("string")", "16 30313233343536373839 c3", "error: byte 0: string that is not UTF-8"},
    {R"("string")", "18 30313233343536373839 c3bc", "\"0123456789\xC3\xBC\""},
    {R"("bytes")", "0600ff10", R"("AP8Q")"},
    {R"("bytes")", "00", R"("")"},
    {R"({"type":"fixed","name":"F","size":2})", "ff00", R"("/wA=")"},
    {R"({"type":"fixed","name":"F","size":0})", "", R"("")"},
    {R"({"type":"enum","name":"E","symbols":["A","B"]})", "02", R"("B")"},
    {R"({"type":"array","items":"int"})", "00", "[]"},
    {R"({"type":"array","items":"int"})", "04020400", "[1,2]"},
    {R"({"type":"array","items":"int"})", "0202 0102 04 00",
     "[1,2]"},  // two blocks, one with its size
    {R"({"type":"array","items":"null"})", "0600", "[null,null,null]"},
    {R"({"type":"array","items":{"type":"array","items":"int"}})", "04 0202 00 00 00", "[[1],[]]"},
    {R"({"type":"map","values":"int"})", "00", "{}"},
    {R"({"type":"map","values":"int"})", "04 0261 02 0262 04 00", R"({"a":1,"b":2})"},
    {R"({"type":"map","values":"int"})", "02 0222 02 00", R"({"\"":1})"},
    {R"(["null","string"])", "00", "null"},
    {R"(["null","string"])", "020261", R"("a")"},
    {R"(["int","string","null"])", "0406", "error: byte 1: 1 bytes left over"},
    {R"(["int","string","null"])", "0006", "3"},
    {R"({"type":"record","name":"R","fields":[]})", "", "{}"},
    {R"({"type":"record","name":"R","fields":[{"name":"a_b","type":"int"}]})", "02",
     R"({"a_b":1})"},
    {R"({"type":"record","name":"R","fields":[{"name":"a","type":["null","int"]},{"name":"b","type":"int"}]})",
     "0004", R"({"a":null,"b":2})"},
    {R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"S","fields":[)"
     R"({"name":"x","type":"int"}]}},{"name":"b","type":"S"}]})",
     "0204", R"({"a":{"x":1},"b":{"x":2}})"},
    {kNode, "02 02 04 02 06 00", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
    {kTree, "02 04 00 00 00 00", R"({"kids":[{"kids":[{"kids":[]},{"kids":[]}]}]})"},
    {kTree, "02 04 00 00 00 00 00", "error: byte 6: 1 bytes left over"},
    {kTree, "04 00 02 00 00 00", R"({"kids":[{"kids":[]},{"kids":[{"kids":[]}]}]})"},
    {kCustomer, "046131 0441 6c 0262 00 02 04",
     "{\"accountId\":\"a1\",\"name\":\"Al\",\"address\":\"b\",\"phone\":\"\",\"createdAt\":1,"
     "\"updatedAt\":2}"},
    // Malformed: where, and why.
    {R"("boolean")", "", "error: byte 0: 1 bytes needed, 0 left"},
    {R"("boolean")", "02", "error: byte 0: boolean of value 2"},
    {R"("int")", "feffffff1f", "error: byte 0: 4294967295 is out of the range of int"},
    {R"("int")", "80", "error: byte 0: number cut short, or of more than 64 bits"},
    {R"("long")", "ffffffffffffffffff02",
     "error: byte 0: number cut short, or of more than 64 bits"},
    {R"("long")", "8080808080808080808000",
     "error: byte 0: number cut short, or of more than 64 bits"},
    {R"("double")", "00000000000059", "error: byte 0: 8 bytes needed, 7 left"},
    {R"("string")", "0761", "error: byte 0: string of -4 bytes, 1 left"},
    {R"("string")", "0461", "error: byte 0: string of 2 bytes, 1 left"},
    {R"("string")", "feffffffffffffffff01",
     "error: byte 0: string of 9223372036854775807 bytes, 0 left"},
    {R"({"type":"fixed","name":"F","size":3})", "ff00", "error: byte 0: 3 bytes needed, 2 left"},
    {R"({"type":"enum","name":"E","symbols":["A","B"]})", "04",
     "error: byte 0: symbol 2 of an enum of 2"},
    {R"({"type":"enum","name":"E","symbols":["A","B"]})", "01",
     "error: byte 0: symbol -1 of an enum of 2"},
    {R"(["null","string"])", "04", "error: byte 0: branch 2 of a union of 2"},
    {R"(["null","string"])", "01", "error: byte 0: branch -1 of a union of 2"},
    {R"({"type":"array","items":"int"})", "0302 0200",
     "error: byte 4: block of 1 bytes whose items take 2"},
    {R"({"type":"array","items":"int"})", "0104 0200",
     "error: byte 3: block of 2 bytes whose items take 1"},
    {R"({"type":"array","items":"int"})", "0306 02", "error: byte 0: block of 3 bytes, 1 left"},
    {R"({"type":"array","items":"null"})", "feffffffffffffffff01",
     "error: byte 0: more than 100000 items of no bytes"},
    {R"("int")", "0202", "error: byte 1: 1 bytes left over"},
};

TEST(Plan, TableOfHandWrittenCases) {
  for (const Case& row : kCases) {
    EXPECT_EQ(render(*plan(row.schema), unhex(row.hex)), row.json) << row.schema << " " << row.hex;
  }
}

TEST(Plan, NoTruncatedDatumIsTakenForTheWhole) {
  for (const Case& row : kCases) {
    const std::string datum = unhex(row.hex);
    const auto compiled = plan(row.schema);
    const std::string whole = render(*compiled, datum);
    if (whole.starts_with("error")) continue;
    for (std::size_t size = 0; size < datum.size(); ++size) {
      EXPECT_NE(render(*compiled, datum.substr(0, size)), whole)
          << row.schema << " cut at " << size;
    }
  }
}

TEST(Plan, RandomDamageNeverCrashes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const Case& row : kCases) {
    const auto compiled = plan(row.schema, {.logical_types = LogicalTypes::kReadable});
    for (int round = 0; round < 200; ++round) {
      std::string datum = unhex(row.hex) + std::string(random() % 8, '\2');
      for (int hit = 0; hit < 3 && !datum.empty(); ++hit) {
        datum[random() % datum.size()] = static_cast<char>(random());
      }
      render(*compiled, datum);
    }
  }
}

TEST(Plan, ReadableLogicalTypes) {
  const Case cases[] = {
      {R"({"type":"int","logicalType":"date"})", "00", R"("1970-01-01")"},
      {R"({"type":"int","logicalType":"date"})", "01", R"("1969-12-31")"},
      {R"({"type":"int","logicalType":"date"})", "8cb502", R"("2024-02-29")"},
      {R"({"type":"int","logicalType":"date"})", "feffffff0f", "2147483647"},
      {R"({"type":"int","logicalType":"time-millis"})", "02", R"("00:00:00.001")"},
      {R"({"type":"long","logicalType":"time-micros"})", "02", R"("00:00:00.000001")"},
      {R"({"type":"int","logicalType":"time-millis"})", "01", "-1"},
      {R"({"type":"long","logicalType":"timestamp-millis"})", "00", R"("1970-01-01T00:00:00Z")"},
      {R"({"type":"long","logicalType":"timestamp-millis"})", "01",
       R"("1969-12-31T23:59:59.999Z")"},
      {R"({"type":"long","logicalType":"timestamp-micros"})", "02",
       R"("1970-01-01T00:00:00.000001Z")"},
      {R"({"type":"long","logicalType":"timestamp-nanos"})", "02",
       R"("1970-01-01T00:00:00.000000001Z")"},
      {R"({"type":"long","logicalType":"local-timestamp-millis"})", "00",
       R"("1970-01-01T00:00:00")"},
      {R"({"type":"long","logicalType":"timestamp-millis"})", "feffffffffffffffff01",
       "9223372036854775807"},
      {R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})", "043039",
       R"("123.45")"},
      {R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})", "04cfc7",
       R"("-123.45")"},
      {R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":3})", "0205", R"("0.005")"},
      {R"({"type":"bytes","logicalType":"decimal","precision":9})", "00", R"("0")"},
      {R"({"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4})", "8000",
       R"("-32768")"},
      {R"({"type":"bytes","logicalType":"decimal","precision":40})",
       "2200ffffffffffffffffffffffffffffffff", R"("340282366920938463463374607431768211455")"},
      {R"({"type":"fixed","name":"U","size":16,"logicalType":"uuid"})",
       "00112233445566778899aabbccddeeff", R"("00112233-4455-6677-8899-aabbccddeeff")"},
      {R"({"type":"string","logicalType":"uuid"})", "0261", R"("a")"},
      {R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})",
       "01000000 02000000 bc0b0000", R"("P1M2DT3.004S")"},
      {R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})",
       "00000000 00000000 00000000", R"("PT0S")"},
      {R"({"type":"string","logicalType":"date"})", "0261", R"("a")"},  // ill-formed: ignored
  };
  for (const Case& row : cases) {
    EXPECT_EQ(render(*plan(row.schema, {.logical_types = LogicalTypes::kReadable}), unhex(row.hex)),
              row.json)
        << row.schema << " " << row.hex;
  }
  EXPECT_EQ(render(*plan(R"({"type":"long","logicalType":"timestamp-millis"})"), unhex("02")), "1");
}

TEST(Plan, DeepDataAreRefusedNotCrashed) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += unhex("0202");
  EXPECT_NE(render(*plan(kNode), deep).find("nested deeper than 128"), std::string::npos);
  std::string nested_arrays(100'000, '\2');
  EXPECT_NE(render(*plan(kTree), nested_arrays).find("nested deeper than 128"), std::string::npos);
}

TEST(Plan, LongStringsAndManyEscapes) {
  for (const std::size_t size : {7u, 8u, 9u, 255u, 1024u, 1025u, 100'000u}) {
    for (const char letter : {'x', '\x01', '"'}) {
      const std::string text(size, letter);
      std::string datum;
      for (std::uint64_t raw = size * 2;; raw >>= 7) {
        datum.push_back(static_cast<char>(raw >= 0x80 ? (raw & 0x7F) | 0x80 : raw));
        if (raw < 0x80) break;
      }
      std::string expected;
      for (std::size_t i = 0; i < size; ++i) {
        expected += letter == 'x' ? "x" : letter == '"' ? "\\\"" : "\\u0001";
      }
      EXPECT_EQ(render(*plan(R"("string")"), datum + text), "\"" + expected + "\"");
    }
  }
}

TEST(Plan, RenderingAllocatesNothing) {
  const char* reordered =
      R"({"type":"record","name":"Customer","fields":[{"name":"updatedAt","type":"long"},)"
      R"({"name":"phone","type":"string"},{"name":"accountId","type":"string"}]})";
  const std::string customer = unhex("046131 0441 6c 0262 00 02 04");
  const std::string list = unhex("02 02 04 02 06 00");
  const std::string decimals = unhex("04 043039 04cfc7 00");
  const struct {
    std::shared_ptr<const Plan> plan;
    Bytes datum;
  } rows[] = {
      {plan(kCustomer), as_bytes(customer)},
      {*Plan::compile(schema(kCustomer), schema(reordered), {}), as_bytes(customer)},
      {plan(kNode), as_bytes(list)},
      {plan(R"({"type":"array","items":{"type":"bytes","logicalType":"decimal","precision":9}})",
            {.logical_types = LogicalTypes::kReadable}),
       as_bytes(decimals)},
  };
  Buffer out(4096);
  for (const auto& row : rows) {
    out.clear();
    ASSERT_TRUE(row.plan->to_json(row.datum, out).ok());  // sets up what is kept between data
    const std::size_t before = allocations();
    for (int i = 0; i < 10; ++i) {
      out.clear();
      if (!row.plan->to_json(row.datum, out).ok() || !row.plan->validate(row.datum).ok()) FAIL();
      (void)row.plan->version(row.datum);
    }
    EXPECT_EQ(allocations(), before) << out.view();
  }
}

TEST(Plan, VersionIsReadFromItsField) {
  const auto version = [](const char* schema_text, const char* hex,
                          const char* field = "updatedAt") {
    return plan(schema_text, {.version_field = field})->version(ExactBytes(unhex(hex)));
  };
  EXPECT_EQ(version(kCustomer, "046131 0441 6c 0262 00 02 04"), 2);
  EXPECT_EQ(version(kCustomer, "046131 0441 6c 0262 00 02 04", "createdAt"), 1);
  EXPECT_EQ(version(kCustomer, "046131 0441", "createdAt"), std::nullopt);
  EXPECT_EQ(version(kCustomer, "046131 0441 6c 0262 00 02 04", "name"), std::nullopt);
  EXPECT_EQ(version(kCustomer, "046131 0441 6c 0262 00 02 04", ""), std::nullopt);
  EXPECT_EQ(version(R"("long")", "02"), std::nullopt);
  const char* nullable =
      R"({"type":"record","name":"R","fields":[{"name":"m","type":{"type":"map","values":"string"}},)"
      R"({"name":"updatedAt","type":["null","long"]}]})";
  EXPECT_EQ(version(nullable, "00 02 0a"), 5);
  EXPECT_EQ(version(nullable, "00 00"), std::nullopt);
  EXPECT_EQ(version(nullable, "01 08 0261 0262 00 02 0a"), 5);
}

// Avro of a map of string to int, in blocks of the keys given.
std::string map_of(const std::vector<std::vector<std::string>>& blocks) {
  Buffer out;
  std::int64_t value = 0;
  for (const std::vector<std::string>& block : blocks) {
    append_varint(out, static_cast<std::int64_t>(block.size()));
    for (const std::string& key : block) {
      append_varint(out, static_cast<std::int64_t>(key.size()));
      out.append(key);
      append_varint(out, ++value);
    }
  }
  append_varint(out, 0);
  return std::string(out.view());
}

TEST(Plan, AKeyThatRepeatsIsWrittenOnceWithItsLastValue) {
  const char* const record =
      R"({"type":"record","name":"R","fields":[{"name":"k","type":"string"},)"
      R"({"name":"m","type":{"type":"map","values":"int"}}]})";
  EXPECT_EQ(render(*plan(record), unhex("026b0602610202620402610600")),
            R"({"k":"k","m":{"b":2,"a":3}})");
  const auto ints = plan(R"({"type":"map","values":"int"})");
  EXPECT_EQ(render(*ints, map_of({{"a", "b", "a", "c"}})), R"({"b":2,"a":3,"c":4})");
  EXPECT_EQ(render(*ints, map_of({{"a", "b"}, {"a"}, {"b", "b"}})), R"({"a":3,"b":5})");
  EXPECT_EQ(render(*ints, map_of({{"", "x", ""}})), R"({"x":2,"":3})");
  EXPECT_EQ(render(*ints, map_of({{"a", "a", "a"}})), R"({"a":3})");
  EXPECT_EQ(render(*ints, map_of({{"\n\"", "q", "\n\""}})), R"({"q":2,"\n\"":3})");
  // Keys alike in their first and last bytes, and in their size, are told apart.
  const std::string same(8, 's');
  EXPECT_EQ(render(*ints, map_of({{same + "1" + same, same + "2" + same, same + "1" + same}})),
            R"({"ssssssss2ssssssss":2,"ssssssss1ssssssss":3})");
  EXPECT_EQ(render(*ints, map_of({{"a", "a"}}) + "x").substr(0, 5), "error");
}

TEST(Plan, KeysRepeatInMapsWithinMapsAndForReaders) {
  const char* const nested =
      R"({"type":"record","name":"R","fields":[{"name":"m","type":{"type":"map","values":)"
      R"({"type":"map","values":"int"}}},{"name":"x","type":"int"}]})";
  // {"a": {"k": 1, "k": 2}, "b": {"k": 3}, "a": {"l": 4, "l": 5}}, 6
  const std::string datum =
      unhex("06 0261 04 026b 02 026b 04 00 0262 02 026b 06 00 0261 04 026c 08 026c 0a 00 00 0c");
  EXPECT_EQ(render(*plan(nested), datum), R"({"m":{"b":{"k":3},"a":{"l":5}},"x":6})");
  const auto wider = Plan::compile(
      schema(nested),
      schema(
          R"({"type":"record","name":"R","fields":[{"name":"x","type":"long"},{"name":"m","type":)"
          R"(["null",{"type":"map","values":{"type":"map","values":"double"}}]}]})"),
      {});
  ASSERT_TRUE(wider.ok());
  EXPECT_EQ(render(**wider, datum), R"({"x":6,"m":{"b":{"k":3.0},"a":{"l":5.0}}})");
  // A default of the reader's with a key that stands twice in its text.
  const auto by_default = Plan::compile(
      schema(R"({"type":"record","name":"R","fields":[]})"),
      schema(
          R"({"type":"record","name":"R","fields":[{"name":"m","type":{"type":"map","values":"int"},)"
          R"("default":{"a":1,"b":2,"a":3}}]})"),
      {});
  ASSERT_TRUE(by_default.ok());
  EXPECT_EQ(render(**by_default, ""), R"({"m":{"b":2,"a":3}})");
}

// Maps of any size against the plain way: each key's last value, in the order of the last places.
TEST(Plan, RepeatedKeysInMapsOfAnySize) {
  const auto ints = plan(R"({"type":"map","values":"int"})");
  std::minstd_rand random(7);
  for (const std::size_t size : {2, 7, 8, 9, 16, 17, 100, 1000, 70'000, 200'000}) {
    for (const std::size_t distinct : {std::size_t{1}, size / 2 + 1, size * 100}) {
      std::vector<std::string> keys;
      for (std::size_t i = 0; i < size; ++i) {
        keys.push_back("key" + std::to_string(random() % distinct));
      }
      std::unordered_map<std::string, std::size_t> last;
      for (std::size_t i = 0; i < size; ++i) last[keys[i]] = i;
      std::string expected;
      for (std::size_t i = 0; i < size; ++i) {
        if (last[keys[i]] != i) continue;
        expected += (expected.empty() ? "{\"" : ",\"") + keys[i] + "\":" + std::to_string(i + 1);
      }
      const std::size_t half = size / 2;
      const std::string datum = map_of({{keys.begin(), keys.begin() + static_cast<long>(half)},
                                        {keys.begin() + static_cast<long>(half), keys.end()}});
      ASSERT_EQ(render(*ints, datum), expected + "}") << size << " keys, " << distinct;
    }
  }
}

}  // namespace
}  // namespace push_cache::avro
