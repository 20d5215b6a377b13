// What a feed says of itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "ingest/board.h"
#include "ingest/dead_letters.h"
#include "kafka/group_consumer.h"

namespace push_cache::ingest {

struct PartitionStatus {
  std::string topic;
  Partition partition{0};
  Offset position{0};  // of the next record to apply; in a group: all before it are in the store
  Offset target{0};    // to be reached before this partition is caught up
  Offset end{0};       // as its leader said last
  Offset log_start{0};
  double lag_seconds = 0;  // the age of the latest moment of which all that was in the log then is
                           // applied; grows while Kafka is not heard
  PartitionStage stage = PartitionStage::kLoading;
  std::size_t unanswered = 0;  // see PartitionState
  Digest digest;               // position kNoDigest: none now
  Digest mark;                 // position 0 before there is one
  bool owned = true;           // read by this process; in a group another one may
  std::optional<Offset> kept;  // of a group: the position that the stores keep
  std::int64_t lag_records() const { return std::max<std::int64_t>(end.value - position.value, 0); }
};

struct TopicStatus {
  std::string topic;
  std::string id;                             // "" = not known
  std::optional<std::string> cleanup_policy;  // nothing: not asked yet, refused, or not to be had
};

// Of a feed that is a member of a group.
struct GroupStatus {
  std::string group_id;
  std::uint64_t rebalances = 0;  // partitions came or went
  std::uint64_t losses = 0;      // partitions of which a store had lost records, each time
  kafka::CommitCounts commits;
  std::string store_error;         // why a store does not take writes now; "" when all do
  double store_error_seconds = 0;  // since when
};

struct FeedStatus {
  bool ready = false;
  bool connected = false;
  std::string error;                 // why not connected, "" otherwise; holds no secret
  std::vector<std::string> reasons;  // why not ready, for people; empty when ready
  std::vector<PartitionStatus> partitions;
  std::vector<TopicStatus> topics;
  std::vector<std::string> topic_ids;  // in the order of the topics; "" = not known
  // Why topics are read from their beginning although a snapshot of them was there.
  std::vector<std::string> resume_refusals;
  std::optional<DeadLetterStatus> dead_letters;
  std::optional<GroupStatus> group;
  double records_per_second = 0;              // lately
  std::optional<double> first_ready_seconds;  // from the start of the feed; nothing before
  std::optional<double> eta_seconds;          // until caught up; nothing when unknown or ready
  std::int64_t lag_records() const {
    std::int64_t sum = 0;
    for (const PartitionStatus& partition : partitions) sum += partition.lag_records();
    return sum;
  }
};

}  // namespace push_cache::ingest
