#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/check_names.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "metrics/counter.h"
#include "metrics/page.h"
#include "metrics/table.h"

namespace push_cache::metrics {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

double value_of(const std::string& page, const std::string& name) {
  const std::size_t at = page.find("\n" + name + " ");
  return at == std::string::npos ? std::nan("") : std::stod(page.substr(at + name.size() + 2));
}

TEST(Table, IsWellFormed) {
  std::set<std::string_view> names;
  for (const Metric& metric : table()) {
    EXPECT_TRUE(prometheus::CheckMetricName(std::string(metric.name))) << metric.name;
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name << " is there twice";
    EXPECT_TRUE(metric.help.ends_with('.')) << metric.name;
    EXPECT_EQ(find(metric.name), &metric);
    for (std::string_view label : metric.labels) {
      EXPECT_TRUE(prometheus::CheckMetricName(std::string(label))) << metric.name;
    }
  }
  EXPECT_EQ(find("nothing"), nullptr);
}

TEST(Table, HasTheNamesOfTheFirstForm) {
  for (const char* name : {"requests_total", "requests_miss", "updates_received",
                           "tombstones_processed", "schema_mismatch_count", "schema_unrouted_count",
                           "push_cache_records_total", "push_cache_consumer_lag_total"}) {
    EXPECT_NE(find(name), nullptr) << name;
  }
}

TEST(Table, TheReferencePageIsTheOneOfTheTable) {
  std::ifstream in(PUSH_CACHE_SOURCE_DIR "/docs/reference/metrics.md");
  std::ostringstream committed;
  committed << in.rdbuf();
  EXPECT_EQ(committed.str(), reference_page())
      << "write it anew: cmake --build --preset release --target reference";
}

TEST(Page, RendersThePrometheusTextFormat) {
  Page page;
  EXPECT_TRUE(page.add("bad_records_total", {"null_key"}, 3));
  EXPECT_TRUE(page.add("bad_records_total", {"bad_magic"}, 0));
  EXPECT_TRUE(page.add("push_cache_partition_lag", {"us\"er\\s\n", "0", "group"}, 12345678901.0));
  EXPECT_TRUE(page.add("requests_total", {}, 12));
  EXPECT_TRUE(page.add("push_cache_consumer_lag_total", {}, 7));
  EXPECT_EQ(
      page.text(),
      "# HELP requests_total Requests to the API.\n"
      "# TYPE requests_total counter\n"
      "requests_total 12\n"
      "# HELP push_cache_consumer_lag_total Records in Kafka that are still to be read, over all "
      "partitions.\n"
      "# TYPE push_cache_consumer_lag_total untyped\n"
      "push_cache_consumer_lag_total 7\n"
      "# HELP push_cache_partition_lag Records still to be read from the partition.\n"
      "# TYPE push_cache_partition_lag gauge\n"
      "push_cache_partition_lag{topic=\"us\\\"er\\\\s\\n\",partition=\"0\",feed=\"group\"} "
      "12345678901\n"
      "# HELP bad_records_total Records from Kafka that could not be applied, by cause.\n"
      "# TYPE bad_records_total counter\n"
      "bad_records_total{cause=\"null_key\"} 3\n"
      "bad_records_total{cause=\"bad_magic\"} 0\n");
  EXPECT_THAT(page.refused(), IsEmpty());
  EXPECT_EQ(Page().text(), "");
}

TEST(Page, RendersHistograms) {
  const double bounds[] = {0.1, 0.5};
  const std::uint64_t counts[] = {3, 0, 2};
  Page page;
  EXPECT_TRUE(page.add_histogram("push_cache_redis_call_duration_seconds", {"s", "read"},
                                 {.bounds = bounds, .counts = counts, .sum = 7.5}));
  const std::string name = "push_cache_redis_call_duration_seconds";
  const std::string labels = "{store=\"s\",kind=\"read\"";
  EXPECT_EQ(page.text(), "# HELP " + name +
                             " Time from a call to its answer, or to its time-out.\n# TYPE " +
                             name + " histogram\n" + name + "_count" + labels + "} 5\n" + name +
                             "_sum" + labels + "} 7.5\n" + name + "_bucket" + labels +
                             ",le=\"0.1\"} 3\n" + name + "_bucket" + labels + ",le=\"0.5\"} 3\n" +
                             name + "_bucket" + labels + ",le=\"+Inf\"} 5\n");
  EXPECT_FALSE(page.add(name, {"s", "write"}, 1));
  EXPECT_FALSE(page.add_histogram("push_cache_redis_connections", {"s"}, {}));
  EXPECT_THAT(page.refused(), ElementsAre(name, "push_cache_redis_connections"));
}

TEST(Page, RefusesWhatTheTableDoesNotHave) {
  Page page;
  EXPECT_FALSE(page.add("request_total", {}, 1));
  EXPECT_FALSE(page.add("requests_total", {"x"}, 1));
  EXPECT_FALSE(page.add("bad_records_total", {}, 1));
  EXPECT_TRUE(page.add("push_cache_ready", {}, 1));
  EXPECT_FALSE(page.add("push_cache_ready", {}, 0));
  EXPECT_THAT(page.refused(), ElementsAre("request_total", "requests_total", "bad_records_total",
                                          "push_cache_ready"));
  EXPECT_THAT(page.text(), Not(HasSubstr("request")));
  EXPECT_EQ(value_of(page.text(), "push_cache_ready"), 1);
}

TEST(Page, KnowsTheProcess) {
  const std::ifstream held("/proc/self/stat");
  Page page;
  add_process(page);
  EXPECT_THAT(page.refused(), IsEmpty());
  const std::string text = "\n" + page.text();
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 1024 * 1024);
  EXPECT_GT(value_of(text, "process_virtual_memory_bytes"),
            value_of(text, "process_resident_memory_bytes"));
  EXPECT_GE(value_of(text, "process_threads"), 1);
  EXPECT_GE(value_of(text, "process_cpu_seconds_total"), 0);
  EXPECT_GE(value_of(text, "process_open_fds"), 1);
  EXPECT_LT(value_of(text, "process_open_fds"), 1000);
  EXPECT_GE(value_of(text, "process_max_fds"), 3);
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  // The boot time is in whole seconds.
  EXPECT_LT(value_of(text, "process_start_time_seconds"), now + 2);
  EXPECT_GT(value_of(text, "process_start_time_seconds"), now - 3600);
}

TEST(ShardedCounter, SumsItsSlots) {
  ShardedCounter counter(4);
  EXPECT_EQ(counter.sum(), 0u);
  std::vector<std::thread> threads;
  for (std::size_t slot = 0; slot < 8; ++slot) {
    threads.emplace_back([&counter, slot] {
      for (int i = 0; i < 10'000; ++i) counter.add(slot);
      counter.add(slot, 5);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.sum(), 8u * 10'005u);
  ShardedCounter none(0);
  none.add(7, 3);
  EXPECT_EQ(none.sum(), 3u);
}

}  // namespace
}  // namespace push_cache::metrics
