#include "http/in_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/fuzz.h"
#include "http/loop.h"

namespace push_cache::http {
namespace {

// Reads what there is. False at the end of the stream.
bool read_some(int fd, std::string& out) {
  char bytes[64 * 1024];
  for (;;) {
    const ssize_t got = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
      out.append(bytes, static_cast<std::size_t>(got));
    } else if (got == 0) {
      return false;
    } else if (errno != EINTR) {
      // A reset is an end too: the server had closed with unread bytes.
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
  }
}

}  // namespace

struct InProcess::Impl {
  Impl(const ServerOptions& options, Handler& handler)
      : shared(options, handler), loop(shared, 0) {}

  // Until neither side can go on. False at the server's end of the stream.
  bool settle(int fd, std::string& out) {
    bool open = true;
    for (;;) {
      const std::size_t before = out.size();
      const std::size_t ran = loop.io().poll();
      if (open) open = read_some(fd, out);
      if (ran == 0 && out.size() == before) return open;
    }
  }

  Shared shared;
  Loop loop;
};

InProcess::InProcess(const ServerOptions& options, Handler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}
InProcess::~InProcess() = default;

InProcess::Served InProcess::serve(std::span<const std::string_view> pieces) {
  int fds[2] = {-1, -1};
  fuzz_require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  const LoopCounts& counts = impl_->loop.counts();
  const std::uint64_t handled_before = counts.requests_total.load();
  const std::uint64_t refused_before = counts.bad_requests_total.load();
  impl_->loop.adopt(fds[0]);
  Served served;
  bool open = impl_->settle(fds[1], served.bytes);
  for (std::string_view piece : pieces) {
    while (open && !piece.empty()) {
      const ssize_t sent = ::send(fds[1], piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) piece.remove_prefix(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN && errno != EINTR) break;
      open = impl_->settle(fds[1], served.bytes);
    }
  }
  served.ended = !open;
  ::shutdown(fds[1], SHUT_WR);
  open = open && impl_->settle(fds[1], served.bytes);
  fuzz_require(!open);  // at the end of the stream the server ends too: nothing is left waiting
  ::close(fds[1]);
  while (impl_->loop.io().poll() != 0) {
  }
  fuzz_require(impl_->shared.connections_open.load() == 0);
  served.handled = static_cast<std::size_t>(counts.requests_total.load() - handled_before);
  served.refused = static_cast<std::size_t>(counts.bad_requests_total.load() - refused_before);
  return served;
}

}  // namespace push_cache::http
