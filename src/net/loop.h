// Which event loop a thread runs: what must answer "later, on the caller's loop" finds it here.
#pragma once

#include <boost/asio/io_context.hpp>

namespace push_cache::net {

// The loop that this thread runs; null on a thread that runs none.
boost::asio::io_context* this_loop();

// Says so while it lives. Not nested.
class LoopScope {
 public:
  explicit LoopScope(boost::asio::io_context& loop);
  ~LoopScope();
  LoopScope(const LoopScope&) = delete;
  LoopScope& operator=(const LoopScope&) = delete;
};

}  // namespace push_cache::net
