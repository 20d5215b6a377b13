#include "store/unread_keys.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace push_cache::store {
namespace {

using Kind = UnreadKeys::Kind;
using Record = UnreadKeys::Record;

Record record(Kind kind, std::int64_t offset, std::int32_t schema = 7, std::int32_t partition = 0,
              std::int64_t timestamp_ms = 1000, std::uint32_t topic = 0) {
  return {.kind = kind,
          .topic = topic,
          .partition = Partition(partition),
          .offset = Offset(offset),
          .timestamp_ms = timestamp_ms,
          .schema = SchemaId(schema)};
}

RecordView came(std::string_view key, std::int64_t offset, std::int32_t schema = 1,
                std::int32_t partition = 0, std::int64_t timestamp_ms = 1000,
                std::uint32_t topic = 0) {
  return record(Kind::kBad, offset, schema, partition, timestamp_ms, topic).view(key);
}

class UnreadKeysTest : public testing::Test {
 protected:
  UnreadKeys::Found find(std::string_view key, std::uint32_t store = 0) {
    return keys_.find(key, store, {});
  }
  std::vector<std::int64_t> replace(const RecordView& by, bool tombstone, bool sole) {
    std::vector<UnreadKeys::Place> gone;
    keys_.replace(by, tombstone, sole, gone);
    std::vector<std::int64_t> offsets;
    for (const UnreadKeys::Place& one : gone) offsets.push_back(one.offset.value);
    return offsets;
  }

  UnreadKeys keys_;
};

TEST_F(UnreadKeysTest, TellsWhatIsOfTheKey) {
  EXPECT_FALSE(keys_.any());
  EXPECT_TRUE(keys_.add("a", record(Kind::kSetAside, 5)));
  EXPECT_TRUE(keys_.add("b", record(Kind::kBad, 6)));
  EXPECT_TRUE(keys_.any());
  ASSERT_TRUE(find("a").set_aside);
  EXPECT_EQ(find("a").set_aside->offset, Offset(5));
  EXPECT_FALSE(find("a").bad);
  EXPECT_TRUE(find("b").bad);
  EXPECT_FALSE(find("b").set_aside);
  EXPECT_FALSE(find("c").bad || find("c").set_aside || find("c").any_key);
  keys_.remove("a", record(Kind::kSetAside, 4));
  EXPECT_TRUE(find("a").set_aside) << "another place";
  keys_.remove("a", record(Kind::kSetAside, 5));
  keys_.remove("b", record(Kind::kSetAside, 6));
  EXPECT_TRUE(find("b").bad);
  keys_.forget_bad("b", 0, 1);
  EXPECT_TRUE(find("b").bad) << "of another topic";
  keys_.forget_bad("b", 0, 0);
  EXPECT_FALSE(find("b").bad);
  EXPECT_TRUE(find("b", 1).bad) << "another store";
  keys_.remove("b", record(Kind::kBad, 6));
  EXPECT_FALSE(keys_.any());
}

TEST_F(UnreadKeysTest, OnlyTopicsThatTheStoreTakesCount) {
  keys_.add("a", record(Kind::kSetAside, 5, 7, 0, 1000, 1));
  EXPECT_FALSE(keys_.find("a", 0, {true, false}).set_aside);
  EXPECT_TRUE(keys_.find("a", 0, {false, true}).set_aside);
  keys_.count_any_key(1, 1);
  EXPECT_FALSE(keys_.find("z", 0, {true, false}).any_key);
  EXPECT_TRUE(keys_.find("z", 0, {}).any_key);
  keys_.count_any_key(1, -1);
  EXPECT_FALSE(keys_.find("z", 0, {}).any_key);
}

TEST_F(UnreadKeysTest, ABadRecordConcernsTheStoresOfItsType) {
  Record bad = record(Kind::kBad, 5);
  bad.stores = {1};
  keys_.add("a", bad);
  EXPECT_FALSE(find("a", 0).bad);
  EXPECT_TRUE(find("a", 1).bad);
  // In a topic of several types a good one of another type says nothing of it.
  replace(came("a", 6, 3), false, false);
  EXPECT_TRUE(find("a", 1).bad);
  replace(came("a", 6, 7), false, false);
  EXPECT_FALSE(find("a", 1).bad);
}

TEST_F(UnreadKeysTest, ALaterRecordTakesThePlace) {
  keys_.add("a", record(Kind::kSetAside, 5));
  keys_.add("a", record(Kind::kBad, 4));
  EXPECT_TRUE(replace(came("a", 3), true, true).empty()) << "an earlier one does not";
  EXPECT_TRUE(find("a").bad && find("a").set_aside);
  EXPECT_TRUE(replace(came("a", 9, 1, 0, 1000, 1), true, true).empty()) << "another topic's";
  EXPECT_EQ(replace(came("a", 6), false, true), (std::vector<std::int64_t>{5, 4}));
  EXPECT_FALSE(keys_.any());
}

TEST_F(UnreadKeysTest, OfSeveralTypesOnlyTheSameOneOrATombstoneTakesIt) {
  keys_.add("a", record(Kind::kSetAside, 5, 7));
  EXPECT_TRUE(replace(came("a", 6, 1), false, false).empty());
  EXPECT_TRUE(find("a").set_aside) << "a store may take the one and not the other";
  EXPECT_EQ(replace(came("a", 6, 7), false, false), std::vector<std::int64_t>{5});
  keys_.add("a", record(Kind::kSetAside, 7, 7));
  EXPECT_EQ(replace(came("a", 8, 0), true, false), std::vector<std::int64_t>{7});
}

TEST_F(UnreadKeysTest, TimestampsTellWhichOfTwoPartitionsIsLater) {
  keys_.add("a", record(Kind::kSetAside, 5, 7, 0, 1000));
  EXPECT_TRUE(replace(came("a", 900, 1, 1, 999), true, true).empty());
  EXPECT_EQ(replace(came("a", 1, 1, 1, 1001), true, true).size(), 1u);
}

TEST_F(UnreadKeysTest, ALaterOneThatIsSetAsideTakesThePlaceOfOneOfItsSchema) {
  std::vector<UnreadKeys::Place> gone;
  keys_.add("a", record(Kind::kSetAside, 5, 7), false, &gone);
  keys_.add("a", record(Kind::kSetAside, 6, 8), false, &gone);
  EXPECT_TRUE(gone.empty()) << "schema 7 may come when 8 never does";
  EXPECT_EQ(find("a").set_aside->offset, Offset(6));
  keys_.add("a", record(Kind::kSetAside, 7, 7), false, &gone);
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].offset, Offset(5));
  gone.clear();
  keys_.add("a", record(Kind::kSetAside, 8, 9), true, &gone);
  EXPECT_EQ(gone.size(), 2u) << "where the last record of a key is its only one";
}

