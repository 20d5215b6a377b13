#include "ingest/set_aside.h"

#include <algorithm>
#include <utility>

#include "avro/key_text.h"
#include "avro/wire.h"
#include "base/utf8.h"

namespace push_cache::ingest {
namespace {

// What a record takes beside its texts, about.
constexpr std::size_t kRecordOverhead = 256;
constexpr std::size_t kKeyOverhead = 64;
constexpr std::size_t kUuidBytes = 16;
// Shorter ones fit by accident: an enum, two small numbers.
constexpr std::ptrdiff_t kSureNumberBytes = 2;
constexpr std::size_t kSureTextBytes = 4;

// Its texts, and the keys that readers are told of, which are there twice.
std::size_t cost_of(const SetAsideRecord& record) {
  std::size_t sum =
      kRecordOverhead + record.record.bytes() + (record.key ? 2 * record.key->size() : 0);
  for (const std::string& key : record.possible_keys.texts) sum += 2 * (kKeyOverhead + key.size());
  return sum;
}

void add_scalars(const std::uint8_t* at, const std::uint8_t* end, PossibleKeys& out) {
  const avro::Varint varint = avro::read_varint(at, end);
  if (varint.next == nullptr) return;
  const std::int64_t number = avro::unzigzag(varint.raw);
  if (varint.next == end) {
    out.texts.push_back(std::to_string(number));
    out.any = out.any && end - at < kSureNumberBytes;
  }
  if (number != end - varint.next) return;
  const std::string_view text(reinterpret_cast<const char*>(varint.next),
                              static_cast<std::size_t>(number));
  out.texts.push_back(avro::bytes_key_text({varint.next, end}));
  if (!is_utf8(text)) return;
  out.texts.emplace_back(text);
  out.any = out.any && text.size() < kSureTextBytes;
}

store::UnreadKeys::Record told_of(const SetAsideRecord& record) {
  using Kind = store::UnreadKeys::Kind;
  return {.kind = record.key ? Kind::kSetAside : Kind::kMayBeOfKey,
          .topic = record.record.at.topic,
          .partition = record.record.at.partition,
          .offset = record.record.offset,
          .timestamp_ms = record.record.timestamp_ms,
          .schema = record.waits_for};
}

bool tells(const SetAsideRecord& record, const std::string& key) {
  if (record.given_up) return false;
  const auto& texts = record.possible_keys.texts;
  return record.key ? *record.key == key
                    : std::find(texts.begin(), texts.end(), key) != texts.end();
}

}  // namespace

PossibleKeys possible_keys(Bytes datum) {
  PossibleKeys out;
  const std::uint8_t* const end = datum.data() + datum.size();
  add_scalars(datum.data(), end, out);
  if (datum.size() == 1 && datum[0] <= 1) out.texts.emplace_back(datum[0] == 1 ? "true" : "false");
  if (datum.size() == kUuidBytes) out.texts.push_back(avro::uuid_key_text(datum.data()));
  // The second or first branch of a union with null.
  if (!datum.empty() && (datum[0] == 0 || datum[0] == 2)) add_scalars(datum.data() + 1, end, out);
  std::sort(out.texts.begin(), out.texts.end());
  out.texts.erase(std::unique(out.texts.begin(), out.texts.end()), out.texts.end());
  return out;
}

bool SetAside::fits(std::size_t bytes) const {
  return records_ < limits::kSetAsideRecordsMax &&
         bytes_ + bytes + kRecordOverhead <= limits::kSetAsideBytesMax;
}

bool SetAside::make_room(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  while (!fits(bytes)) {
    if (!drop_given_up()) return false;
  }
  return true;
}

bool SetAside::drop_given_up() {
  if (given_up_ == 0) return false;
  for (const auto& [at, records] : partitions_) {
    for (const auto& [offset, record] : records) {
      if (!record->given_up || record->letter_waits) continue;
      drop(at, offset);
      return true;
    }
  }
  return false;
}

// The new keys are told before the old ones are taken back: a reader must not miss both.
void SetAside::add(SetAsideRecord record) {
  const kafka::TopicPartition at = record.record.at;
  const Offset offset = record.record.offset;
  const auto kept = std::make_shared<const SetAsideRecord>(std::move(record));
  std::vector<store::UnreadKeys::Place> gone;
  const std::lock_guard lock(mutex_);
  const auto before = std::exchange(partitions_[at][offset], kept);
  bytes_ += cost_of(*kept);
  given_up_ += kept->given_up ? 1 : 0;
  tell_keys(*kept, &gone);
  if (before != nullptr) {
    take_back_keys(*before, kept.get());
    bytes_ -= cost_of(*before);
    given_up_ -= before->given_up ? 1 : 0;
  } else {
    ++records_;
    ++total_;
  }
  for (const auto& one : gone) {
    const bool itself =
        one.topic == at.topic && one.partition == at.partition && one.offset == offset;
    if (!itself) drop({one.topic, one.partition}, one.offset);
  }
}

void SetAside::tell_keys(const SetAsideRecord& record,
                         std::vector<store::UnreadKeys::Place>* gone) {
  if (record.given_up) return;
  const store::UnreadKeys::Record told = told_of(record);
  if (record.key) {
    (void)keys_.add(*record.key, told, false, gone);
    return;
  }
  // Whatever key it turns out to be may be deleted meanwhile.
  deletions_.hold(1);
  for (const std::string& key : record.possible_keys.texts) (void)keys_.add(key, told);
  if (record.possible_keys.any) keys_.count_any_key(told.topic, 1);
}

void SetAside::take_back_keys(const SetAsideRecord& record, const SetAsideRecord* next) {
  if (record.given_up) return;
  const store::UnreadKeys::Record told = told_of(record);
  const bool alike = next != nullptr && !next->given_up && told == told_of(*next);
  const auto take_back = [&](const std::string& key) {
    if (!alike || !tells(*next, key)) keys_.remove(key, told);
  };
  if (record.key) return take_back(*record.key);
  std::for_each(record.possible_keys.texts.begin(), record.possible_keys.texts.end(), take_back);
  if (record.possible_keys.any) keys_.count_any_key(told.topic, -1);
  deletions_.hold(-1);
}

void SetAside::drop(kafka::TopicPartition at, Offset offset) {
  const auto records = partitions_.find(at);
  if (records == partitions_.end()) return;
  const auto one = records->second.find(offset);
  if (one == records->second.end()) return;
  take_back_keys(*one->second);
  bytes_ -= cost_of(*one->second);
  given_up_ -= one->second->given_up ? 1 : 0;
  --records_;
  records->second.erase(one);
  if (records->second.empty()) partitions_.erase(records);
}

void SetAside::replace(const store::RecordView& came, bool tombstone, bool sole) {
  std::vector<store::UnreadKeys::Place> gone;
  keys_.replace(came, tombstone, sole, gone);
  if (gone.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& one : gone) drop({one.topic, one.partition}, one.offset);
}

void SetAside::remove(kafka::TopicPartition at, Offset offset) {
  const std::lock_guard lock(mutex_);
  drop(at, offset);
}

void SetAside::erase(kafka::TopicPartition at, Offset below) {
  const std::lock_guard lock(mutex_);
  const auto records = partitions_.find(at);
  if (records == partitions_.end()) return;
  std::vector<Offset> gone;
  for (const auto& [offset, record] : records->second) {
    if (offset < below) gone.push_back(offset);
  }
  for (const Offset offset : gone) drop(at, offset);
}

std::vector<SetAside::Wait> SetAside::of(kafka::TopicPartition at) const {
  std::vector<Wait> out;
  const std::lock_guard lock(mutex_);
  const auto records = partitions_.find(at);
  if (records == partitions_.end()) return out;
  out.reserve(records->second.size());
  for (const auto& [offset, record] : records->second) {
    out.push_back({offset, record->waits_for, record->given_up, record->letter_waits});
  }
  return out;
}

std::size_t SetAside::count_of(kafka::TopicPartition at) const {
  if (!any()) return 0;
  const std::lock_guard lock(mutex_);
  const auto records = partitions_.find(at);
  return records == partitions_.end() ? 0 : records->second.size();
}

bool SetAside::waits(kafka::TopicPartition at) const {
  if (!any()) return false;
  const std::lock_guard lock(mutex_);
  const auto records = partitions_.find(at);
  return records != partitions_.end() &&
         std::any_of(records->second.begin(), records->second.end(),
                     [](const auto& one) { return !one.second->given_up; });
}

std::shared_ptr<const SetAsideRecord> SetAside::find(kafka::TopicPartition at,
                                                     Offset offset) const {
  const std::lock_guard lock(mutex_);
  const auto records = partitions_.find(at);
  if (records == partitions_.end()) return nullptr;
  const auto one = records->second.find(offset);
  return one == records->second.end() ? nullptr : one->second;
}

std::vector<std::shared_ptr<const SetAsideRecord>> SetAside::list(std::size_t max) const {
  std::vector<std::shared_ptr<const SetAsideRecord>> out;
  const std::lock_guard lock(mutex_);
  for (const auto& [at, records] : partitions_) {
    for (const auto& [offset, record] : records) {
      if (out.size() == max) return out;
      out.push_back(record);
    }
  }
  return out;
}

SetAside::Counts SetAside::counts() const {
  const std::lock_guard lock(mutex_);
  return {.records = records_ - given_up_, .given_up = given_up_, .bytes = bytes_, .total = total_};
}

}  // namespace push_cache::ingest
