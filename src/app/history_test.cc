#include "app/history.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace push_cache::app {
namespace {

namespace json = boost::json;

class HistoryTest : public testing::Test {
 protected:
  // After `seconds` more.
  void add(double seconds, std::uint64_t requests, std::uint64_t misses, std::uint64_t records) {
    now_ += std::chrono::duration_cast<History::Clock::duration>(
        std::chrono::duration<double>(seconds));
    now_ms_ += static_cast<std::int64_t>(seconds * 1000);
    history_.add(now_, now_ms_,
                 {.routes = {{.requests = requests, .misses = misses}, {.errors = misses}},
                  .records = records,
                  .lag_records = 3});
  }
  json::value shown() const { return json::parse(history_.json()); }

  History history_{{"/a", "/\"b"}};
  History::Clock::time_point now_{std::chrono::hours(1)};
  std::int64_t now_ms_ = 1'000'000;
};

TEST_F(HistoryTest, IsEmptyUntilAnIntervalHasEnded) {
  EXPECT_TRUE(history_.due(now_));
  add(0, 100, 10, 1000);
  EXPECT_FALSE(history_.due(now_));
  const json::value empty = shown();
  EXPECT_EQ(empty.at("interval_seconds"), 5);
  EXPECT_TRUE(empty.at("times_ms").as_array().empty());
  EXPECT_EQ(empty.at("routes").as_array().size(), 2u);
  EXPECT_EQ(empty.at("routes").at(1).at("path"), "/\"b");
}

TEST_F(HistoryTest, RatesAreOfTheTimeThatHasGoneBy) {
  add(0, 100, 10, 1000);
  add(5, 150, 11, 1000);
  add(10, 151, 21, 4000);
  EXPECT_EQ(json::serialize(shown()),
            R"({"interval_seconds":5,"times_ms":[1005000,1015000],"records_per_second":[0,300],)"
            R"("lag_records":[3,3],"routes":[{"path":"/a","requests_per_second":[10,1E-1],)"
            R"("misses_per_second":[2E-1,1],"errors_per_second":[0,0],)"
            R"("p50_us":[null,null],"p99_us":[null,null]},{"path":"/\"b",)"
            R"("requests_per_second":[0,0],"misses_per_second":[0,0],)"
            R"("errors_per_second":[2E-1,1],"p50_us":[null,null],"p99_us":[null,null]}]})");
}

TEST_F(HistoryTest, TimesAreThoseOfTheIntervalAlone) {
  metrics::AnswerDurationCounter took;
  const auto add_answers = [&](int count, std::chrono::microseconds each) {
    for (int i = 0; i < count; ++i) took.add(each);
    now_ += History::kInterval;
    history_.add(now_, now_ms_ += 5000, {.routes = {{.durations = took.read()}, {}}});
  };
  add_answers(1000, std::chrono::seconds(2));
  add_answers(98, std::chrono::microseconds(40));
  add_answers(2, std::chrono::milliseconds(30));
  add_answers(0, {});
  const json::value route = shown().at("routes").at(0);
  const auto at = [&route](const char* series, std::size_t i) {
    return route.at(series).at(i).to_number<double>();
  };
  EXPECT_GT(at("p50_us", 0), 25);
  EXPECT_LE(at("p99_us", 0), 50);
  EXPECT_GT(at("p50_us", 1), 25'000);
  EXPECT_LE(at("p99_us", 1), 50'000);
  EXPECT_TRUE(route.at("p50_us").at(2).is_null());
}

TEST_F(HistoryTest, KeepsTheBeatAndTakesANewOneAfterAPause) {
  add(0, 0, 0, 0);
  add(5.2, 0, 0, 0);
  EXPECT_FALSE(history_.due(now_ + std::chrono::milliseconds(4700)));
  EXPECT_TRUE(history_.due(now_ + std::chrono::milliseconds(4800)));
  add(60, 0, 0, 0);
  EXPECT_FALSE(history_.due(now_ + std::chrono::milliseconds(4900)));
  EXPECT_TRUE(history_.due(now_ + std::chrono::seconds(5)));
}

TEST_F(HistoryTest, KeepsTheLastOnes) {
  add(0, 0, 0, 0);
  const int all = static_cast<int>(History::kSamplesMax) + 30;
  for (int i = 1; i <= all; ++i) add(1, 0, 0, static_cast<std::uint64_t>(i) * (i + 1) / 2);
  const json::array rates = shown().at("records_per_second").as_array();
  ASSERT_EQ(rates.size(), History::kSamplesMax);
  for (std::size_t i = 0; i < rates.size(); ++i) EXPECT_EQ(rates[i].to_number<int>(), 31 + i);
}

}  // namespace
}  // namespace push_cache::app
