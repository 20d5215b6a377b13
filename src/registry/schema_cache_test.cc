#include "registry/schema_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "registry/client.h"
#include "registry/test_server.h"

namespace push_cache::registry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

constexpr auto kLong = 30s;  // how long a test waits for what must come
constexpr const char* kRecord =
    R"({"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int"}]})";

struct Answer {
  Answer(SchemaText given) : text(std::move(given)) {}  // NOLINT: implicit by design
  Answer(Error given) : error(std::move(given)) {}      // NOLINT: implicit by design
  std::optional<SchemaText> text;
  Error error = {};
};

// Answers each id from a list of its own; the last answer stays.
class FakeSource : public SchemaSource {
 public:
  void answer(int id, std::deque<Answer> answers) {
    std::lock_guard lock(mutex_);
    answers_.insert_or_assign(id, std::move(answers));
  }
  // Lets fetches wait until `open` is called.
  void close() { set_closed(true); }
  void open() { set_closed(false); }
  int calls(int id) const {
    std::lock_guard lock(mutex_);
    const auto found = calls_.find(id);
    return found == calls_.end() ? 0 : found->second;
  }

  // What GUIDs that begin with this byte are answered.
  void answer_guid(std::uint8_t first, Result<SchemaId> answer) {
    std::lock_guard lock(mutex_);
    guids_.insert_or_assign(first, std::move(answer));
  }

  Result<SchemaId> find_id(const Guid& guid, std::stop_token) override {
    std::lock_guard lock(mutex_);
    const auto found = guids_.find(guid.bytes[0]);
    if (found == guids_.end()) return Error{ErrorCode::kUnavailable, "down"};
    return found->second;
  }

  Result<SchemaText> fetch(SchemaId id, std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    ++calls_[id.value];
    opened_.wait(lock, stop, [this] { return !closed_; });
    const auto found = answers_.find(id.value);
    if (found == answers_.end()) return SchemaText{"\"string\""};
    const Answer answer = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    if (answer.text) return *answer.text;
    return answer.error;
  }

 private:
  void set_closed(bool closed) {
    std::lock_guard lock(mutex_);
    closed_ = closed;
    opened_.notify_all();
  }
  mutable std::mutex mutex_;
  std::condition_variable_any opened_;
  bool closed_ = false;
  std::map<int, std::deque<Answer>> answers_;
  std::map<int, int> calls_;
  std::map<std::uint8_t, Result<SchemaId>> guids_;
};

Guid guid_of(std::uint8_t first) { return {.bytes = {first, 2, 3}}; }

