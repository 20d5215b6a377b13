#include "ingest/set_aside.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace push_cache::ingest {
namespace {

Bytes bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

using Keys = std::vector<std::string>;

Keys texts(const std::string& datum) { return possible_keys(bytes(datum)).texts; }
bool any(const std::string& datum) { return possible_keys(bytes(datum)).any; }

TEST(PossibleKeys, AreTheTextsOfCommonSchemas) {
  EXPECT_EQ(texts("\x0Ahello"), Keys{"hello"});
  EXPECT_EQ(texts("\x54"), Keys{"42"});
  EXPECT_EQ(texts(std::string("\x02\x54", 2)), (Keys{"42", "T"})) << "or a union";
  EXPECT_EQ(texts(std::string("\x00\x04hi", 4)), Keys{"hi"}) << "of a union";
  // One byte of text, or a union's second branch with a number.
  EXPECT_EQ(texts("\x02\x61"), (Keys{"-49", "a"}));
  EXPECT_EQ(texts(std::string("\x00", 1)), (Keys{"", "0", "false"}));
  EXPECT_TRUE(texts("").empty());
  EXPECT_TRUE(texts("\x0Ahell").empty());
  EXPECT_EQ(texts("\x04\xFF\xFE"), Keys{"0xfffe"}) << "bytes, as they are told";
  EXPECT_EQ(texts(std::string(16, '\x11')), Keys{"11111111-1111-1111-1111-111111111111"});
}

TEST(PossibleKeys, ShortOnesMayBeOthersAsWell) {
  EXPECT_FALSE(any("\x0Ahello"));
  EXPECT_FALSE(any("\xA4\x13")) << "1234";
  EXPECT_TRUE(any("\x02")) << "an enum";
  EXPECT_TRUE(any("\x02\x2A")) << "a record of two numbers, a decimal";
  EXPECT_TRUE(any(std::string("\x04\x01\x02", 3))) << "a fixed";
  EXPECT_TRUE(any(std::string(16, '\x11'))) << "anything of 16 bytes";
  EXPECT_TRUE(any(""));
  EXPECT_TRUE(any("\x0Ahell"));
}

class SetAsideTest : public testing::Test {
 protected:
  static SetAsideRecord record(std::int64_t offset, std::optional<std::string> key,
                               std::size_t value_bytes = 10, std::int32_t schema = 7) {
    return {.record = {.at = at_,
                       .offset = Offset(offset),
                       .timestamp_ms = 1000,
                       .key = "raw",
                       .value = std::string(value_bytes, 'v')},
            .key = std::move(key),
            .waits_for = SchemaId(schema)};
  }
  static store::RecordView came(std::string_view key, std::int64_t offset) {
    return {.key = key,
            .datum = {},
            .schema = SchemaId(1),
            .partition = at_.partition,
            .offset = Offset(offset),
            .timestamp_ms = 1000,
            .topic = at_.topic};
  }
  bool told(std::string_view key) const { return keys_.find(key, 0, {}).set_aside.has_value(); }

