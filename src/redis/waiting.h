// What a thread without a loop does: it waits for what happens on the store's. Only for
// redis_store.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "store/store.h"

namespace push_cache::redis {

class Event {
 public:
  void set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

struct WaitedGet final : store::GetSink {
  explicit WaitedGet(store::GetSink& sink) : to(sink) {}
  store::GetSink& to;
  Event done;
  void found(const store::RecordView& record) override { to.found(record), done.set(); }
  void absent() override { to.absent(), done.set(); }
  void failed(const Error& error) override { to.failed(error), done.set(); }
};

struct WaitedInsert final : store::InsertSink {
  explicit WaitedInsert(store::InsertSink& sink) : to(sink) {}
  store::InsertSink& to;
  Event done;
  void inserted() override { to.inserted(), done.set(); }
  void exists() override { to.exists(), done.set(); }
  void failed(const Error& error) override { to.failed(error), done.set(); }
};

// Runs `start` on `loop`, and waits for what it gives, there and once, to its argument.
template <typename T, typename Start>
T wait_on(boost::asio::io_context& loop, const Start& start) {
  Event event;
  std::optional<T> out;
  boost::asio::post(loop, [&] {
    start([&](T outcome) {
      out.emplace(std::move(outcome));
      event.set();
    });
  });
  event.wait();
  return *std::move(out);
}

}  // namespace push_cache::redis
