#include "bench/harness.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <thread>
#include <utility>
#include <vector>

namespace push_cache::bench {
namespace {

struct Result {
  Row row;
  std::vector<double> ours;
  std::vector<double> reference;  // empty: no second side
  std::string skipped;            // why; "" when it ran

  // Of each round, so that both values of a quotient are from one moment.
  std::vector<double> ratios() const {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < reference.size(); ++i) {
      ratios.push_back(row.lower_is_better ? reference[i] / ours[i] : ours[i] / reference[i]);
    }
    return ratios;
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Three to four digits that count, and no exponents.
std::string number(double value) {
  const double size = std::abs(value);
  if (size >= 100) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.{}f}", value, size >= 0.1 || size == 0 ? 2 : 4);
}

std::string spread(const std::vector<double>& values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return fmt::format("{} ({}..{})", number(median(values)), number(*low), number(*high));
}

using Line = std::vector<std::string>;

Line line_of(const Result& result) {
  const Row& row = result.row;
  if (!result.skipped.empty()) return {row.name, row.unit, "skipped: " + result.skipped};
  Line line{row.name, row.unit, spread(result.ours), "", "", "", ""};
  if (result.reference.empty()) return line;
  const double ratio = median(result.ratios());
  line[3] = spread(result.reference);
  line[4] = number(ratio);
  if (row.goal) {
    line[5] = number(*row.goal);
    line[6] = ratio >= *row.goal ? "yes" : "NO";
  }
  return line;
}

void print_table(const std::vector<Result>& results) {
  std::vector<Line> lines{
      {"name", "unit", "ours (min..max)", "reference (min..max)", "ratio", "goal", "met"}};
  for (const Result& result : results) lines.push_back(line_of(result));
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const Line& line : lines) {
    if (line.size() < widths.size()) continue;  // the reason of a skipped row may run on
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const Result& result : results) widths[0] = std::max(widths[0], result.row.name.size());
  for (const Line& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool left = i < 2 || line.size() < widths.size();
      text += left ? fmt::format("{:<{}}  ", line[i], widths[i])
                   : fmt::format("{:>{}}  ", line[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    std::puts(text.c_str());
  }
  std::fflush(stdout);
}

std::string first_line_of(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return "";
  char text[256] = "";
  if (std::fgets(text, sizeof text, pipe) == nullptr) text[0] = '\0';
  ::pclose(pipe);
  std::string line(text);
  line.erase(line.find_last_not_of('\n') + 1);
  return line;
}

// The value of "name : value" or "name: value kB" in a file of /proc; "" when there is none.
std::string proc_value(const std::string& file, std::string_view name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, name.size(), name) != 0) continue;
    const std::size_t at = line.find_first_not_of(" \t:", name.size());
    return at == std::string::npos ? "" : line.substr(at);
  }
  return "";
}

std::uint64_t proc_kib(const std::string& file, std::string_view name) {
  return std::strtoull(proc_value(file, name).c_str(), nullptr, 10) * 1024;
}

boost::json::object machine() {
  utsname kernel{};
  ::uname(&kernel);
  char date[32] = "";
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
  const std::string git = "git -C '" PUSH_CACHE_SOURCE_DIR "' ";
  const bool changed = !first_line_of(git + "status --porcelain -uno").empty();
  return {
      {"cores", std::thread::hardware_concurrency()},
      {"cpu", proc_value("/proc/cpuinfo", "model name")},
      {"kernel", std::string(kernel.sysname) + " " + kernel.release},
      {"memory_bytes", proc_kib("/proc/meminfo", "MemTotal:")},
      {"date", date},
      {"commit", first_line_of(git + "rev-parse --short=12 HEAD") + (changed ? "+changes" : "")},
      {"compiler", __VERSION__}};
}

boost::json::array array_of(const std::vector<double>& values) {
  return boost::json::array(values.begin(), values.end());
}

boost::json::object json_of(const Result& result) {
  const Row& row = result.row;
  boost::json::object out{{"name", row.name},
                          {"unit", row.unit},
                          {"lower_is_better", row.lower_is_better},
                          {"reference", row.reference},
                          {"goal", nullptr}};
  if (row.goal) out["goal"] = *row.goal;
  if (!result.skipped.empty()) {
    out["skipped"] = result.skipped;
    return out;
  }
  out["ours"] = array_of(result.ours);
  out["ours_median"] = median(result.ours);
  if (result.reference.empty()) return out;
  const std::vector<double> ratios = result.ratios();
  out["reference_values"] = array_of(result.reference);
  out["reference_median"] = median(result.reference);
  out["ratios"] = array_of(ratios);
  out["ratio"] = median(ratios);
  if (row.goal) out["met"] = median(ratios) >= *row.goal;
  return out;
}

}  // namespace

