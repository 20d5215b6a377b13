#include "app/verdict.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace push_cache::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Truth truth(std::optional<std::string> value) {
  Truth out;
  if (value) out.value = digest(*value);
  return out;
}

Told told(long status, const std::string& body = "", const std::string& etag = "") {
  Told out{.status = status, .value = digest(body)};
  out.etag = etag;
  return out;
}

Verdict of(std::optional<std::string> before, std::optional<std::string> after, const Told& answer,
           bool listed = false) {
  return judge(truth(std::move(before)), truth(std::move(after)), answer, listed);
}

TEST(Verdict, OfAServiceAgainstTheTopic) {
  EXPECT_EQ(of("a", "a", told(200, "a")), Verdict::kEqual);
  EXPECT_EQ(of("a", "a", told(200, "b")), Verdict::kStale);
  EXPECT_EQ(of("a", "a", told(404)), Verdict::kMissing);
  EXPECT_EQ(of({}, {}, told(200, "a")), Verdict::kExtra);
  EXPECT_EQ(of({}, {}, told(404)), Verdict::kEqual);
  EXPECT_EQ(of({}, {}, told(404), true), Verdict::kExtra) << "the list has it all the same";
  for (const long status : {0, 500, 503, 304, 400}) {
    EXPECT_EQ(of("a", "a", told(status, "a")), Verdict::kError) << status;
    EXPECT_EQ(of({}, {}, told(status)), Verdict::kError) << status;
  }
}

TEST(Verdict, AKeyThatWasWrittenMeanwhileMayHaveEitherValue) {
  EXPECT_EQ(of("a", "b", told(200, "a")), Verdict::kEqual);
  EXPECT_EQ(of("a", "b", told(200, "b")), Verdict::kEqual);
  EXPECT_EQ(of("a", "b", told(200, "c")), Verdict::kStale);
  EXPECT_EQ(of("a", "b", told(404)), Verdict::kMissing);
  EXPECT_EQ(of("a", {}, told(404)), Verdict::kEqual);
  EXPECT_EQ(of({}, "a", told(404)), Verdict::kEqual);
  EXPECT_EQ(of({}, "a", told(404), true), Verdict::kEqual);
  EXPECT_EQ(of("a", {}, told(200, "a")), Verdict::kEqual);
  EXPECT_EQ(of("a", {}, told(200, "b")), Verdict::kStale);
}

TEST(Verdict, ARecordThatCannotBeShownIsAnError) {
  Truth broken;
  broken.fault = "it cannot be shown";
  EXPECT_EQ(judge(broken, broken, told(200, "a"), false), Verdict::kError);
  EXPECT_EQ(judge(broken, broken, told(404), false), Verdict::kError);
}

TEST(Verdict, OfTwoServices) {
  EXPECT_EQ(judge(told(200, "a", "\"1\""), told(200, "a", "\"1\"")), Verdict::kEqual);
  EXPECT_EQ(judge(told(200, "a", "\"1\""), told(200, "b", "\"1\"")), Verdict::kDifferent);
  EXPECT_EQ(judge(told(200, "a", "\"1\""), told(200, "a", "\"2\"")), Verdict::kDifferent);
  EXPECT_EQ(judge(told(404, "x"), told(404, "y")), Verdict::kEqual);
  EXPECT_EQ(judge(told(200, "a"), told(404)), Verdict::kOnlyFirst);
  EXPECT_EQ(judge(told(404), told(200, "a")), Verdict::kOnlySecond);
  EXPECT_EQ(judge(told(500), told(200, "a")), Verdict::kError);
  EXPECT_EQ(judge(told(404), told(0)), Verdict::kError);
}

Observation look(Verdict verdict, const std::string& value) {
  return {.verdict = verdict, .truth = truth("topic"), .first = told(200, value)};
}

