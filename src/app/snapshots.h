// Snapshots of the service: loaded at its start, taken while it runs and when it stops.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "config/config.h"
#include "ingest/applier.h"
#include "ingest/feed.h"
#include "ingest/resume.h"
#include "registry/schema_cache.h"
#include "snapshot/snapshot.h"
#include "store/local_writes.h"
#include "store/store.h"

namespace push_cache::app {

struct SnapshotStatus {
  // Of the one that was loaded at the start.
  std::uint64_t loaded_records = 0;
  double load_seconds = 0;
  std::optional<std::int64_t> loaded_taken_ms;  // nothing when none was loaded
  std::string refused;                          // why not, "" when it was or there was none
  // Of those taken since.
  std::uint64_t taken = 0;
  std::uint64_t failed = 0;
  std::string last_error;  // "" when the latest attempt went well
  std::int64_t last_taken_ms = 0;
  snapshot::Written last;
};

// Safe from any thread but for what is said.
class Snapshots {
 public:
  struct Surroundings {
    const config::Config& config;
    std::vector<store::Store*> stores;              // those in memory, in the order of cache.stores
    std::vector<store::LocalWrites*> local_writes;  // of each of them
    registry::SchemaCache& schemas;
    ingest::Applier& applier;
  };
  // Makes the folder when it is not there; kInvalidArgument when that can't be done.
  static Result<std::unique_ptr<Snapshots>> create(Surroundings around);
  ~Snapshots();

  // For FeedOptions::restore: puts what the file holds into the (empty) stores. Nothing when there
  // is none, or none that is of use; the log and the status say why.
  std::optional<ingest::ResumePoint> restore();
  // Takes one each interval from now on. `feed` must outlive this.
  void start(const ingest::Feed& feed);
  // Ends that, and waits for one that is under way.
  void stop();
  // Takes one now, unless not all is loaded. Gives up when `interrupted` says so.
  void take(const std::function<bool()>& interrupted);

  SnapshotStatus status() const;

 private:
  explicit Snapshots(Surroundings around) : around_(std::move(around)) {}
  Status load(std::optional<ingest::ResumePoint>& out);
  void learn();
  void add_set_aside(snapshot::Description& description) const;
  std::string configuration() const;
  std::vector<std::string> names() const;

  const Surroundings around_;
  const ingest::Feed* feed_ = nullptr;
  std::mutex take_mutex_;  // one at a time
  mutable std::mutex mutex_;
  SnapshotStatus status_;
  std::jthread timer_;
};

}  // namespace push_cache::app