TEST_F(UnreadKeysTest, WhatIsShownOverIt) {
  const Record aside = record(Kind::kSetAside, 5, 7, 0, 1000, 0);
  EXPECT_TRUE(UnreadKeys::is_shown_over(aside, came("a", 4)));
  EXPECT_FALSE(UnreadKeys::is_shown_over(aside, came("a", 6)));
  EXPECT_FALSE(UnreadKeys::is_shown_over(aside, came("a", 4, 1, 0, 1001, 1)))
      << "a later record of another topic is shown";
  EXPECT_TRUE(UnreadKeys::is_shown_over(aside, came("a", 4, 1, 0, 999, 1)));
}

TEST_F(UnreadKeysTest, APartitionIsTakenOut) {
  keys_.add("a", record(Kind::kSetAside, 5, 7, 0));
  keys_.add("b", record(Kind::kBad, 6, 7, 0));
  keys_.add("b", record(Kind::kBad, 6, 7, 1, 2000));
  keys_.erase(0, Partition(0), Offset(6));
  EXPECT_FALSE(find("a").set_aside);
  EXPECT_TRUE(find("b").bad);
  keys_.erase(0, Partition(1), Store::kAllOffsets);
  EXPECT_FALSE(keys_.any());
}

TEST_F(UnreadKeysTest, BadKeysAreBounded) {
  for (std::size_t i = 0; i < limits::kBadKeysMax; ++i) {
    ASSERT_TRUE(keys_.add(std::to_string(i), record(Kind::kBad, static_cast<std::int64_t>(i))));
  }
  EXPECT_FALSE(keys_.add("one more", record(Kind::kBad, 1'000'000)));
  EXPECT_TRUE(keys_.add("17", record(Kind::kBad, 1'000'001))) << "in the place of the one before";
  EXPECT_TRUE(keys_.add("aside", record(Kind::kSetAside, 1'000'002)));
  const UnreadKeys::Counts counts = keys_.counts();
  EXPECT_EQ(counts.bad, limits::kBadKeysMax);
  EXPECT_EQ(counts.bad_dropped, 1u);
  EXPECT_TRUE(counts.full);
  std::size_t listed = 0;
  keys_.for_each_bad([&listed](std::string_view, const Record&) { ++listed; });
  EXPECT_EQ(listed, limits::kBadKeysMax);
}

TEST_F(UnreadKeysTest, BytesOfBadKeysAreBounded) {
  const std::string tail(limits::kKeyBytesMax - 8, 'x');
  std::size_t added = 0;
  while (keys_.add(std::to_string(10'000'000 + added) + tail, record(Kind::kBad, 1))) ++added;
  EXPECT_EQ(added, limits::kBadKeysBytesMax / limits::kKeyBytesMax);
}

}  // namespace
}  // namespace push_cache::store
