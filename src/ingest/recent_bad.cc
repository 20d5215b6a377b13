#include "ingest/recent_bad.h"

#include <algorithm>
#include <utility>

namespace push_cache::ingest {
namespace {

// Not within a character: the text goes out as JSON.
void cut(std::string& text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
  text.resize(end);
}

}  // namespace

void RecentBad::add(BadRecord record) {
  cut(record.detail, kDetailBytesMax);
  const std::lock_guard lock(mutex_);
  records_[added_++ % kRecordsMax] = std::move(record);
}

std::vector<BadRecord> RecentBad::list() const {
  const std::lock_guard lock(mutex_);
  const std::size_t count = std::min<std::uint64_t>(added_, kRecordsMax);
  std::vector<BadRecord> out;
  out.reserve(count);
  for (std::size_t i = 1; i <= count; ++i) out.push_back(records_[(added_ - i) % kRecordsMax]);
  return out;
}

}  // namespace push_cache::ingest
