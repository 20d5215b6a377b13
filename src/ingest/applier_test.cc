#include "ingest/apply_lane.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <map>

#include "ingest/write_batch.h"
#include "registry/test_sources.h"
#include "store/memory_store.h"

namespace push_cache::ingest {
namespace {

using testing::HasSubstr;

constexpr const char* kUser =
    R"({"type":"record","name":"User","namespace":"test","fields":[{"name":"id","type":"string"},)"
    R"({"name":"age","type":"int"}]})";
constexpr const char* kPet =
    R"({"type":"record","name":"Pet","namespace":"test","fields":[{"name":"name","type":"string"}]})";

// A registry that gives what it is told to.
class FakeSource final : public registry::SchemaSource {
 public:
  void set(std::int32_t id, Result<registry::SchemaText> answer) {
    const std::lock_guard lock(mutex_);
    answers_.insert_or_assign(id, std::move(answer));
  }
  Result<registry::SchemaText> fetch(SchemaId id, std::stop_token) override {
    const std::lock_guard lock(mutex_);
    const auto found = answers_.find(id.value);
    if (found == answers_.end()) return Error{ErrorCode::kUnavailable, "the registry is away"};
    return found->second;
  }
  void set_guid(std::string_view bytes, SchemaId id) {
    registry::Guid guid;
    std::copy_n(bytes.begin(), guid.bytes.size(), guid.bytes.begin());
    const std::lock_guard lock(mutex_);
    guids_.insert_or_assign(guid, id);
  }
  Result<SchemaId> find_id(const registry::Guid& guid, std::stop_token) override {
    const std::lock_guard lock(mutex_);
    const auto found = guids_.find(guid);
    if (found == guids_.end()) return Error{ErrorCode::kUnavailable, "the registry is away"};
    return found->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::int32_t, Result<registry::SchemaText>> answers_;
  std::map<registry::Guid, SchemaId> guids_;
};

std::string wire(std::int32_t id, std::string_view datum) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(id >> shift));
  return out.append(datum);
}

// id "a1" as Avro, then age 21.
const std::string kUserDatum = std::string("\x04") + "a1" + "\x2a";

Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

class ApplierTest : public ::testing::Test {
 protected:
  ApplierTest() {
    source_.set(1, registry::SchemaText{kUser});
    source_.set(2, registry::SchemaText{kPet});
    source_.set(3, registry::SchemaText{R"("string")"});
    source_.set(4, registry::SchemaText{R"("long")"});
    source_.set(5, Error{ErrorCode::kInvalidArgument, "it is a schema of type PROTOBUF, not AVRO"});
    source_.set(6, registry::SchemaText{R"({"type":"fixed","name":"a-b","size":1})"});
  }

  Incoming incoming(std::optional<std::string_view> key, std::optional<std::string_view> value) {
    Incoming record{.topic = 0, .partition = Partition(2), .offset = Offset(next_offset_++)};
    if (key) record.key = as_bytes(*key);
    if (value) record.value = as_bytes(*value);
    return record;
  }

  // Applies, waiting for schemas and counting what is bad as the feed does.
  Outcome apply(std::optional<std::string_view> key, std::optional<std::string_view> value) {
    return apply(incoming(key, value));
  }
  Outcome apply(const Incoming& record) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      const Outcome outcome = lane_.apply(record);
      if (outcome == Outcome::kBad) lane_.count_bad(record);
      if (outcome != Outcome::kWaitsForSchema || std::chrono::steady_clock::now() > deadline) {
        return outcome;
      }
      std::this_thread::yield();
    }
  }

  static std::optional<std::string> datum(store::Store& store, std::string_view key) {
    struct Sink final : store::GetSink {
      std::optional<std::string> datum;
      void found(const store::RecordView& record) override {
        datum =
            std::string(reinterpret_cast<const char*>(record.datum.data()), record.datum.size());
      }
      void absent() override {}
      void failed(const Error&) override {}
    } sink;
    store.get(key, sink);
    return sink.datum;
  }

  std::uint64_t bad(BadCause cause) const {
    return applier_.totals().bad[static_cast<std::size_t>(cause)];
  }

  std::int64_t next_offset_ = 0;
  FakeSource source_;
  registry::SchemaCache schemas_{
      source_,
      {.retry = {.first = std::chrono::milliseconds(1), .max = std::chrono::milliseconds(5)}}};
  std::unique_ptr<store::Store> users_ = store::make_memory_store();
  std::unique_ptr<store::Store> all_ = store::make_memory_store();
  Applier applier_{
      schemas_,
      {{"users", users_.get(), [](std::string_view name) { return name == "test.User"; }},
       {"all", all_.get(), [](std::string_view name) { return name != "long"; }}},
      {"topic"}};
  ApplyLane lane_{applier_};
};

