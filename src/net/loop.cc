#include "net/loop.h"

#include <utility>
#include <vector>

namespace push_cache::net {
namespace {

thread_local boost::asio::io_context* current = nullptr;
thread_local std::vector<std::function<void()>> ends;

}  // namespace

boost::asio::io_context* this_loop() { return current; }

void at_end(std::function<void()> end) { ends.push_back(std::move(end)); }

void end_loop() {
  for (const auto& end : std::exchange(ends, {})) end();
}

LoopScope::LoopScope(boost::asio::io_context& loop) { current = &loop; }
LoopScope::~LoopScope() {
  current = nullptr;
  ends.clear();
}

}  // namespace push_cache::net
