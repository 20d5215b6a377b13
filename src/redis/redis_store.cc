#include "redis/redis_store.h"

#include <pthread.h>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "net/loop.h"
#include "redis/background.h"
#include "redis/calls.h"
#include "redis/fingerprint.h"
#include "redis/key_scan.h"
#include "redis/known_logs.h"
#include "redis/known_servers.h"
#include "redis/layout.h"
#include "redis/leader.h"
#include "redis/loads.h"
#include "redis/loop_clients.h"
#include "redis/positions.h"
#include "redis/schema_notes.h"
#include "redis/scripts.h"
#include "redis/trust.h"
#include "redis/waiting.h"
#include "redis/write_plan.h"
#include "store/log_identities.h"

namespace push_cache::redis {
namespace {

using std::chrono::milliseconds;

// Between two looks at the connections, and of these between two at how the servers are set.
constexpr milliseconds kHealthInterval{200};
constexpr milliseconds kLostInterval{20};  // reads of other loops wait for its end
constexpr unsigned kPolicyTurns = 150;
// A database that held nothing so short a time ago holds nothing that its topics do not have any
// more: compaction keeps tombstones for longer.
constexpr std::chrono::seconds kEmptyLately{60};
// Longer than any member of the group takes to miss a position.
constexpr std::chrono::seconds kOthersNotice{3};

std::uint64_t next_number() {
  static constinit std::atomic<std::uint64_t> last{0};
  return ++last;
}

Status check_size(const store::RecordView& record) {
  if (record.key.size() > limits::kKeyBytesMax) {
    return Error{ErrorCode::kTooLarge, "the key is longer than 64 KiB"};
  }
  if (record.datum.size() > limits::kValueBytesMax) {
    return Error{ErrorCode::kTooLarge, "the record is larger than 64 MiB"};
  }
  return {};
}

std::vector<std::uint32_t> names_of(const std::vector<std::string>& topics) {
  std::vector<std::uint32_t> out;
  for (const std::string& topic : topics) out.push_back(topic_mark(topic, "").name);
  return out;
}

std::vector<std::uint32_t> taken_of(const RedisStoreOptions& options) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < options.topics.size(); ++i) {
    if (options.takes_topics.empty() || options.takes_topics[i]) out.push_back(i);
  }
  return out;
}

std::vector<std::uint32_t> taken_names(const std::vector<std::uint32_t>& names,
                                       const std::vector<std::uint32_t>& taken) {
  std::vector<std::uint32_t> out;
  for (const std::uint32_t topic : taken) out.push_back(names[topic]);
  return out;
}

Filling filling_of(const RedisStoreOptions& options, Layout layout) {
  Filling out{.topics = {}, .schemas = options.schemas, .layout = layout, .takes = options.takes};
  for (const std::uint32_t topic : taken_of(options)) out.topics.push_back(options.topics[topic]);
  return out;
}

std::vector<std::string> keys_of(const RedisStoreOptions& options) {
  return position_keys(options.prefix, options.client.topology == Topology::kCluster);
}

class Implementation final : public RedisStore {
 public:
  explicit Implementation(RedisStoreOptions options)
      : options_(std::move(options)),
        key_start_(key_start(options_.prefix)),
        fence_ms_(std::to_string(milliseconds(kFenceLife).count())),
        names_(names_of(options_.topics)),
        taken_(taken_of(options_)),
        layout_(taken_.size() == 1 ? Layout::kOneTopic : Layout::kTopics),
        scripts_(taken_names(names_, taken_)),
        incarnations_(std::make_unique<std::atomic<std::uint32_t>[]>(options_.topics.size())),
        logs_(options_.topics.size()),
        claim_(filling_of(options_, layout_), keys_of(options_), options_.name, options_.prefix),
        timer_(loop_) {
    topic_ids_.resize(options_.topics.size());
    options_.client.servers = std::make_shared<KnownServers>();
    topic_of_ = [this](std::uint32_t name, Layout layout) { return topic_of(name, layout); };
  }

  ~Implementation() override {
    on_doubt({});
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }

