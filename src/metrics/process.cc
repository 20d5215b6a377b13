#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "metrics/page.h"

namespace push_cache::metrics {
namespace {

// The fields of /proc/self/stat from the third on (proc(5)): the second is the program's name in
// parentheses, which may hold anything.
std::vector<std::string> stat_fields() {
  std::ifstream in("/proc/self/stat");
  std::string line;
  std::getline(in, line);
  const std::size_t end = line.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream rest(line.substr(end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

// Seconds since 1970 at which the machine was started.
std::optional<double> boot_time() {
  std::ifstream in("/proc/stat");
  for (std::string word; in >> word;) {
    double seconds = 0;
    if (word == "btime" && in >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<double> open_files() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  double count = -3;  // ".", ".." and the one just opened
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace

void add_process(Page& page) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    page.add("process_cpu_seconds_total", {}, seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  constexpr std::size_t kThreads = 20 - 3, kStart = 22 - 3, kVirtual = 23 - 3, kResident = 24 - 3;
  if (const std::vector<std::string> fields = stat_fields(); fields.size() > kResident) {
    const auto number = [&](std::size_t index) {
      return std::strtod(fields[index].c_str(), nullptr);
    };
    page.add("process_resident_memory_bytes", {},
             number(kResident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    page.add("process_virtual_memory_bytes", {}, number(kVirtual));
    page.add("process_threads", {}, number(kThreads));
    if (const std::optional<double> boot = boot_time()) {
      page.add("process_start_time_seconds", {},
               *boot + number(kStart) / static_cast<double>(sysconf(_SC_CLK_TCK)));
    }
  }
  if (const std::optional<double> open = open_files()) page.add("process_open_fds", {}, *open);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    page.add("process_max_fds", {}, static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace push_cache::metrics
