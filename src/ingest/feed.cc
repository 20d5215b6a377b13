#include "ingest/feed.h"

#include <algorithm>

#include "base/log.h"
#include "ingest/log_name.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// While brokers, topics or offsets are missing, discovery asks again this often.
constexpr milliseconds kDiscoveryRetry{500};
// Partitions that are no further behind go forward together, and deletions are remembered for so
// long, or twice.
constexpr std::chrono::seconds kTogether{60};
// One broker's connection is one thread of librdkafka's: more lanes than this it cannot feed.
constexpr unsigned kLanesMax = 8;

// librdkafka's threads, which receive and decompress, need cores as well, and so does HTTP.
std::size_t lanes_for_this_machine() {
  return std::clamp(std::thread::hardware_concurrency() / 2, 1u, kLanesMax);
}

std::int64_t system_ms() {
  return std::chrono::system_clock::now().time_since_epoch() / milliseconds(1);
}

}  // namespace

Result<std::unique_ptr<Feed>> Feed::start(const FeedOptions& options, Applier& applier,
                                          std::vector<store::Store*> stores) {
  FeedOptions own = options;
  if (own.lanes == 0) own.lanes = lanes_for_this_machine();
  own.consumer.queues = own.lanes;
  auto consumer = kafka::Consumer::create(own.consumer);
  if (!consumer) return std::move(consumer).error();
  std::unique_ptr<Feed> feed(new Feed(own, applier));
  feed->consumer_ = *std::move(consumer);
  feed->watch_ = std::make_unique<TopicWatch>(
      *feed->consumer_, feed->board_, applier,
      TopicWatchOptions{own.metadata_timeout, own.max_staleness, own.ask_cleanup,
                        own.cleanup_interval, own.logs},
      feed->stopping_);
  if (own.on_bad_record == OnBadRecord::kDeadLetter) {
    auto letters = DeadLetters::create({.topic = own.dead_letter_topic,
                                        .brokers = own.consumer.brokers,
                                        .properties = own.consumer.properties});
    if (!letters) return std::move(letters).error();
    feed->dead_letters_ = *std::move(letters);
  }
  feed->around_ = std::make_unique<LaneSurroundings>(LaneSurroundings{
      .consumer = *feed->consumer_,
      .applier = applier,
      .board = feed->board_,
      .stores = std::move(stores),
      .on_bad_record = own.on_bad_record,
      .dead_letters = feed->dead_letters_.get(),
      .ask_anew = [feed = feed.get()](PartitionState& partition) { feed->ask_anew(partition); },
      .look_again = [feed = feed.get()] { feed->look_again(); }});
  for (std::size_t i = 0; i < own.lanes; ++i) {
    feed->lanes_.push_back(std::make_unique<Lane>(*feed->around_, i));
  }
  feed->discovery_thread_ = std::thread([feed = feed.get()] { feed->discovery_loop(); });
  return feed;
}

Feed::Feed(const FeedOptions& options, Applier& applier)
    : options_(options), applier_(applier), board_(options.consumer.topics.size()) {}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_discovery_.notify_all();
  }
  if (discovery_thread_.joinable()) discovery_thread_.join();
  lanes_.clear();  // with the messages they hold, which go before the handle they came from
}

// --- a lane's thread ---

void Feed::ask_anew(const PartitionState& partition) {
  const std::lock_guard lock(mutex_);
  reload_wanted_.push_back(partition.at);
  look_signal_ = true;
  wake_discovery_.notify_all();
}

void Feed::look_again() {
  const std::lock_guard lock(mutex_);
  look_signal_ = true;
  wake_discovery_.notify_all();
}

// --- the discovery thread ---

void Feed::discovery_loop() {
  if (options_.restore) resume_ = options_.restore();
  if (resume_) {
    for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
      resume_open_.insert(topic);
    }
  }
  judge_trust();
  auto next_look = steady_clock::now();
  while (!stopping_) {
    bool complete = answer_reloads();
    if (steady_clock::now() >= next_look) {
      complete = discover() && complete;
      next_look = steady_clock::now() + (complete ? options_.discovery_interval : kDiscoveryRetry);
    } else {
      (void)check_logs();
    }
    watch_->ask_ends();
    watch_moves();
    const auto now = steady_clock::now();
    const auto next = std::min(next_look, now + watch_->interval());
    std::unique_lock lock(mutex_);
    while (!stopping_ && !look_signal_ && steady_clock::now() < next) {
      wake_discovery_.wait_until(lock,
                                 std::min(next, steady_clock::now() + TopicWatch::kRateInterval));
      watch_->update_rate();
    }
    if (look_signal_) {
      look_signal_ = false;
      // A complaint may be one of thousands: not more often than while something is missing.
      next_look =
          std::min(next_look, now + (reload_wanted_.empty() ? kDiscoveryRetry : milliseconds(0)));
    }
  }
}