  Status start() {
    ClientOptions own = options_.client;
    own.leads = true;
    own.on_doubt = [this] { trust_.doubt(); };
    auto client = Client::create(loop_, own);
    if (!client.ok()) return std::move(client).error();
    client_ = *std::move(client);
    positions_ = std::make_unique<Positions>(*client_, scripts_, keys_of(options_));
    schemas_ = std::make_unique<SchemaNotes>(*client_, schemas_key(options_.prefix));
    counter_ = std::make_unique<Counter>(loop_, *client_, options_.prefix);
    policy_ = std::make_unique<PolicyWatch>(*client_, options_.name);
    leader_ = std::make_unique<Leader>(loop_, *client_, *options_.client.servers);
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
    // What this store holds does not depend on the policy when it takes every schema.
    if (options_.schemas.empty() && id.ends_with(kCompactedMark)) {
      id.remove_suffix(kCompactedMark.size());
      if (id == "-") id = "";
    }
    const TopicMark mark = topic_mark(options_.topics[topic], id);
    incarnations_[topic] = mark.incarnation;
    std::string_view plain = id;
    if (plain.ends_with(kCompactedMark)) plain.remove_suffix(kCompactedMark.size());
    logs_.set(topic, log_of(mark),
              store::log_identity(options_.topics[topic], plain == "-" ? "" : plain));
    const std::lock_guard lock(mutex_);
    topic_ids_[topic] = id;
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
    if (!claim_.is_held()) return claim_.refusal();
    loads_.note(writes);
    Batch batch(writes, outcomes);
    boost::asio::post(loop_, [this, &batch] { send(batch); });
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
    const auto ticket = admit(client, sink);
    if (!ticket) return;
    std::string value;
    append_value(value, record, mark_of(record), layout_);
    const std::string_view all(value);
    const std::string_view args[] = {all.substr(0, all.size() - kPositionBytes),
                                     all.substr(all.size() - kPositionBytes)};
    client->eval(scripts_.insert, key_of(record.key), args,
                 Insert::take(record.key, sink, *ticket));
    boost::asio::post(loop_, [this, id = record.schema] { schemas_->note(id); });
  }

  void take(std::string_view key, const store::TakeOnly& only, store::GetSink& sink) override {
    if (net::this_loop() == nullptr) {
      WaitedGet waited(sink);
      boost::asio::post(loop_, [&] { take(key, only, waited); });
      return waited.done.wait();
    }
    Client* client = here();
    const auto ticket = admit(client, sink);
    if (!ticket) return;
    const std::string of_topic = only.topic ? topic_bytes(names_[*only.topic]) : "";
    const std::string record =
        only.record ? part_of_this_record(*only.record, names_[only.record->topic]) : "";
    const std::string_view args[] = {fence_ms_, of_topic, record};
    // Once: what a second time finds nothing was perhaps removed by the first.
    client->eval(scripts_.take, key_of(key), args, LookUp::take(key, sink, topic_of_, *ticket),
                 {.repeatable = false});
  }

  void get(std::string_view key, store::GetSink& sink) override {
    if (net::this_loop() == nullptr) {
      WaitedGet waited(sink);
      boost::asio::post(loop_, [&] { get(key, waited); });
      return waited.done.wait();
    }
    Client* client = here();
    const auto ticket = admit(client, sink);
    if (!ticket) return;
    const std::string_view full = key_of(key);
    const std::string_view args[] = {"GET", full};
    LookUp& look_up = LookUp::take(key, sink, topic_of_, *ticket);
    look_up.look_closer(*client, key_start_, layout_);
    client->send(full, args, look_up);
  }

  Result<bool> page(PageStart, std::size_t, store::KeySink&) override {
    return Error{ErrorCode::kUnsupported, "a store in Redis keeps no order of its keys"};
  }

  std::unique_ptr<store::KeyScan> scan_keys() override {
    Client* client = here();
    if (client == nullptr) return nullptr;
    const bool own = client == client_.get();
    const auto ticket = trust_.ticket(own);
    const auto check = [this, own, ticket] {
      if (!claim_.is_held()) return Status(claim_.refusal());
      return ticket && ticket->holds() && trust_.ticket(own) ? Status() : Status(trust_.why_not());
    };
    const auto names = [this](std::string_view end) {
      const auto topic = parse_topic(end);
      return topic && topic_of(topic->name, topic->layout).has_value();
    };
    return std::make_unique<RedisKeyScan>(
        *client, ScanOptions{.prefix = options_.prefix, .check = check, .names = names});
  }

  Status claim(std::string_view cluster_id) override {
    const bool was_held = claim_.is_held();
    const Status done =
        on_loop<Status>([&](auto ended) { claim_.make(*client_, cluster_id, std::move(ended)); });
    // What is under way is no answer either.
    if (was_held && !claim_.is_held()) trust_.doubt();
    return done;
  }

