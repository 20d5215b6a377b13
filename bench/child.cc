#include "bench/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "bench/harness.h"

namespace push_cache::bench {

std::string program_folder() {
  std::array<char, 4096> path{};
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) fail("/proc/self/exe cannot be read");
  const std::string whole(path.data(), static_cast<std::size_t>(size));
  return whole.substr(0, whole.rfind('/') + 1);
}

Child::Child(const std::vector<std::string>& command, const std::vector<std::string>& environment)
    : name_(command.front()) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) fail("no pipe");
  std::vector<std::string> words = command;
  std::vector<std::string> more = environment;
  std::vector<char*> arguments;
  std::vector<char*> variables;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  for (char** old = environ; *old != nullptr; ++old) variables.push_back(*old);
  for (std::string& one : more) variables.push_back(one.data());
  variables.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) fail("no process could be made");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execve(arguments[0], arguments.data(), variables.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  in_ = in[1];
  out_ = out[0];
}

Child::~Child() {
  ::close(in_);
  ::close(out_);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string Child::read_line(double seconds) {
  const double end = now_seconds() + seconds;
  for (;;) {
    const std::size_t at = unread_.find('\n');
    if (at != std::string::npos) {
      std::string line = unread_.substr(0, at);
      unread_.erase(0, at + 1);
      return line;
    }
    pollfd waiting{out_, POLLIN, 0};
    const double left = end - now_seconds();
    if (left <= 0) fail(name_ + " has not printed a line in time");
    if (::poll(&waiting, 1, static_cast<int>(left * 1000) + 1) < 0 && errno != EINTR) {
      fail("poll failed");
    }
    if (waiting.revents == 0) continue;
    std::array<char, 4096> text{};
    const ssize_t size = ::read(out_, text.data(), text.size());
    if (size <= 0) fail(name_ + " has ended early");
    unread_.append(text.data(), static_cast<std::size_t>(size));
  }
}

void Child::stop(double seconds) {
  ::kill(pid_, SIGTERM);
  const double end = now_seconds() + seconds;
  for (;;) {  // until its stdout ends, as it does with the process
    pollfd waiting{out_, POLLIN, 0};
    const double left = end - now_seconds();
    if (left <= 0) fail(name_ + " has not ended in time");
    if (::poll(&waiting, 1, static_cast<int>(left * 1000) + 1) <= 0) continue;
    std::array<char, 4096> text{};
    if (::read(out_, text.data(), text.size()) <= 0) return;
  }
}

void Child::require_alive() {
  if (::waitpid(pid_, nullptr, WNOHANG) != 0) fail(name_ + " has ended early");
}

void wait_for_end_of_stdin() {
  std::array<char, 256> text{};
  for (;;) {
    const ssize_t size = ::read(STDIN_FILENO, text.data(), text.size());
    if (size == 0 || (size < 0 && errno != EINTR)) return;
  }
}

}  // namespace push_cache::bench
