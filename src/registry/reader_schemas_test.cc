#include "registry/reader_schemas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>

namespace push_cache::registry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kLong = 30s;  // how long a test waits for what must come

std::string record(std::string_view fields) {
  return R"({"type":"record","name":"R","fields":[)" + std::string(fields) + "]}";
}
const std::string kInt = record(R"({"name":"a","type":"int"})");
const std::string kString = record(R"({"name":"a","type":"string"})");
const std::string kWider =
    record(R"({"name":"a","type":"int"},{"name":"b","type":"string","default":"new"})");
const std::string kRed =
    record(R"({"name":"a","type":{"type":"enum","name":"E","symbols":["RED"]}})");
const std::string kRedGreen =
    record(R"({"name":"a","type":{"type":"enum","name":"E","symbols":["RED","GREEN"]}})");

const std::uint8_t kOne[] = {2};  // the int 1, or the second symbol
const std::uint8_t kZero[] = {0};

SchemaEntry writer(int id, const std::string& text) {
  Result<avro::Schema> schema = avro::Schema::parse(text);
  EXPECT_TRUE(schema.ok());
  return {SchemaId(id), *schema, "R", *avro::Plan::compile(*schema, {}), {text}};
}

SubjectVersion version(int number, std::string text) {
  return {SchemaId(100 + number), number, {std::move(text)}};
}

// Gives each subject what it is told to.
class FakeSubjects final : public SubjectSource {
 public:
  void set(std::string subject, int number, Result<SubjectVersion> answer) {
    const std::lock_guard lock(mutex_);
    answers_.insert_or_assign({std::move(subject), number}, std::move(answer));
  }
  void latest(Result<SubjectVersion> answer) { set("s", kLatestVersion, std::move(answer)); }
  // Lets questions wait until `open` is called.
  void close() { set_closed(true); }
  void open() { set_closed(false); }
  int calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  Result<SubjectVersion> fetch_version(std::string_view subject, int number,
                                       std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    ++calls_;
    opened_.wait(lock, stop, [this] { return !closed_; });
    const auto found = answers_.find({std::string(subject), number});
    if (found == answers_.end()) return Error{ErrorCode::kUnavailable, "the registry is away"};
    return found->second;
  }

 private:
  void set_closed(bool closed) {
    const std::lock_guard lock(mutex_);
    closed_ = closed;
    opened_.notify_all();
  }
  mutable std::mutex mutex_;
  std::condition_variable_any opened_;
  bool closed_ = false;
  int calls_ = 0;
  std::map<std::pair<std::string, int>, Result<SubjectVersion>> answers_;
};

bool wait_until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kLong;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

// Retries at once; looks for a newer version only when it is asked to.
ReaderSchemasOptions on_demand() {
  return {.retry = {.first = 1ms,
                    .max = 4ms,
                    .not_found_first = 1ms,
                    .not_found_max = 4ms,
                    .failed = 2ms},
          .refresh = 1h};
}
ReaderSchemasOptions restless() {
  ReaderSchemasOptions options = on_demand();
  options.refresh = 1ms;
  return options;
}

bool known(const ReaderSchema& reader, int number) {
  return wait_until([&] {
    const ReaderStatus status = reader.status();
    return status.kind == StateKind::kKnown && status.version == number;
  });
}

std::string shown(const ReaderPlan* plan, Bytes datum) {
  if (plan == nullptr || plan->plan == nullptr) return "no plan";
  Buffer out;
  const Status done = plan->plan->to_json(datum, out);
  return done.ok() ? std::string(out.view()) : done.error().public_text;
}

Fit fit(ReaderSchema& reader, const SchemaEntry& entry, Bytes datum) {
  std::string why;
  const Fit answer = reader.fit(entry, datum, why);
  EXPECT_EQ(why.empty(), answer != Fit::kDoesNotFit) << why;
  return answer;
}

// The answer once the registry was asked, if it has to be.
Fit final_fit(ReaderSchema& reader, const SchemaEntry& entry, Bytes datum) {
  Fit answer = Fit::kNotKnown;
  EXPECT_TRUE(wait_until([&] {
    answer = fit(reader, entry, datum);
    return answer != Fit::kNotKnown;
  }));
  return answer;
}