TEST_F(ApplierTest, ARecordGoesToEveryStoreThatTakesItsSchema) {
  EXPECT_EQ(apply("a1", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"), kUserDatum);
  EXPECT_EQ(datum(*all_, "a1"), kUserDatum);
  EXPECT_EQ(apply("p", wire(2, "\x06Rex")), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "p"), std::nullopt);
  EXPECT_EQ(datum(*all_, "p"), "\x06Rex");
  EXPECT_EQ(applier_.totals().updates, 2u);
  EXPECT_EQ(applier_.schemas_of(0), std::vector<SchemaId>{SchemaId(1)});
  EXPECT_EQ(applier_.schemas_of(1), (std::vector<SchemaId>{SchemaId(1), SchemaId(2)}));
}

TEST_F(ApplierTest, WritersAreAllVersionsThatRecordsCameWith) {
  ASSERT_EQ(apply("a1", wire(1, kUserDatum)), Outcome::kDone);
  ASSERT_TRUE(schemas_.insert(SchemaId(7), schemas_.find(SchemaId(1))->text).ok());
  ASSERT_EQ(apply("a2", wire(7, kUserDatum)), Outcome::kDone);
  ASSERT_EQ(apply("a3", wire(1, kUserDatum)), Outcome::kDone);
  applier_.announce(*schemas_.find(SchemaId(7)));
  EXPECT_EQ(applier_.schemas_of(0), std::vector<SchemaId>{SchemaId(7)});
  EXPECT_EQ(applier_.writers_of(0), (std::vector<SchemaId>{SchemaId(1), SchemaId(7)}));
}

TEST_F(ApplierTest, ATombstoneRemovesFromEveryStoreAndAnEmptyValueFromNone) {
  ASSERT_EQ(apply("a1", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(apply("a1", ""), Outcome::kBad);
  EXPECT_EQ(bad(BadCause::kTruncated), 1u);
  EXPECT_EQ(datum(*users_, "a1"), kUserDatum);
  EXPECT_EQ(apply("a1", std::nullopt), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"), std::nullopt);
  EXPECT_EQ(datum(*all_, "a1"), std::nullopt);
  EXPECT_EQ(apply("never there", std::nullopt), Outcome::kDone);
  EXPECT_EQ(applier_.totals().tombstones, 2u);
}

// Two topics, a store of each and one of both, as with cache.stores[].topics.
TEST_F(ApplierTest, EachStoreTakesItsTopicsOnly) {
  ASSERT_EQ(apply("known", wire(1, kUserDatum)), Outcome::kDone) << "to have the schema known";
  const auto any = [](std::string_view) { return true; };
  const auto first = store::make_memory_store(), second = store::make_memory_store(),
             both = store::make_memory_store();
  Applier applier(schemas_,
                  {{"first", first.get(), any, {}, {true, false}},
                   {"second", second.get(), any, {}, {false, true}},
                   {"both", both.get(), any}},
                  {"one", "two"});
  ApplyLane lane(applier);
  const std::string value = wire(1, kUserDatum), later = wire(1, std::string("\x04") + "b2\x2a");
  const auto at = [&](std::uint32_t topic, const std::string* datum, std::int64_t timestamp) {
    Incoming record = incoming("k", std::nullopt);
    if (datum != nullptr) record.value = as_bytes(*datum);
    record.topic = topic;
    record.timestamp_ms = timestamp;
    EXPECT_EQ(lane.apply(record), Outcome::kDone);
  };
  applier.deleted_keys().watch(true);
  at(1, &later, 200);
  at(0, &value, 100);
  EXPECT_EQ(datum(*first, "k"), kUserDatum);
  EXPECT_EQ(datum(*second, "k"), later.substr(5));
  EXPECT_EQ(datum(*both, "k"), later.substr(5));
  at(1, nullptr, 300);
  EXPECT_EQ(datum(*first, "k"), kUserDatum) << "the tombstone is of the other topic";
  EXPECT_EQ(datum(*second, "k"), std::nullopt);
  EXPECT_EQ(datum(*both, "k"), kUserDatum);
  at(0, nullptr, 250);
  EXPECT_EQ(datum(*both, "k"), std::nullopt);
  at(1, &later, 260);
  EXPECT_EQ(datum(*both, "k"), later.substr(5)) << "outdated only by a tombstone of its topic";
}

TEST_F(ApplierTest, PutAndTombstoneOfOneKeyInBothOrders) {
  apply("a1", wire(1, kUserDatum));
  apply("a1", std::nullopt);
  EXPECT_EQ(datum(*all_, "a1"), std::nullopt);
  apply("b1", std::nullopt);
  apply("b1", wire(1, kUserDatum));
  EXPECT_EQ(datum(*all_, "b1"), kUserDatum);
}

TEST_F(ApplierTest, BadRecordsAreCountedByCauseAndLeaveTheLastGoodValue) {
  ASSERT_EQ(apply("a1", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(apply(std::nullopt, wire(1, kUserDatum)), Outcome::kBad);
  EXPECT_EQ(apply("\xff\xfe", wire(1, kUserDatum)), Outcome::kBad);
  EXPECT_EQ(apply("a1", "{\"id\":1}"), Outcome::kBad);
  EXPECT_EQ(apply("a1", std::string_view("\0\0\0", 3)), Outcome::kBad);
  EXPECT_EQ(apply("a1", wire(1, "\x04")), Outcome::kBad);
  EXPECT_EQ(apply("a1", wire(1, kUserDatum + "left over")), Outcome::kBad);
  EXPECT_EQ(apply("a1", wire(5, kUserDatum)), Outcome::kBad);
  EXPECT_EQ(bad(BadCause::kNullKey), 1u);
  EXPECT_EQ(bad(BadCause::kBadKey), 1u);
  EXPECT_EQ(bad(BadCause::kBadMagic), 1u);
  EXPECT_EQ(bad(BadCause::kTruncated), 1u);
  EXPECT_EQ(bad(BadCause::kUndecodable), 2u);
  EXPECT_EQ(bad(BadCause::kSchemaFailed), 1u);
  EXPECT_EQ(datum(*users_, "a1"), kUserDatum);
  EXPECT_EQ(applier_.totals().records, 8u);

  const std::vector<BadRecord> recent = applier_.recent_bad().list();
  ASSERT_EQ(recent.size(), 7u);
  EXPECT_EQ(recent[0].cause, BadCause::kSchemaFailed);
  EXPECT_EQ(recent[0].schema, SchemaId(5));
  EXPECT_EQ(recent[0].offset, Offset(7));
  EXPECT_EQ(recent[0].partition, Partition(2));
  EXPECT_GT(recent[0].seen_ms, 0);
  EXPECT_EQ(recent[0].detail, "schema 5: it is a schema of type PROTOBUF, not AVRO");
  EXPECT_EQ(recent[3].cause, BadCause::kTruncated);
  EXPECT_EQ(recent[3].schema, std::nullopt);
}

TEST_F(ApplierTest, ABadSchemasCauseIsSaidOnce) {
  EXPECT_EQ(apply("a1", wire(6, "x")), Outcome::kBad);
  EXPECT_EQ(apply("a1", wire(-6, "x")), Outcome::kBad);
  const std::vector<BadRecord> recent = applier_.recent_bad().list();
  ASSERT_EQ(recent.size(), 2u);
  EXPECT_EQ(recent[1].detail, "schema 6: name: 'a-b' is not a name (letters, digits and _)");
  EXPECT_EQ(recent[0].detail, "the value: schema id -6 is none that a registry gives");
}

TEST_F(ApplierTest, AKeyThatMovedIsAsItsLaterPartitionSaysInAnyOrder) {
  ASSERT_EQ(apply("known", wire(1, kUserDatum)), Outcome::kDone) << "to have the schema known";
  const std::string value = wire(1, kUserDatum);
  const auto at = [&](std::string_view key, bool deleted, int partition, std::int64_t timestamp) {
    Incoming record = incoming(key, std::nullopt);
    if (!deleted) record.value = as_bytes(value);
    record.partition = Partition(partition);
    record.timestamp_ms = timestamp;
    EXPECT_EQ(lane_.apply(record), Outcome::kDone);
  };
  applier_.deleted_keys().watch(true);
  at("gone", true, 1, 200);
  at("gone", false, 0, 100);  // older, and met later
  EXPECT_EQ(datum(*users_, "gone"), std::nullopt);
  at("back", true, 1, 200);
  at("back", false, 0, 300);
  EXPECT_EQ(datum(*users_, "back"), kUserDatum);
  at("here", true, 1, 200);
  at("here", false, 1, 100);  // of one partition: the order is the offsets'
  EXPECT_EQ(datum(*users_, "here"), kUserDatum);
  at("kept", false, 1, 200);
  at("kept", true, 0, 100);
  EXPECT_EQ(datum(*users_, "kept"), kUserDatum);
  EXPECT_EQ(applier_.totals().outdated, 1u);
  applier_.deleted_keys().forget_older();
  at("gone", false, 0, 100);
  EXPECT_EQ(datum(*users_, "gone"), std::nullopt);
  applier_.deleted_keys().forget_older();
  at("gone", false, 0, 100);
  EXPECT_EQ(datum(*users_, "gone"), kUserDatum) << "forgotten";
}

// In a compacted topic the last record of a key is its only one.
TEST_F(ApplierTest, ARecordOfAnotherTypeTakesItsKeyOutOfAStoreThatDoesNotTakeIt) {
  for (const bool compacted : {false, true}) {
    applier_.set_compacted(0, compacted);
    ASSERT_EQ(apply("k", wire(1, kUserDatum)), Outcome::kDone);
    ASSERT_EQ(apply("other", wire(1, kUserDatum)), Outcome::kDone);
    EXPECT_EQ(apply("k", wire(2, "\x06Rex")), Outcome::kDone);
    EXPECT_EQ(datum(*users_, "k").has_value(), !compacted);
    EXPECT_EQ(datum(*users_, "other"), kUserDatum);
    EXPECT_EQ(datum(*all_, "k"), "\x06Rex");
    EXPECT_EQ(applier_.totals().type_changes, compacted ? 1u : 0u);
  }
  EXPECT_EQ(apply("k", wire(2, "\x06Rex")), Outcome::kDone);
  EXPECT_EQ(applier_.totals().type_changes, 1u) << "there was nothing any more";
  EXPECT_EQ(apply("other", wire(4, "\x02")), Outcome::kDone) << "of no store";
  EXPECT_EQ(datum(*users_, "other"), std::nullopt);
  EXPECT_EQ(datum(*all_, "other"), std::nullopt);
  EXPECT_EQ(applier_.totals().type_changes, 2u);
  EXPECT_EQ(applier_.totals().unrouted, 1u);
  ASSERT_EQ(apply("bad", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(apply("bad", wire(2, "\x06")), Outcome::kBad);
  EXPECT_EQ(datum(*users_, "bad"), kUserDatum) << "nobody knows what it was to be";
  EXPECT_EQ(apply("k", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "k"), kUserDatum) << "it is of the type again";
}

TEST_F(ApplierTest, AKeyThatMovedWithAnotherTypeIsAsItsLaterPartitionSaysInAnyOrder) {
  ASSERT_EQ(apply("known", wire(1, kUserDatum)), Outcome::kDone) << "to have the schemas known";
  ASSERT_EQ(apply("known", wire(2, "\x06Rex")), Outcome::kDone);
  applier_.set_compacted(0, true);
  const std::string user = wire(1, kUserDatum), pet = wire(2, "\x06Rex");
  const auto at = [&](std::string_view key, const std::string& value, int partition,
                      std::int64_t timestamp) {
    Incoming record = incoming(key, value);
    record.partition = Partition(partition);
    record.timestamp_ms = timestamp;
    EXPECT_EQ(lane_.apply(record), Outcome::kDone);
  };
  applier_.deleted_keys().watch(true);
  at("gone", pet, 1, 200);
  at("gone", user, 0, 100);  // older, and met later
  EXPECT_EQ(datum(*users_, "gone"), std::nullopt);
  EXPECT_EQ(datum(*all_, "gone"), "\x06Rex") << "that store takes both: nothing left it";
  at("back", pet, 1, 200);
  at("back", user, 0, 300);
  EXPECT_EQ(datum(*users_, "back"), kUserDatum);
  EXPECT_EQ(datum(*all_, "back"), kUserDatum);
  at("kept", user, 1, 200);
  at("kept", pet, 0, 100);
  EXPECT_EQ(datum(*users_, "kept"), kUserDatum);
  EXPECT_EQ(datum(*all_, "kept"), kUserDatum);
  at("moved on", pet, 0, 100);  // outdates nothing in the store that takes it
  at("moved on", user, 1, 50);
  EXPECT_EQ(datum(*users_, "moved on"), std::nullopt);
  at("moved on", user, 1, 200);
  EXPECT_EQ(datum(*users_, "moved on"), kUserDatum);
  applier_.deleted_keys().forget(1);
  at("gone", user, 0, 100);
  EXPECT_EQ(datum(*users_, "gone"), std::nullopt);
  applier_.deleted_keys().forget(0);
  at("gone", user, 0, 100);
  EXPECT_EQ(datum(*users_, "gone"), kUserDatum) << "forgotten";
}

TEST_F(ApplierTest, ABatchDoesAndCountsTheSame) {
  ASSERT_EQ(apply("a", wire(1, kUserDatum)), Outcome::kDone) << "to have the schemas known";
  ASSERT_EQ(apply("a", wire(2, "\x06Rex")), Outcome::kDone);
  ASSERT_EQ(apply("a", wire(4, "\x02")), Outcome::kDone);
  applier_.set_compacted(0, true);
  const Totals before = applier_.totals();
  WriteBatch batch(applier_);
  const std::string user = wire(1, kUserDatum), pet = wire(2, "\x06Rex"), none = wire(4, "\x02");
  const std::pair<const char*, const std::string*> records[] = {
      {"k", &user}, {"k", &pet}, {"l", &user}, {"l", &none}, {"m", &pet}, {"m", &user}};
  for (const auto& [key, value] : records) {
    ASSERT_EQ(batch.add(incoming(key, *value), 0), Outcome::kDone);
  }
  EXPECT_TRUE(batch.waits({0, Partition(2)}));
  ASSERT_EQ(batch.write(), WriteBatch::Step::kDone);
  EXPECT_EQ(datum(*users_, "k"), std::nullopt);
  EXPECT_EQ(datum(*all_, "k"), "\x06Rex");
  EXPECT_EQ(datum(*users_, "l"), std::nullopt);
  EXPECT_EQ(datum(*all_, "l"), std::nullopt);
  EXPECT_EQ(datum(*users_, "m"), kUserDatum);
  EXPECT_EQ(datum(*all_, "m"), kUserDatum);
  const Totals after = applier_.totals();
  EXPECT_EQ(after.records - before.records, 6u);
  EXPECT_EQ(after.updates - before.updates, 5u);
  EXPECT_EQ(after.unrouted - before.unrouted, 1u);
  EXPECT_EQ(after.outdated - before.outdated, 0u);
  EXPECT_EQ(after.type_changes - before.type_changes, 2u);
}

TEST_F(ApplierTest, TimestampsFarAheadOfOurClockAreCounted) {
  constexpr std::int64_t kNow = 1'750'000'000'000;
  const std::string value = wire(1, kUserDatum);
  ASSERT_EQ(apply("known", value), Outcome::kDone);
  lane_.set_now(kNow);
  const auto at = [&](std::int64_t timestamp, bool tombstone = false) {
    Incoming record = incoming("k", std::nullopt);
    if (!tombstone) record.value = as_bytes(value);
    record.timestamp_ms = timestamp;
    EXPECT_EQ(lane_.apply(record), Outcome::kDone);
    return applier_.totals().future_timestamps;
  };
  EXPECT_EQ(at(-1), 0u);
  EXPECT_EQ(at(kNow + 3'599'999), 0u);
  EXPECT_EQ(at(kNow + 3'600'000), 1u);
  EXPECT_EQ(at(store::kTimestampMsEnd), 2u);
  EXPECT_EQ(at(kNow + 3'600'000, true), 3u);
  EXPECT_EQ(at(std::numeric_limits<std::int64_t>::max()), 4u);
}

TEST_F(ApplierTest, ARegistryThatIsAwayLosesNothing) {
  const Incoming record = incoming("a1", std::nullopt);
  const std::string value = wire(77, kUserDatum);
  Incoming waiting = record;
  waiting.value = as_bytes(value);
  EXPECT_EQ(lane_.apply(waiting), Outcome::kWaitsForSchema);
  EXPECT_EQ(lane_.missing_schema(), SchemaId(77));
  EXPECT_EQ(applier_.totals().records, 0u) << "a registry that is away is not a bad record";
  source_.set(77, registry::SchemaText{kUser});
  EXPECT_EQ(apply("a1", value), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"), kUserDatum);
}

TEST_F(ApplierTest, KeysInTheWireFormat) {
  EXPECT_EQ(apply(wire(3, "\x04hi"), wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "hi"), kUserDatum);
  EXPECT_EQ(apply(wire(4, "\x54"), wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "42"), kUserDatum);
  EXPECT_EQ(apply(wire(4, "\x54"), std::nullopt), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "42"), std::nullopt);
  EXPECT_EQ(apply(wire(1, kUserDatum), wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, R"({"id":"a1","age":21})"), kUserDatum);
  EXPECT_EQ(apply(wire(2, "\x06Rex"), wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "Rex"), kUserDatum) << "of a record of one field its text";
  EXPECT_EQ(apply(wire(4, "\x54\x54"), wire(1, kUserDatum)), Outcome::kBad);
  EXPECT_THAT(lane_.bad().detail, HasSubstr("kafka.key_format"));
  EXPECT_EQ(apply(wire(5, "\x54"), wire(1, kUserDatum)), Outcome::kBad);
  EXPECT_THAT(lane_.bad().detail, AllOf(HasSubstr("the key: schema 5"), HasSubstr("PROTOBUF"),
                                        HasSubstr("kafka.key_format")));
}

// Nobody is asked for what no registry gives, and nothing waits for it.
TEST_F(ApplierTest, AnIdOfZeroIsBadAtOnce) {
  const std::string long_key("\0\0\0\0\0\0\0\x2a", 8);
  EXPECT_EQ(lane_.apply(incoming(long_key, wire(1, kUserDatum))), Outcome::kBad);
  EXPECT_EQ(lane_.bad().cause, BadCause::kBadKey);
  EXPECT_THAT(lane_.bad().detail, HasSubstr("kafka.key_format: long"));
  for (const std::int32_t id : {0, -1, -2, std::numeric_limits<std::int32_t>::min()}) {
    const std::string value = wire(id, kUserDatum);
    EXPECT_EQ(lane_.apply(incoming("k", value)), Outcome::kBad);
    EXPECT_EQ(lane_.bad().cause, BadCause::kBadMagic);
    EXPECT_THAT(lane_.bad().detail, HasSubstr("schema id " + std::to_string(id)));
  }
  EXPECT_EQ(schemas_.counts().requests_total, 0u);
}

TEST_F(ApplierTest, SchemasInHeaders) {
  const std::string id_1 = wire(1, "");
  const std::string id_3 = wire(3, "");
  const std::string key = "\x04hi";
  Incoming record = incoming(key, kUserDatum);
  record.key_header = as_bytes(id_3);
  record.value_header = as_bytes(id_1);
  EXPECT_EQ(apply(record), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "hi"), kUserDatum);
  record.value.reset();
  EXPECT_EQ(apply(record), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "hi"), std::nullopt);
  record.value_header = as_bytes("\x02");
  record.value = as_bytes(kUserDatum);
  EXPECT_EQ(apply(record), Outcome::kBad);
  EXPECT_EQ(bad(BadCause::kBadMagic), 1u);
}

TEST_F(ApplierTest, AGuidInAHeaderWaitsForItsIdAndTheStoreHasThatAlone) {
  const std::string guid = "\x01GUID of a schema";
  const std::string key_guid = "\x01GUID of its key.";
  Incoming record = incoming("\x04hi", kUserDatum);
  record.value_header = as_bytes(guid);
  record.key_header = as_bytes(key_guid);
  EXPECT_EQ(lane_.apply(record), Outcome::kWaitsForSchema);
  EXPECT_LT(lane_.missing_schema().value, -1);
  source_.set_guid(key_guid.substr(1), SchemaId(3));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const SchemaId of_key = lane_.missing_schema();
  while (schemas_.find(of_key) == nullptr && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(lane_.apply(record), Outcome::kWaitsForSchema);
  EXPECT_NE(lane_.missing_schema(), of_key);
  source_.set_guid(guid.substr(1), SchemaId(1));
  EXPECT_EQ(apply(record), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "hi"), kUserDatum);
  EXPECT_EQ(applier_.schemas_of(0), std::vector<SchemaId>{SchemaId(1)});
  // One of the same schema that came with its id.
  EXPECT_EQ(apply("a2", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(applier_.writers_of(0), std::vector<SchemaId>{SchemaId(1)});
  EXPECT_EQ(apply(record), Outcome::kDone);
}

TEST_F(ApplierTest, KeysOfAnotherFormat) {
  Applier applier(schemas_, {{"all", all_.get(), [](std::string_view) { return true; }}}, {"topic"},
                  {.key = KeyFormat::kLong});
  ApplyLane lane(applier);
  const std::string value = wire(1, kUserDatum);
  const auto apply_once = [&](std::string_view key) {
    Outcome outcome;
    while ((outcome = lane.apply(incoming(key, value))) == Outcome::kWaitsForSchema) {
      std::this_thread::yield();
    }
    return outcome;
  };
  EXPECT_EQ(apply_once(std::string_view("\0\0\0\0\0\0\0\x15", 8)), Outcome::kDone);
  EXPECT_EQ(datum(*all_, "21"), kUserDatum);
  EXPECT_EQ(applier.key_fields().field(SchemaId(1)), "age") << "a number is known in its field";
  EXPECT_EQ(apply_once("C1"), Outcome::kBad);
  EXPECT_EQ(lane.bad().cause, BadCause::kBadKey);
}

TEST_F(ApplierTest, GoodRecordsWithoutAStoreAreCountedApart) {
  EXPECT_EQ(apply("k", wire(4, "\x02")), Outcome::kDone);
  EXPECT_EQ(applier_.totals().unrouted, 1u);
  EXPECT_EQ(applier_.totals().updates, 0u);
}

TEST_F(ApplierTest, AnOversizedKeyIsBad) {
  EXPECT_EQ(apply(std::string(70'000, 'k'), wire(1, kUserDatum)), Outcome::kBad);
  EXPECT_EQ(bad(BadCause::kBadKey), 1u);
}

TEST_F(ApplierTest, TheKeysFieldIsLearned) {
  EXPECT_EQ(applier_.key_fields().field(SchemaId(1)), std::nullopt);
  apply("a1", wire(1, kUserDatum));
  EXPECT_EQ(applier_.key_fields().field(SchemaId(1)), "id");
  apply("other", wire(2, "\x06Rex"));
  EXPECT_EQ(applier_.key_fields().field(SchemaId(2)), std::nullopt);
}

// A store that refuses writes for a while.
class SickStore final : public store::Store {
 public:
  bool sick = true;
  bool full = false;
  Result<store::PutOutcome> put(const store::RecordView& record) override {
    if (sick) return Error{ErrorCode::kUnavailable, "the store is away"};
    if (full) return Error{ErrorCode::kFull, "the store has reached its cap of memory"};
    return inner->put(record);
  }
  void insert(const store::RecordView& record, store::InsertSink& sink) override {
    inner->insert(record, sink);
  }
  Result<bool> erase(const store::RecordView& key) override {
    if (sick) return Error{ErrorCode::kUnavailable, "the store is away"};
    return inner->erase(key);
  }
  void take(std::string_view key, const store::TakeOnly& only, store::GetSink& sink) override {
    inner->take(key, only, sink);
  }
  void get(std::string_view key, store::GetSink& sink) override { inner->get(key, sink); }
  Result<bool> page(PageStart start, std::size_t keys_max, store::KeySink& sink) override {
    return inner->page(start, keys_max, sink);
  }
  Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition,
                                        Offset below = kAllOffsets) override {
    return inner->erase_partition(topic, partition, below);
  }
  store::Counts counts() const override { return inner->counts(); }
  Status health() const override { return {}; }
  std::unique_ptr<store::Store> inner = store::make_memory_store();
};

TEST_F(ApplierTest, AStoreThatIsAwayLosesNothing) {
  SickStore sick;
  Applier applier(schemas_, {{"sick", &sick, [](std::string_view) { return true; }}}, {"topic"});
  ApplyLane lane(applier);
  ASSERT_EQ(apply("a1", wire(1, kUserDatum)), Outcome::kDone) << "to have the schema known";
  const std::string value = wire(1, kUserDatum);
  const Incoming put = incoming("a1", value);
  const Incoming tombstone = incoming("a1", std::nullopt);
  EXPECT_EQ(lane.apply(put), Outcome::kWaitsForStore);
  EXPECT_EQ(lane.apply(tombstone), Outcome::kWaitsForStore);
  EXPECT_EQ(applier.totals().records, 0u);
  EXPECT_EQ(applier.totals().store_errors, 2u);
  sick.sick = false;
  EXPECT_EQ(lane.apply(put), Outcome::kDone);
  EXPECT_EQ(datum(sick, "a1"), kUserDatum);
  EXPECT_EQ(lane.apply(tombstone), Outcome::kDone);
  EXPECT_EQ(datum(sick, "a1"), std::nullopt);
}

TEST_F(ApplierTest, AFullStoreRefusesARecordAndTheOthersTakeIt) {
  SickStore full;
  full.sick = false;
  full.full = true;
  const auto any = [](std::string_view) { return true; };
  Applier applier(schemas_, {{"full", &full, any}, {"all", all_.get(), any}}, {"topic"});
  ApplyLane lane(applier);
  ASSERT_EQ(apply("known", wire(1, kUserDatum)), Outcome::kDone) << "to have the schema known";
  const std::string value = wire(1, kUserDatum);
  EXPECT_EQ(lane.apply(incoming("a1", value)), Outcome::kDone) << "the next record may come";
  EXPECT_EQ(applier.totals().bad[static_cast<std::size_t>(BadCause::kStoreFull)], 1u);
  EXPECT_EQ(applier.totals().updates, 0u);
  EXPECT_EQ(applier.totals().store_errors, 0u);
  EXPECT_EQ(datum(full, "a1"), std::nullopt);
  EXPECT_EQ(datum(*all_, "a1"), kUserDatum);
  EXPECT_EQ(lane.apply(incoming("a1", std::nullopt)), Outcome::kDone) << "deletes go on";
  EXPECT_EQ(datum(*all_, "a1"), std::nullopt);
  full.full = false;
  EXPECT_EQ(lane.apply(incoming("a2", value)), Outcome::kDone);
  EXPECT_EQ(datum(full, "a2"), kUserDatum);
  EXPECT_EQ(applier.totals().records, 3u);
}

TEST_F(ApplierTest, LanesAddUpAndShareWhatTheyLearn) {
  ApplyLane other(applier_);
  ASSERT_EQ(apply("a1", wire(1, kUserDatum)), Outcome::kDone);
  const std::string value = wire(1, kUserDatum);
  EXPECT_EQ(other.apply(incoming("a1", value)), Outcome::kDone);
  EXPECT_EQ(applier_.totals().updates, 2u);
  EXPECT_EQ(applier_.schemas_of(0), std::vector<SchemaId>{SchemaId(1)});
  EXPECT_EQ(applier_.key_fields().field(SchemaId(1)), "id");
}

class ReaderTest : public ApplierTest {
 protected:
  static constexpr const char* kUserAgeText =
      R"({"type":"record","name":"User","namespace":"test","fields":[{"name":"id","type":"string"},)"
      R"({"name":"age","type":"string"}]})";
  static constexpr const char* kColour =
      R"({"type":"record","name":"User","namespace":"test","fields":[)"
      R"({"name":"c","type":{"type":"enum","name":"C","symbols":["RED","GREEN"]}}]})";
  static constexpr const char* kRed =
      R"({"type":"record","name":"User","namespace":"test","fields":[)"
      R"({"name":"c","type":{"type":"enum","name":"C","symbols":["RED"]}}]})";

  ReaderTest() {
    source_.set(6, registry::SchemaText{kUserAgeText});
    source_.set(7, registry::SchemaText{kColour});
  }

  registry::RouteReader fixed(const char* text) {
    return {"file:r.avsc", {*readers_.fixed("r.avsc", {text})}};
  }
  static bool any(std::string_view) { return true; }

  // As `apply`, with another lane.
  Outcome apply_by(ApplyLane& lane, std::string_view key, std::string_view value) {
    const Incoming record = incoming(key, value);
    Outcome outcome = Outcome::kWaitsForSchema;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (outcome == Outcome::kWaitsForSchema && std::chrono::steady_clock::now() < deadline) {
      outcome = lane.apply(record);
      std::this_thread::yield();
    }
    if (outcome == Outcome::kBad) lane.count_bad(record);
    return outcome;
  }
  static std::uint64_t unresolvable(const Applier& applier) {
    return applier.totals().bad[static_cast<std::size_t>(BadCause::kUnresolvable)];
  }

  registry::FakeSubjects subjects_;
  registry::ReaderSchemas readers_{
      subjects_,
      {.retry = {.first = std::chrono::milliseconds(1), .max = std::chrono::milliseconds(5)},
       .refresh = std::chrono::hours(1)}};
};

TEST_F(ReaderTest, ARecordThatAReaderCannotShowIsBadAndLeavesTheLastGoodValue) {
  Applier applier(schemas_, {{"users", users_.get(), any, {fixed(kUser)}}}, {"topic"});
  ApplyLane lane(applier);
  ASSERT_EQ(apply_by(lane, "a1", wire(1, kUserDatum)), Outcome::kDone);
  EXPECT_EQ(applier.totals().updates, 1u);
  const std::string other =
      "\x04"
      "a1"
      "\x04"
      "xx";
  EXPECT_EQ(apply_by(lane, "a1", wire(6, other)), Outcome::kBad);
  EXPECT_EQ(apply_by(lane, "new", wire(6, other)), Outcome::kBad);
  EXPECT_EQ(unresolvable(applier), 2u);
  EXPECT_EQ(applier.totals().updates, 1u);
  EXPECT_EQ(applier.totals().records, 3u);
  EXPECT_EQ(datum(*users_, "a1"), kUserDatum);
  EXPECT_EQ(datum(*users_, "new"), std::nullopt);
  // The next good one is taken again; a tombstone needs no reader.
  const std::string newer = std::string("\x04") + "a1" + "\x2c";
  EXPECT_EQ(apply_by(lane, "a1", wire(1, newer)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"), newer);
  EXPECT_EQ(lane.apply(incoming("a1", std::nullopt)), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"), std::nullopt);
}

TEST_F(ReaderTest, ADatumThatDoesNotFitIsBadThoughItsSchemaResolves) {
  Applier applier(schemas_, {{"users", users_.get(), any, {fixed(kRed)}}}, {"topic"});
  ApplyLane lane(applier);
  const std::string red(1, '\0');
  EXPECT_EQ(apply_by(lane, "k", wire(7, red)), Outcome::kDone);
  EXPECT_EQ(apply_by(lane, "k", wire(7, "\x02")), Outcome::kBad);
  EXPECT_EQ(unresolvable(applier), 1u);
  EXPECT_EQ(datum(*users_, "k"), red);
}

TEST_F(ReaderTest, AllRoutesOfAStoreHaveToShowItAndOtherStoresTakeItAllTheSame) {
  Applier applier(
      schemas_,
      {{"users", users_.get(), any, {fixed(kUserAgeText), fixed(kUser)}}, {"all", all_.get(), any}},
      {"topic"});
  ApplyLane lane(applier);
  EXPECT_EQ(apply_by(lane, "a1", wire(1, kUserDatum)), Outcome::kBad);
  EXPECT_EQ(unresolvable(applier), 1u);
  EXPECT_EQ(applier.totals().updates, 0u);
  EXPECT_EQ(datum(*users_, "a1"), std::nullopt);
  EXPECT_EQ(datum(*all_, "a1"), kUserDatum);
}

TEST_F(ReaderTest, ARecordThatAReaderCannotShowStillIsOfItsType) {
  const auto pets = store::make_memory_store();
  Applier applier(
      schemas_,
      {{"users", users_.get(), [](std::string_view name) { return name == "test.User"; }},
       {"pets",
        pets.get(),
        [](std::string_view name) { return name == "test.Pet"; },
        {fixed(kUser)}}},
      {"topic"});
  applier.set_compacted(0, true);
  ASSERT_EQ(apply("known", wire(1, kUserDatum)), Outcome::kDone) << "to have the schemas known";
  ASSERT_EQ(apply("known", wire(2, "\x06Rex")), Outcome::kDone);
  ApplyLane lane(applier);
  const std::string user = wire(1, kUserDatum), pet = wire(2, "\x06Rex");
  ASSERT_EQ(lane.apply(incoming("k", user)), Outcome::kDone);
  EXPECT_EQ(lane.apply(incoming("k", pet)), Outcome::kBad);
  EXPECT_EQ(datum(*users_, "k"), std::nullopt);
  EXPECT_EQ(datum(*pets, "k"), std::nullopt);

  WriteBatch batch(applier);
  ASSERT_EQ(batch.add(incoming("k", user), 0), Outcome::kDone);
  EXPECT_EQ(batch.add(incoming("k", pet), 1), Outcome::kBad);
  ASSERT_EQ(batch.write(), WriteBatch::Step::kDone);
  EXPECT_EQ(datum(*users_, "k"), std::nullopt);
  EXPECT_EQ(applier.totals().type_changes, 2u);
}

TEST_F(ReaderTest, AReaderThatIsNotKnownYetLosesNothing) {
  registry::ReaderSchema& latest = readers_.subject("topic-value", registry::kLatestVersion);
  Applier applier(schemas_, {{"users", users_.get(), any, {{"latest", {&latest}}}}}, {"topic"});
  ApplyLane lane(applier);
  ASSERT_EQ(apply("known", wire(1, kUserDatum)), Outcome::kDone) << "to have the schema known";
  const std::string value = wire(1, kUserDatum);
  EXPECT_EQ(lane.apply(incoming("a1", value)), Outcome::kWaitsForSchema);
  EXPECT_EQ(lane.missing_schema(), SchemaId(1));
  EXPECT_EQ(applier.totals().records, 0u);
  EXPECT_EQ(datum(*users_, "a1"), std::nullopt);
  subjects_.set(kUser);
  EXPECT_EQ(apply_by(lane, "a1", value), Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"), kUserDatum);
  // A writer whose schema is the new latest one is not refused by the former one.
  ASSERT_EQ(apply("known", wire(6,
                                "\x04"
                                "a1"
                                "\x04"
                                "xx")),
            Outcome::kDone);
  subjects_.set(kUserAgeText);
  EXPECT_EQ(apply_by(lane, "a1",
                     wire(6,
                          "\x04"
                          "a1"
                          "\x04"
                          "xx")),
            Outcome::kDone);
  EXPECT_EQ(datum(*users_, "a1"),
            "\x04"
            "a1"
            "\x04"
            "xx");
  EXPECT_EQ(unresolvable(applier), 0u);
  // Of the former schema nothing new is taken from now on.
  EXPECT_EQ(apply_by(lane, "a1", value), Outcome::kBad);
  EXPECT_EQ(unresolvable(applier), 1u);
  EXPECT_EQ(datum(*users_, "a1"),
            "\x04"
            "a1"
            "\x04"
            "xx");
}

}  // namespace
}  // namespace push_cache::ingest
