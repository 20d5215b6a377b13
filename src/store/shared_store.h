// What a store can do beside the rest that several processes fill together, and that outlives them.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "store/store.h"

namespace push_cache::store {

// The store itself keeps how far each partition is in it, its position: all records before it are
// there. So whoever reads a partition next knows where to go on, and everybody sees when a store
// has lost what it had acknowledged: positions are kept beside the records, behind them in each
// server's own order, so that they are lost with them.
//
// As for Store everything may be called from any thread. What blocks is not for event loops.
class SharedStore : public Store {
 public:
  struct Source {
    std::uint32_t topic = 0;
    Partition partition{0};
    auto operator<=>(const Source&) const = default;
  };

  // Makes sure that this store is filled by one kind of process only: what this one fills it with
  // (the topics that it takes, what it takes of them, and Kafka's cluster of this id, "" = Kafka
  // does not tell it) is kept with the positions, and compared with what is kept there. kConflict
  // says both when they differ; from then on, as before the first success, what writes, removes or
  // reads records fails with kUnavailable, and `health` says so after a conflict. To be called
  // before any of that, and again and again: others may have taken the store once it has lost
  // what it had. Blocks.
  virtual Status claim(std::string_view cluster_id) = 0;

  // Which log of the topic's name records come from now on; before the first of them is written.
  // `id` is Kafka's topic id as text ("" = not known, as at first), with kCompactedMark behind it
  // when the topic is compacted and the stores keep only what is of a key's last type ("-" is the
  // id then when it is not known). Positions and records of another log of the name are none of
  // this one, whatever their offsets.
  static constexpr std::string_view kCompactedMark = " compact";
  virtual void set_topic_id(std::uint32_t topic, std::string_view id) = 0;

  struct Kept {
    std::optional<Offset> position;  // the lowest that a server has; nothing = none is known
    // A server had a later one before: it has lost what is behind `position` (all, when that is
    // nothing). Told once.
    bool went_back = false;
  };
  // The positions that are kept. Blocks; a store that takes no writes answers all the same.
  virtual Result<std::vector<Kept>> positions(std::span<const Source> sources) = 0;
  struct Progress {
    Source source;
    Offset reached;  // the store has acknowledged all before it
  };
  // Keeps positions, and gives those that are kept then. That may be others: of several processes
  // the latest counts, there may be no memory, and what has gone back stays until `positions` has
  // told it. Blocks.
  virtual Result<std::vector<std::optional<Offset>>> advance(std::span<const Progress> all) = 0;

  // The schemas that records were written with, of this process and of others. Some may be missing:
  // they are noted beside the records. Blocks.
  virtual Result<std::vector<SchemaId>> schemas() = 0;

  // A load: from now on the partition is read from the beginning of its log, since nobody knows how
  // much of it is here. Forgets its position, and the one that processes keep which take the topic
  // to be compacted (or not), other than this one: they see that it went back. True when something
  // may be here that the log does not have any more: then what is written is remembered, and
  // `end_loads` takes out the rest. Blocks. `replaced`: the log is another one than what is here
  // came from, so that all of this is taken out first, as long as that takes.
  virtual Result<bool> begin_load(Source source, bool replaced) = 0;
  virtual void cancel_load(Source source) = 0;
  struct LoadEnd {
    Source source;
    Offset end;  // the log was read up to here
  };
  // Takes out what has an offset before its end and was not written since `begin_load`, and what is
  // of another topic of the name. `done` is called once, on a thread of the store's, not after the
  // store's end; with an error: call it again.
  virtual void end_loads(std::vector<LoadEnd> ends, std::function<void(Status)> done) = 0;

  // A doubt: a server is another one than before, or was restarted, so that records may be missing.
  // Reads fail with kUnavailable (and so does `health`) until someone has called `positions` and
  // drawn the consequences, and says so by `trust` with what `doubts` was before.
  virtual std::uint64_t doubts() const = 0;
  virtual void trust(std::uint64_t doubts) = 0;
  // `listener` is called on any thread when there is a new doubt; it must not block. Not called any
  // more once another one (or none) is set.
  virtual void on_doubt(std::function<void()> listener) = 0;
};

}  // namespace push_cache::store