TEST(ReaderSchemas, AVersionIsAskedForOnceAndShowsOlderRecords) {
  FakeSubjects source;
  source.set("s", 2, version(2, kWider));
  ReaderSchemas readers(source, restless());
  ReaderSchema& reader = readers.subject("s", 2);
  EXPECT_EQ(&readers.subject("s", 2), &reader);
  ASSERT_TRUE(known(reader, 2));
  EXPECT_EQ(reader.status().id, SchemaId(102));
  EXPECT_EQ(reader.status().error, "");
  const SchemaEntry old = writer(1, kInt);
  EXPECT_EQ(reader.find(old.id), nullptr);
  const ReaderPlan* plan = reader.plan(old);
  EXPECT_EQ(shown(plan, kOne), R"({"a":1,"b":"new"})");
  EXPECT_EQ(reader.find(old.id), plan);
  EXPECT_EQ(reader.plan(old), plan);
  EXPECT_EQ(fit(reader, old, kOne), Fit::kFits);
  EXPECT_EQ(source.calls(), 1);
}

TEST(ReaderSchemas, ARegistryThatIsAwayIsAskedAgain) {
  FakeSubjects source;
  ReaderSchemas readers(source, on_demand());
  ReaderSchema& reader = readers.subject("s", 1);
  const SchemaEntry entry = writer(1, kInt);
  EXPECT_EQ(reader.plan(entry), nullptr);
  EXPECT_EQ(fit(reader, entry, kOne), Fit::kNotKnown);
  ASSERT_TRUE(wait_until([&] { return source.calls() >= 3; }));
  EXPECT_EQ(reader.status().kind, StateKind::kWaiting);
  EXPECT_EQ(reader.status().error, "the registry is away");
  source.set("s", 1, Error{ErrorCode::kNotFound, "no such subject"});
  ASSERT_TRUE(wait_until([&] { return reader.status().error == "no such subject"; }));
  EXPECT_EQ(reader.status().kind, StateKind::kWaiting) << "it may come";
  source.set("s", 1, version(1, kInt));
  EXPECT_EQ(final_fit(reader, entry, kOne), Fit::kFits);
  EXPECT_EQ(reader.status().error, "");
}

TEST(ReaderSchemas, ASchemaOfNoUseIsFailedUntilItIsRepaired) {
  FakeSubjects source;
  source.set("s", 1, version(1, R"({"type":"nonsense"})"));
  ReaderSchemas readers(source, on_demand());
  ReaderSchema& reader = readers.subject("s", 1);
  ASSERT_TRUE(wait_until([&] { return reader.status().kind == StateKind::kFailed; }));
  EXPECT_EQ(reader.status().error, "type: unknown type 'nonsense'");
  EXPECT_EQ(fit(reader, writer(1, kInt), kOne), Fit::kNotKnown) << "no record is given up";
  source.set("s", 1, version(1, kInt));
  EXPECT_TRUE(known(reader, 1));
}

TEST(ReaderSchemas, TheLatestVersionMovesByItself) {
  FakeSubjects source;
  source.latest(version(1, kInt));
  ReaderSchemas readers(source, restless());
  ReaderSchema& reader = readers.subject("s", kLatestVersion);
  ASSERT_TRUE(known(reader, 1));
  const SchemaEntry entry = writer(1, kInt);
  const ReaderPlan* first = reader.plan(entry);
  EXPECT_EQ(shown(first, kOne), R"({"a":1})");
  source.latest(version(2, kWider));
  ASSERT_TRUE(known(reader, 2));
  const ReaderPlan* second = reader.find(entry.id);
  EXPECT_EQ(shown(second, kOne), R"({"a":1,"b":"new"})");
  EXPECT_NE(second->tag, first->tag);
  EXPECT_EQ(shown(first, kOne), R"({"a":1})") << "who read by it may go on";
}