  Result<std::vector<Kept>> positions(std::span<const Source> sources) override {
    std::vector<std::string> fields;
    for (const Source& one : sources) fields.push_back(field_of(one));
    return on_loop<Result<std::vector<Kept>>>(
        [&](auto done) { positions_->read(std::move(fields), std::move(done)); });
  }

  Result<std::vector<std::optional<Offset>>> advance(std::span<const Progress> all) override {
    if (!claim_.is_held()) return claim_.refusal();
    std::vector<Positions::Step> steps;
    for (const Progress& one : all) steps.push_back({field_of(one.source), one.reached});
    return on_loop<Positions::Reached>(
        [&](auto done) { positions_->advance(std::move(steps), std::move(done)); });
  }

  Result<std::vector<SchemaId>> schemas() override {
    return on_loop<Result<std::vector<SchemaId>>>(
        [this](auto done) { schemas_->read(std::move(done)); });
  }

  Result<bool> begin_load(Source source, bool replaced) override {
    if (!claim_.is_held()) return claim_.refusal();
    loads_.cancel(source);  // of a load that did not come to its end
    if (Status alone = take_positions(source); !alone.ok()) return std::move(alone).error();
    if (replaced) {
      const Status gone = on_loop<Status>([&](auto done) {
        sweep({part_of({source, Offset(0)}, 0)}, std::move(done));
      });
      if (!gone.ok()) return gone.error();
    }
    const auto keys = on_loop<Result<std::uint64_t>>(
        [&](auto done) { KeyCount::start(*client_, std::move(done)); });
    if (!keys.ok()) return keys.error();
    // The fingerprint is there by now.
    const auto own = on_loop<Result<std::uint64_t>>(
        [&](auto done) { KeyCount::start(*client_, keys_of(options_), std::move(done)); });
    if (!own.ok()) return own.error();
    const bool is_empty = *keys <= *own && !claim_.had_conflict();
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (is_empty) empty_at_ = now;
    if (replaced || is_empty || (empty_at_ && now - *empty_at_ < kEmptyLately)) return false;
    loads_.begin(source);
    return true;
  }

  void cancel_load(Source source) override { loads_.cancel(source); }

  void end_loads(std::vector<LoadEnd> ends, std::function<void(Status)> done) override {
    boost::asio::post(loop_, [this, ends = std::move(ends), done = std::move(done)] {
      std::vector<Sweep::Part> parts;
      for (const LoadEnd& end : ends) {
        const std::uint64_t load = loads_.number(end.source);
        // Else it was given up, or needs no end.
        if (load != 0) parts.push_back(part_of(end, load));
      }
      parts.empty() ? done({}) : sweep(std::move(parts), done);
    });
  }

  std::uint64_t doubts() const override { return trust_.doubts(); }
  void trust(std::uint64_t doubts) override { trust_.trust(doubts); }
  void on_doubt(std::function<void()> listener) override { trust_.on_doubt(std::move(listener)); }

  std::uint64_t log_identity(const store::RecordView& record) const override {
    return logs_.identity(record.topic, record.log);
  }

  store::Counts counts() const override { return {.records = counter_->records(), .bytes = 0}; }

