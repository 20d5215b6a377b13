#include "redis/layout.h"

#include <gtest/gtest.h>

#include <string>

#include "store/local_number.h"
#include "store/test_support.h"

namespace push_cache::redis {
namespace {

using namespace std::string_literals;

TEST(Layout, IsAsThePageSays) {
  store::RecordView record = store::record("a", "datum");
  record.schema = SchemaId(0x01020304);
  record.partition = Partition(5);
  record.offset = Offset(0x0102030405060708);
  record.timestamp_ms = 0x1112131415161718;
  std::string value;
  append_value(value, record, {0x21222324, 0x31323334}, Layout::kOneTopic);
  EXPECT_EQ(value,
            "\0\1\2\3\4datum"
            "\1\2\3\4\5\6\7\10\x11\x12\x13\x14\x15\x16\x17\x18\0\0\0\0\0\0\0\0\0\0\0\5"
            "\x21\x22\x23\x24\x31\x32\x33\x34PC\0\1"s);
  EXPECT_EQ(partition_part(std::string_view(value).substr(10)), "\0\0\0\5\x21\x22\x23\x24"s);
  const auto parsed = parse_value(value);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->topic_name, 0x21222324u);
  EXPECT_EQ(parsed->record.schema, record.schema);
  EXPECT_EQ(parsed->record.partition, record.partition);
  EXPECT_EQ(parsed->record.offset, record.offset);
  EXPECT_EQ(parsed->record.timestamp_ms, record.timestamp_ms);
  EXPECT_EQ(std::string(parsed->record.datum.begin(), parsed->record.datum.end()), "datum");
  EXPECT_EQ(parsed->record.log, 0x2122232431323334u);
  EXPECT_EQ(part_of_this_record(store::id_of(parsed->record), 0x21222324),
            std::string_view(value).substr(10, 36));
}

TEST(Layout, OfARecordOfHttpHasItsNumber) {
  store::RecordView record = store::record("a", "");
  record.partition = Partition(-1);
  record.offset = Offset(store::local_number(5, 1'700'000'000'000'123));
  std::string value;
  append_value(value, record, {1, 2}, Layout::kOneTopic);
  const auto parsed = parse_value(value);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->record.partition, Partition(-1));
  EXPECT_EQ(parsed->record.offset, record.offset);
  EXPECT_EQ(parsed->record.timestamp_ms, 1'700'000'000'000);
  EXPECT_TRUE(parsed->record.datum.empty());
  EXPECT_EQ(parsed->record.log, 0u);
  EXPECT_EQ(part_of_this_record(store::id_of(parsed->record), 1),
            std::string_view(value).substr(5 + 16, 8));
}

// "shown", and behind it one record that is not shown.
std::string of_two_topics() {
  std::string hidden, value;
  append_value(hidden, store::record("a", "hidden"), {3, 4}, Layout::kTopics);
  append_value(value, store::record("a", "shown"), {1, 2}, Layout::kTopics);
  const std::size_t payload = hidden.size() - kPositionBytes;
  const std::string entry =
      hidden.substr(0, payload) + std::string{0, 0, 0, char(payload)} + hidden.substr(payload);
  return value.insert(value.size() - kPositionBytes,
                      entry + std::string{0, 0, 0, char(entry.size())});
}

TEST(Layout, OfSeveralTopicsTheShownRecordIsRead) {
  const std::string value = of_two_topics();
  const auto parsed = parse_value(value);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->layout, Layout::kTopics);
  EXPECT_EQ(parsed->topic_name, 1u);
  EXPECT_EQ(std::string(parsed->record.datum.begin(), parsed->record.datum.end()), "shown");
  // Sizes that cannot be.
  for (const char size : {char(0x7f), char(0xff)}) {
    std::string damaged = value;
    damaged[value.size() - kPositionBytes - 4] = size;
    EXPECT_FALSE(parse_value(damaged).has_value());
  }
}

TEST(Layout, WhatIsNoneOfOursIsNoValue) {
  std::string value;
  append_value(value, store::record("a", "datum"), {1, 2}, Layout::kOneTopic);
  ASSERT_TRUE(parse_value(value).has_value());
  for (std::size_t size = 0; size < value.size(); ++size) {
    const std::string part = value.substr(0, size);  // of exactly this size
    EXPECT_FALSE(parse_value(part).has_value()) << size;
  }
  for (const std::size_t at : {std::size_t{0}, value.size() - 1, value.size() - 4}) {
    std::string damaged = value;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(parse_value(damaged).has_value()) << at;
  }
}

TEST(Layout, ATopicIsKnownByNameAndId) {
  EXPECT_EQ(topic_mark("t", "").incarnation, 0u);
  EXPECT_EQ(topic_mark("t", "").name, topic_mark("t", "abc").name);
  EXPECT_NE(topic_mark("t", "abc"), topic_mark("t", "abd"));
  EXPECT_EQ(topic_mark("", "").name, 0x02CC5D05u) << "XXH32 of nothing";
}

TEST(Layout, APatternMatchesItsPrefixOnly) {
  EXPECT_EQ(key_pattern(""), "*");
  EXPECT_EQ(key_pattern("pc"), "pc:*");
  EXPECT_EQ(key_pattern("a*b?[c]^\\"), R"(a\*b\?\[c\]\^\\:*)");
}

}  // namespace
}  // namespace push_cache::redis
