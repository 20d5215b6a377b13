#include "redis/known_servers.h"

#include <gtest/gtest.h>

namespace push_cache::redis {
namespace {

using Fit = KnownServers::Fit;
const Endpoint kA{"a", 1};
const Endpoint kB{"b", 1};

TEST(KnownServers, AFollowerFitsTheServerOfTheLeaderOnly) {
  KnownServers servers;
  EXPECT_EQ(servers.fit(kA, "one"), Fit::kOther) << "the leader is not connected yet";
  servers.publish({{kA, "one"}});
  EXPECT_EQ(servers.fit(kA, "one"), Fit::kSame);
  EXPECT_EQ(servers.fit(kA, "two"), Fit::kOther);
  EXPECT_EQ(servers.fit(kA, ""), Fit::kUnknown);
  EXPECT_EQ(servers.fit(kB, "one"), Fit::kOther) << "the leader is not there";
  EXPECT_EQ(servers.fit(kB, ""), Fit::kOther);
  servers.publish({{kA, ""}});
  EXPECT_EQ(servers.fit(kA, "one"), Fit::kUnknown);
  EXPECT_EQ(servers.fit(kA, ""), Fit::kUnknown);
}

TEST(KnownServers, AnAnswerCountsWhileTheLeaderStays) {
  KnownServers servers;
  servers.publish({{kA, "one"}, {kB, "two"}});
  Admission to_a(&servers);
  Admission to_b(&servers);
  ASSERT_TRUE(to_a.admits(kA, "one"));
  ASSERT_TRUE(to_b.admits(kB, "two"));
  servers.publish({{kA, "one"}, {kB, "two"}});
  EXPECT_TRUE(to_a.still_admits(kA, "one"));
  servers.publish({{kA, "one"}, {kB, "three"}});
  EXPECT_TRUE(to_a.still_admits(kA, "one"));
  EXPECT_FALSE(to_b.still_admits(kB, "two")) << "it was restarted";
  servers.publish({{kB, "three"}});
  EXPECT_FALSE(to_a.still_admits(kA, "one")) << "it is no master any more";
}

TEST(KnownServers, WhatDoesNotTellItsIdentityIsProved) {
  KnownServers servers;
  int requests = 0;
  servers.on_request([&] { ++requests; });
  servers.publish({{kA, ""}});
  Admission first(&servers);
  EXPECT_FALSE(first.admits(kA, ""));
  EXPECT_FALSE(first.admits(kA, ""));
  EXPECT_EQ(requests, 1) << "it asks once";
  const std::uint64_t asked = servers.asked();
  Admission second(&servers);
  EXPECT_FALSE(second.admits(kA, ""));
  servers.prove(asked);
  EXPECT_TRUE(first.admits(kA, ""));
  EXPECT_FALSE(second.admits(kA, "")) << "this proof may be older than its connection";
  servers.prove(servers.asked());
  EXPECT_TRUE(second.admits(kA, ""));
  first.begin();
  EXPECT_FALSE(first.admits(kA, "")) << "another connection needs another proof";
}

TEST(KnownServers, TheLeaderIsToldOfAnotherServerOnceAConnection) {
  KnownServers servers;
  int requests = 0;
  servers.on_request([&] { ++requests; });
  servers.publish({{kA, "one"}});
  Admission admission(&servers);
  EXPECT_FALSE(admission.admits(kB, "two"));
  EXPECT_FALSE(admission.admits(kB, "two"));
  EXPECT_EQ(requests, 1);
  EXPECT_EQ(servers.take_others(), std::vector<Endpoint>{kB});
  EXPECT_TRUE(servers.take_others().empty());
  servers.publish({{kB, "two"}});
  EXPECT_TRUE(admission.admits(kB, "two"));
}

TEST(KnownServers, WhatAMasterNamesForOneCommandNeedsNoLeader) {
  KnownServers servers;
  servers.publish({{kA, "one"}});
  Admission named(&servers);
  named.set_free(true);
  EXPECT_TRUE(named.admits(kB, "two"));
  servers.publish({{kA, "two"}});
  EXPECT_TRUE(named.still_admits(kB, "two"));
  named.set_free(false);
  EXPECT_FALSE(named.still_admits(kB, "two")) << "now it is a master";
  servers.publish({{kA, "two"}, {kB, "two"}});
  EXPECT_TRUE(named.still_admits(kB, "two"));
}

TEST(KnownServers, WhoFollowsNobodyIsAlwaysAdmitted) {
  Admission alone(nullptr);
  EXPECT_TRUE(alone.admits(kA, ""));
  EXPECT_TRUE(alone.still_admits(kA, ""));
}

}  // namespace
}  // namespace push_cache::redis
