#include "redis/replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fuzz.h"
#include "redis/command.h"
#include "redis/test_support.h"

namespace push_cache::redis {
namespace {

struct Collector final : ReplyReader::Handler {
  bool on_reply(const Reply& reply) override {
    shown.push_back(show(reply));
    return shown.size() < stop_after;
  }
  std::vector<std::string> shown;
  std::size_t stop_after = 1'000'000;
};

struct Outcome {
  std::vector<std::string> shown;
  std::string error;
};

Outcome read_in_pieces(std::string_view bytes, std::size_t piece, const ReplyCaps& caps = {}) {
  Collector collector;
  ReplyReader reader(collector, caps);
  while (!bytes.empty()) {
    const ExactBlock block(bytes.substr(0, piece));
    bytes.remove_prefix(block.view().size());
    const Status status = reader.feed(block.view());
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, ErrorCode::kMalformed);
      EXPECT_FALSE(reader.feed("+OK\r\n").ok()) << "an error must be for ever";
      return {collector.shown, status.error().detail};
    }
  }
  return {collector.shown, ""};
}

// The same however the bytes are cut; only the words of an error may differ.
Outcome read(std::string_view bytes, const ReplyCaps& caps = {}) {
  Outcome whole = read_in_pieces(bytes, bytes.size() + 1, caps);
  for (const std::size_t piece : {1, 2, 3, 7}) {
    const Outcome cut = read_in_pieces(bytes, piece, caps);
    EXPECT_EQ(cut.shown, whole.shown) << "in pieces of " << piece;
    EXPECT_EQ(cut.error.empty(), whole.error.empty()) << "in pieces of " << piece;
  }
  return whole;
}

TEST(Replies, EachType) {
  const Outcome outcome = read(
      "+OK\r\n-ERR no\r\n:-42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n"
      "*3\r\n$1\r\nx\r\n*2\r\n:1\r\n*0\r\n$-1\r\n+end\r\n");
  EXPECT_THAT(outcome.shown,
              testing::ElementsAre("+OK", "-ERR no", "-42", "\"a\r\nbc\"", "\"\"", "nil", "nil",
                                   "[]", "[\"x\" [1 []] nil]", "+end"));
  EXPECT_EQ(outcome.error, "");
}

TEST(Replies, ArraysLongerThanTheReadersInput) {
  std::string bytes;
  std::string shown = "[";
  const int count = 500;
  bytes += "*500\r\n";
  for (int i = 0; i < count; ++i) {
    const std::string text(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
    bytes += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    shown += (i > 0 ? " \"" : "\"") + text + "\"";
  }
  for (const std::size_t piece : {1, 1000, 1'000'000}) {
    EXPECT_THAT(read_in_pieces(bytes + bytes, piece).shown,
                testing::ElementsAre(shown + "]", shown + "]"));
  }
}

TEST(Replies, LargeStrings) {
  const std::string text(3'000'000, 'x');
  const std::string bytes = "$3000000\r\n" + text + "\r\n:7\r\n";
  const Outcome outcome = read_in_pieces(bytes, 70'000);
  ASSERT_EQ(outcome.shown.size(), 2u);
  EXPECT_EQ(outcome.shown[0].size(), text.size() + 2);
  EXPECT_EQ(outcome.shown[1], "7");
}

TEST(Replies, WhatIsNotResp2) {
  for (const std::string_view bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "$3\r\nabcXY", "$-2\r\n", "*-2\r\n", "$x\r\n", ":1x\r\n",
        "*1\r\n?1\r\n", "*99999999999999999999\r\n", "$99999999999999999999\r\n",
        "$1234567890123456789012345", "$1\rX", "$\xff",
        "*3\r\n$"
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\r]",
        "%1\r\n:1\r\n:2\r\n", ",1.5\r\n", "#t\r\n", "_\r\n"}) {
    const Outcome outcome = read(bytes);
    EXPECT_NE(outcome.error, "") << bytes;
    EXPECT_TRUE(outcome.shown.empty()) << bytes;
  }
}

TEST(Replies, AnswersBeforeAnErrorCount) {
  const Outcome outcome = read("+OK\r\n:1\r\n!");
  EXPECT_THAT(outcome.shown, testing::ElementsAre("+OK", "1"));
  EXPECT_NE(outcome.error, "");
}

TEST(Replies, Caps) {
  ReplyCaps caps;
  caps.bulk_bytes = 8;
  caps.elements = 4;
  caps.depth = 2;
  caps.line_bytes = 16;
  EXPECT_EQ(read("$8\r\n12345678\r\n*2\r\n$4\r\n1234\r\n$4\r\n1234\r\n", caps).error, "");
  EXPECT_NE(read("$9\r\n", caps).error, "") << "before its bytes have come";
  EXPECT_NE(read("*2\r\n$4\r\n1234\r\n$5\r\n", caps).error, "");
  EXPECT_NE(read("*2\r\n+1234\r\n+12345\r\n", caps).error, "");
  EXPECT_EQ(read("*2\r\n*2\r\n:1\r\n:2\r\n:3\r\n", caps).error, "");
  EXPECT_NE(read("*5\r\n", caps).error, "");
  EXPECT_NE(read("*2\r\n*3\r\n", caps).error, "");
  EXPECT_NE(read("*1\r\n*1\r\n*1\r\n", caps).error, "");
  EXPECT_EQ(read("+1234567890123456\r\n", caps).error, "");
  EXPECT_NE(read("+123456789012345678", caps).error, "") << "before the line's end";
  EXPECT_NE(read(":000000000000000001", caps).error, "");
}

TEST(Replies, CapsOfTheRealSize) {
  EXPECT_NE(read("$536870913\r\n").error, "");
  EXPECT_NE(read("*1000001\r\n").error, "");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "*1\r\n";
  EXPECT_NE(read(deep).error, "");
  EXPECT_NE(read_in_pieces("+" + std::string(70'000, 'x'), 1000).error, "");
  // Announced and not sent: nothing is reserved for it.
  EXPECT_EQ(read("*1000000\r\n$536870912\r\n").error, "");
}

TEST(Replies, StopsWhenTold) {
  Collector collector;
  collector.stop_after = 2;
  ReplyReader reader(collector);
  EXPECT_TRUE(reader.feed(":1\r\n$1\r\n2\r\n:3\r\n!").ok());
  EXPECT_TRUE(reader.feed(":4\r\n").ok());
  EXPECT_EQ(collector.shown.size(), 2u);
}

TEST(Command, IsWhatTheServerWants) {
  const std::string_view args[] = {"SET", "key", std::string_view("a\0\r\n", 4), ""};
  const Command command(args);
  EXPECT_EQ(command.view(), std::string_view("*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$4\r\na\0\r\n\r\n"
                                             "$0\r\n\r\n",
                                             38));
  EXPECT_THAT(command.args(), testing::ElementsAreArray(args));
}

TEST(Command, ManyArguments) {
  const std::vector<std::string_view> args(1000, "argument");
  EXPECT_EQ(Command(args).args(), args);
}

}  // namespace
}  // namespace push_cache::redis
