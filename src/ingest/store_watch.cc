#include "ingest/store_watch.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace push_cache::ingest {
namespace {

store::SharedStore::Source source_of(kafka::TopicPartition at) { return {at.topic, at.partition}; }

// Of which nothing is the lowest.
std::optional<Offset> lower(std::optional<Offset> a, std::optional<Offset> b) {
  return std::min(a, b);
}

}  // namespace

StoreWatch::StoreWatch(const GroupBoard& board, std::vector<store::SharedStore*> stores,
                       std::chrono::milliseconds interval, Owner& owner)
    : board_(board), stores_(std::move(stores)), interval_(interval), owner_(owner) {}

void StoreWatch::start() {
  for (store::SharedStore* store : stores_) {
    store->on_doubt([shared = shared_] {
      const std::lock_guard lock(shared->mutex);
      shared->signal = true;
      shared->changed.notify_all();
    });
  }
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "group-stores");
}

void StoreWatch::stop() {
  if (!thread_.joinable()) return;
  for (store::SharedStore* store : stores_) store->on_doubt({});
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
  }
  thread_.join();
}

void StoreWatch::run() {
  bool answered = true;
  for (;;) {
    const Status asked = ask();
    const bool is_conflict = !asked.ok() && asked.error().code == ErrorCode::kConflict;
    if (!asked.ok() && answered && !is_conflict) {  // that the store says
      log("ingest").info("a store does not tell its positions: {}", asked.error().describe());
    }
    answered = asked.ok();
    look_at_ends();
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait_for(lock, interval_,
                              [this] { return shared_->stopping || shared_->signal; });
    shared_->signal = false;
    if (shared_->stopping) return;
  }
}

// --- positions ---

// By all of them.
Status StoreWatch::claim() {
  const auto cluster = owner_.cluster_id();
  if (!cluster.ok()) return cluster.error();
  Status out;
  for (store::SharedStore* store : stores_) {
    Status one = store->claim(*cluster);
    const bool is_conflict = !one.ok() && one.error().code == ErrorCode::kConflict;
    if (is_conflict) claimed_ = false;
    if (out.ok() || is_conflict) out = std::move(one);
  }
  if (out.ok()) claimed_ = true;
  const bool is_conflict = !out.ok() && out.error().code == ErrorCode::kConflict;
  const std::lock_guard lock(error_mutex_);
  claim_error_ = out.ok()      ? ""
                 : is_conflict ? "it is filled by another configuration"
                               : out.error().public_text;
  return out;
}

std::string StoreWatch::claim_error() const {
  const std::lock_guard lock(error_mutex_);
  return claim_error_;
}

Status StoreWatch::ask() {
  const std::lock_guard lock(ask_mutex_);
  std::vector<std::uint64_t> doubts;
  for (const store::SharedStore* store : stores_) doubts.push_back(store->doubts());
  // Also when nobody answered that: a store that has lost what it had is to say so.
  const Status mine = claim();
  if (!claimed_) return mine;
  const auto answers = ask_stores(board_.questions());
  if (!answers.ok()) return answers.error();
  if (!mine.ok()) return mine;
  for (std::size_t i = 0; i < stores_.size(); ++i) stores_[i]->trust(doubts[i]);
  return tell_stores();
}

Result<std::vector<std::optional<Offset>>> StoreWatch::positions(
    std::span<const kafka::TopicPartition> partitions) {
  const std::lock_guard lock(ask_mutex_);
  if (Status mine = claim(); !mine.ok()) return std::move(mine).error();
  std::vector<GroupBoard::Question> questions;
  for (const kafka::TopicPartition at : partitions) questions.push_back(board_.question(at));
  return ask_stores(questions);
}

