#include "ingest/resume.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace push_cache::ingest {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::int64_t kTaken = 1'750'000'000'000;

ResumePoint snapshot() {
  return {.taken_ms = kTaken,
          .logs = {"other", "first"},
          .partitions = {{{1, Partition(0)}, Offset(5), Offset(100)},
                         {{1, Partition(1)}, Offset(0), Offset(0)}}};
}

TopicNow topic() {
  return {
      .name = "users",
      .id = "first",
      .cleanup = {.compacted = true, .tombstones_kept = 1000s},
      .marks = {{Partition(0), {Offset(5), Offset(120)}}, {Partition(1), {Offset(0), Offset(0)}}}};
}

std::string why_not(const TopicNow& now, std::int64_t age_ms = 1000) {
  const Status status = may_resume(snapshot(), 1, now, kTaken + age_ms);
  return status.ok() ? "" : status.error().public_text;
}

TEST(Resume, GoesOnFromAPositionThatIsInTheLog) {
  EXPECT_EQ(why_not(topic()), "");
  TopicNow now = topic();
  now.marks[Partition(0)] = {Offset(100), Offset(100)};  // at its very edge
  now.marks[Partition(2)] = {Offset(7), Offset(9)};      // added since
  EXPECT_EQ(why_not(now), "");
}

TEST(Resume, RefusesAnotherIncarnation) {
  TopicNow now = topic();
  now.id = "second";
  EXPECT_THAT(why_not(now), HasSubstr("deleted and made again"));
  now.id = "";
  EXPECT_THAT(why_not(now), HasSubstr("no id"));
}

TEST(Resume, RefusesWhenStoresKeepOtherKeysSince) {
  ResumePoint point = snapshot();
  TopicNow now = topic();
  const auto why_not = [&] {
    const Status status = may_resume(point, 1, now, kTaken + 1000);
    return status.ok() ? "" : status.error().public_text;
  };
  now.compacted = true;
  EXPECT_THAT(why_not(), HasSubstr("has become compacted"));
  point.logs[1] = "first compact";
  EXPECT_EQ(why_not(), "");
  now.compacted = false;
  EXPECT_THAT(why_not(), HasSubstr("no longer compacted"));
}

TEST(Resume, RefusesWhenATombstoneMayBeGone) {
  EXPECT_EQ(why_not(topic(), 899'999), "");
  EXPECT_THAT(why_not(topic(), 900'000), HasSubstr("delete.retention.ms"));
  EXPECT_THAT(why_not(topic(), -1), HasSubstr("clock"));
  TopicNow now = topic();
  now.cleanup.compacted = false;
  EXPECT_EQ(why_not(now, 900'000'000), "");
  now.cleanup = {.compacted = true, .tombstones_kept = 0ms};
  EXPECT_THAT(why_not(now, 0), HasSubstr("delete.retention.ms"));
}

TEST(Resume, RefusesWhenTheLogNoLongerHoldsThePosition) {
  TopicNow now = topic();
  now.marks[Partition(0)].low = Offset(101);
  EXPECT_THAT(why_not(now), HasSubstr("users/0 begins at offset 101"));
  now = topic();
  now.marks[Partition(0)].high = Offset(99);
  EXPECT_THAT(why_not(now), HasSubstr("users/0 ends at offset 99"));
  now = topic();
  now.marks.erase(Partition(1));
  EXPECT_THAT(why_not(now), HasSubstr("users/1 is not there"));
}

}  // namespace
}  // namespace push_cache::ingest
