#include "redis/write_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace push_cache::redis {
namespace {

store::Write put(std::string_view key, int partition, std::int64_t offset) {
  return {{.key = key, .partition = Partition(partition), .offset = Offset(offset)}, false};
}

store::Write tombstone(std::string_view key, int partition, std::int64_t offset) {
  store::Write one = put(key, partition, offset);
  one.tombstone = true;
  return one;
}

TEST(WritePlan, TakesManyTogetherByKind) {
  WritePlan plan;
  const std::vector<store::Write> writes = {put("a", 0, 1), tombstone("b", 0, 2), put("c", 1, 3),
                                            put("d", 1, 4), tombstone("e", 0, 5)};
  plan.make(writes, 2);
  ASSERT_EQ(plan.parts().size(), 3u);
  EXPECT_EQ(plan.parts()[0].writes, (std::vector<std::uint32_t>{0, 2}));
  EXPECT_FALSE(plan.parts()[0].tombstones);
  EXPECT_EQ(plan.parts()[1].writes, (std::vector<std::uint32_t>{1, 4}));
  EXPECT_TRUE(plan.parts()[1].tombstones);
  EXPECT_EQ(plan.parts()[2].writes, (std::vector<std::uint32_t>{3}));
  EXPECT_TRUE(plan.passed().empty());
}

TEST(WritePlan, OnlyTheLastOfAKeyAndPartitionIsDone) {
  WritePlan plan;
  const std::vector<store::Write> writes = {put("a", 0, 1), tombstone("a", 0, 2), put("b", 0, 3),
                                            put("a", 0, 4)};
  plan.make(writes, 64);
  ASSERT_EQ(plan.parts().size(), 1u);
  EXPECT_EQ(plan.parts()[0].writes, (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(plan.passed().size(), 2u);
}

TEST(WritePlan, ALargeOneEndsItsPart) {
  WritePlan plan;
  const std::string large(100'000, 'x');
  std::vector<store::Write> writes = {put("a", 0, 1), put("b", 0, 2), put("c", 0, 3)};
  writes[1].record.datum = {reinterpret_cast<const std::uint8_t*>(large.data()), large.size()};
  plan.make(writes, 64);
  ASSERT_EQ(plan.parts().size(), 2u);
  EXPECT_EQ(plan.parts()[0].writes.size(), 2u);
  plan.make(std::span(writes).first(1), 64);
  EXPECT_EQ(plan.parts().size(), 1u) << "nothing is left of the plan before";
}

TEST(WritePlan, NoPartHasAKeyTwiceAndEachLastWriteIsInOne) {
  std::mt19937 random(7);
  WritePlan plan;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> keys;
    for (int i = 0; i < 30; ++i) keys.push_back("k" + std::to_string(i));
    std::vector<store::Write> writes;
    std::map<std::pair<std::string, int>, std::uint32_t> last;
    for (std::uint32_t i = 0; i < 100; ++i) {
      const std::string& key = keys[random() % keys.size()];
      const int partition = static_cast<int>(random() % 3);
      writes.push_back(random() % 4 == 0 ? tombstone(key, partition, i) : put(key, partition, i));
      last[{key, partition}] = i;
    }
    plan.make(writes, 1 + random() % 20);
    std::set<std::uint32_t> done;
    for (const WritePlan::Part& part : plan.parts()) {
      std::set<std::string_view> of_part;
      for (const std::uint32_t i : part.writes) {
        EXPECT_EQ(writes[i].tombstone, part.tombstones);
        EXPECT_TRUE(of_part.insert(writes[i].record.key).second);
        EXPECT_TRUE(done.insert(i).second);
      }
    }
    for (const auto& [key, i] : last) EXPECT_TRUE(done.contains(i)) << key.first;
    EXPECT_EQ(plan.passed().size() + done.size(), writes.size());
  }
}

}  // namespace
}  // namespace push_cache::redis
