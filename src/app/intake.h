// One way from Kafka to some of the stores. There are two kinds, since stores in memory need every
// record of every partition in each process, and shared ones each record once for all processes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/types.h"
#include "ingest/applier.h"
#include "ingest/feed.h"
#include "ingest/group_feed.h"

namespace push_cache::app {

struct Intake {
  bool shared = false;              // fed by a consumer group
  std::vector<std::size_t> stores;  // places in Pipeline::stores
  std::unique_ptr<ingest::Applier> applier;
  // One of the two, by `shared`; both null before Pipeline::start.
  std::unique_ptr<ingest::Feed> feed;
  std::unique_ptr<ingest::GroupFeed> group;

  // The following from any thread.
  bool ready() const;
  // Whether what the stores hold is of the topics as they are, if older.
  bool trusted() const { return feed == nullptr || feed->trusted(); }
  ingest::FeedStatus status() const;  // of nothing before the start
};

// Of all together: ready when each is; what is counted is added up, and the partitions are those of
// one after the other.
ingest::FeedStatus sum(const std::vector<ingest::FeedStatus>& feeds);
ingest::Totals sum(const std::vector<Intake>& intakes);

}  // namespace push_cache::app