  Status health() const override {
    // Known sooner than how the connections are.
    if (Status other = claim_.conflict(); !other.ok()) return other;
    const std::lock_guard lock(mutex_);
    return health_.ok() && trust_.is_in_doubt() ? Status(Trust::in_doubt()) : health_;
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

  template <typename T, typename Start>
  T on_loop(const Start& start) {
    return wait_on<T>(loop_, start);
  }

  // What a call through this loop's client is answered under. Nothing when it must not be sent:
  // then `sink` was told why.
  template <typename Sink>
  std::optional<Trust::Ticket> admit(const Client* client, Sink& sink) {
    if (client == nullptr) {
      sink.failed(no_client());
    } else if (!claim_.is_held()) {
      sink.failed(claim_.refusal());
    } else if (const auto ticket = trust_.ticket(client == client_.get())) {
      return ticket;
    } else {
      sink.failed(trust_.why_not());
    }
    return std::nullopt;
  }

  std::string field_of(Source source) {
    const std::lock_guard lock(mutex_);
    return field_of(source, topic_ids_[source.topic]);
  }
  std::string field_of(Source source, const std::string& id) const {
    return position_field(options_.topics[source.topic], source.partition, id, options_.takes);
  }

  // The topic's name under the other cleanup policy; nothing when that is the same to this store.
  std::optional<std::string> id_of_other_policy(std::uint32_t topic) const {
    if (options_.schemas.empty()) return std::nullopt;
    const std::lock_guard lock(mutex_);
    std::string id = topic_ids_[topic];
    if (id.ends_with(kCompactedMark)) {
      id.resize(id.size() - kCompactedMark.size());
    } else {
      (id.empty() ? id = "-" : id) += kCompactedMark;
    }
    return id;
  }

  // Forgets a partition's position, under either policy. kUnavailable while members of the group
  // that know only the other policy may not have missed theirs yet: they answer from what is here,
  // and the load begins with older records than these.
  Status take_positions(Source source) {
    std::vector<std::string> fields = {field_of(source)};
    if (const auto other = id_of_other_policy(source.topic)) {
      fields.push_back(field_of(source, *other));
      const auto kept = on_loop<Result<std::vector<Kept>>>(
          [&](auto done) { positions_->read({fields.back()}, std::move(done)); });
      if (!kept.ok()) return kept.error();
      if (kept->front().position) {
        const std::lock_guard lock(mutex_);
        others_read_until_[source] = std::chrono::steady_clock::now() + kOthersNotice;
      }
    }
    for (const std::string& field : fields) {
      const Status forgotten =
          on_loop<Status>([&](auto done) { positions_->forget(field, std::move(done)); });
      if (!forgotten.ok()) return forgotten;
    }
    const std::lock_guard lock(mutex_);
    const auto until = others_read_until_.find(source);
    if (until == others_read_until_.end()) return {};
    if (std::chrono::steady_clock::now() < until->second) {
      return Error{ErrorCode::kUnavailable,
                   "the topic's cleanup.policy has changed, and others may still answer from what "
                   "they have read under the former one; the load begins in some seconds"};
    }
    others_read_until_.erase(until);
    return {};
  }

  // Until this thread's next call.
  std::string_view key_of(std::string_view key) const {
    thread_local std::string out;
    out.assign(key_start_);
    out.append(key);
    return out;
  }

  // Of a record of HTTP in the first layout none is kept, so that it is of the store's one topic.
  std::optional<std::uint32_t> topic_of(std::uint32_t name, Layout layout) const {
    if (layout != layout_) return std::nullopt;
    for (const std::uint32_t topic : taken_) {
      if (names_[topic] == name || (name == 0 && layout == Layout::kOneTopic)) return topic;
    }
    return std::nullopt;
  }

  TopicMark mark_of(const store::RecordView& record) const {
    const bool is_local = record.partition.value < 0;
    if (is_local && layout_ == Layout::kOneTopic) return {};
    if (record.topic >= names_.size()) return {};
    return {names_[record.topic], incarnations_[record.topic].load(std::memory_order_relaxed)};
  }

  Result<store::WriteOutcome> write_one(const store::Write& one) {
    store::WriteOutcome outcome{};
    if (Status done = write({&one, 1}, {&outcome, 1}); !done.ok()) return std::move(done).error();
    return outcome;
  }

  Sweep::Part part_of(const LoadEnd& end, std::uint64_t load) const {
    const store::RecordView any{.partition = end.source.partition, .topic = end.source.topic};
    const auto bytes = position_of(any, mark_of(any), layout_);
    const std::string_view position(bytes.data(), bytes.size());
    Sweep::Part out{end.source,
                    load,
                    end.end,
                    std::string(partition_part(position)),
                    std::string(incarnation_part(position)),
                    ""};
    if (const auto other = id_of_other_policy(end.source.topic)) {
      out.other_policy =
          topic_bytes(topic_mark(options_.topics[end.source.topic], *other).incarnation);
    }
    return out;
  }

  void sweep(std::vector<Sweep::Part> parts, const std::function<void(Status)>& done) {
    if (sweep_ != nullptr) return done(Error{ErrorCode::kUnavailable, "other loads are ending"});
    sweep_ = std::make_unique<Sweep>(
        *client_, scripts_, loads_, claim_, options_.prefix, layout_, parts,
        [this, parts, done](const Sweep::Outcome& outcome) { end_sweep(parts, outcome, done); });
    sweep_->start();
  }

  void end_sweep(const std::vector<Sweep::Part>& parts, const Sweep::Outcome& outcome,
                 const std::function<void(Status)>& done) {
    // It is still running.
    boost::asio::post(loop_, [this] { sweep_.reset(); });
    for (const Sweep::Part& part : parts) {
      if (outcome.status.ok() && loads_.number(part.source) == part.load) {
        loads_.cancel(part.source);
      }
    }
    if (outcome.erased > 0) {
      log("redis").warn(
          "store '{}': {} records were taken out: their topics do not have them any more, or "
          "another "
          "configuration wrote them",
          options_.name, outcome.erased);
    }
    done(outcome.status);
  }

  void send(Batch& batch) {
    const std::span<const store::Write> writes = batch.writes();
    SchemaId last{-1};  // mostly all have one
    for (const store::Write& one : writes) {
      if (one.tombstone || one.record.schema == last) continue;
      last = one.record.schema;
      schemas_->note(last);
    }
    batch.send_alone_by([this, &batch](std::span<const std::uint32_t> numbers) {
      for (const std::uint32_t number : numbers) {
        send(batch, {batch.writes()[number].tombstone, {number}});
      }
    });
    plan_.make(writes, options_.client.topology == Topology::kCluster ? 1 : kWritesInOne);
    for (const std::uint32_t number : plan_.passed()) batch.pass(number);
    for (const WritePlan::Part& part : plan_.parts()) send(batch, part);
  }

  void send(Batch& batch, const WritePlan::Part& part) {
    bytes_.clear();
    ends_.clear();
    for (const std::uint32_t number : part.writes) {
      const store::RecordView& record = batch.writes()[number].record;
      bytes_ += key_start_;
      bytes_ += record.key;
      ends_.push_back(bytes_.size());
      if (part.tombstones) {
        const auto position = position_of(record, mark_of(record), layout_);
        bytes_.append(position.data(), position.size());
      } else {
        append_value(bytes_, record, mark_of(record), layout_);
      }
      ends_.push_back(bytes_.size());
    }
    keys_.clear();
    args_.clear();
    std::size_t at = 0;
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      (i % 2 == 0 ? keys_ : args_).push_back(std::string_view(bytes_).substr(at, ends_[i] - at));
      at = ends_[i];
    }
    if (part.tombstones) args_.push_back(fence_ms_);
    client_->eval(part.tombstones ? scripts_.erase : scripts_.put, keys_, args_,
                  batch.expect(part.writes));
  }