// What they keep; the owner knows it by then.
Result<std::vector<std::optional<Offset>>> StoreWatch::ask_stores(
    std::span<const GroupBoard::Question> questions) {
  std::vector<store::SharedStore::Source> sources;
  for (const GroupBoard::Question& one : questions) sources.push_back(source_of(one.at));
  std::vector<std::optional<Offset>> out(questions.size());
  Status status;
  for (std::size_t s = 0; s < stores_.size(); ++s) {
    const auto kept = stores_[s]->positions(sources);
    if (!kept.ok()) status = kept.error();
    for (std::size_t i = 0; kept.ok() && i < out.size(); ++i) {
      out[i] = s == 0 ? (*kept)[i].position : lower(out[i], (*kept)[i].position);
      if ((*kept)[i].went_back) lost_.insert(questions[i].at);
    }
  }
  if (!status.ok()) return std::move(status).error();
  std::vector<GroupBoard::Answer> answers;
  for (std::size_t i = 0; i < out.size(); ++i) {
    answers.push_back({out[i], lost_.erase(questions[i].at) > 0});
  }
  owner_.on_answers(questions, answers);
  return out;
}

// Has them keep how far this process's partitions are.
Status StoreWatch::tell_stores() {
  std::vector<GroupBoard::Question> questions = board_.questions();
  std::erase_if(questions, [](const GroupBoard::Question& one) { return !one.reached; });
  std::vector<store::SharedStore::Progress> progress;
  for (const GroupBoard::Question& one : questions) {
    progress.push_back({source_of(one.at), *one.reached});
  }
  std::vector<GroupBoard::Answer> answers(questions.size());
  for (std::size_t s = 0; s < stores_.size(); ++s) {
    const auto kept = stores_[s]->advance(progress);
    if (!kept.ok()) return kept.error();
    for (std::size_t i = 0; i < answers.size(); ++i) {
      answers[i].position = s == 0 ? (*kept)[i] : lower(answers[i].position, (*kept)[i]);
    }
  }
  owner_.on_answers(questions, answers);
  return {};
}

// --- loads ---

Result<bool> StoreWatch::begin_load(kafka::TopicPartition at, bool replaced) {
  const std::lock_guard lock(ask_mutex_);
  bool needs_end = false;
  for (store::SharedStore* store : stores_) {
    const auto begun = store->begin_load(source_of(at), replaced);
    if (!begun.ok()) return begun.error();
    needs_end = needs_end || *begun;
  }
  lost_.erase(at);
  return needs_end;
}

void StoreWatch::cancel_load(kafka::TopicPartition at) {
  for (store::SharedStore* store : stores_) store->cancel_load(source_of(at));
}

void StoreWatch::end_load(kafka::TopicPartition at, std::uint64_t generation, Offset end) {
  const std::lock_guard lock(shared_->mutex);
  shared_->ends[at] = {generation, end};
  shared_->signal = true;
  shared_->changed.notify_all();
}

void StoreWatch::look_at_ends() {
  Ends ended;
  std::vector<store::SharedStore::LoadEnd> begin;
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->waits_for > 0) return;
    // What failed is tried again, unless it was asked for anew.
    (shared_->status.ok() ? ended : shared_->ends).merge(shared_->under_way);
    shared_->under_way.clear();
    shared_->status = {};
    for (const auto& [at, end] : shared_->ends) begin.push_back({source_of(at), end.end});
    shared_->under_way.swap(shared_->ends);
    if (!begin.empty()) shared_->waits_for = stores_.size();
  }
  for (const auto& [at, end] : ended) owner_.on_load_ended(at, end.generation);
  if (begin.empty()) return;
  for (store::SharedStore* store : stores_) {
    store->end_loads(begin, [shared = shared_](Status status) {
      const std::lock_guard lock(shared->mutex);
      if (shared->status.ok()) shared->status = std::move(status);
      // A failure is not tried again at once.
      if (--shared->waits_for > 0 || !shared->status.ok()) return;
      shared->signal = true;
      shared->changed.notify_all();
    });
  }
}

}  // namespace push_cache::ingest
