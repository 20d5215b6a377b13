// What becomes of the records that one thread of the ingest cannot apply.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/board.h"
#include "ingest/dead_letters.h"
#include "ingest/record_reader.h"
#include "kafka/client.h"

namespace push_cache::ingest {

// What becomes of a record that cannot be applied.
enum class OnBadRecord : std::uint8_t {
  kSkip,        // counted and logged; the key keeps its last good value
  kStop,        // the partition stays there
  kDeadLetter,  // it goes to a topic of its own, and the position moves on when that has it
};

// Of a partition whose next record waits.
inline PartitionStage stage_of(Outcome outcome) {
  return outcome == Outcome::kWaitsForSchema ? PartitionStage::kWaitingForSchema
                                             : PartitionStage::kWaitingForStore;
}

// Does what the policy says, and knows which dead letters are not acknowledged. One thread.
class BadRecords {
 public:
  // `letters`: for kDeadLetter. When one of its answers has come, the poll of `queue` is woken.
  BadRecords(OnBadRecord policy, DeadLetters* letters, kafka::Client& client, std::size_t queue);
  ~BadRecords();
  BadRecords(const BadRecords&) = delete;
  BadRecords& operator=(const BadRecords&) = delete;

  // For the record that `reader` found bad last: nothing = go on behind it; a stage = wait there.
  // `copy` is called when it has to be kept. Counts it, unless it waits for other letters.
  std::optional<PartitionStage> settle(RecordReader& reader, const kafka::Message& message,
                                       const std::function<kafka::RecordCopy()>& copy);
  // The first record of the partition whose letter is not acknowledged: no position is beyond it.
  std::optional<Offset> first_waiting(kafka::TopicPartition at) const {
    if (letters_.empty()) return std::nullopt;
    const auto found = waiting_.find(at);
    return found == waiting_.end() ? std::nullopt : std::optional(*found->second.begin());
  }
  // Whether the letter of this record is not acknowledged.
  bool waits(kafka::TopicPartition at, Offset offset) const {
    const auto found = waiting_.find(at);
    return found != waiting_.end() && found->second.contains(offset);
  }
  // Partitions of which letters were acknowledged since the last call; sends those again that have
  // failed.
  std::vector<kafka::TopicPartition> look();
  // What waits of this partition holds no position any more; it is still delivered.
  void forget(kafka::TopicPartition at);

 private:
  struct Letter {
    bool counts = true;  // false: its partition was forgotten since
    kafka::RecordCopy record;
    RecordReader::Bad why;
    std::chrono::steady_clock::time_point retry_at{};
    bool sent = false;
  };
  // What the dead letters' producer tells, also when this has gone.
  struct Answers {
    std::mutex mutex;
    BadRecords* owner = nullptr;  // null once it has gone
    std::vector<std::pair<std::uint64_t, bool>> of_letters;
  };

  void send(std::uint64_t number, Letter& letter);

  const OnBadRecord policy_;
  DeadLetters* const dead_letters_;
  kafka::Client& client_;
  const std::size_t queue_;
  std::map<std::uint64_t, Letter> letters_;
  std::map<kafka::TopicPartition, std::set<Offset>> waiting_;  // no set is empty
  std::uint64_t next_letter_ = 0;
  std::shared_ptr<Answers> answers_ = std::make_shared<Answers>();
};

}  // namespace push_cache::ingest
