// What clients count of their calls: for an operator, merged when somebody asks.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <vector>

#include "metrics/durations.h"

namespace push_cache::redis {

enum class CallKind : std::uint8_t {
  kRead,
  kWrite,  // every script
  kScan,
  kOther,
};
inline constexpr std::size_t kCallKinds = 4;
std::string_view to_string(CallKind kind);  // "read", "write", "scan", "other"
// By the command's name, in capitals.
CallKind kind_of(std::string_view command);

// What became of a call, once, whatever was tried until then.
enum class CallOutcome : std::uint8_t {
  kOk,
  kWrongType,  // the key holds something else; of a read: a deleted key
  kOom,        // beyond the server's maxmemory
  kDenied,     // by the server's ACL
  kRefused,    // any other error that the server answered, or too large to be sent
  kTimeout,    // no answer in time
  kLost,       // the connection or the node went before the answer
  kOverload,   // not sent: too much was waiting
};
inline constexpr std::size_t kCallOutcomes = 8;
std::string_view to_string(CallOutcome outcome);  // "ok", "wrong_type", ...
// `text`: of an error answer.
CallOutcome outcome_of_error(std::string_view text);

// Of one kind of call.
struct CallCounts {
  std::array<std::uint64_t, kCallOutcomes> outcomes = {};
  // Of those that were answered or timed out, from the call to then.
  metrics::AnswerDurations durations;

  std::uint64_t total() const;
  std::uint64_t of(CallOutcome outcome) const {
    return outcomes[static_cast<std::size_t>(outcome)];
  }
};

struct ClientCounts {
  std::array<CallCounts, kCallKinds> calls = {};
  std::int64_t waiting = 0;      // calls without an outcome yet
  std::int64_t connections = 0;  // open now
  std::uint64_t connections_total = 0;
  std::uint64_t connections_lost = 0;
  std::uint64_t connect_errors = 0;
  std::uint64_t moved = 0;    // redirections that a Cluster answered
  std::uint64_t asked = 0;    // those for once
  std::uint64_t retries = 0;  // commands sent again: "not now", or a connection was lost

  const CallCounts& of(CallKind kind) const { return calls[static_cast<std::size_t>(kind)]; }
};

// One client's own numbers. Written by its thread alone, which needs no locked instruction for it;
// read by any.
class ClientStats {
 public:
  // What only grows.
  enum class Event : std::uint8_t {
    kConnected,
    kConnectionLost,
    kConnectError,
    kMoved,
    kAsked,
    kRetried,
  };

  void begun() { add(waiting_, 1); }
  void ended(CallKind kind, CallOutcome outcome);
  // Of one that was answered or timed out.
  void took(CallKind kind, std::chrono::nanoseconds duration) {
    calls_[static_cast<std::size_t>(kind)].durations.add(duration);
  }
  void count(Event event) { add(events_[static_cast<std::size_t>(event)], 1); }
  void connections(int change) { add(connections_, change); }
  // The client goes, and with it what is under way.
  void gone() { waiting_.store(0, std::memory_order_relaxed); }

  void add_to(ClientCounts& sum) const;

 private:
  template <typename T>
  static void add(std::atomic<T>& to, std::type_identity_t<T> n) {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  struct Calls {
    std::array<std::atomic<std::uint64_t>, kCallOutcomes> outcomes = {};
    metrics::AnswerDurationCounter durations;
  };
  std::array<Calls, kCallKinds> calls_ = {};
  std::array<std::atomic<std::uint64_t>, 6> events_ = {};
  std::atomic<std::int64_t> waiting_ = 0;
  std::atomic<std::int64_t> connections_ = 0;
};

// Of all clients of a store, those that have gone included. Safe from any thread.
class Stats {
 public:
  // For a new client; lives as long as this.
  ClientStats& add_client();
  // What was counted before; calls that end meanwhile may be missing.
  ClientCounts sum() const;

 private:
  mutable std::mutex mutex_;
  // Each on cache lines of its own.
  struct alignas(64) Own : ClientStats {};
  std::vector<std::unique_ptr<Own>> clients_;  // under mutex_
};

}  // namespace push_cache::redis
