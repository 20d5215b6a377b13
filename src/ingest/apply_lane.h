// What one record of a topic does to stores in memory, by one of the ingest's threads.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "ingest/record_reader.h"

namespace push_cache::ingest {

// Applies each record before the next one. One thread. Records of one key must all go through one
// lane, or through several in turn.
class ApplyLane final : public RecordReader {
 public:
  // `shared` must outlive the lane.
  explicit ApplyLane(Applier& shared) : RecordReader(shared) {}

  Outcome apply(const Incoming& record);
  // Applies one that was set aside.
  Outcome apply(const SetAsideRecord& record);
  // After kWaitsForStore: why.
  const Error& store_error() const { return store_error_; }

  // Tells the stores that take what came last that records with these keys come next.
  void announce(std::span<const kafka::Message> messages);

 private:
  Outcome put(const Readable& readable, const Incoming& record);
  Outcome tombstone(const Readable& readable, const Incoming& record);
  // Takes its key out of the stores that do not take its type.
  Status take_from_others(const store::RecordView& record, const Route& route);
  void took_the_place(const store::RecordView& record, bool tombstone);
  Outcome store_failed(Error error);

  Error store_error_;
  DeletedKeys::Stores outdated_in_;       // scratch
  std::vector<std::string_view> coming_;  // scratch for announced keys
};

}  // namespace push_cache::ingest
