#include "net/loop.h"

namespace push_cache::net {
namespace {

thread_local boost::asio::io_context* current = nullptr;

}  // namespace

boost::asio::io_context* this_loop() { return current; }

LoopScope::LoopScope(boost::asio::io_context& loop) { current = &loop; }
LoopScope::~LoopScope() { current = nullptr; }

}  // namespace push_cache::net
