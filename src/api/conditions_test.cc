#include "api/conditions.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace push_cache::api {
namespace {

store::RecordView record(std::int32_t partition, std::int64_t offset, std::uint32_t topic = 0) {
  return {.partition = Partition(partition), .offset = Offset(offset), .topic = topic};
}

TEST(EntityTag, PrefersTheVersion) {
  EXPECT_EQ(EntityTag(record(3, 42), 1700000000123).view(), "\"1700000000123\"");
  EXPECT_EQ(EntityTag(record(-1, 7), std::nullopt).view(), "\"local-7\"");
  EXPECT_EQ(EntityTag(record(3, 42), 5, 1, 0xbeef).view(), "\"5-r0000beef\"");
}

// The digits must never change: they are in caches, and other replicas have them.
TEST(EntityTag, OfAPositionHasTheLogAndTheTimestamp) {
  store::RecordView one = record(3, 42);
  one.timestamp_ms = 1700000000123;
  const auto tag = [](const store::RecordView& of, std::uint64_t log) {
    return std::string(EntityTag(of, std::nullopt, log).view());
  };
  EXPECT_EQ(tag(one, 1), "\"fcf1175e20370d22.3-42\"");
  EXPECT_NE(tag(one, 1), tag(one, 2)) << "another log";
  store::RecordView other = one;
  other.timestamp_ms += 1;
  EXPECT_NE(tag(one, 1), tag(other, 1)) << "the log lost its end";
  other = one;
  other.topic = 5;  // which is the configuration's order
  EXPECT_EQ(tag(one, 1), tag(other, 1));
}

TEST(EntityTag, TheLongestFits) {
  const auto tag = EntityTag(record(std::numeric_limits<std::int32_t>::max(),
                                    std::numeric_limits<std::int64_t>::max(), 4'294'967'295u),
                             std::nullopt, 0, 0xfedcba98);
  EXPECT_TRUE(tag.view().ends_with(".2147483647-9223372036854775807-rfedcba98\"")) << tag.view();
}

bool none_match_names(std::string_view header, std::string_view tag) {
  return names(header, tag, Comparison::kWeak);
}

TEST(Names, ListsWeakTagsAndAny) {
  EXPECT_TRUE(none_match_names("\"a\"", "\"a\""));
  EXPECT_TRUE(none_match_names("W/\"a\"", "\"a\""));
  EXPECT_TRUE(none_match_names(" \"x\" , W/\"y,z\",\"a\" ", "\"a\""));
  EXPECT_TRUE(none_match_names("\"y,z\"", "\"y,z\""));
  EXPECT_TRUE(none_match_names("*", "\"a\""));
  EXPECT_TRUE(none_match_names("\t* ", "\"a\""));
}

TEST(Names, EmptyMembersAreIgnored) {
  for (const char* header : {", \"a\"", ",\"a\"", " , ,,\"a\"", "\"no\",, \"a\"", "\"a\",",
                             "\"a\" , ,", "\"no\" ,\t,\"a\"", ",W/\"no\",,,\"a\""}) {
    EXPECT_TRUE(none_match_names(header, "\"a\"")) << header;
  }
  EXPECT_FALSE(none_match_names(", ,", "\"a\""));
}

TEST(Names, AListCountsUpToWhatIsNoTag) {
  EXPECT_TRUE(none_match_names("\"a\" \"b\"", "\"a\""));
  EXPECT_TRUE(none_match_names("\"a\", b, \"c\"", "\"a\""));
  EXPECT_FALSE(none_match_names("\"a\", b, \"c\"", "\"c\""));
}

TEST(Names, WhatIsNoListNamesNothing) {
  for (const char* header : {"", "a", "\"a", "\"b\"", "\"b\" \"a\"", "a\"", "W/", "\"A\"",
                             "w/\"a\"", "W/ \"a\"", "\"b\", *", "*, \"a\"", "; \"a\""}) {
    EXPECT_FALSE(none_match_names(header, "\"a\"")) << header;
  }
}

TEST(Names, StrongComparisonTakesNoWeakTag) {
  EXPECT_FALSE(names("W/\"a\"", "\"a\"", Comparison::kStrong));
  EXPECT_TRUE(names("W/\"a\", \"a\"", "\"a\"", Comparison::kStrong));
  EXPECT_TRUE(names("*", "\"a\"", Comparison::kStrong));
}

constexpr std::int64_t kNow = 1'700'000'000;

Verdict judge_of(http::Request request, std::optional<std::int64_t> modified_s = kNow - 100) {
  return judge(request, "\"a\"", modified_s, kNow);
}

TEST(Judge, InTheOrderOfTheStandard) {
  const std::string before(http::HttpDate(kNow - 200).view());
  const std::string at(http::HttpDate(kNow - 100).view());
  EXPECT_EQ(judge_of({}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_match = "\"a\""}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_match = "*"}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_match = "\"b\""}), Verdict::kFailed);
  EXPECT_EQ(judge_of({.if_match = "W/\"a\""}), Verdict::kFailed);
  EXPECT_EQ(judge_of({.if_match = ""}), Verdict::kFailed) << "it names no tag";
  EXPECT_EQ(judge_of({.if_unmodified_since = at}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_unmodified_since = before}), Verdict::kFailed);
  EXPECT_EQ(judge_of({.if_unmodified_since = before, .if_match = "*"}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_none_match = "W/\"a\""}), Verdict::kUnchanged);
  EXPECT_EQ(judge_of({.if_none_match = "*"}), Verdict::kUnchanged);
  EXPECT_EQ(judge_of({.if_none_match = "\"b\""}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_none_match = "\"a\"", .if_match = "\"a\""}), Verdict::kUnchanged);
  EXPECT_EQ(judge_of({.if_none_match = "\"a\"", .if_match = "\"b\""}), Verdict::kFailed);
  EXPECT_EQ(judge_of({.if_none_match = "\"a\"", .if_unmodified_since = before}), Verdict::kFailed);
}

TEST(Judge, ADateThatSaysNothingIsIgnored) {
  const std::string before(http::HttpDate(kNow - 200).view());
  EXPECT_EQ(judge_of({.if_unmodified_since = "yesterday"}), Verdict::kGo);
  EXPECT_EQ(judge_of({.if_unmodified_since = before}, std::nullopt), Verdict::kGo);
  // As Last-Modified has it: a record from the future is of now.
  const std::string now(http::HttpDate(kNow).view());
  EXPECT_EQ(judge_of({.if_unmodified_since = now}, kNow + 1000), Verdict::kGo);
}

TEST(Judge, NeedsATagForLists) {
  EXPECT_FALSE(needs_tag({.if_none_match = "*", .if_unmodified_since = "x", .if_match = " * "}));
  EXPECT_TRUE(needs_tag({.if_none_match = "\"a\""}));
  EXPECT_TRUE(needs_tag({.if_match = "\"a\""}));
  EXPECT_FALSE(is_conditional({}));
  EXPECT_TRUE(is_conditional({.if_match = ""}));
}

}  // namespace
}  // namespace push_cache::api