TEST(ReaderSchemas, ANewWriterHasTheLatestVersionAskedForAgain) {
  FakeSubjects source;
  source.latest(version(1, kInt));
  ReaderSchemas readers(source, on_demand());
  ReaderSchema& reader = readers.subject("s", kLatestVersion);
  ASSERT_TRUE(known(reader, 1));
  ASSERT_EQ(final_fit(reader, writer(1, kInt), kOne), Fit::kFits);
  ASSERT_TRUE(wait_until([&] { return source.calls() == 2; }));
  // Version 1 cannot read what this writer wrote. That is not the last word on it: its own version
  // may be the latest by now.
  source.close();
  const SchemaEntry changed = writer(2, kString);
  EXPECT_EQ(fit(reader, changed, kZero), Fit::kNotKnown);
  EXPECT_THAT(reader.status().unresolvable_writers, IsEmpty());
  source.latest(version(2, kString));
  source.open();
  EXPECT_EQ(final_fit(reader, changed, kZero), Fit::kFits);
  EXPECT_EQ(shown(reader.find(changed.id), kZero), R"({"a":""})");
}

TEST(ReaderSchemas, AWriterThatCannotBeResolvedIsSeenAndKeepsItsFormerPlan) {
  FakeSubjects source;
  source.latest(version(1, kInt));
  ReaderSchemas readers(source, restless());
  ReaderSchema& reader = readers.subject("s", kLatestVersion);
  ASSERT_TRUE(known(reader, 1));
  const SchemaEntry old = writer(1, kInt);
  ASSERT_EQ(final_fit(reader, old, kOne), Fit::kFits);
  const std::uint32_t tag = reader.find(old.id)->tag;
  source.latest(version(2, kString));
  ASSERT_TRUE(known(reader, 2));
  EXPECT_EQ(final_fit(reader, old, kOne), Fit::kDoesNotFit) << "nothing new of it";
  EXPECT_EQ(shown(reader.find(old.id), kOne), R"({"a":1})") << "what is there is shown as before";
  EXPECT_EQ(reader.find(old.id)->tag, tag);
  EXPECT_THAT(reader.find(old.id)->resolves.error().public_text, HasSubstr("a"));
  EXPECT_THAT(reader.status().unresolvable_writers, ElementsAre(SchemaId(1)));
  // One that never could.
  const SchemaEntry other = writer(3, record(R"({"name":"a","type":"boolean"})"));
  EXPECT_EQ(final_fit(reader, other, kZero), Fit::kDoesNotFit);
  EXPECT_EQ(reader.find(other.id)->plan, nullptr);
  EXPECT_THAT(reader.status().unresolvable_writers, ElementsAre(SchemaId(1), SchemaId(3)));
  source.latest(version(3, kInt));
  ASSERT_TRUE(known(reader, 3));
  EXPECT_THAT(reader.status().unresolvable_writers, ElementsAre(SchemaId(3)));
}

TEST(ReaderSchemas, WhatOnlySomeDataCannotDo) {
  FakeSubjects source;
  source.set("s", 1, version(1, kRed));
  ReaderSchemas readers(source, on_demand());
  ReaderSchema& reader = readers.subject("s", 1);
  ASSERT_TRUE(known(reader, 1));
  const SchemaEntry wider = writer(2, kRedGreen);
  EXPECT_EQ(fit(reader, wider, kZero), Fit::kFits);
  EXPECT_EQ(fit(reader, wider, kOne), Fit::kDoesNotFit);
  EXPECT_THAT(reader.status().unresolvable_writers, IsEmpty());
}

TEST(ReaderSchemas, ARefusalWaitsForARegistryThatIsAway) {
  FakeSubjects source;
  source.latest(version(1, kInt));
  ReaderSchemas readers(source, on_demand());
  ReaderSchema& reader = readers.subject("s", kLatestVersion);
  ASSERT_TRUE(known(reader, 1));
  source.latest(Error{ErrorCode::kUnavailable, "down"});
  const SchemaEntry changed = writer(2, kString);
  EXPECT_EQ(fit(reader, changed, kZero), Fit::kNotKnown);
  const int before = source.calls();
  ASSERT_TRUE(wait_until([&] { return source.calls() >= before + 3; }));
  EXPECT_EQ(fit(reader, changed, kZero), Fit::kNotKnown);
  EXPECT_EQ(reader.status().kind, StateKind::kKnown);
  EXPECT_EQ(reader.status().error, "down");
  source.latest(version(1, kInt));
  EXPECT_EQ(final_fit(reader, changed, kZero), Fit::kDoesNotFit);
}

