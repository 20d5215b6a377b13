#include "store/local_writes.h"

#include <gtest/gtest.h>

namespace push_cache::store {
namespace {

TEST(LocalWrites, OneThatIsUnderWayMayShowAlready) {
  LocalWrites writes;
  EXPECT_FALSE(writes.any());
  writes.begin();
  EXPECT_TRUE(writes.any());
  writes.begin();
  writes.end(LocalWrites::Outcome::kNothing);
  EXPECT_TRUE(writes.any());
  writes.end(LocalWrites::Outcome::kNothing);
  EXPECT_FALSE(writes.any());
  for (const auto outcome : {LocalWrites::Outcome::kAdded, LocalWrites::Outcome::kRemoved}) {
    LocalWrites one;
    one.begin();
    one.end(outcome);
    EXPECT_TRUE(one.any());
    EXPECT_EQ(one.counts().added, outcome == LocalWrites::Outcome::kAdded ? 1u : 0u);
    EXPECT_EQ(one.counts().removed, outcome == LocalWrites::Outcome::kRemoved ? 1u : 0u);
  }
}

TEST(LocalWrites, ThoseOfASnapshotAreNotCountedAgain) {
  LocalWrites writes;
  writes.restored();
  EXPECT_TRUE(writes.any());
  EXPECT_TRUE(writes.in_snapshot());
  EXPECT_EQ(writes.counts().added + writes.counts().removed, 0u);
}

}  // namespace
}  // namespace push_cache::store