  void look() {
    Status now = client_->health();
    // The client says by itself when a connection is lost.
    if (now.ok() && was_lost_) log("redis").warn("store '{}': Redis answers again", options_.name);
    was_lost_ = !now.ok() && (was_lost_ || was_well_);
    was_well_ = was_well_ || now.ok();
    Trust::State state = was_lost_ ? Trust::State::kLost : Trust::State::kWell;
    if (now.ok() && !positions_->refused().ok()) {
      now = positions_->refused();
      state = Trust::State::kBlind;
    } else if (now.ok()) {
      now = schemas_->refused();  // its records are right all the same
    }
    trust_.set_state(state);
    leader_->look();
    {
      const std::lock_guard lock(mutex_);
      health_ = now;
    }
    if (now.ok() && policy_turns_++ % kPolicyTurns == 0) policy_->look();
    timer_.expires_after(was_lost_ ? kLostInterval : kHealthInterval);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) look();
    });
  }

  // Keys of one command: the more, the less each costs, and the longer others wait.
  static constexpr std::size_t kWritesInOne = 64;

  RedisStoreOptions options_;  // not changed once it is made
  const std::uint64_t number_ = next_number();
  const std::string key_start_;
  const std::string fence_ms_;
  const std::vector<std::uint32_t> names_;  // of the topics, as XXH32
  const std::vector<std::uint32_t> taken_;  // the numbers of those that the store takes
  const Layout layout_;
  const Scripts scripts_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> incarnations_;
  KnownLogs logs_;
  TopicOf topic_of_;
  mutable std::mutex mutex_;
  // Under mutex_.
  Status health_ = Error{ErrorCode::kUnavailable, "no connection to Redis yet"};
  std::vector<std::string> topic_ids_;
  std::optional<std::chrono::steady_clock::time_point> empty_at_;
  std::map<Source, std::chrono::steady_clock::time_point> others_read_until_;

  Claim claim_;
  Loads loads_;
  Trust trust_;

  // The store's own loop, and what is used there.
  boost::asio::io_context loop_{1};
  boost::asio::steady_timer timer_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Leader> leader_;
  std::unique_ptr<Counter> counter_;
  std::unique_ptr<PolicyWatch> policy_;
  std::unique_ptr<Positions> positions_;
  std::unique_ptr<SchemaNotes> schemas_;
  std::unique_ptr<Sweep> sweep_;
  WritePlan plan_;
  std::string bytes_;
  std::vector<std::size_t> ends_;
  std::vector<std::string_view> keys_;
  std::vector<std::string_view> args_;
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
