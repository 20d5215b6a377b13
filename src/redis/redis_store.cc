#include "redis/redis_store.h"

#include <pthread.h>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "net/loop.h"
#include "redis/background.h"
#include "redis/calls.h"
#include "redis/key_scan.h"
#include "redis/layout.h"
#include "redis/loop_clients.h"
#include "redis/scripts.h"

namespace push_cache::redis {
namespace {

using std::chrono::milliseconds;

// Between two looks at the connections, and of these between two at how the servers are set.
constexpr milliseconds kHealthInterval{200};
constexpr unsigned kPolicyTurns = 150;

std::uint64_t next_number() {
  static constinit std::atomic<std::uint64_t> last{0};
  return ++last;
}

// What a thread without a loop waits for.
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

Status check_size(const store::RecordView& record) {
  if (record.key.size() > limits::kKeyBytesMax) {
    return Error{ErrorCode::kTooLarge, "the key is longer than 64 KiB"};
  }
  if (record.datum.size() > limits::kValueBytesMax) {
    return Error{ErrorCode::kTooLarge, "the record is larger than 64 MiB"};
  }
  return {};
}

class Implementation final : public RedisStore {
 public:
  explicit Implementation(RedisStoreOptions options)
      : options_(std::move(options)),
        key_start_(options_.prefix.empty() ? "" : options_.prefix + ":"),
        fence_ms_(std::to_string(milliseconds(kFenceLife).count())),
        incarnations_(std::make_unique<std::atomic<std::uint32_t>[]>(options_.topics.size())),
        timer_(loop_) {
    for (const std::string& topic : options_.topics) names_.push_back(topic_mark(topic, "").name);
    topic_of_ = [this](std::uint32_t name) {
      for (std::uint32_t i = 0; i < names_.size(); ++i) {
        if (names_[i] == name) return i;
      }
      return UINT32_MAX;
    };
  }

  ~Implementation() override {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }

  Status start() {
    auto client = Client::create(loop_, options_.client);
    if (!client.ok()) return std::move(client).error();
    client_ = *std::move(client);
    counter_ = std::make_unique<Counter>(loop_, *client_, options_.prefix);
    policy_ = std::make_unique<PolicyWatch>(*client_, options_.name);
    counter_->start();
    look();
    thread_ = std::thread([this] {
      const net::LoopScope scope(loop_);
      loop_.run();
    });
    pthread_setname_np(thread_.native_handle(), "redis");
    return {};
  }

  void set_topic_id(std::uint32_t topic, std::string_view id) override {
    incarnations_[topic] = topic_mark(options_.topics[topic], id).incarnation;
  }

  Result<store::PutOutcome> put(const store::RecordView& record) override {
    const auto outcome = write_one({record, false});
    if (!outcome.ok()) return outcome.error();
    switch (*outcome) {
      case store::WriteOutcome::kInserted:
        return store::PutOutcome::kInserted;
      case store::WriteOutcome::kReplaced:
        return store::PutOutcome::kReplaced;
      default:
        return store::PutOutcome::kOutdated;
    }
  }

  Result<bool> erase(const store::RecordView& tombstone) override {
    const auto outcome = write_one({tombstone, true});
    if (!outcome.ok()) return outcome.error();
    return *outcome == store::WriteOutcome::kErased;
  }
  using Store::erase;

  Status write(std::span<const store::Write> writes,
               std::span<store::WriteOutcome> outcomes) override {
    for (std::size_t i = 0; i < writes.size(); ++i) {
      outcomes[i] = store::WriteOutcome::kFailed;
      if (Status fits = check_size(writes[i].record); !fits.ok()) return fits;
    }
    if (writes.empty()) return {};
    Batch batch(writes, outcomes);
    boost::asio::post(loop_, [this, &batch] {
      for (std::size_t i = 0; i < batch.size(); ++i) send(batch, i);
    });
    return batch.wait();
  }

  void insert(const store::RecordView& record, store::InsertSink& sink) override {
    if (const Status fits = check_size(record); !fits.ok()) return sink.failed(fits.error());
    if (net::this_loop() == nullptr) {
      WaitedInsert waited(sink);
      boost::asio::post(loop_, [&] { insert(record, waited); });
      return waited.done.wait();
    }
    Client* client = here();
    if (client == nullptr) return sink.failed(no_client());
    std::string value;
    append_value(value, record, mark_of(record));
    const std::string_view all(value);
    const std::string_view args[] = {all.substr(0, all.size() - kPositionBytes),
                                     all.substr(all.size() - kPositionBytes)};
    client->eval(scripts_.insert, key_of(record.key), args, Insert::take(sink));
  }

  void take(std::string_view key, store::GetSink& sink) override {
    if (net::this_loop() == nullptr) {
      WaitedGet waited(sink);
      boost::asio::post(loop_, [&] { take(key, waited); });
      return waited.done.wait();
    }
    Client* client = here();
    if (client == nullptr) return sink.failed(no_client());
    const std::string_view args[] = {fence_ms_};
    // Once: what a second time finds nothing was perhaps removed by the first.
    client->eval(scripts_.take, key_of(key), args, LookUp::take(key, sink, topic_of_),
                 {.repeatable = false});
  }

