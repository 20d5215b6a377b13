#include "ingest/recent_bad.h"

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "ingest/applier.h"

namespace push_cache::ingest {
namespace {

BadRecord record(int number) {
  return {.seen_ms = number,
          .partition = Partition(1),
          .offset = Offset(number),
          .cause = BadCause::kTruncated,
          .detail = "number " + std::to_string(number)};
}

TEST(RecentBad, TheLatestFirst) {
  RecentBad recent;
  EXPECT_TRUE(recent.list().empty());
  for (int i = 0; i < 3; ++i) recent.add(record(i));
  const std::vector<BadRecord> listed = recent.list();
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0].offset, Offset(2));
  EXPECT_EQ(listed[2].offset, Offset(0));
  EXPECT_EQ(listed[1].detail, "number 1");
  EXPECT_EQ(listed[1].schema, std::nullopt);
}

TEST(RecentBad, KeepsTheLastOnes) {
  RecentBad recent;
  const int all = 3 * static_cast<int>(RecentBad::kRecordsMax) + 7;
  for (int i = 0; i < all; ++i) recent.add(record(i));
  const std::vector<BadRecord> listed = recent.list();
  ASSERT_EQ(listed.size(), RecentBad::kRecordsMax);
  for (std::size_t i = 0; i < listed.size(); ++i) {
    EXPECT_EQ(listed[i].offset.value, all - 1 - static_cast<int>(i));
  }
}

TEST(RecentBad, CutsALongDetailBetweenCharacters) {
  RecentBad recent;
  for (std::size_t lead = 0; lead < 4; ++lead) {
    BadRecord one = record(1);
    one.detail = std::string(lead, 'x');
    while (one.detail.size() < 2 * RecentBad::kDetailBytesMax) one.detail += "\xf0\x9f\x8e\x89";
    recent.add(one);
    const std::string kept = recent.list().front().detail;
    EXPECT_LE(kept.size(), RecentBad::kDetailBytesMax);
    EXPECT_GT(kept.size(), RecentBad::kDetailBytesMax - 4);
    EXPECT_TRUE(is_utf8(kept));
    EXPECT_TRUE(one.detail.starts_with(kept));
  }
}

}  // namespace
}  // namespace push_cache::ingest
