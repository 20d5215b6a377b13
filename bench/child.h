// A part of a benchmark in a process of its own, so that its CPU time is its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace push_cache::bench {

// The path of this program's folder, with a '/' at the end: where the other built programs are.
std::string program_folder();

// A child process: killed, if it still runs, by the destructor. Its stdin is a pipe that ends when
// this process does, its stdout a pipe to `read_line`. Not safe from several threads.
class Child {
 public:
  // Runs `command` (path and arguments). `environment`: more "NAME=value". Ends the benchmark when
  // that cannot be done.
  explicit Child(const std::vector<std::string>& command,
                 const std::vector<std::string>& environment = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  // The next line of its stdout, without the line's end. Ends the benchmark when there is none
  // within `seconds`.
  std::string read_line(double seconds);
  // Asks the child to end (SIGTERM) and waits until it has, up to `seconds`; then the benchmark
  // ends.
  void stop(double seconds);
  // Ends the benchmark when the child has ended.
  void require_alive();

 private:
  std::string name_;
  pid_t pid_ = -1;
  int in_ = -1;   // the pipe to its stdin
  int out_ = -1;  // from its stdout
  std::string unread_;
};

// In a child: returns when its stdin ends.
void wait_for_end_of_stdin();

}  // namespace push_cache::bench
