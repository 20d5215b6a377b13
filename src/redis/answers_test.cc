#include "redis/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/replies.h"

namespace push_cache::redis {
namespace {

const Endpoint kAsked{"asked", 7};

// What `read` makes of the answer that `bytes` are.
template <typename Read>
auto parsed(std::string_view bytes, Read read) {
  struct Handler final : ReplyReader::Handler {
    explicit Handler(Read how) : read(how) {}
    bool on_reply(const Reply& reply) override {
      result.emplace(read(reply));
      return true;
    }
    Read read;
    std::optional<decltype(read(Reply()))> result;
  } handler(read);
  ReplyReader reader(handler);
  EXPECT_TRUE(reader.feed(bytes).ok());
  EXPECT_TRUE(handler.result.has_value()) << bytes;
  return *handler.result;
}

auto slots(std::string_view bytes) {
  return parsed(bytes, [](const Reply& reply) { return read_cluster_slots(reply, kAsked); });
}

TEST(Answers, Refusals) {
  using Kind = Refusal::Kind;
  const auto kind = [](std::string_view text) { return read_refusal(text, kAsked).kind; };
  EXPECT_EQ(kind("WRONGTYPE Operation against a key"), Kind::kNone);
  EXPECT_EQ(kind("ERR MOVED"), Kind::kNone);
  EXPECT_EQ(kind(""), Kind::kNone);
  EXPECT_EQ(kind("TRYAGAIN later"), Kind::kTryAgain);
  EXPECT_EQ(kind("LOADING"), Kind::kServerAway);
  EXPECT_EQ(kind("READONLY You"), Kind::kReadOnly);
  EXPECT_EQ(kind("NOSCRIPT No"), Kind::kNoScript);
  const Refusal moved = read_refusal("MOVED 3999 127.0.0.1:6381", kAsked);
  EXPECT_EQ(moved.kind, Kind::kMoved);
  EXPECT_EQ(moved.slot, 3999);
  EXPECT_EQ(moved.endpoint, (Endpoint{"127.0.0.1", 6381}));
  EXPECT_EQ(read_refusal("MOVED 0 ::1:6381", kAsked).endpoint, (Endpoint{"::1", 6381}));
  EXPECT_EQ(read_refusal("ASK 0 :6381", kAsked).endpoint, (Endpoint{"asked", 6381}));
  for (const std::string_view text :
       {"MOVED", "MOVED 1", "MOVED x a:1", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED 1 a",
        "MOVED 1 a:", "MOVED 1 a:0", "MOVED 1 a:65536", "ASK 1 a:1x", "ASK 99999999999999 a:1"}) {
    EXPECT_EQ(kind(text), Kind::kTryAgain) << text;
  }
}

TEST(Answers, ClusterSlots) {
  const auto found = slots(
      "*2\r\n"
      "*4\r\n:0\r\n:5460\r\n*2\r\n$1\r\na\r\n:1\r\n*4\r\n$1\r\nb\r\n:2\r\n$2\r\nid\r\n*0\r\n"
      "*3\r\n:5461\r\n:16383\r\n*2\r\n$-1\r\n:3\r\n");
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(*found, testing::ElementsAre(SlotRange{0, 5460, {"a", 1}, {{"b", 2}}},
                                           SlotRange{5461, 16383, {"asked", 3}, {}}));
  EXPECT_EQ(slots("*0\r\n").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(slots("*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\n?\r\n:1\r\n").error().code,
            ErrorCode::kUnavailable);
  EXPECT_EQ(slots("*1\r\n*2\r\n:0\r\n:1\r\n").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(slots("-ERR This instance has cluster support disabled\r\n").error().code,
            ErrorCode::kUnavailable);
  for (const std::string_view bytes :
       {":1\r\n", "*1\r\n:1\r\n", "*1\r\n*0\r\n", "*1\r\n*2\r\n:0\r\n:16384\r\n",
        "*1\r\n*2\r\n:2\r\n:1\r\n", "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:65536\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n:1\r\n:1\r\n"}) {
    EXPECT_EQ(slots(bytes).error().code, ErrorCode::kMalformed) << bytes;
  }
}

TEST(Answers, MasterAddress) {
  const auto read = [](std::string_view bytes) { return parsed(bytes, read_master_address); };
  EXPECT_EQ(*read("*2\r\n$1\r\na\r\n$4\r\n6379\r\n"), (Endpoint{"a", 6379}));
  EXPECT_EQ(read("*-1\r\n").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(read("-ERR\r\n").error().code, ErrorCode::kUnavailable);
  for (const std::string_view bytes :
       {"*0\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n", "*2\r\n$1\r\na\r\n$1\r\n0\r\n",
        "*2\r\n$1\r\na\r\n$2\r\n1x\r\n", "*2\r\n:1\r\n:2\r\n"}) {
    EXPECT_EQ(read(bytes).error().code, ErrorCode::kMalformed) << bytes;
  }
}

TEST(Answers, TextsAreCleaned) {
  EXPECT_EQ(clean_text("a\nb\x01\xff"), "a?b??");
  EXPECT_EQ(clean_text("secret and secretsecret", "secret"), "* and **");
  EXPECT_EQ(clean_text(std::string(1000, 'x')).size(), 200u);
  EXPECT_EQ(to_text({"::1", 5}), "[::1]:5");
  EXPECT_EQ(to_text({"a", 5}), "a:5");
}

}  // namespace
}  // namespace push_cache::redis
