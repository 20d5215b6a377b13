// What tells the log of a topic from another one that had its name, in few bytes: part of ETags.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace push_cache::store {

// The identity of a log: of the topic's id when that is known, else of the topic's name.
std::uint64_t log_identity(std::string_view topic, std::string_view id);

// The identity of each topic's log: 64 bits of a hash of the id that Kafka gives the topic, until
// that is known (or when no broker tells it) of the topic's name. It is the same in every process
// and after every restart, whatever the order of the topics in the configuration.
//
// Stores in memory do not keep with each record which log it is of, so the order of steps makes the
// identity that of the record at hand. Who fills the stores replaces a log so:
//
//   1. close the gate        2. `set`        3. take the old log's records out
//   4. read the new log      5. open the gate
//
// and who shows a record reads so:
//
//   1. `replaced`    2. the gate    3. the record    4. `of`    5. `replaced` again
//
// With an open gate and the same number twice the identity is the record's. If the number was read
// before `set` had begun both times, so was everything between, and the record and the identity are
// of the old log: records of the new one come after `set`. If it was read after `set` had begun,
// the gate was closed by then, and is open only once no record of the old log is left.
//
// Lock-free; safe from any thread.
class LogIdentities {
 public:
  explicit LogIdentities(const std::vector<std::string>& topics);

  // Kafka's id of the topic; "" changes nothing. One thread per topic.
  void set(std::uint32_t topic, std::string_view id);
  std::uint64_t of(std::uint32_t topic) const {
    return topic < topics_ ? rows_[topic].identity.load(std::memory_order_acquire) : 0;
  }
  // How often `set` has replaced an id by another one. An id that is heard first replaces none: the
  // records that are there are of the log that it names.
  std::uint64_t replaced() const { return replaced_.load(std::memory_order_seq_cst); }

 private:
  struct Row {
    std::atomic<std::uint64_t> identity{0};
    std::atomic<bool> known{false};
  };
  std::size_t topics_;
  std::unique_ptr<Row[]> rows_;
  std::atomic<std::uint64_t> replaced_{0};
};

}  // namespace push_cache::store
