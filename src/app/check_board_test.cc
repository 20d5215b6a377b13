#include "app/check_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "base/log.h"

namespace push_cache::app {
namespace {

using ::testing::HasSubstr;

Status failed(std::string text) { return Error{ErrorCode::kUnavailable, std::move(text)}; }

// What a board writes to the log at level warn.
template <typename Do>
std::string lines_of(const Do& action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

TEST(CheckBoard, SaysAFailureOnceAfterSoManyAttemptsAndThatItWorks) {
  CheckBoard board(2);
  const std::size_t number = board.add(Check::kBrokers, "host:1");
  EXPECT_EQ(board.all().front().state, CheckState::kRunning);
  const Status refused = failed("Connection refused");
  EXPECT_EQ(lines_of([&] {
              board.took(number, refused);
              board.took(number, refused);
            }),
            "");
  EXPECT_EQ(board.all().front().state, CheckState::kRunning);
  EXPECT_EQ(board.all().front().error, "Connection refused");
  EXPECT_THAT(
      lines_of([&] { board.took(number, refused); }),
      HasSubstr(" warning app: startup check: brokers host:1: Connection refused; check host "
                "and port in kafka.brokers, and that the broker runs\n"));
  EXPECT_EQ(board.all().front().state, CheckState::kFailed);
  EXPECT_THAT(std::string(board.all().front().advice), HasSubstr("kafka.brokers"));
  EXPECT_EQ(lines_of([&] { board.took(number, refused); }), "");
  EXPECT_THAT(lines_of([&] { board.took(number, failed("SASL authentication error: no")); }),
              HasSubstr("sasl.username"))
      << "another cause";
  EXPECT_THAT(lines_of([&] { board.took(number, {}); }),
              HasSubstr(" warning app: startup check: brokers host:1: works now\n"));
  EXPECT_EQ(board.all().front().state, CheckState::kOk);
  EXPECT_EQ(board.all().front().error, "");
  EXPECT_EQ(board.all().front().advice, "");
  EXPECT_EQ(lines_of([&] { board.took(number, {}); }), "");
}

TEST(CheckBoard, WhatWorksAtOnceIsNotSaidToThoseWhoWantWarnings) {
  CheckBoard board(0);
  const std::size_t first = board.add(Check::kTopic, "'a'");
  const std::size_t second = board.add(Check::kTopic, "'b'");
  EXPECT_EQ(lines_of([&] { board.took(first, {}); }), "");
  EXPECT_THAT(lines_of([&] { board.took(second, failed("topic 'b' does not exist")); }),
              HasSubstr("startup check: topic 'b': "));
  ASSERT_EQ(board.all().size(), 2u);
  EXPECT_EQ(board.all()[0].state, CheckState::kOk);
  EXPECT_EQ(board.all()[1].state, CheckState::kFailed);
}

TEST(CheckFailures, EveryCheckHasARowForWhateverElseAndItIsTheLast) {
  std::set<Check> ended;
  std::set<std::pair<Check, std::string_view>> names;
  for (const Failure& failure : failures()) {
    EXPECT_FALSE(ended.contains(failure.check)) << failure.name << " is never reached";
    if (failure.signs.front().empty()) ended.insert(failure.check);
    EXPECT_TRUE(names.insert({failure.check, failure.name}).second) << failure.name;
    EXPECT_FALSE(failure.advice.empty());
    for (const std::string_view sign : failure.signs) {
      if (!sign.empty()) {
        EXPECT_EQ(&failure_of(failure.check, sign), &failure) << sign << " is taken by another row";
      }
    }
  }
  EXPECT_EQ(ended.size(), 5u);
}

TEST(CheckFailures, ThePageIsTheOneOfTheTable) {
  std::ifstream in(PUSH_CACHE_SOURCE_DIR "/docs/guides/troubleshooting.md");
  std::ostringstream committed;
  committed << in.rdbuf();
  EXPECT_EQ(committed.str(), troubleshooting_page())
      << "write it anew: cmake --build --preset release --target reference";
}

}  // namespace
}  // namespace push_cache::app
