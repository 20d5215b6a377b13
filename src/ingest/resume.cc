#include "ingest/resume.h"

#include <fmt/format.h>

#include "ingest/log_name.h"

namespace push_cache::ingest {
namespace {

Error refused(std::string why) { return {ErrorCode::kConflict, std::move(why)}; }

Status check_age(const ResumePoint& from, const TopicNow& now, std::int64_t now_ms) {
  if (!now.cleanup.compacted) return {};  // its tombstones go with the log's start
  const std::int64_t age_ms = now_ms - from.taken_ms;
  const std::int64_t limit_ms = now.cleanup.tombstones_kept.count() / 10 * 9;
  if (age_ms < 0) {
    return refused("it was taken in the future: has this machine's clock been set back?");
  }
  if (age_ms < limit_ms) return {};
  return refused(fmt::format(
      "it is {} s old, and tombstones of '{}' may be gone after {} s (delete.retention.ms)",
      age_ms / 1000, now.name, now.cleanup.tombstones_kept.count() / 1000));
}

}  // namespace

Status may_resume(const ResumePoint& from, std::uint32_t topic, const TopicNow& now,
                  std::int64_t now_ms) {
  const std::string& was = from.logs.at(topic);
  if (was.empty() || now.id.empty()) {
    return refused(fmt::format(
        "the brokers give no id for '{}', so a topic made anew could not be told", now.name));
  }
  if (was == log_name(now.id, !now.compacted)) {
    return refused(
        fmt::format("'{}' {} compacted since (cleanup.policy), and stores keep other keys by that",
                    now.name, now.compacted ? "has become" : "is no longer"));
  }
  if (was != log_name(now.id, now.compacted)) {
    return refused(fmt::format("'{}' was deleted and made again since (its id was {} and is {})",
                               now.name, was, now.id));
  }
  if (Status young = check_age(from, now, now_ms); !young.ok()) return young;
  for (const ResumePoint::Position& one : from.partitions) {
    if (one.at.topic != topic) continue;
    const auto found = now.marks.find(one.at.partition);
    if (found == now.marks.end()) {
      return refused(fmt::format("{}/{} is not there any more", now.name, one.at.partition.value));
    }
    const kafka::Watermarks& marks = found->second;
    if (one.position < marks.low) {
      return refused(fmt::format("{}/{} begins at offset {} now, and the snapshot ends at {}",
                                 now.name, one.at.partition.value, marks.low.value,
                                 one.position.value));
    }
    if (one.position > marks.high) {
      return refused(fmt::format("{}/{} ends at offset {} now, and the snapshot ends at {}",
                                 now.name, one.at.partition.value, marks.high.value,
                                 one.position.value));
    }
  }
  return {};
}

}  // namespace push_cache::ingest
