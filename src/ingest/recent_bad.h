// The last records that could not be applied, for people who ask why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"

namespace push_cache::ingest {

enum class BadCause : std::uint8_t;

// One of them, without what was in it: that may be anybody's secret.
struct BadRecord {
  std::int64_t seen_ms = 0;  // when it was met, ms since 1970
  std::uint32_t topic = 0;   // index into the configured topics
  Partition partition{0};
  Offset offset{0};
  BadCause cause{};
  std::optional<SchemaId> schema;  // that its value names, whether there is such a one or not
  std::string detail;              // as in the log, at most kDetailBytesMax
};

// Keeps the last kRecordsMax. Safe from any thread.
class RecentBad {
 public:
  static constexpr std::size_t kRecordsMax = 50;
  static constexpr std::size_t kDetailBytesMax = 300;

  void add(BadRecord record);
  // The latest first.
  std::vector<BadRecord> list() const;

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::array<BadRecord, kRecordsMax> records_;
  std::uint64_t added_ = 0;  // the i-th of all is at i % kRecordsMax
};

}  // namespace push_cache::ingest