  void get(std::string_view key, store::GetSink& sink) override {
    if (net::this_loop() == nullptr) {
      WaitedGet waited(sink);
      boost::asio::post(loop_, [&] { get(key, waited); });
      return waited.done.wait();
    }
    Client* client = here();
    if (client == nullptr) return sink.failed(no_client());
    const std::string_view full = key_of(key);
    const std::string_view args[] = {"GET", full};
    client->send(full, args, LookUp::take(key, sink, topic_of_));
  }

  Result<bool> page(PageStart, std::size_t, store::KeySink&) override {
    return Error{ErrorCode::kUnsupported, "a store in Redis keeps no order of its keys"};
  }

  std::unique_ptr<store::KeyScan> scan_keys() override {
    Client* client = here();
    if (client == nullptr) return nullptr;
    return std::make_unique<RedisKeyScan>(*client, ScanOptions{.prefix = options_.prefix});
  }

  Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition,
                                        Offset below) override {
    const auto position = position_of({.partition = partition, .offset = below, .topic = topic},
                                      topic_mark(options_.topics[topic], ""));
    const std::string_view bytes(position.data(), position.size());
    Event done;
    Result<std::uint64_t> outcome = std::uint64_t{0};
    boost::asio::post(loop_, [&] {
      PartitionEraser::start(*client_, scripts_.erase_from, options_.prefix,
                             std::string(partition_part(bytes)), std::string(bytes.substr(0, 8)),
                             [&](Result<std::uint64_t> erased) {
                               outcome = std::move(erased);
                               done.set();
                             });
    });
    done.wait();
    return outcome;
  }

  store::Counts counts() const override { return {.records = counter_->records(), .bytes = 0}; }

  Status health() const override {
    const std::lock_guard lock(mutex_);
    return health_;
  }

 private:
  static Error no_client() {
    return {ErrorCode::kUnavailable, "the store's TLS files cannot be read any more"};
  }

  // The client of this thread's loop; null without one.
  Client* here() {
    boost::asio::io_context* loop = net::this_loop();
    if (loop == nullptr) return nullptr;
    if (loop == &loop_) return client_.get();
    return LoopClients::of(*loop, number_, options_.client);
  }

  // Until this thread's next call.
  std::string_view key_of(std::string_view key) const {
    thread_local std::string out;
    out.assign(key_start_);
    out.append(key);
    return out;
  }

  TopicMark mark_of(const store::RecordView& record) const {
    if (record.partition.value < 0 || record.topic >= names_.size()) return {};
    return {names_[record.topic], incarnations_[record.topic].load(std::memory_order_relaxed)};
  }

  Result<store::WriteOutcome> write_one(const store::Write& one) {
    store::WriteOutcome outcome{};
    if (Status done = write({&one, 1}, {&outcome, 1}); !done.ok()) return std::move(done).error();
    return outcome;
  }

  void send(Batch& batch, std::size_t i) {
    const store::Write& one = batch.write(i);
    const std::string_view key = key_of(one.record.key);
    if (one.tombstone) {
      const auto position = position_of(one.record, mark_of(one.record));
      const std::string_view args[] = {{position.data(), position.size()}, fence_ms_};
      return client_->eval(scripts_.erase, key, args, batch.sink(i));
    }
    value_.clear();
    append_value(value_, one.record, mark_of(one.record));
    const std::string_view args[] = {value_};
    client_->eval(scripts_.put, key, args, batch.sink(i));
  }

  void look() {
    Status now = client_->health();
    // The client says by itself when a connection is lost.
    if (now.ok() && was_lost_) log("redis").warn("store '{}': Redis answers again", options_.name);
    was_lost_ = !now.ok() && (was_lost_ || was_well_);
    was_well_ = was_well_ || now.ok();
    {
      const std::lock_guard lock(mutex_);
      health_ = now;
    }
    if (now.ok() && policy_turns_++ % kPolicyTurns == 0) policy_->look();
    timer_.expires_after(kHealthInterval);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look();
    });
  }

  const RedisStoreOptions options_;
  const std::uint64_t number_ = next_number();
  const std::string key_start_;
  const std::string fence_ms_;
  const Scripts scripts_;
  std::vector<std::uint32_t> names_;  // of the topics, as XXH32
  std::unique_ptr<std::atomic<std::uint32_t>[]> incarnations_;
  TopicOf topic_of_;
  mutable std::mutex mutex_;
  Status health_ = Error{ErrorCode::kUnavailable, "no connection to Redis yet"};  // under mutex_

  // The store's own loop, and what is used there.
  boost::asio::io_context loop_{1};
  boost::asio::steady_timer timer_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Counter> counter_;
  std::unique_ptr<PolicyWatch> policy_;
  std::string value_;
  bool was_well_ = false;
  bool was_lost_ = false;
  unsigned policy_turns_ = 0;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<RedisStore>> RedisStore::create(RedisStoreOptions options) {
  auto store = std::make_unique<Implementation>(std::move(options));
  if (Status started = store->start(); !started.ok()) return std::move(started).error();
  return std::unique_ptr<RedisStore>(std::move(store));
}

}  // namespace push_cache::redis