TEST(ReaderSchemas, ALatestVersionOfNoUseLeavesTheFormerOne) {
  FakeSubjects source;
  source.latest(version(1, kInt));
  ReaderSchemas readers(source, restless());
  ReaderSchema& reader = readers.subject("s", kLatestVersion);
  ASSERT_TRUE(known(reader, 1));
  source.latest(Error{ErrorCode::kInvalidArgument, "it is a schema of type JSON, not AVRO"});
  ASSERT_TRUE(wait_until([&] { return !reader.status().error.empty(); }));
  EXPECT_EQ(reader.status().kind, StateKind::kKnown);
  EXPECT_EQ(final_fit(reader, writer(1, kInt), kOne), Fit::kFits);
  EXPECT_EQ(final_fit(reader, writer(2, kString), kZero), Fit::kDoesNotFit)
      << "the registry has answered: there is nothing newer of use";
}

TEST(ReaderSchemas, ATextIsKnownAtOnce) {
  FakeSubjects source;
  ReaderSchemas readers(source, on_demand());
  const auto reader = readers.fixed("r.avsc", {kWider});
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->status().kind, StateKind::kKnown);
  EXPECT_EQ((*reader)->status().id, SchemaId(-1));
  EXPECT_EQ(fit(**reader, writer(1, kInt), kOne), Fit::kFits);
  EXPECT_EQ(fit(**reader, writer(2, kString), kZero), Fit::kDoesNotFit);
  const auto wrong = readers.fixed("w.avsc", {R"({"type":"record"})"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_THAT(wrong.error().public_text, HasSubstr("w.avsc: "));
  EXPECT_EQ(source.calls(), 0);
}

TEST(ReaderSchemas, ARouteHasOneForAllTopicsOrOneForEach) {
  FakeSubjects source;
  source.set("a", kLatestVersion, version(1, kInt));
  source.set("b", kLatestVersion, version(1, kWider));
  ReaderSchemas readers(source, on_demand());
  ReaderSchema& a = readers.subject("a", kLatestVersion);
  ReaderSchema& b = readers.subject("b", kLatestVersion);
  ASSERT_TRUE(known(a, 1) && known(b, 1));
  const SchemaEntry entry = writer(1, kInt);
  const RouteReader route{"latest", {&a, &b}};
  EXPECT_EQ(shown(route.plan(entry, 0), kOne), R"({"a":1})");
  EXPECT_EQ(shown(route.plan(entry, 1), kOne), R"({"a":1,"b":"new"})");
  EXPECT_EQ(shown(route.plan(entry, std::nullopt), kOne), R"({"a":1})");
  const RouteReader one{"b:latest", {&b}};
  EXPECT_EQ(shown(one.plan(entry, 7), kOne), R"({"a":1,"b":"new"})");
  // A writer that only the second topic's reader has met is not shown to the first one's.
  const SchemaEntry other = writer(2, kWider);
  ASSERT_NE(b.plan(other), nullptr);
  EXPECT_EQ(route.plan(other, std::nullopt), b.find(other.id));
  EXPECT_EQ(a.find(other.id), nullptr);
}

TEST(ReaderSchemas, ManyThreadsReadWhileTheLatestMoves) {
  FakeSubjects source;
  source.latest(version(1, kInt));
  ReaderSchemas readers(source, restless());
  ReaderSchema& reader = readers.subject("s", kLatestVersion);
  ASSERT_TRUE(known(reader, 1));
  std::deque<SchemaEntry> writers;
  for (int id = 1; id <= 40; ++id) writers.push_back(writer(id, kInt));
  std::atomic<bool> done = false;
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; !done; i = (i + 1) % writers.size()) {
        const std::string json = shown(reader.plan(writers[i]), kOne);
        if (json != R"({"a":1})" && json != R"({"a":1,"b":"new"})") ++wrong;
      }
    });
  }
  for (int number = 2; number <= 20; ++number) {
    source.latest(version(number, number % 2 == 0 ? kWider : kInt));
    EXPECT_TRUE(known(reader, number));
  }
  done = true;
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace push_cache::registry
