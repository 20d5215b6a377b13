// What a store in Redis does beside its calls: counting its records, and looking at how the servers
// are set. Only for redis_store; on the store's own loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "redis/client.h"
#include "redis/key_scan.h"
#include "store/store.h"

namespace push_cache::redis {

// Counts the records by SCAN, a step and a long pause in turns, over and over.
class Counter final : private store::KeyScan::Sink {
 public:
  // `client` must outlive it.
  Counter(boost::asio::io_context& loop, Client& client, std::string prefix);
  void start() { wait({}); }
  // At the end of the last count; 0 before the first. From any thread.
  std::uint64_t records() const { return records_.load(std::memory_order_relaxed); }

 private:
  void wait(std::chrono::steady_clock::duration time);
  void step();
  void key(std::string_view) override { ++found_; }
  void end(bool more) override;
  void failed(const Error&) override;

  boost::asio::steady_timer timer_;
  Client& client_;
  const std::string prefix_;
  std::unique_ptr<RedisKeyScan> scan_;
  bool ended_ = true;
  std::chrono::steady_clock::time_point began_;
  std::uint64_t found_ = 0;
  std::atomic<std::uint64_t> records_{0};
};

// Warns when a server would throw away keys for want of memory: nothing but a tombstone may remove
// a record.
class PolicyWatch final : private ReplySink {
 public:
  PolicyWatch(Client& client, std::string store) : client_(client), store_(std::move(store)) {}
  // Asks one of the masters. Does nothing while an answer is waited for.
  void look();

 private:
  void reply(const Reply& reply) override;
  void failed(const Error&) override { asked_ = false; }

  Client& client_;
  const std::string store_;
  bool asked_ = false;
  std::size_t turn_ = 0;
  std::string warned_of_;
};

// How many keys all servers have, of whatever prefix. One run, which deletes itself.
class KeyCount final : private ReplySink {
 public:
  using Done = std::function<void(Result<std::uint64_t> keys)>;
  // `done` is called once, on the loop. The servers must be known.
  static void start(Client& client, Done done);
  // Which of these there are.
  static void start(Client& client, std::span<const std::string> keys, Done done);

 private:
  explicit KeyCount(Done done) : done_(std::move(done)) {}
  void reply(const Reply& reply) override;
  void failed(const Error& error) override;
  void one_done();

  const Done done_;
  std::size_t waits_for_ = 0;
  std::uint64_t keys_ = 0;
  Status status_;
};

}  // namespace push_cache::redis
