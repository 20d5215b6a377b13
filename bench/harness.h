// Benchmarks as strictly interleaved pairs: ours, reference, ours, reference, ... in one process
// run.
//
// Google Benchmark cannot do this: it runs every repetition of one benchmark before the next (or,
// with random interleaving, in an order of its own) and reports each alone, so that on a machine
// that others use too a quotient of two of its results is one of two different moments. Here each
// round measures both sides back to back and the figure that counts is the median of the rounds'
// own ratios.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace push_cache::bench {

// What one line of the tables tells.
struct Row {
  std::string name;  // parts by slashes, a size last: "lookup/hit/1000000"
  std::string unit;  // of the measured values: "ns", "requests/s", "bytes", "CPU-us"
  bool lower_is_better = true;
  std::string reference = {};  // the second side, in words: "sharded unordered_map + shared_mutex"
  // The least ratio to reach; nothing: for information. The ratio is how many times better than the
  // reference ours is: reference/ours when lower is better, else ours/reference.
  std::optional<double> goal = {};
};

// The rows of one program and its command line: --quick, --filter REGEX, --rounds N, --out
// FILE.json. For one thread. A wrong command line or a --help ends the process.
class Suite {
 public:
  // `name`: as the results are called, "store". `add_options` adds the program's own to the command
  // line.
  Suite(std::string_view name, int argc, char** argv,
        const std::function<void(CLI::App&)>& add_options = {});
  ~Suite();
  Suite(const Suite&) = delete;
  Suite& operator=(const Suite&) = delete;

  bool quick() const;
  // Whether --filter (anywhere in the name) lets this row run. `pair` and `single` ask themselves;
  // ask before costly preparations.
  bool wants(std::string_view row_name) const;

  // Runs ours, reference, ours, reference, ... `rounds` times each, after one warm-up of each. Each
  // call returns the value it measured. To hold a figure against a fixed bar, let the reference
  // return it.
  void pair(const Row& row, const std::function<double()>& ours,
            const std::function<double()>& reference);
  // One side alone; without ratio.
  void single(const Row& row, const std::function<double()>& ours);
  // The row was not run, such as for want of memory: shows in the tables as skipped.
  void skip(const Row& row, std::string_view why);

  // Prints the table on stdout (median, min..max of each side, ratio, goal, met?) and writes the
  // JSON of
  // --out: every round's values, and the machine. What `main` returns: 0, goals missed or not.
  int finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One run that measures several figures at once, given out to a row each: every row gets its figure
// of the same runs, in their order. Its rows run one after the other, with the same rounds.
class Figures {
 public:
  // `run` returns `count` values.
  Figures(std::size_t count, std::function<std::vector<double>()> run)
      : run_(std::move(run)), waiting_(count) {}

  // The next value of one figure; runs when there is none.
  double next(std::size_t figure) {
    if (waiting_[figure].empty()) {
      const std::vector<double> values = run_();
      for (std::size_t i = 0; i < waiting_.size(); ++i) waiting_[i].push_back(values[i]);
    }
    const double value = waiting_[figure].front();
    waiting_[figure].pop_front();
    return value;
  }

 private:
  std::function<std::vector<double>()> run_;
  std::vector<std::deque<double>> waiting_;
};

// Ends the process with this message: an answer was wrong, so its speed means nothing.
[[noreturn]] void fail(std::string_view message);

// User and system time that a process (0: this one) has used, of all its threads, ended ones
// included.
double cpu_seconds_of(pid_t pid = 0);
// Memory of the process (0: this one) that is in RAM now.
std::uint64_t resident_bytes_of(pid_t pid = 0);
// What the kernel could give without swapping (MemAvailable).
std::uint64_t available_memory_bytes();

// Seconds on the monotonic clock.
inline double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Makes the compiler believe that `value` is used and that any memory may have changed.
template <typename T>
inline void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// Nanoseconds of one call of `body(i)`, i = 0, 1, 2, ..., over about `seconds`. The clock is read
// every `batch` calls.
template <typename Body>
double ns_per_call(double seconds, Body&& body, std::uint64_t batch = 256) {
  const double start = now_seconds();
  std::uint64_t calls = 0;
  double elapsed = 0;
  do {
    for (const std::uint64_t end = calls + batch; calls < end; ++calls) body(calls);
    elapsed = now_seconds() - start;
  } while (elapsed < seconds);
  return elapsed * 1e9 / static_cast<double>(calls);
}

}  // namespace push_cache::bench