struct Suite::State {
  std::string name;
  bool quick = false;
  std::string filter;
  std::regex pattern;
  int rounds = 0;
  std::string out_file;
  std::vector<Result> results;

  void add(Result result) {
    results.push_back(std::move(result));
    std::string text;
    for (const std::string& cell : line_of(results.back())) text += cell.empty() ? "" : "  " + cell;
    std::fprintf(stderr, "%s:%s\n", name.c_str(), text.c_str());
  }
};

Suite::Suite(std::string_view name, int argc, char** argv,
             const std::function<void(CLI::App&)>& add_options)
    : state_(std::make_unique<State>()) {
  state_->name = name;
  CLI::App options("Benchmarks '" + std::string(name) +
                   "': pairs of ours and a reference, interleaved.");
  options.add_flag("--quick", state_->quick, "fewer rounds, smaller sizes");
  options.add_option("--filter", state_->filter, "only rows whose name has a match of this regex");
  options.add_option("--rounds", state_->rounds, "values of each side (default 7, with --quick 3)")
      ->check(CLI::PositiveNumber);
  options.add_option("--out", state_->out_file, "writes the results here, as JSON");
  if (add_options) add_options(options);
  try {
    options.parse(argc, argv);
    state_->pattern = std::regex(state_->filter, std::regex::ECMAScript | std::regex::optimize);
  } catch (const CLI::ParseError& error) {
    std::exit(options.exit(error));
  } catch (const std::regex_error& error) {
    fail("--filter: " + std::string(error.what()));
  }
  if (state_->rounds == 0) state_->rounds = state_->quick ? 3 : 7;
}

Suite::~Suite() = default;

bool Suite::quick() const { return state_->quick; }

bool Suite::wants(std::string_view row_name) const {
  return std::regex_search(row_name.begin(), row_name.end(), state_->pattern);
}

void Suite::pair(const Row& row, const std::function<double()>& ours,
                 const std::function<double()>& reference) {
  if (!wants(row.name)) return;
  (void)ours();
  (void)reference();
  Result result{row, {}, {}, {}};
  for (int round = 0; round < state_->rounds; ++round) {
    result.ours.push_back(ours());
    result.reference.push_back(reference());
  }
  state_->add(std::move(result));
}

void Suite::single(const Row& row, const std::function<double()>& ours) {
  if (!wants(row.name)) return;
  (void)ours();
  Result result{row, {}, {}, {}};
  for (int round = 0; round < state_->rounds; ++round) result.ours.push_back(ours());
  state_->add(std::move(result));
}

void Suite::skip(const Row& row, std::string_view why) {
  if (wants(row.name)) state_->add({row, {}, {}, std::string(why)});
}

int Suite::finish() {
  print_table(state_->results);
  if (state_->out_file.empty()) return 0;
  boost::json::array rows;
  for (const Result& result : state_->results) rows.push_back(json_of(result));
  const boost::json::object all{{"suite", state_->name},    {"quick", state_->quick},
                                {"rounds", state_->rounds}, {"filter", state_->filter},
                                {"machine", machine()},     {"rows", std::move(rows)}};
  std::ofstream out(state_->out_file, std::ios::trunc);
  out << boost::json::serialize(all) << '\n';
  out.close();
  if (!out) fail(state_->out_file + " cannot be written");
  return 0;
}

void fail(std::string_view message) {
  std::fflush(stdout);
  std::fprintf(stderr, "benchmark failed: %.*s\n", static_cast<int>(message.size()),
               message.data());
  std::exit(1);
}

double cpu_seconds_of(pid_t pid) {
  // In nanoseconds, where /proc/PID/stat counts in ticks of 10 ms.
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
    fail("the CPU time of process " + std::to_string(pid) + " cannot be read");
  }
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

std::uint64_t resident_bytes_of(pid_t pid) {
  const std::string name = pid == 0 ? "self" : std::to_string(pid);
  return proc_kib("/proc/" + name + "/status", "VmRSS:");
}

std::uint64_t available_memory_bytes() { return proc_kib("/proc/meminfo", "MemAvailable:"); }

}  // namespace push_cache::bench
