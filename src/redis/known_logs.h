// Which log of a topic's name a process reads now, by the mark that records of it have in Redis.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace push_cache::redis {

// A record keeps 32 bits of a hash of its topic's id, and the name's 32 (RecordView::log). While
// the process knows an id with this hash, that says which log it is, as it does for stores in
// memory: the ETags of both kinds of stores are the same. Lock-free; one thread sets a topic.
class KnownLogs {
 public:
  explicit KnownLogs(std::size_t topics) : rows_(std::make_unique<Row[]>(topics)) {}

  // `log`: what its records have. `identity`: as LogIdentities has it.
  void set(std::uint32_t topic, std::uint64_t log, std::uint64_t identity) {
    Row& row = rows_[topic];
    row.identity.store(0);  // until both fit
    row.log.store(log);
    row.identity.store(identity);
  }
  // The identity of a record's log; of a log that is not the known one what the record has itself.
  std::uint64_t identity(std::uint32_t topic, std::uint64_t log) const {
    const Row& row = rows_[topic];
    const std::uint64_t before = row.identity.load();
    if (row.log.load() != log) return log;
    return before != 0 && row.identity.load() == before ? before : log;
  }

 private:
  struct Row {
    std::atomic<std::uint64_t> identity{0};
    std::atomic<std::uint64_t> log{0};
  };
  std::unique_ptr<Row[]> rows_;
};

}  // namespace push_cache::redis
