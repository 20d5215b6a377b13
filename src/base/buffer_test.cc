#include "base/buffer.h"

#include <gtest/gtest.h>

#include <string>

namespace push_cache {
namespace {

TEST(Buffer, AppendsAcrossGrowth) {
  Buffer buffer;
  std::string expected;
  for (int i = 0; i < 10'000; ++i) {
    const std::string piece = std::to_string(i) + ",";
    buffer.append(piece);
    expected += piece;
  }
  EXPECT_EQ(buffer.view(), expected);
}

TEST(Buffer, ReserveThenCommit) {
  Buffer buffer;
  char* place = buffer.reserve(1000);
  place[0] = 'a';
  place[1] = 'b';
  buffer.commit(2);
  EXPECT_EQ(buffer.view(), "ab");
}

TEST(Buffer, KeepsItsMemoryOverClearAndGivesItUpOnShrink) {
  Buffer buffer;
  buffer.append(std::string(100'000, 'x'));
  buffer.clear();
  EXPECT_GE(buffer.capacity(), 100'000u);
  buffer.shrink(64 * 1024);
  EXPECT_EQ(buffer.capacity(), 0u);
  buffer.append('y');
  EXPECT_EQ(buffer.view(), "y");
}

TEST(Buffer, MovedFromIsEmptyAndUsable) {
  Buffer first;
  first.append("abc");
  Buffer second = std::move(first);
  EXPECT_EQ(second.view(), "abc");
  first.append("d");  // NOLINT: use after move is the point here
  EXPECT_EQ(first.view(), "d");
}

}  // namespace
}  // namespace push_cache
