#include "embedded/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "avro/encoder.h"
#include "avro/plan.h"
#include "avro/schema.h"

namespace push_cache::embedded {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

avro::Schema schema_of(const SampleInfo& info) {
  Result<avro::Schema> schema = avro::Schema::parse(info.schema);
  EXPECT_TRUE(schema.ok()) << schema.error().describe();
  return *std::move(schema);
}

std::string datum(SampleType type, std::uint64_t seed, std::uint64_t index) {
  Buffer out;
  append_sample(type, seed, index, out);
  return std::string(out.view());
}

std::string key(SampleType type, std::uint64_t index) {
  Buffer out;
  append_sample_key(type, index, out);
  return std::string(out.view());
}

Bytes bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string json(const SampleInfo& info, std::uint64_t seed, std::uint64_t index) {
  auto plan = avro::Plan::compile(schema_of(info), {});
  EXPECT_TRUE(plan.ok());
  Buffer out;
  const Status done = (*plan)->to_json(bytes(datum(info.type, seed, index)), out);
  EXPECT_TRUE(done.ok()) << done.error().describe();
  return std::string(out.view());
}

TEST(Samples, TableIsInOrder) {
  ASSERT_EQ(sample_infos().size(), 4u);
  for (const SampleInfo& info : sample_infos()) {
    EXPECT_EQ(&sample_info(info.type), &info);
    EXPECT_EQ(sample_type(info.name), info.type);
    EXPECT_EQ(schema_of(info).full_name(), info.full_name);
  }
  EXPECT_EQ(sample_type("invoice"), std::nullopt);
}

// The oracle is the encoder: what the plan renders, it must turn into the same bytes again.
TEST(Samples, AreWhatTheirSchemasSay) {
  for (const SampleInfo& info : sample_infos()) {
    const avro::Schema schema = schema_of(info);
    auto plan = avro::Plan::compile(schema, {});
    ASSERT_TRUE(plan.ok());
    const avro::Encoder encoder(schema);
    std::set<std::string> keys;
    for (std::uint64_t index = 0; index < 5000; ++index) {
      const std::string made = datum(info.type, 7, index);
      ASSERT_LE(made.size(), info.bytes_max);
      Buffer text;
      const Status rendered = (*plan)->to_json(bytes(made), text);
      ASSERT_TRUE(rendered.ok()) << info.name << index << ": " << rendered.error().describe();
      Buffer again;
      const Status encoded = encoder.from_json(text.view(), again);
      ASSERT_TRUE(encoded.ok()) << text.view() << encoded.error().describe();
      ASSERT_EQ(again.view(), made) << text.view();
      const std::string name = key(info.type, index);
      ASSERT_THAT(std::string(text.view()),
                  HasSubstr("\"" + std::string(info.key_field) + "\":\"" + name + "\""));
      keys.insert(name);
    }
    EXPECT_EQ(keys.size(), 5000u);
  }
}

TEST(Samples, LookAsInTheContract) {
  const std::string time = "[0-9]{13}";
  EXPECT_THAT(json(sample_info(SampleType::kCustomer), 1, 42),
              MatchesRegex(R"(\{"accountId":"ACC-000000042","name":"[^"]+ [^"]+",)"
                           R"("address":"[0-9]+ [^"]+, [^"]+","phone":"\+44 7[0-9]{9}",)"
                           R"("createdAt":)" +
                           time + R"(,"updatedAt":)" + time + R"(\})"));
  std::set<std::size_t> counts;
  const std::string_view start = "\"date\":\"";
  for (std::uint64_t index = 0; index < 200; ++index) {
    const std::string bill = json(sample_info(SampleType::kBill), 1, index);
    std::size_t payments = 0;
    for (auto at = bill.find(start); at != std::string::npos; at = bill.find(start, at + 1)) {
      ++payments;
      EXPECT_THAT(bill.substr(at + start.size(), 21),  // RFC 3339
                  MatchesRegex("20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
                               "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\""));
    }
    counts.insert(payments);
  }
  EXPECT_EQ(counts.size(), 5u);  // none to four
  EXPECT_THAT(json(sample_info(SampleType::kUsage), 1, 3), HasSubstr("\"unit\":\""));
  EXPECT_THAT(json(sample_info(SampleType::kTicket), 1, 3),
              HasSubstr("\"ticketId\":\"TKT-000000003\",\"accountId\":\"ACC-00000000"));
}

TEST(Samples, DependOnSeedAndIndexAlone) {
  for (const SampleInfo& info : sample_infos()) {
    EXPECT_EQ(datum(info.type, 1, 9), datum(info.type, 1, 9));
    EXPECT_NE(datum(info.type, 1, 9), datum(info.type, 2, 9));
    EXPECT_NE(datum(info.type, 1, 9), datum(info.type, 1, 10));
  }
  EXPECT_EQ(key(SampleType::kCustomer, 0), "ACC-000000000");
  EXPECT_EQ(key(SampleType::kTicket, 12'345'678'901), "TKT-12345678901");
}

TEST(Samples, FitTheirBoundsWithHugeIndexes) {
  for (const SampleInfo& info : sample_infos()) {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      ASSERT_LE(datum(info.type, seed, ~std::uint64_t{0}).size(), info.bytes_max) << info.name;
    }
  }
}

}  // namespace
}  // namespace push_cache::embedded
