#include "ingest/set_aside.h"

#include <algorithm>
#include <limits>

#include "avro/key_text.h"
#include "avro/wire.h"
#include "base/utf8.h"

namespace push_cache::ingest {
namespace {

// What a record takes beside its texts, about.
constexpr std::size_t kRecordOverhead = 256;
constexpr std::size_t kUuidBytes = 16;

std::size_t cost_of(const SetAsideRecord& record) {
  return kRecordOverhead + record.record.bytes() + (record.key ? record.key->size() : 0);
}

void add_scalars(const std::uint8_t* at, const std::uint8_t* end, std::vector<std::string>& out) {
  const avro::Varint varint = avro::read_varint(at, end);
  if (varint.next == nullptr) return;
  const std::int64_t number = avro::unzigzag(varint.raw);
  if (varint.next == end) out.push_back(std::to_string(number));
  if (number != end - varint.next) return;
  const std::string_view text(reinterpret_cast<const char*>(varint.next),
                              static_cast<std::size_t>(number));
  out.push_back(avro::bytes_key_text({varint.next, end}));
  if (is_utf8(text)) out.emplace_back(text);
}

}  // namespace

std::vector<std::string> possible_keys(Bytes datum) {
  std::vector<std::string> out;
  const std::uint8_t* const end = datum.data() + datum.size();
  add_scalars(datum.data(), end, out);
  if (datum.size() == 1 && datum[0] <= 1) out.emplace_back(datum[0] == 1 ? "true" : "false");
  if (datum.size() == kUuidBytes) out.push_back(avro::uuid_key_text(datum.data()));
  // The second or first branch of a union with null.
  if (!datum.empty() && (datum[0] == 0 || datum[0] == 2)) add_scalars(datum.data() + 1, end, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool SetAside::has_room(std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  return records_ < limits::kSetAsideRecordsMax &&
         bytes_ + bytes + kRecordOverhead <= limits::kSetAsideBytesMax;
}

void SetAside::add(SetAsideRecord record) {
  const kafka::TopicPartition at = record.record.at;
  const Offset offset = record.record.offset;
  const auto kept = std::make_shared<const SetAsideRecord>(std::move(record));
  std::vector<store::UnreadKeys::Place> gone;
  const std::lock_guard lock(mutex_);
  auto& place = partitions_[at][offset];
  if (place != nullptr) {
    take_back_keys(*place);
    bytes_ -= cost_of(*place);
  } else {
    ++records_;
    ++total_;
  }
  place = kept;
  bytes_ += cost_of(*kept);
  tell_keys(*kept, &gone);
  for (const auto& one : gone) drop({one.topic, one.partition}, one.offset);
}

void SetAside::tell_keys(const SetAsideRecord& record,
                         std::vector<store::UnreadKeys::Place>* gone) {
  if (record.settled) return;
  using Kind = store::UnreadKeys::Kind;
  const kafka::RecordCopy& from = record.record;
  const store::UnreadKeys::Record told{.kind = record.key ? Kind::kSetAside : Kind::kMayBeOfKey,
                                       .topic = from.at.topic,
                                       .partition = from.at.partition,
                                       .offset = from.offset,
                                       .timestamp_ms = from.timestamp_ms,
                                       .schema = record.waits_for};
  if (record.key) {
    (void)keys_.add(*record.key, told, gone);
    return;
  }
  // Whatever key it turns out to be may be deleted meanwhile.
  deletions_.hold(1);
  for (const std::string& key : record.possible_keys) (void)keys_.add(key, told);
  if (record.possible_keys.empty()) keys_.count_any_key(from.at.topic, 1);
}

void SetAside::take_back_keys(const SetAsideRecord& record) {
  if (record.settled) return;
  const kafka::RecordCopy& from = record.record;
  const store::UnreadKeys::Place place{from.at.topic, from.at.partition, from.offset};
  if (record.key) return keys_.remove(*record.key, place);
  deletions_.hold(-1);
  for (const std::string& key : record.possible_keys) keys_.remove(key, place);
  if (record.possible_keys.empty()) keys_.count_any_key(from.at.topic, -1);
}

void SetAside::drop(kafka::TopicPartition at, Offset offset) {
  const auto records = partitions_.find(at);
  if (records == partitions_.end()) return;
  const auto one = records->second.find(offset);
  if (one == records->second.end()) return;
  take_back_keys(*one->second);
  bytes_ -= cost_of(*one->second);
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
    out.push_back({offset, record->waits_for, record->settled});
  }
  return out;
}

std::size_t SetAside::count_of(kafka::TopicPartition at) const {
  if (!any()) return 0;
  const std::lock_guard lock(mutex_);
  const auto records = partitions_.find(at);
  return records == partitions_.end() ? 0 : records->second.size();
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
  return {.records = records_, .bytes = bytes_, .total = total_};
}

}  // namespace push_cache::ingest