// Finds partitions that are new, and has them read. False when something is still missing.
bool Feed::discover() {
  const std::uint64_t restarts = board_.restarts();
  std::vector<kafka::TopicPartition> fresh;
  std::set<std::uint32_t> incomplete;
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (stopping_) return true;
    if (!watch_->list_partitions(topic, fresh)) incomplete.insert(topic);
  }
  watch_->learn_cleanups(fresh, incomplete);
  const bool ids_known = check_logs();
  const auto found = consumer_->watermarks(fresh, options_.metadata_timeout);
  if (stopping_) return true;
  std::vector<kafka::PartitionWatermarks> good;
  for (const kafka::PartitionWatermarks& one : found) {
    if (!one.marks.ok()) {
      incomplete.insert(one.at.topic);
      watch_->set_problem(one.at.topic, one.marks.error().public_text);
    }
  }
  for (auto topic = resume_open_.begin(); topic != resume_open_.end();) {
    if (ids_known && !incomplete.contains(*topic) && settle_resume(*topic, found)) {
      topic = resume_open_.erase(topic);
    } else {
      incomplete.insert(*topic++);
    }
  }
  judge_trust();
  for (const kafka::PartitionWatermarks& one : found) {
    // While it is open whether a snapshot is good nothing of the topic is read.
    if (!one.marks.ok() || resume_open_.contains(one.at.topic)) continue;
    log("ingest").info("{}: offsets {} to {}", consumer_->name_of(one.at), one.marks->low.value,
                       one.marks->high.value);
    good.push_back(one);
  }
  begin(good);
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (incomplete.contains(topic)) continue;
    watch_->set_problem(topic, "");
    if (!board_.topic_complete(topic, restarts)) incomplete.insert(topic);
  }
  return incomplete.empty();
}

// A topic that was deleted and made again under its name is another log, and so is in effect one
// that has become compacted or is no longer: what came from the one before is taken out, wherever
// its offsets were. False when no broker says the ids.
bool Feed::check_logs() {
  const auto remade = watch_->remade();
  watch_->ask_cleanups();
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    std::optional<std::string> id;
    if (remade) {
      for (const auto& [other, now] : *remade) {
        if (other == topic) id = now;
      }
    }
    const bool before = applier_.compacted(topic);
    const bool compacted = watch_->compacted(topic).value_or(before);
    if (!id && compacted == before) continue;
    replace_log(topic, id.value_or(watch_->topic_id(topic)), compacted);
  }
  return remade.has_value();
}

void Feed::replace_log(std::uint32_t topic, const std::string& id, bool compacted) {
  const bool other_policy = compacted != applier_.compacted(topic);
  std::vector<std::vector<PartitionState*>> of_lanes(lanes_.size());
  bool any = false;
  for (const kafka::TopicPartition at : watch_->partitions()) {
    if (at.topic != topic) continue;
    PartitionState* const state = watch_->find(at);
    board_.condemn(*state);  // all of them, before the first one is emptied
    emptying_.insert(at);
    of_lanes[lane_of_.at(at)].push_back(state);
    any = true;
  }
  if (any && other_policy) watch_->say_cleanup_changed(topic, compacted);
  judge_trust();
  // Behind that: nobody sees the new log's name with positions or records of the one that has gone.
  watch_->set_topic_id(topic, id);
  applier_.set_compacted(topic, compacted);
  // What the records of the one before have deleted says nothing of those of this one.
  applier_.deleted_keys().forget(topic);
  watch_moves();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!of_lanes[i].empty()) lanes_[i]->restart(of_lanes[i]);
  }
}

bool Feed::settle_resume(std::uint32_t topic, std::span<const kafka::PartitionWatermarks> found) {
  TopicNow now{.name = options_.consumer.topics[topic], .id = watch_->topic_id(topic)};
  for (const kafka::PartitionWatermarks& one : found) {
    if (one.at.topic == topic) now.marks.emplace(one.at.partition, *one.marks);
  }
  Status good;
  const auto cleanup = watch_->cleanup(topic);
  if (!cleanup || stopping_) return false;
  if (cleanup->ok()) {
    now.cleanup = **cleanup;
    now.compacted = applier_.compacted(topic);
    good = may_resume(*resume_, topic, now, system_ms());
  } else {
    good = cleanup->error();
  }
  if (!good.ok()) {
    log("ingest").warn(
        "the snapshot is not used for topic '{}', which is read from its beginning: {}", now.name,
        good.error().public_text);
    empty(topic);
    const std::lock_guard lock(mutex_);
    resume_refusals_.push_back(now.name + ": " + good.error().public_text);
    return true;
  }
  for (const ResumePoint::Position& one : resume_->partitions) {
    if (one.at.topic != topic) continue;
    const kafka::Watermarks& marks = now.marks.at(one.at.partition);
    // Retention has taken these from the topic since: a replay would not find them either.
    if (marks.low > one.log_start) around_->erase(one.at, marks.low);
  }
  return true;
}

// Takes out what the snapshot brought of a topic, and forgets its positions.
void Feed::empty(std::uint32_t topic) {
  std::erase_if(resume_->partitions, [&](const ResumePoint::Position& one) {
    if (one.at.topic != topic) return false;
    around_->erase(one.at);
    return true;
  });
}

