#include "ingest/bad_records.h"

#include "base/log.h"

namespace push_cache::ingest {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLetterRetry{1'000};
constexpr std::size_t kLettersMax = 1'000;

}  // namespace

BadRecords::BadRecords(OnBadRecord policy, DeadLetters* letters, kafka::Client& client,
                       std::size_t queue)
    : policy_(policy), dead_letters_(letters), client_(client), queue_(queue) {
  answers_->owner = this;
}

BadRecords::~BadRecords() {
  const std::lock_guard lock(answers_->mutex);
  answers_->owner = nullptr;
}

std::optional<PartitionStage> BadRecords::settle(RecordReader& reader,
                                                 const kafka::Message& message,
                                                 const std::function<kafka::RecordCopy()>& copy) {
  if (policy_ == OnBadRecord::kDeadLetter && letters_.size() >= kLettersMax) {
    return PartitionStage::kWaitingForDeadLetters;  // and is looked at again
  }
  reader.count_bad(incoming(message));
  if (policy_ != OnBadRecord::kStop) reader.tell_bad_key(incoming(message));
  switch (policy_) {
    case OnBadRecord::kSkip:
      break;
    case OnBadRecord::kStop:
      log("ingest").error(
          "{} stops at offset {}, which is bad ({}: {}), since kafka.on_bad_record is stop",
          client_.name_of(message.at), message.offset.value, to_string(reader.bad().cause),
          reader.bad().detail);
      return PartitionStage::kStopped;
    case OnBadRecord::kDeadLetter: {
      waiting_[message.at].insert(message.offset);
      dead_letters_->add_waiting(1);
      const std::uint64_t number = next_letter_++;
      send(number, letters_[number] = {.record = copy(), .why = reader.bad()});
      break;
    }
  }
  return std::nullopt;
}

void BadRecords::send(std::uint64_t number, Letter& letter) {
  letter.sent = true;
  dead_letters_->send(letter.record,
                      {.cause = to_string(letter.why.cause),
                       .detail = letter.why.detail,
                       .topic = client_.topics()[letter.record.at.topic]},
                      [answers = answers_, number](bool acknowledged) {
                        const std::lock_guard lock(answers->mutex);
                        if (answers->owner == nullptr) return;
                        answers->of_letters.emplace_back(number, acknowledged);
                        answers->owner->client_.wake(answers->owner->queue_);
                      });
}

std::vector<kafka::TopicPartition> BadRecords::look() {
  std::vector<kafka::TopicPartition> moved;
  if (letters_.empty()) return moved;
  std::vector<std::pair<std::uint64_t, bool>> answers;
  {
    const std::lock_guard lock(answers_->mutex);
    answers.swap(answers_->of_letters);
  }
  for (const auto& [number, acknowledged] : answers) {
    const auto found = letters_.find(number);
    if (found == letters_.end()) continue;
    Letter& letter = found->second;
    if (!acknowledged) {
      letter.sent = false;
      letter.retry_at = steady_clock::now() + kLetterRetry;
      continue;
    }
    const kafka::TopicPartition at = letter.record.at;
    if (letter.counts) {
      std::set<Offset>& offsets = waiting_[at];
      offsets.erase(letter.record.offset);
      if (offsets.empty()) waiting_.erase(at);
      moved.push_back(at);
    }
    letters_.erase(found);
    dead_letters_->add_waiting(-1);
  }
  const auto now = steady_clock::now();
  for (auto& [number, letter] : letters_) {
    if (!letter.sent && letter.retry_at <= now) send(number, letter);
  }
  return moved;
}

void BadRecords::forget(kafka::TopicPartition at) {
  for (auto& [number, letter] : letters_) {
    if (letter.record.at == at) letter.counts = false;
  }
  waiting_.erase(at);
}

}  // namespace push_cache::ingest
