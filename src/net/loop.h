// Which event loop a thread runs: what must answer "later, on the caller's loop" finds it here.
#pragma once

#include <boost/asio/io_context.hpp>

#include <functional>

namespace push_cache::net {

// The loop that this thread runs; null on a thread that runs none.
boost::asio::io_context* this_loop();

// Has `end` called by `end_loop` of this thread, which must run a loop: for what keeps a loop busy by
// itself, such as connections that are always read. Without it the loop would never end.
void at_end(std::function<void()> end);
// Calls what `at_end` was given here, once. By who owns the loop, when it shall end.
void end_loop();

// Says so while it lives. Not nested.
class LoopScope {
 public:
  explicit LoopScope(boost::asio::io_context& loop);
  ~LoopScope();
  LoopScope(const LoopScope&) = delete;
  LoopScope& operator=(const LoopScope&) = delete;
};

}  // namespace push_cache::net
