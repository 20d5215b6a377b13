// Whether what the servers of a store answer can be trusted: the one truth that the store's calls
// on all loops go by. Only for redis_store.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"

namespace push_cache::redis {

// Safe from any thread; what a read asks takes no lock.
class Trust {
 public:
  // See SharedStore.
  std::uint64_t doubts() const { return doubts_; }
  void trust(std::uint64_t doubts) { trusted_ = doubts; }
  void on_doubt(std::function<void()> listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
  }
  void doubt() {
    ++doubts_;
    const std::lock_guard lock(mutex_);
    if (listener_) listener_();
  }

  enum class State : std::uint8_t {
    kWell,
    kLost,   // the store's own client was connected, and is not now
    kBlind,  // the servers do not tell what they hold: a loss would not be noticed
  };
  void set_state(State state) { state_.store(state, std::memory_order_release); }

  // For one call, from its beginning to its answer; nothing while there is a doubt or the store is
  // not well. `own_loop`: the call goes over the store's own client, which waits for its connection
  // by itself.
  class Ticket {
   public:
    // Whether nothing has happened since. An answer without this is none.
    bool holds() const { return trust_->doubts_.load(std::memory_order_acquire) == doubts_; }

   private:
    friend Trust;
    Ticket(const Trust& trust, std::uint64_t doubts) : trust_(&trust), doubts_(doubts) {}
    const Trust* trust_;
    std::uint64_t doubts_;
  };
  std::optional<Ticket> ticket(bool own_loop) const {
    const std::uint64_t doubts = doubts_.load(std::memory_order_acquire);
    if (doubts != trusted_.load(std::memory_order_acquire)) return std::nullopt;
    const State state = state_.load(std::memory_order_acquire);
    if (state == State::kBlind || (state == State::kLost && !own_loop)) return std::nullopt;
    return Ticket(*this, doubts);
  }
  // Why there is no ticket.
  Error why_not() const { return is_in_doubt() ? in_doubt() : not_well(); }

  bool is_in_doubt() const { return doubts_ != trusted_; }
  // While it is in doubt whether Redis has all that it should.
  static Error in_doubt() {
    return {ErrorCode::kUnavailable,
            "Redis was restarted or replaced: whether it has all that it had is being checked"};
  }

 private:
  static Error not_well() {
    return {ErrorCode::kUnavailable,
            "Redis cannot be reached, or does not tell whether it has all that it had"};
  }

  std::atomic<std::uint64_t> doubts_{0};
  std::atomic<std::uint64_t> trusted_{0};
  std::atomic<State> state_{State::kWell};
  std::mutex mutex_;
  std::function<void()> listener_;  // under mutex_
};

}  // namespace push_cache::redis
