#include "api/conditions.h"

#include <gtest/gtest.h>

#include <limits>

namespace push_cache::api {
namespace {

store::RecordView record(std::int32_t partition, std::int64_t offset, std::uint32_t topic = 0) {
  return {.partition = Partition(partition), .offset = Offset(offset), .topic = topic};
}

TEST(EntityTag, PrefersTheVersion) {
  EXPECT_EQ(EntityTag(record(3, 42), 1700000000123).view(), "\"1700000000123\"");
  EXPECT_EQ(EntityTag(record(3, 42), std::nullopt).view(), "\"3-42\"");
  EXPECT_EQ(EntityTag(record(3, 42, 2), std::nullopt).view(), "\"2.3-42\"");
  EXPECT_EQ(EntityTag(record(-1, 7), std::nullopt).view(), "\"local-7\"");
  EXPECT_EQ(EntityTag(record(3, 42), 5, 0xbeef).view(), "\"5-r0000beef\"");
}

TEST(EntityTag, TheLongestFits) {
  const auto tag = EntityTag(record(std::numeric_limits<std::int32_t>::max(),
                                    std::numeric_limits<std::int64_t>::max(), 4'294'967'295u),
                             std::nullopt, 0xfedcba98);
  EXPECT_EQ(tag.view(), "\"4294967295.2147483647-9223372036854775807-rfedcba98\"");
}

TEST(NoneMatch, ListsWeakTagsAndAny) {
  EXPECT_TRUE(none_match_names("\"a\"", "\"a\""));
  EXPECT_TRUE(none_match_names("W/\"a\"", "\"a\""));
  EXPECT_TRUE(none_match_names(" \"x\" , W/\"y,z\",\"a\" ", "\"a\""));
  EXPECT_TRUE(none_match_names("\"y,z\"", "\"y,z\""));
  EXPECT_TRUE(none_match_names("*", "\"a\""));
}

TEST(NoneMatch, WhatIsNoListNamesNothing) {
  for (const char* header :
       {"", "a", "\"a", "\"b\"", "\"b\" \"a\"", "a\"", ", \"a\"", "W/", "\"A\""}) {
    EXPECT_FALSE(none_match_names(header, "\"a\"")) << header;
  }
}

}  // namespace
}  // namespace push_cache::api