void Feed::judge_trust() {
  checks_snapshot_ = !resume_open_.empty();
  trusted_ = resume_open_.empty() && emptying_.empty();
}

void Feed::begin(std::span<const kafka::PartitionWatermarks> found) {
  std::vector<std::vector<Lane::Beginning>> of_lanes(lanes_.size());
  for (const kafka::PartitionWatermarks& one : found) {
    const auto [lane, added] = lane_of_.try_emplace(one.at, lane_of_.size() % lanes_.size());
    Lane::Beginning beginning{.marks = *one.marks, .anew = !added};
    emptying_.erase(one.at);  // its lane asks for this once it has emptied it
    if (added) {
      beginning.from = resumed_position(one.at);
      beginning.partition = &board_.add(one.at, *one.marks, beginning.from.value_or(one.marks->low),
                                        applier_.set_aside().count_of(one.at));
    } else {
      beginning.partition = watch_->known(one.at);
    }
    watch_->add(*beginning.partition);
    of_lanes[lane->second].push_back(beginning);
  }
  judge_trust();
  watch_moves();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!of_lanes[i].empty()) lanes_[i]->begin(of_lanes[i]);
  }
}

// Keys can have moved between partitions of a topic that has several.
void Feed::watch_moves() {
  std::vector<std::size_t> partitions(options_.consumer.topics.size());
  for (const auto& [at, lane] : lane_of_) ++partitions[at.topic];
  const bool can_move = std::any_of(partitions.begin(), partitions.end(),
                                    [](std::size_t count) { return count > 1; });
  applier_.deleted_keys().watch(can_move);
  // A partition that lags may still bring the older record of a key that another one has deleted.
  const auto now = steady_clock::now();
  const std::vector<const PartitionState*> all = board_.partitions();
  const bool together =
      board_.loaded() && std::all_of(all.begin(), all.end(), [](const PartitionState* one) {
        return one->stage == PartitionStage::kCaughtUp &&
               Board::now_ns() - one->fresh_ns < kTogether / std::chrono::nanoseconds(1);
      });
  if (!together) {
    forget_at_ = now + kTogether;
  } else if (now >= forget_at_) {
    applier_.deleted_keys().forget_older();
    forget_at_ = now + kTogether;
  }
}

std::optional<Offset> Feed::resumed_position(kafka::TopicPartition at) const {
  if (!resume_) return std::nullopt;
  for (const ResumePoint::Position& one : resume_->partitions) {
    if (one.at == at) return one.position;
  }
  return std::nullopt;
}

// Gets new watermarks for partitions that start anew. False when one is still missing.
bool Feed::answer_reloads() {
  std::vector<kafka::TopicPartition> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted.swap(reload_wanted_);
  }
  if (wanted.empty()) return true;
  // The topic may have been made again with fewer of them.
  std::erase_if(wanted, [this](kafka::TopicPartition at) {
    if (watch_->is_present(at)) return false;
    board_.remove(*watch_->known(at));
    emptying_.erase(at);
    return true;
  });
  judge_trust();
  auto found = consumer_->watermarks(wanted, options_.metadata_timeout);
  const auto missing =
      std::stable_partition(found.begin(), found.end(),
                            [](const kafka::PartitionWatermarks& one) { return one.marks.ok(); });
  begin({found.begin(), missing});
  const std::lock_guard lock(mutex_);
  for (auto one = missing; one != found.end(); ++one) reload_wanted_.push_back(one->at);
  return missing == found.end();
}

// --- any thread ---

Result<std::vector<Feed::PartitionEnd>> Feed::ends() const {
  std::vector<kafka::TopicPartition> places;
  for (const PartitionState* one : board_.partitions()) places.push_back(one->at);
  std::vector<PartitionEnd> out;
  for (const auto& [at, marks] : consumer_->watermarks(places, options_.metadata_timeout)) {
    if (!marks.ok()) return marks.error();
    out.push_back({options_.consumer.topics[at.topic], at.partition, marks->high});
  }
  return out;
}

FeedStatus Feed::status() const {
  FeedStatus out;
  if (dead_letters_) out.dead_letters = dead_letters_->status();
  std::vector<std::string> more;
  if (checks_snapshot_) more.emplace_back("a snapshot is loaded or checked");
  watch_->fill(out, more);
  const std::lock_guard lock(mutex_);
  out.resume_refusals = resume_refusals_;
  return out;
}

std::optional<ResumePoint> Feed::resume_point() const {
  if (!board_.loaded()) return std::nullopt;
  ResumePoint out;
  for (const std::string& id : watch_->topic_ids()) {
    out.logs.push_back(
        log_name(id, applier_.compacted(static_cast<std::uint32_t>(out.logs.size()))));
  }
  out.restarts = board_.restarts();
  out.taken_ms = system_ms();
  for (const PartitionState* one : board_.partitions()) {
    out.partitions.push_back(
        {one->at, Offset(one->log_start.load()), Offset(one->position.load())});
  }
  // Nothing was emptied meanwhile, of which the positions would not say.
  if (!board_.loaded()) return std::nullopt;
  return out;
}

}  // namespace push_cache::ingest
