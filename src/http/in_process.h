// One connection at a time served in the caller's thread, over a socket pair: the whole of a
// connection's work without a listener. Only for tests and fuzzing.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/http.h"
#include "http/server.h"

namespace push_cache::http {

class InProcess {
 public:
  // `handler` must outlive it and finish each exchange before `handle` returns, or by `post`.
  // Nothing times out.
  InProcess(const ServerOptions& options, Handler& handler);
  ~InProcess();
  InProcess(const InProcess&) = delete;
  InProcess& operator=(const InProcess&) = delete;

  struct Served {
    std::string bytes;        // all that was sent back
    bool ended = false;       // the server ended the connection before the client had
    std::size_t handled = 0;  // requests that came to the handler
    std::size_t refused = 0;  // answered by the server itself
  };
  // Sends the pieces one by one, each when the one before has been worked off, and then the end of
  // the stream; reads until the server's end.
  Served serve(std::span<const std::string_view> pieces);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace push_cache::http
