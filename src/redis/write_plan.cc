#include "redis/write_plan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

namespace push_cache::redis {

void WritePlan::make(std::span<const store::Write> writes, std::size_t most) {
  find_doubles(writes);
  used_ = 0;
  // The part that takes more, of each kind, and its bytes.
  std::array<std::size_t, 2> part{};
  std::array<std::size_t, 2> bytes{kBytesMax, kBytesMax};
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    if (is_passed_[i]) continue;
    const bool tombstone = writes[i].tombstone;
    const store::RecordView& record = writes[i].record;
    if (alone_[i]) {
      open(tombstone).writes.push_back(i);
      continue;
    }
    if (bytes[tombstone] >= kBytesMax || parts_[part[tombstone]].writes.size() >= most) {
      open(tombstone);
      part[tombstone] = used_ - 1;
      bytes[tombstone] = 0;
    }
    parts_[part[tombstone]].writes.push_back(i);
    bytes[tombstone] += record.key.size() + record.datum.size();
  }
}

void WritePlan::find_doubles(std::span<const store::Write> writes) {
  table_.assign(std::bit_ceil(writes.size() * 2 + 1), kNone);
  alone_.assign(writes.size(), false);
  is_passed_.assign(writes.size(), false);
  passed_.clear();
  const std::size_t mask = table_.size() - 1;
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    const store::RecordView& record = writes[i].record;
    std::size_t at = std::hash<std::string_view>{}(record.key) & mask;
    while (table_[at] != kNone && writes[table_[at]].record.key != record.key) {
      at = (at + 1) & mask;
    }
    if (table_[at] != kNone) {
      const store::RecordView& before = writes[table_[at]].record;
      if (before.partition == record.partition && before.topic == record.topic) {
        passed_.push_back(table_[at]);
        is_passed_[table_[at]] = true;
        alone_[i] = alone_[table_[at]];
      } else {
        alone_[i] = true;
      }
    }
    table_[at] = i;
  }
}

WritePlan::Part& WritePlan::open(bool tombstones) {
  if (used_ == parts_.size()) parts_.emplace_back();
  Part& part = parts_[used_++];
  part.tombstones = tombstones;
  part.writes.clear();
  return part;
}

}  // namespace push_cache::redis