// Notes what the cache tells, and waits for it.
class Listener {
 public:
  explicit Listener(SchemaCache& cache) {
    cache.on_resolved([this](SchemaId id) {
      std::lock_guard lock(mutex_);
      ++told_[id.value];
      came_.notify_all();
    });
  }
  bool wait_for(int id, int times = 1) {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, kLong, [&] { return told_[id] >= times; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::map<int, int> told_;
};

template <typename Condition>
bool wait_until(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

SchemaCacheOptions quick() {
  return {
      .retry = {
          .first = 1ms, .max = 4ms, .not_found_first = 2ms, .not_found_max = 8ms, .failed = 5ms}};
}
SchemaCacheOptions patient() {
  return {
      .retry = {.first = 1h, .max = 1h, .not_found_first = 1h, .not_found_max = 1h, .failed = 1h}};
}

const Error kDown{ErrorCode::kUnavailable, "down"};
const Error kMissing{ErrorCode::kNotFound, "missing"};
const Error kUseless{ErrorCode::kInvalidArgument, "PROTOBUF"};

TEST(SchemaCache, KnowsWhatWasRequested) {
  FakeSource source;
  source.answer(7, {SchemaText{kRecord}});
  SchemaCache cache(source, quick());
  Listener listener(cache);
  EXPECT_EQ(cache.find(SchemaId(7)), nullptr);
  EXPECT_EQ(cache.state(SchemaId(7)).kind, StateKind::kWaiting);
  EXPECT_EQ(source.calls(7), 0);
  EXPECT_EQ(cache.request(SchemaId(7)).kind, StateKind::kWaiting);
  ASSERT_TRUE(listener.wait_for(7));
  const SchemaEntry* entry = cache.find(SchemaId(7));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->id.value, 7);
  EXPECT_EQ(entry->full_name, "n.R");
  EXPECT_EQ(entry->text.schema, kRecord);
  ASSERT_NE(entry->plan, nullptr);
  EXPECT_EQ(cache.request(SchemaId(7)).kind, StateKind::kKnown);
  EXPECT_EQ(cache.state(SchemaId(7)).kind, StateKind::kKnown);
  EXPECT_EQ(source.calls(7), 1);
  EXPECT_TRUE(cache.waiting().empty());
  EXPECT_EQ(cache.counts().known, 1u);
  EXPECT_EQ(cache.counts().requests_total, 1u);
  EXPECT_EQ(cache.counts().errors_total, 0u);
}

TEST(SchemaCache, AsksOnceForManyThreads) {
  FakeSource source;
  source.close();
  SchemaCache cache(source, quick());
  Listener listener(cache);
  std::vector<std::thread> threads;
  for (int t = 0; t < 32; ++t) {
    threads.emplace_back([&cache] {
      for (int i = 0; i < 100; ++i) cache.request(SchemaId(5));
    });
  }
  for (std::thread& thread : threads) thread.join();
  source.open();
  ASSERT_TRUE(listener.wait_for(5));
  EXPECT_EQ(source.calls(5), 1);
  EXPECT_EQ(cache.counts().requests_total, 1u);
}

TEST(SchemaCache, AsksAgainUntilTheRegistryIsThere) {
  FakeSource source;
  std::deque<Answer> answers(20, kDown);
  answers.push_back(SchemaText{kRecord});
  source.answer(3, answers);
  SchemaCache cache(source, quick());
  Listener listener(cache);
  cache.request(SchemaId(3));
  ASSERT_TRUE(listener.wait_for(3));
  EXPECT_NE(cache.find(SchemaId(3)), nullptr);
  EXPECT_EQ(source.calls(3), 21);
  EXPECT_EQ(cache.counts().errors_total, 20u);
}

TEST(SchemaCache, AMissingSchemaMayCome) {
  FakeSource source;
  source.answer(3, {kMissing});
  SchemaCache cache(source, quick());
  Listener listener(cache);
  cache.request(SchemaId(3));
  ASSERT_TRUE(wait_until([&] { return cache.state(SchemaId(3)).attempts >= 3; }));
  const State state = cache.state(SchemaId(3));
  EXPECT_EQ(state.kind, StateKind::kWaiting);
  EXPECT_EQ(state.error.code, ErrorCode::kNotFound);
  ASSERT_EQ(cache.waiting().size(), 1u);
  EXPECT_EQ(cache.waiting()[0].id.value, 3);
  EXPECT_EQ(cache.waiting()[0].last_error, "missing");
  source.answer(3, {SchemaText{kRecord}});
  ASSERT_TRUE(listener.wait_for(3));
  EXPECT_NE(cache.find(SchemaId(3)), nullptr);
}

TEST(SchemaCache, FailsForWhatIsOfNoUseAndRecoversWhenRepaired) {
  FakeSource source;
  source.answer(3, {kUseless, kDown, kUseless});
  source.answer(4, {SchemaText{R"({"type":"recor)"}});
  SchemaCache cache(source, quick());
  Listener listener(cache);
  cache.request(SchemaId(3));
  cache.request(SchemaId(4));
  ASSERT_TRUE(listener.wait_for(3));
  ASSERT_TRUE(listener.wait_for(4));
  ASSERT_TRUE(wait_until([&] { return cache.state(SchemaId(3)).attempts >= 5; }));
  EXPECT_EQ(cache.state(SchemaId(3)).kind, StateKind::kFailed);
  EXPECT_EQ(cache.state(SchemaId(3)).error.public_text, "PROTOBUF");
  EXPECT_EQ(cache.state(SchemaId(4)).kind, StateKind::kFailed);
  EXPECT_THAT(cache.state(SchemaId(4)).error.public_text, StartsWith("not JSON: "))
      << "whoever asks knows the id";
  EXPECT_EQ(cache.request(SchemaId(4)).kind, StateKind::kFailed);
  EXPECT_EQ(cache.counts().failed, 2u);
  EXPECT_EQ(cache.counts().waiting, 0u);
  source.answer(4, {SchemaText{kRecord}});
  ASSERT_TRUE(listener.wait_for(4, 2));
  EXPECT_NE(cache.find(SchemaId(4)), nullptr);
  EXPECT_EQ(cache.counts().failed, 1u);
}

TEST(SchemaCache, TellsOfAFailureOnlyOnce) {
  FakeSource source;
  source.answer(3, {kUseless});
  SchemaCache cache(source, quick());
  std::atomic<int> told{0};
  cache.on_resolved([&told](SchemaId) { ++told; });
  cache.request(SchemaId(3));
  ASSERT_TRUE(wait_until([&] { return cache.state(SchemaId(3)).attempts >= 5; }));
  EXPECT_EQ(told.load(), 1);
}

TEST(SchemaCache, OneIdThatIsDownHoldsUpNoOther) {
  FakeSource source;
  source.answer(1, {kDown});
  source.answer(2, {kMissing});
  SchemaCache cache(source, patient());
  Listener listener(cache);
  cache.request(SchemaId(1));
  cache.request(SchemaId(2));
  ASSERT_TRUE(wait_until([&] { return cache.counts().errors_total == 2; }));
  cache.request(SchemaId(3));
  ASSERT_TRUE(listener.wait_for(3));
  EXPECT_EQ(source.calls(1), 1);
  EXPECT_EQ(cache.counts().waiting, 2u);
}

TEST(SchemaCache, TakesSchemasFromElsewhere) {
  FakeSource source;
  source.answer(1, {kDown});
  SchemaCache cache(source, patient());
  Listener listener(cache);
  ASSERT_TRUE(cache.insert(SchemaId(9), {kRecord}).ok());
  ASSERT_TRUE(cache.insert(SchemaId(9), {"nonsense"}).ok());  // known already
  EXPECT_EQ(cache.find(SchemaId(9))->full_name, "n.R");
  EXPECT_FALSE(cache.insert(SchemaId(10), {"nonsense"}).ok());
  EXPECT_EQ(cache.find(SchemaId(10)), nullptr);
  EXPECT_FALSE(cache.insert(SchemaId(-1), {kRecord}).ok());

  cache.request(SchemaId(1));
  ASSERT_TRUE(wait_until([&] { return cache.counts().errors_total == 1; }));
  ASSERT_TRUE(cache.insert(SchemaId(1), {kRecord}).ok());
  ASSERT_TRUE(listener.wait_for(1));  // though its next attempt was an hour away
  EXPECT_TRUE(cache.waiting().empty());
  EXPECT_EQ(source.calls(1), 1);
}

TEST(SchemaCache, GarbageIdsAreBounded) {
  FakeSource source;
  source.close();
  SchemaCacheOptions options = patient();
  options.waiting_max = 3;
  SchemaCache cache(source, options);
  for (int id : {1, 2, 3}) EXPECT_EQ(cache.request(SchemaId(id)).kind, StateKind::kWaiting);
  const State refused = cache.request(SchemaId(4));
  EXPECT_EQ(refused.kind, StateKind::kWaiting);
  EXPECT_EQ(refused.error.code, ErrorCode::kTooLarge);
  EXPECT_EQ(cache.request(SchemaId(2)).kind, StateKind::kWaiting);
  const State negative = cache.request(SchemaId(-5));
  EXPECT_EQ(negative.kind, StateKind::kFailed);
  EXPECT_EQ(negative.error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(cache.waiting().size(), 3u);
}  // and ends though its fetches hang

TEST(SchemaCache, AnIdOfZeroOrBelowIsAskedOfNobody) {
  FakeSource source;
  SchemaCache cache(source, quick());
  for (const int id : {0, -1, -2, -5}) {
    EXPECT_EQ(cache.find(SchemaId(id)), nullptr);
    EXPECT_EQ(cache.state(SchemaId(id)).kind, StateKind::kFailed) << id;
    EXPECT_EQ(cache.insert(SchemaId(id), {"\"int\""}).ok(), false) << id;
  }
  EXPECT_EQ(cache.request(SchemaId(0)).kind, StateKind::kFailed);
  EXPECT_EQ(cache.request(SchemaId(-2)).kind, StateKind::kFailed);
  EXPECT_EQ(cache.counts().requests_total, 0u);
}

TEST(SchemaCache, AGuidBecomesTheRegistrysId) {
  FakeSource source;
  SchemaCache cache(source, quick());
  Listener listener(cache);
  const SchemaId provisional = cache.id_of(guid_of(1));
  EXPECT_LT(provisional.value, -1);
  EXPECT_EQ(cache.id_of(guid_of(1)), provisional);
  EXPECT_NE(cache.id_of(guid_of(2)), provisional);
  EXPECT_EQ(cache.find(provisional), nullptr);
  EXPECT_EQ(cache.request(provisional).kind, StateKind::kWaiting);
  EXPECT_EQ(cache.name(provisional), "the schema with GUID 01020300-0000-0000-0000-000000000000");
  ASSERT_EQ(cache.waiting().size(), 2u);
  EXPECT_EQ(cache.waiting()[1].guid, "01020300-0000-0000-0000-000000000000");
  source.answer(40, {SchemaText{kRecord}});
  source.answer_guid(1, SchemaId(40));
  EXPECT_TRUE(listener.wait_for(provisional.value));
  const SchemaEntry* entry = cache.find(provisional);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->id, SchemaId(40));
  EXPECT_EQ(entry, cache.find(SchemaId(40)));
  EXPECT_EQ(cache.id_of(guid_of(1)), SchemaId(40));
  EXPECT_EQ(cache.request(provisional).kind, StateKind::kKnown);
  EXPECT_EQ(cache.state(provisional).kind, StateKind::kKnown);
  EXPECT_EQ(cache.counts().known, 1u);
}

TEST(SchemaCache, AGuidWhoseIdIsKnownNeedsNoSecondSchema) {
  FakeSource source;
  SchemaCache cache(source, quick());
  Listener listener(cache);
  cache.request(SchemaId(40));
  ASSERT_TRUE(listener.wait_for(40));
  source.answer_guid(1, SchemaId(40));
  const SchemaId provisional = cache.id_of(guid_of(1));
  EXPECT_TRUE(wait_until([&] { return cache.find(provisional) != nullptr; }));
  EXPECT_EQ(cache.find(provisional), cache.find(SchemaId(40)));
  EXPECT_EQ(source.calls(40), 1);
}

// A second request for the id would come in an hour.
TEST(SchemaCache, AGuidBringsAnIdThatWaits) {
  FakeSource source;
  SchemaCache cache(source, patient());
  Listener listener(cache);
  source.answer(40, {kMissing, SchemaText{kRecord}});
  cache.request(SchemaId(40));
  ASSERT_TRUE(wait_until([&] { return cache.state(SchemaId(40)).attempts == 1; }));
  source.answer_guid(1, SchemaId(40));
  const SchemaId provisional = cache.id_of(guid_of(1));
  EXPECT_TRUE(listener.wait_for(provisional.value));
  EXPECT_TRUE(listener.wait_for(40));
  EXPECT_TRUE(cache.waiting().empty());
}

TEST(SchemaCache, GuidsThatFailAreAskedForAgain) {
  FakeSource source;
  source.answer_guid(1, kUseless);
  source.answer_guid(2, kMissing);
  SchemaCache cache(source, quick());
  const SchemaId useless = cache.id_of(guid_of(1));
  const SchemaId missing = cache.id_of(guid_of(2));
  EXPECT_TRUE(wait_until([&] { return cache.state(useless).kind == StateKind::kFailed; }));
  EXPECT_TRUE(wait_until([&] { return cache.state(missing).attempts > 1; }));
  EXPECT_EQ(cache.state(missing).kind, StateKind::kWaiting);
  source.answer_guid(1, SchemaId(41));
  source.answer_guid(2, SchemaId(42));
  EXPECT_TRUE(wait_until([&] { return cache.find(useless) != nullptr; }));
  EXPECT_TRUE(wait_until([&] { return cache.find(missing) != nullptr; }));
  EXPECT_EQ(cache.counts().failed, 0u);
}

TEST(SchemaCache, NoMoreGuidsWaitThanIdsMay) {
  FakeSource source;
  SchemaCacheOptions options = patient();
  options.waiting_max = 3;
  SchemaCache cache(source, options);
  cache.request(SchemaId(5));  // answered soon, or not: at most one of the three places
  const SchemaId first = cache.id_of(guid_of(1));
  for (std::uint8_t i = 2; i < 10; ++i) cache.id_of(guid_of(i));
  const SchemaId refused = cache.id_of(guid_of(10));
  EXPECT_EQ(refused, SchemaId(-1));
  EXPECT_EQ(cache.request(refused).kind, StateKind::kWaiting) << "to be asked for again";
  EXPECT_EQ(cache.request(refused).error.code, ErrorCode::kTooLarge);
  EXPECT_EQ(cache.id_of(guid_of(1)), first) << "those that wait keep their places";
  EXPECT_LE(cache.waiting().size(), 3u);
}

TEST(SchemaCache, FindsWhileItGrows) {
  FakeSource source;
  SchemaCacheOptions options = quick();
  options.threads = 4;
  SchemaCache cache(source, options);
  constexpr int kIds = 2000;
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&, t] {
      std::vector<const SchemaEntry*> seen(kIds, nullptr);
      for (int i = t; !done.load(std::memory_order_relaxed); i = (i + 7) % kIds) {
        const auto at = static_cast<std::size_t>(i);
        const SchemaEntry* entry = cache.find(SchemaId(i * 31 + 1));
        // Once there it stays, and is the right one.
        if (seen[at] != nullptr && entry != seen[at]) ++wrong;
        if (entry != nullptr && (entry->id.value != i * 31 + 1 || entry->full_name != "string"))
          ++wrong;
        if (entry != nullptr) seen[at] = entry;
      }
    });
  }
  for (int i = 0; i < kIds; ++i) cache.request(SchemaId(i * 31 + 1));
  EXPECT_TRUE(wait_until([&] { return cache.counts().known == kIds; }));
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  for (int i = 0; i < kIds; ++i) {
    ASSERT_NE(cache.find(SchemaId(i * 31 + 1)), nullptr) << i;
    ASSERT_EQ(cache.find(SchemaId(i * 31 + 2)), nullptr) << i;
  }
}

// The way it is used: over HTTP, with a registry that is down at first.
TEST(SchemaCache, OverHttpDownAtStartThenPresent) {
  const auto script = [](const TestRequest& request) -> TestReply {
    if (request.target == "/schemas/ids/42") return {.body = R"({"schema":"\"string\""})"};
    return {.status = 404, .body = R"({"error_code":40403})"};
  };
  auto server = std::make_unique<TestServer>(script);
  const std::uint16_t port = server->port();
  server.reset();
  Result<std::unique_ptr<Client>> client =
      Client::create({.url = "http://ann:s3cret@127.0.0.1:" + std::to_string(port)});
  ASSERT_TRUE(client.ok());
  SchemaCache cache(**client, quick());
  Listener listener(cache);
  cache.request(SchemaId(42));
  ASSERT_TRUE(wait_until([&] { return cache.state(SchemaId(42)).attempts >= 2; }));
  EXPECT_EQ(cache.state(SchemaId(42)).error.code, ErrorCode::kUnavailable);
  EXPECT_THAT(cache.waiting()[0].last_error, testing::Not(HasSubstr("s3cret")));
  // The port was free a moment ago; another process may have taken it, which is not our fault.
  ASSERT_TRUE(wait_until([&] {
    server = std::make_unique<TestServer>(script, port);
    return server->ok();
  }));
  ASSERT_TRUE(listener.wait_for(42));
  EXPECT_EQ(cache.find(SchemaId(42))->full_name, "string");
}

}  // namespace
}  // namespace push_cache::registry
