// Whether the ingest may go on from where a snapshot ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "kafka/consumer.h"

namespace push_cache::ingest {

// The end of a snapshot whose records are in the stores already.
struct ResumePoint {
  struct Position {
    kafka::TopicPartition at;
    Offset log_start{0};  // of the partition when the snapshot was taken
    Offset position{0};   // of the next record to apply
  };
  std::int64_t taken_ms = 0;              // when the positions were read, ms since 1970
  std::vector<std::string> logs;          // log_name of the configured topics, in their order
  std::vector<Position> partitions = {};  // in the order of `at`
  std::uint64_t restarts = 0;             // of the feed that gave it; see Feed::restarts
};

// What Kafka says of one topic now.
struct TopicNow {
  std::string name;
  std::string id;  // "" when the brokers give none
  // As Applier::compacted: stores lose keys whose type changes.
  bool compacted = false;
  kafka::TopicCleanup cleanup;
  std::map<Partition, kafka::Watermarks> marks;  // of all its partitions
};

// Success when replaying topic number `topic` from the snapshot's positions gives what a replay
// from its beginning gives (once records below the log's start are taken out). The error says why
// not. `now_ms` = the time now.
//
// A key that was deleted after the snapshot is only known by its tombstone. Compaction removes a
// tombstone once it is older than delete.retention.ms, so a snapshot is only good while it is
// younger than nine tenths of that: the replay takes time too, and clocks differ.
Status may_resume(const ResumePoint& from, std::uint32_t topic, const TopicNow& now,
                  std::int64_t now_ms);

}  // namespace push_cache::ingest
