// "Later, on the loop": after a time, or after what is running now.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>

namespace push_cache::redis {

using Clock = std::chrono::steady_clock;

// One call of `on_due` at a time. It may destroy the alarm. Nothing is called after `cancel`,
// another `set` or the destructor, even when the loop has it queued already. For the loop's thread.
class Alarm {
 public:
  Alarm(boost::asio::io_context& loop, std::function<void()> on_due);
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Replaces what was set.
  void set(Clock::time_point when);
  // Behind what the loop has to do now. Keeps an earlier `soon` that is still to come.
  void soon();
  void cancel();
  // When it is due; time_point::max() when nothing is set.
  Clock::time_point due() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits between attempts: doubling, the second half of each at random, so that clients that lost a
// server together do not come back together.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds most);

  Clock::duration next();
  void reset() { wait_ = first_; }

 private:
  Clock::duration first_;
  Clock::duration most_;
  Clock::duration wait_;
  std::minstd_rand random_;
};

}  // namespace push_cache::redis
