#include "redis/alarm.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace push_cache::redis {

struct Alarm::State : std::enable_shared_from_this<State> {
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>,
                                                  boost::asio::io_context::executor_type>;

  State(boost::asio::io_context& loop, std::function<void()> what)
      : timer(loop), on_due(std::move(what)) {}

  auto handler() {
    return [self = shared_from_this(), wanted = ++generation](auto&&...) {
      if (self->generation != wanted) return;
      self->due = Clock::time_point::max();
      self->on_due();
    };
  }

  Timer timer;
  std::function<void()> on_due;
  std::uint64_t generation = 0;  // a handler of an earlier one has nothing to do
  Clock::time_point due = Clock::time_point::max();
};

Alarm::Alarm(boost::asio::io_context& loop, std::function<void()> on_due)
    : state_(std::make_shared<State>(loop, std::move(on_due))) {}

Alarm::~Alarm() { cancel(); }

void Alarm::set(Clock::time_point when) {
  state_->due = when;
  state_->timer.expires_at(when);
  state_->timer.async_wait(state_->handler());
}

void Alarm::soon() {
  if (state_->due == Clock::time_point::min()) return;
  state_->due = Clock::time_point::min();
  boost::asio::post(state_->timer.get_executor(), state_->handler());
}

void Alarm::cancel() {
  ++state_->generation;
  state_->due = Clock::time_point::max();
  state_->timer.cancel();
}

Clock::time_point Alarm::due() const { return state_->due; }

Backoff::Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most)
    : first_(first), most_(most), wait_(first), random_(std::random_device{}()) {}

Clock::duration Backoff::next() {
  const Clock::duration half = wait_ / 2;
  wait_ = std::min(wait_ * 2, most_);
  return half +
         Clock::duration(std::uniform_int_distribution<Clock::rep>(0, half.count())(random_));
}

}  // namespace push_cache::redis
