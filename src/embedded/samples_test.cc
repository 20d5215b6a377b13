#include "embedded/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <regex>
#include <set>
#include <string>

#include "avro/encoder.h"
#include "avro/plan.h"
#include "avro/schema.h"

namespace push_cache::embedded {
namespace {

using testing::HasSubstr;

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
  const std::string ts = R"(\d{13})";
  const std::string customer = json(sample_info(SampleType::kCustomer), 1, 42);
  EXPECT_TRUE(
      std::regex_match(customer, std::regex(R"(\{"accountId":"ACC-000000042","name":"[^"]+ [^"]+",)"
                                            R"("address":"\d+ [^"]+, [^"]+","phone":"\+44 7\d{9}",)"
                                            R"("createdAt":)" +
                                            ts + R"(,"updatedAt":)" + ts + R"(\})")))
      << customer;
  const std::regex date(
      R"("date":"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")");
  std::size_t payments = 0;
  std::set<std::size_t> counts;
  for (std::uint64_t index = 0; index < 200; ++index) {
    const std::string bill = json(sample_info(SampleType::kBill), 1, index);
    const auto dates = std::distance(std::sregex_iterator(bill.begin(), bill.end(), date), {});
    std::size_t all = 0;
    for (auto at = bill.find("\"date\""); at != std::string::npos;
         at = bill.find("\"date\"", at + 1)) {
      ++all;
    }
    EXPECT_EQ(static_cast<std::size_t>(dates), all) << bill;
    payments += all;
    counts.insert(all);
  }
  EXPECT_GT(payments, 200u);
  EXPECT_EQ(counts.size(), 5u);  // none to four
  EXPECT_THAT(json(sample_info(SampleType::kUsage), 1, 3), HasSubstr("\"unit\":\""));
  const std::string ticket = json(sample_info(SampleType::kTicket), 1, 3);
  EXPECT_THAT(ticket, HasSubstr("\"ticketId\":\"TKT-000000003\",\"accountId\":\"ACC-00000000"));
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
