// What becomes of single calls of the store: the sinks of their commands. Only for redis_store.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/client.h"
#include "redis/layout.h"
#include "redis/trust.h"
#include "store/store.h"

namespace push_cache::redis {

// By a topic's XXH32 and the layout of its record: its number; nothing when the store takes no such
// records.
using TopicOf = std::function<std::optional<std::uint32_t>(std::uint32_t name, Layout layout)>;

// What an error answer of Redis means to the caller of the store.
Error error_of(const Reply& reply);

// The answer of GET or of Scripts::take, for a GetSink. From a pool of its thread, which owns also
// what is under way when its loop ends.
class LookUp final : public ReplySink {
 public:
  static LookUp& take(std::string_view key, store::GetSink& sink, const TopicOf& topic_of,
                      Trust::Ticket ticket);
  // For GET, which a deleted key answers with an error, as what others write may do: then asks
  // which of them it is, by commands that only read. The key of Redis is the key behind
  // `key_start`.
  void look_closer(Client& client, const std::string& key_start, Layout layout);

  void reply(const Reply& reply) override;
  void failed(const Error& error) override;

 private:
  enum class Step : std::uint8_t { kGet, kFence, kGetAgain };
  // A key that is written and deleted in turns may be the one at each GET and the other at each
  // HGET; after so many rounds it is neither.
  static constexpr unsigned kRoundsMax = 6;

  void take_fence(const Reply& reply);
  void ask(Step step);
  void fail(Error error);
  store::GetSink& done();

  std::string key_;
  store::GetSink* sink_ = nullptr;
  const TopicOf* topic_of_ = nullptr;
  std::optional<Trust::Ticket> ticket_;
  Client* client_ = nullptr;  // null: this answer is the last
  const std::string* key_start_ = nullptr;
  Layout layout_{};
  Step step_ = Step::kGet;
  unsigned rounds_ = 0;
};

// The answer of Scripts::insert.
class Insert final : public ReplySink {
 public:
  static Insert& take(std::string_view key, store::InsertSink& sink, Trust::Ticket ticket);

  void reply(const Reply& reply) override;
  void failed(const Error& error) override;

 private:
  store::InsertSink& done();

  std::string key_;
  std::optional<Trust::Ticket> ticket_;
  store::InsertSink* sink_ = nullptr;
};

// The answers of many writes, of which one thread waits for all.
class Batch {
 public:
  Batch(std::span<const store::Write> writes, std::span<store::WriteOutcome> outcomes);

  std::span<const store::Write> writes() const { return writes_; }
  // Expects the answer to a script for these writes (numbers, all of a kind). Each write has one
  // but for those that `pass` names, before anything is sent.
  ReplySink& expect(std::span<const std::uint32_t> numbers);
  // One that need not be done, since a later one of the same key follows.
  void pass(std::uint32_t number);
  // How to send these again, each by itself, when one of them makes a script fail for all.
  void send_alone_by(std::function<void(std::span<const std::uint32_t> numbers)> send) {
    send_alone_ = std::move(send);
  }
  // Until every sink was called: the first error by the writes' order.
  Status wait();

 private:
  struct Part final : ReplySink {
    Batch* batch = nullptr;
    std::vector<std::uint32_t> numbers;
    void reply(const Reply& reply) override;
    void failed(const Error& error) override;
  };
  // So many writes have their outcomes. All may be gone when this returns.
  void settle(std::size_t writes);

  std::span<const store::Write> writes_;
  std::span<store::WriteOutcome> outcomes_;
  std::function<void(std::span<const std::uint32_t>)> send_alone_;
  std::deque<Part> parts_;
  std::size_t left_;  // the loop's
  std::size_t first_failed_ = SIZE_MAX;
  Status status_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;  // under mutex_
};

}  // namespace push_cache::redis