TEST(Suspect, ADifferenceCountsOnceItHasStayed) {
  const Suspect::Clock::time_point start = Suspect::Clock::now();
  Suspect one;
  one.see(look(Verdict::kStale, "a"), start);
  EXPECT_FALSE(one.settled());
  one.see(look(Verdict::kStale, "a"), start + Suspect::kSettle - milliseconds(1));
  EXPECT_FALSE(one.settled());
  one.see(look(Verdict::kStale, "b"), start + Suspect::kSettle);
  EXPECT_FALSE(one.settled()) << "it changed, so the time begins anew";
  one.see(look(Verdict::kStale, "b"), start + 2 * Suspect::kSettle - milliseconds(1));
  EXPECT_FALSE(one.settled());
  one.see(look(Verdict::kStale, "b"), start + 2 * Suspect::kSettle);
  EXPECT_TRUE(one.settled());
  EXPECT_FALSE(one.still_changing());
  EXPECT_EQ(one.outcome(), Verdict::kStale);
}

TEST(Suspect, EqualSettlesAtOnce) {
  const Suspect::Clock::time_point start = Suspect::Clock::now();
  Suspect one;
  one.see(look(Verdict::kStale, "a"), start);
  one.see(look(Verdict::kEqual, "b"), start + milliseconds(1));
  EXPECT_TRUE(one.settled());
}

TEST(Suspect, ANewTruthBeginsTheTimeAnew) {
  const Suspect::Clock::time_point start = Suspect::Clock::now();
  Suspect one;
  one.see(look(Verdict::kStale, "a"), start);
  Observation later = look(Verdict::kStale, "a");
  later.truth = truth("topic's next");
  one.see(later, start + Suspect::kSettle);
  EXPECT_FALSE(one.settled());
}

// Looks at a key each second until it is settled; `truth_moves`, `answer_moves`: from look to look.
Suspect watched(bool truth_moves, bool answer_moves) {
  Suspect one;
  const Suspect::Clock::time_point start = Suspect::Clock::now();
  int number = 0;
  do {
    Observation seen = look(Verdict::kStale, answer_moves ? std::to_string(number) : "a");
    if (truth_moves) seen.truth = truth("topic " + std::to_string(number));
    one.see(seen, start + seconds(number++));
  } while (!one.settled() && number < 1000);
  return one;
}

TEST(Suspect, OneThatNeverStaysIsNoDifferenceIfBothSidesMove) {
  const Suspect one = watched(true, true);
  EXPECT_TRUE(one.settled());
  EXPECT_GE(one.last_seen - one.first_seen, Suspect::kMovingMax);
  EXPECT_EQ(one.outcome(), Verdict::kMoving);
}

TEST(Suspect, ASideThatStandsStillWhileTheOtherMovesIsADifference) {
  for (const bool truth_moves : {true, false}) {
    const Suspect one = watched(truth_moves, !truth_moves);
    EXPECT_TRUE(one.settled());
    EXPECT_EQ(one.outcome(), Verdict::kStale) << truth_moves;
    EXPECT_TRUE(one.still_changing());
  }
  const Suspect still = watched(false, false);
  EXPECT_EQ(still.outcome(), Verdict::kStale);
  EXPECT_FALSE(still.still_changing());
}

TEST(Suspect, OneThatWasWrittenOnceAndThenStaysWrongIsADifference) {
  const Suspect::Clock::time_point start = Suspect::Clock::now();
  Suspect one;
  one.see(look(Verdict::kStale, "a"), start);
  for (int i = 1; i < 5; ++i) {
    Observation seen = look(Verdict::kStale, "b" + std::to_string(i));
    seen.truth = truth("topic " + std::to_string(i));
    one.see(seen, start + seconds(i));
  }
  Observation seen = look(Verdict::kStale, "b4");
  seen.truth = truth("topic 4");
  one.see(seen, start + seconds(4) + Suspect::kSettle);
  EXPECT_TRUE(one.settled());
  EXPECT_EQ(one.outcome(), Verdict::kStale);
}

}  // namespace
}  // namespace push_cache::app
