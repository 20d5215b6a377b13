// From the start of the process to ready: `push-cache start` over a topic that is full, against a
// bare consumer of librdkafka that only counts. bench/kafka_services.py starts the broker and the
// registry and fills the topics.
//
// Rows: kafka/RECORDS/throughput|cpu|bytes|overhead|restart, and kafka/RECORDS/bar/... against
// fixed bars.
#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/child.h"
#include "bench/harness.h"
#include "bench/http_client.h"

namespace push_cache::bench {
namespace {

// What the service did before its ingest was made anew.
constexpr double kBarRecordsPerSecond = 567'000;
constexpr double kBarBytesPerRecord = 390;
constexpr std::uint64_t kBarRecords =
    1'000'000;  // fewer, and the start itself takes most of the time
constexpr double kPatienceSeconds = 300;
constexpr auto kPoll = std::chrono::milliseconds(2);

struct Topic {
  std::string name;
  std::string config;  // of the service: a file
  std::uint64_t records = 0;
};

enum Figure { kThroughput, kCpu, kResident, kOverhead, kFigures };

std::vector<double> figures(const Topic& topic, double seconds, double cpu_seconds,
                            std::uint64_t resident, std::uint64_t kept) {
  const auto records = static_cast<double>(topic.records);
  return {records / seconds, cpu_seconds * 1e6 / records, static_cast<double>(resident) / records,
          (static_cast<double>(resident) - static_cast<double>(kept)) / records};
}

// "health http://127.0.0.1:2345/hams" -> the URL
std::string health_url(Child& service) {
  constexpr std::string_view kName = "health ";
  for (;;) {
    const std::string line = service.read_line(60);
    if (line.starts_with(kName)) return line.substr(kName.size());
  }
}

// A running service that is ready.
struct Ready {
  std::unique_ptr<Child> service;
  double seconds;  // from the start of its process
  std::string url;
};

// `more`: of its environment.
Ready start_service(const Topic& topic, const std::vector<std::string>& more = {}) {
  std::vector<std::string> environment = {"CAPTURE_LOG=warn"};
  environment.insert(environment.end(), more.begin(), more.end());
  const double start = now_seconds();
  auto made = std::make_unique<Child>(
      std::vector<std::string>{program_folder() + "push-cache", "start", "--config", topic.config},
      environment);
  Child& service = *made;
  const std::string url = health_url(service);
  HttpClient health(url);
  const std::string ready = url.substr(url.find('/', url.find("//") + 2)) + "/ready";
  while (health.get(ready).status() != 200) {
    if (now_seconds() - start > kPatienceSeconds) fail("push-cache is not ready in time");
    service.require_alive();
    std::this_thread::sleep_for(kPoll);
  }
  return {std::move(made), now_seconds() - start, url};
}

std::vector<double> run_service(const Topic& topic, const std::vector<std::string>& more = {}) {
  const Ready ready = start_service(topic, more);
  const double cpu = cpu_seconds_of(ready.service->pid());
  const std::uint64_t resident = resident_bytes_of(ready.service->pid());
  HttpClient health(ready.url);
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  const auto status = boost::json::parse(health.get("/status").body);
  for (const auto& store : status.at("stores").as_array()) {
    records += store.at("records").to_number<std::uint64_t>();
    bytes += store.at("bytes").to_number<std::uint64_t>();
  }
  if (records != topic.records) {
    fail("push-cache is ready with " + std::to_string(records) + " records of " +
         std::to_string(topic.records));
  }
  return figures(topic, ready.seconds, cpu, resident, bytes);
}

// From the start of the process to ready by a snapshot that an earlier one has left, and by a
// replay. Each run is killed, so that the snapshot stays as it is.
void bench_restart(Suite& suite, const Topic& topic) {
  const Row row = {"kafka/" + std::to_string(topic.records) + "/restart", "s", true,
                   "the same, by a replay of the topic", 10.0};
  if (!suite.wants(row.name)) return;
  std::string dir = std::filesystem::temp_directory_path() / "push-cache-bench-XXXXXX";
  if (mkdtemp(dir.data()) == nullptr) fail("no folder for a snapshot");
  const std::vector<std::string> with = {"APP_SNAPSHOT__DIR=" + dir, "APP_SNAPSHOT__INTERVAL=0s"};
  start_service(topic, with).service->stop(kPatienceSeconds);
  const auto seconds = [&topic](const std::vector<std::string>& more) {
    return static_cast<double>(topic.records) / run_service(topic, more)[kThroughput];
  };
  suite.pair(
      row, [&] { return seconds(with); }, [&] { return seconds({}); });
  std::filesystem::remove_all(dir);
}

std::vector<double> run_bare(const std::string& brokers, const Topic& topic) {
  const double start = now_seconds();
  Child consumer({program_folder() + "bare_consumer", brokers, topic.name});
  std::istringstream said(consumer.read_line(kPatienceSeconds));
  const double seconds = now_seconds() - start;
  const double cpu = cpu_seconds_of(consumer.pid());
  std::string word;
  std::uint64_t records = 0;
  said >> word >> records;
  if (records != topic.records) fail("the bare consumer has read " + std::to_string(records));
  return figures(topic, seconds, cpu, resident_bytes_of(consumer.pid()), 0);
}

void bench_topic(Suite& suite, const std::string& brokers, const Topic& topic) {
  const std::string name = "kafka/" + std::to_string(topic.records);
  const std::string bare = "a librdkafka consumer that only counts";
  Figures ours(kFigures, [&topic] { return run_service(topic); });
  Figures theirs(kFigures, [&] { return run_bare(brokers, topic); });
  // A second reader of the same runs would take them from the first, so the bars have their own
  // copy.
  std::vector<double> rates;
  std::vector<double> sizes;
  const auto noted = [](std::vector<double>& list, double value) {
    list.push_back(value);
    return value;
  };
  suite.pair(
      {name + "/throughput", "records/s", false, bare, 0.8},
      [&] { return noted(rates, ours.next(kThroughput)); },
      [&] { return theirs.next(kThroughput); });
  suite.pair(
      {name + "/cpu", "CPU-s/1M", true, bare, {}}, [&] { return ours.next(kCpu); },
      [&] { return theirs.next(kCpu); });
  suite.single({name + "/bytes", "bytes"}, [&] { return noted(sizes, ours.next(kResident)); });
  suite.single({name + "/overhead", "bytes"}, [&] { return ours.next(kOverhead); });
  bench_restart(suite, topic);
  if (topic.records < kBarRecords) return;
  std::size_t rate = 0;
  std::size_t size = 0;
  if (!rates.empty()) {
    suite.pair(
        {name + "/bar/throughput", "records/s", false, "the bar", 1.0},
        [&] { return rates[rate++]; }, [] { return kBarRecordsPerSecond; });
  }
  if (!sizes.empty()) {
    suite.pair(
        {name + "/bar/bytes", "bytes", true, "the bar", 1.0}, [&] { return sizes[size++]; },
        [] { return kBarBytesPerRecord; });
  }
}

int run(int argc, char** argv) {
  std::string brokers;
  std::vector<std::string> topics;
  Suite suite("kafka", argc, argv, [&](CLI::App& options) {
    options.add_option("--brokers", brokers, "where the topics are")->required();
    options.add_option("--topic", topics, "NAME:RECORDS:CONFIG, a full topic; may be repeated")
        ->required();
  });
  for (const std::string& words : topics) {
    const std::size_t first = words.find(':');
    const std::size_t second = words.find(':', first + 1);
    if (second == words.npos) fail("--topic: NAME:RECORDS:CONFIG");
    bench_topic(suite, brokers,
                {words.substr(0, first), words.substr(second + 1),
                 std::stoull(words.substr(first + 1, second - first - 1))});
  }
  return suite.finish();
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) { return push_cache::bench::run(argc, argv); }