  static constexpr kafka::TopicPartition at_{0, Partition(3)};
  store::UnreadKeys keys_;
  DeletedKeys deletions_;
  SetAside all_{keys_, deletions_};
};

TEST_F(SetAsideTest, KeepsARecordUntilALaterOneTakesItsPlace) {
  all_.add(record(5, "a"));
  EXPECT_TRUE(all_.any());
  EXPECT_TRUE(told("a"));
  ASSERT_NE(all_.find(at_, Offset(5)), nullptr);
  all_.replace(came("a", 4), true, true);
  EXPECT_EQ(all_.count_of(at_), 1u);
  all_.replace(came("a", 6), false, true);
  EXPECT_FALSE(all_.any());
  EXPECT_FALSE(told("a"));
  EXPECT_EQ(all_.find(at_, Offset(5)), nullptr);
  EXPECT_EQ(all_.counts().bytes, 0u);
  EXPECT_EQ(all_.counts().total, 1u);
}

TEST_F(SetAsideTest, ALaterOneOfTheSameKeyAndSchemaTakesItsPlace) {
  all_.add(record(5, "a"));
  all_.add(record(6, "a"));
  all_.add(record(7, "a", 10, 8));
  EXPECT_EQ(all_.find(at_, Offset(5)), nullptr);
  EXPECT_EQ(all_.count_of(at_), 2u);
  all_.remove(at_, Offset(6));
  all_.remove(at_, Offset(7));
  EXPECT_FALSE(all_.any() || keys_.any());
}

TEST_F(SetAsideTest, AKeyOfUnknownSchemaIsTheOnesThatItMayBe) {
  SetAsideRecord one = record(5, std::nullopt);
  one.possible_keys = {.texts = {"x", "y"}, .any = false};
  all_.add(one);
  EXPECT_TRUE(told("x") && told("y"));
  // A later record of one of them says nothing of the other.
  all_.replace(came("x", 6), false, true);
  EXPECT_FALSE(told("x"));
  EXPECT_TRUE(told("y"));
  EXPECT_EQ(all_.count_of(at_), 1u);
  // Its key has become known.
  one.key = "y";
  one.possible_keys = {};
  all_.add(one);
  EXPECT_EQ(all_.count_of(at_), 1u);
  EXPECT_EQ(all_.counts().total, 1u);
  all_.replace(came("y", 6), false, true);
  EXPECT_FALSE(all_.any() || keys_.any());
}

TEST_F(SetAsideTest, AKeyThatMayBeAnyIsToldOfEachAbsentOne) {
  all_.add(record(5, std::nullopt));
  EXPECT_TRUE(keys_.find("whatever", 0, {}).any_key);
  all_.erase(at_, Offset(6));
  EXPECT_FALSE(keys_.find("whatever", 0, {}).any_key);
  EXPECT_FALSE(all_.any() || keys_.any());
}

TEST_F(SetAsideTest, WhileAKeyIsUnknownDeletionsAreRemembered) {
  const store::Store* const none = nullptr;
  const DeletedKeys::Stores stores = {const_cast<store::Store*>(none)};
  DeletedKeys::Stores out;
  all_.add(record(5, std::nullopt));
  deletions_.remember(came("a", 6));
  deletions_.forget_older();
  deletions_.forget_older();
  deletions_.watch(false);
  deletions_.outdates(came("a", 5), stores, out);
  EXPECT_EQ(out.size(), 1u) << "of the same partition, by its offset";
  deletions_.outdates(came("a", 7), stores, out);
  EXPECT_TRUE(out.empty());
  all_.remove(at_, Offset(5));
  deletions_.outdates(came("a", 5), stores, out);
  EXPECT_TRUE(out.empty()) << "nothing is held any more";
}

TEST_F(SetAsideTest, AGivenUpOneIsToldToNoReader) {
  SetAsideRecord one = record(5, "a");
  all_.add(one);
  one.given_up = true;
  all_.add(one);
  EXPECT_FALSE(told("a"));
  EXPECT_EQ(all_.of(at_).size(), 1u);
  EXPECT_TRUE(all_.of(at_)[0].given_up);
  EXPECT_EQ(all_.counts().records, 0u);
  EXPECT_EQ(all_.counts().given_up, 1u);
  EXPECT_FALSE(all_.waits(at_));
  all_.remove(at_, Offset(5));
  EXPECT_FALSE(all_.any());
}

TEST_F(SetAsideTest, RecordsAndBytesAreBounded) {
  for (std::size_t i = 0; i < limits::kSetAsideRecordsMax; ++i) {
    ASSERT_TRUE(all_.make_room(10));
    all_.add(record(static_cast<std::int64_t>(i), std::to_string(i)));
  }
  EXPECT_FALSE(all_.make_room(0));
  all_.erase(at_, Offset(1));
  EXPECT_TRUE(all_.make_room(10));
  EXPECT_FALSE(all_.make_room(limits::kSetAsideBytesMax));
  EXPECT_EQ(all_.list(3).size(), 3u);
}

TEST_F(SetAsideTest, WhatWasGivenUpMakesRoom) {
  for (std::size_t i = 0; i < limits::kSetAsideRecordsMax; ++i) {
    SetAsideRecord one = record(static_cast<std::int64_t>(i), std::to_string(i));
    one.given_up = i >= 5 && i < 8;
    one.letter_waits = i == 5;
    all_.add(one);
  }
  EXPECT_TRUE(all_.make_room(10));
  EXPECT_NE(all_.find(at_, Offset(5)), nullptr) << "its letter is not acknowledged";
  EXPECT_EQ(all_.find(at_, Offset(6)), nullptr);
  all_.add(record(20'000, "new"));
  EXPECT_TRUE(all_.make_room(10));
  all_.add(record(20'001, "newer"));
  EXPECT_FALSE(all_.make_room(10)) << "only one is left, which has to stay";
  EXPECT_EQ(all_.counts().given_up, 1u);
}

}  // namespace
}  // namespace push_cache::ingest
