#include "ingest/group_feed.h"

#include <pthread.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log_limiter.h"
#include "ingest/log_name.h"

namespace push_cache::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// So many batches are on their way to a store at once, each from other partitions.
constexpr std::size_t kLanes = 4;
// Lanes are numbered from 1: the member's own trouble with stores.
constexpr std::size_t kNoLane = 0;
constexpr milliseconds kMemberPoll{100};
constexpr milliseconds kDiscoveryRetry{500};
// Between two questions after one that was not answered.
constexpr milliseconds kAskRetry{200};
// What is under way when partitions go to another member has so long to come to its end; the other
// members wait for it.
constexpr milliseconds kGivePatience{5'000};
constexpr milliseconds kCommitPatience{5'000};

}  // namespace

Result<std::unique_ptr<GroupFeed>> GroupFeed::start(const GroupFeedOptions& options,
                                                    Applier& applier,
                                                    std::vector<store::SharedStore*> stores) {
  GroupFeedOptions own = options;
  if (own.lanes == 0) own.lanes = kLanes;
  own.consumer.queues = own.lanes + 1;  // the first is for what happens in the group
  std::unique_ptr<GroupFeed> feed(new GroupFeed(own, std::move(stores)));
  auto consumer = kafka::GroupConsumer::create(own.consumer, *feed);
  if (!consumer) return std::move(consumer).error();
  feed->consumer_ = *std::move(consumer);
  feed->watch_ =
      std::make_unique<TopicWatch>(*feed->consumer_, feed->board_, applier,
                                   TopicWatchOptions{own.metadata_timeout, own.max_staleness,
                                                     own.ask_cleanup, own.cleanup_interval},
                                   feed->stopping_);
  if (own.on_bad_record == OnBadRecord::kDeadLetter) {
    auto letters = DeadLetters::create({.topic = own.dead_letter_topic,
                                        .brokers = own.consumer.brokers,
                                        .properties = own.consumer.properties});
    if (!letters) return std::move(letters).error();
    feed->dead_letters_ = *std::move(letters);
  }
  feed->store_watch_ = std::make_unique<StoreWatch>(
      feed->group_, feed->stores_, own.commit_interval, static_cast<StoreWatch::Owner&>(*feed));
  feed->around_ = std::make_unique<GroupSurroundings>(
      GroupSurroundings{.consumer = *feed->consumer_,
                        .applier = applier,
                        .board = feed->group_,
                        .stores = *feed->store_watch_,
                        .on_bad_record = own.on_bad_record,
                        .dead_letters = feed->dead_letters_.get(),
                        .look_again = [feed = feed.get()] { feed->look_again(); }});
  for (std::size_t i = 0; i < own.lanes; ++i) {
    feed->lanes_.push_back(std::make_unique<GroupLane>(*feed->around_, i + 1));
  }
  feed->store_watch_->start();
  feed->watch_thread_ = std::thread([feed = feed.get()] { feed->watch_loop(); });
  feed->member_thread_ = std::thread([feed = feed.get()] { feed->member_loop(); });
  pthread_setname_np(feed->member_thread_.native_handle(), "group");
  return feed;
}

GroupFeed::GroupFeed(const GroupFeedOptions& options, std::vector<store::SharedStore*> stores)
    : options_(options),
      board_(options.consumer.topics.size()),
      group_(board_, options.consumer.topics.size(), options.offset_reset, options.from_beginning),
      stores_(std::move(stores)),
      ignore_kept_(options.from_beginning) {}

GroupFeed::~GroupFeed() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_watch_.notify_all();
  }
  if (consumer_) consumer_->wake(0);
  if (member_thread_.joinable()) member_thread_.join();
  if (watch_thread_.joinable()) watch_thread_.join();
  if (consumer_) consumer_->close();  // while all that it calls is there
  if (store_watch_) store_watch_->stop();
  lanes_.clear();  // with the messages they hold, which go before the handle they came from
}

// --- the member's thread ---

void GroupFeed::member_loop() {
  kafka::Batch batch;
  LogLimiter repeats{"ingest"};
  auto next_commit = steady_clock::now() + options_.commit_interval;
  while (!stopping_) {
    look_at_membership();
    consumer_->poll(0, std::min(kMemberPoll, options_.commit_interval), 100, batch);
    for (std::size_t i = 0; i < batch.messages().size(); ++i) {
      if (batch.messages()[i].kind != kafka::MessageKind::kError) continue;
      repeats.log(batch.error_text(i), spdlog::level::warn, "Kafka: {}", batch.error_text(i));
      look_again();
    }
    batch.clear();
    if (steady_clock::now() < next_commit) continue;
    consumer_->commit(group_.positions());
    next_commit = steady_clock::now() + options_.commit_interval;
  }
  consumer_->close();
}

// Who may not write keeps no partition from those who may.
void GroupFeed::look_at_membership() {
  const bool claimed = store_watch_->claimed();
  if (const std::string why = claimed ? "" : store_watch_->claim_error(); !why.empty()) {
    group_.store_failed(kNoLane, why);
  }
  if (claimed == is_member_) return;
  if (const Status done = claimed ? consumer_->join() : consumer_->leave(); !done.ok()) {
    log("ingest").error("group '{}': {}", options_.consumer.group_id, done.error().describe());
  }
  is_member_ = claimed;
  if (claimed) group_.store_works(kNoLane);
}

std::vector<kafka::GroupStart> GroupFeed::assigned(
    std::span<const kafka::TopicPartition> partitions) {
  std::vector<kafka::GroupStart> starts;
  if (partitions.empty()) return starts;
  Result<Found> found = ask(partitions);
  if (!found.ok()) {
    log("ingest").warn("where to go on with {} partitions is not known yet: {}", partitions.size(),
                       found.error().describe());
  }
  while (!found.ok() && !stopping_) {
    if (found.error().code == ErrorCode::kConflict) break;  // it leaves the group
    group_.store_failed(kNoLane, found.error().public_text);
    std::this_thread::sleep_for(kAskRetry);
    found = ask(partitions);
  }
  group_.store_works(kNoLane);
  if (!found.ok()) return starts;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    starts.push_back(begin(partitions[i], *found, i));
  }
  ignore_kept_ = false;
  group_.count_kept();
  return starts;
}

// With hand_over_mutex_, once it is known whether the topic is compacted.
void GroupFeed::name_topic(std::uint32_t topic, const std::string& id) {
  const bool compacted = watch_->compacted(topic).value_or(false);
  const std::string name = log_name(id, compacted);
  around_->applier.set_compacted(topic, compacted);
  for (store::SharedStore* store : stores_) store->set_topic_id(topic, name);
  group_.set_topic_id(topic, name);
}

kafka::GroupStart GroupFeed::begin(kafka::TopicPartition at, Found& found, std::size_t index) {
  const std::lock_guard lock(hand_over_mutex_);
  auto one = beginning(at, found, index);
  while (!one) {  // its topic was made again since
    found.topic_ids[at.topic] = group_.topic_id(at.topic);
    found.kept[index].reset();  // of the topic as it was
    one = beginning(at, found, index);
  }
  const std::size_t lane = lane_of(at);
  lanes_[lane]->begin(*one);
  log("ingest").info("{} is read here, from {}", consumer_->name_of(at),
                     one->from.value < 0 ? std::string("its beginning")
                                         : "offset " + std::to_string(one->from.value));
  return {at, one->from, lane + 1};
}

// What has to be known before partitions are read.
Result<GroupFeed::Found> GroupFeed::ask(std::span<const kafka::TopicPartition> partitions) {
  Found found;
  if (Status named = name_topics(partitions); !named.ok()) return std::move(named).error();
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    found.topic_ids.push_back(group_.topic_id(topic));
  }
  auto kept = store_watch_->positions(partitions);
  if (!kept.ok()) return std::move(kept).error();
  found.kept = *std::move(kept);
  if (options_.offset_reset != OffsetReset::kLatest) return found;
  auto committed = consumer_->committed(partitions, options_.metadata_timeout);
  if (!committed.ok()) return std::move(committed).error();
  found.committed = *std::move(committed);
  for (const auto& [at, marks] : consumer_->watermarks(partitions, options_.metadata_timeout)) {
    if (!marks.ok()) return marks.error();
    found.ends.push_back(marks->high);
  }
  return found;
}

// The watching thread asks for ids and policies as well, and knows of those that have changed; here
// only that none is missing.
Status GroupFeed::name_topics(std::span<const kafka::TopicPartition> partitions) {
  std::set<std::uint32_t> unnamed;
  for (const kafka::TopicPartition at : partitions) {
    if (group_.topic_id(at.topic).empty()) unnamed.insert(at.topic);
  }
  if (unnamed.empty()) return {};
  // Gives a broker to ask.
  (void)consumer_->partitions(*unnamed.begin(), options_.metadata_timeout);
  const auto ids = consumer_->topic_ids(options_.metadata_timeout);
  if (!ids.ok()) return Error{ErrorCode::kUnavailable, "no broker tells the topics' ids"};
  for (const std::uint32_t topic : unnamed) {
    if (Status known = watch_->learn_cleanup(topic); !known.ok()) return known;
    const std::lock_guard lock(hand_over_mutex_);
    if (group_.topic_id(topic).empty()) name_topic(topic, (*ids)[topic]);
  }
  return {};
}

// Nothing when what was found is of a topic that was made again since.
std::optional<GroupLane::Beginning> GroupFeed::beginning(kafka::TopicPartition at,
                                                         const Found& found, std::size_t index) {
  const std::string& id = found.topic_ids[at.topic];
  GroupLane::Beginning out{.at = at, .from = kafka::GroupStart::kBeginning};
  if (!ignore_kept_) {
    if (found.kept[index]) {
      out.from = *found.kept[index];
    } else if (options_.offset_reset == OffsetReset::kLatest && !found.committed[index]) {
      out.from = found.ends[index];  // else the stores have lost what was committed
    }
  }
  const auto acknowledged = out.from.value >= 0 ? std::optional(out.from) : std::nullopt;
  const auto generation = group_.begin(at, acknowledged, id);
  if (!generation) return std::nullopt;
  out.generation = *generation;
  return out;
}

std::size_t GroupFeed::lane_of(kafka::TopicPartition at) {
  return lane_of_.try_emplace(at, lane_of_.size() % lanes_.size()).first->second;
}

void GroupFeed::revoked(std::span<const kafka::TopicPartition> partitions) {
  give_up(partitions, steady_clock::now() + kGivePatience);
  if (const Status kept = store_watch_->ask(); !kept.ok()) {
    log("ingest").warn("{} partitions go, and the stores do not keep their last positions: {}",
                       partitions.size(), kept.error().describe());
  }
  const Status done = consumer_->commit_now(group_.positions(), kCommitPatience);
  if (!done.ok()) {
    log("ingest").warn("{} partitions go, and their positions are not committed: {}",
                       partitions.size(), done.error().describe());
  }
  for (const kafka::TopicPartition at : partitions) group_.release(at);
}

void GroupFeed::lost(std::span<const kafka::TopicPartition> partitions) {
  log("ingest").warn("{} partitions were lost to other members of the group", partitions.size());
  for (const kafka::TopicPartition at : partitions) group_.release(at);
  give_up(partitions, steady_clock::now());
}

void GroupFeed::give_up(std::span<const kafka::TopicPartition> partitions,
                        steady_clock::time_point deadline) {
  if (lanes_.empty()) return;
  std::vector<std::vector<kafka::TopicPartition>> of_lanes(lanes_.size());
  {
    const std::lock_guard lock(hand_over_mutex_);
    for (const kafka::TopicPartition at : partitions) of_lanes[lane_of(at)].push_back(at);
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!of_lanes[i].empty()) lanes_[i]->drop(of_lanes[i], deadline);
  }
}

// --- the watching thread ---

void GroupFeed::look_again() {
  const std::lock_guard lock(mutex_);
  look_signal_ = true;
  wake_watch_.notify_all();
}

void GroupFeed::watch_loop() {
  auto next_look = steady_clock::now();
  while (!stopping_) {
    const bool answered = answer_reloads();
    if (steady_clock::now() >= next_look) {
      const bool complete = discover() && answered;
      next_look = steady_clock::now() + (complete ? options_.discovery_interval : kDiscoveryRetry);
    } else {
      (void)look_at_logs();
    }
    watch_->ask_ends();
    const auto now = steady_clock::now();
    const auto next = std::min(next_look, now + watch_->interval());
    std::unique_lock lock(mutex_);
    while (!stopping_ && !look_signal_ && steady_clock::now() < next) {
      wake_watch_.wait_until(lock, std::min(next, steady_clock::now() + TopicWatch::kRateInterval));
      watch_->update_rate();
    }
    if (std::exchange(look_signal_, false)) next_look = std::min(next_look, now + kDiscoveryRetry);
  }
}

// What others wrote is asked for before a reader wants it.
void GroupFeed::learn_schemas() {
  for (store::SharedStore* store : stores_) {
    const auto known = store->schemas();
    if (!known.ok()) continue;  // said where it matters
    for (const SchemaId id : *known) {
      if (schemas_.insert(id).second) (void)around_->applier.schemas().request(id);
    }
  }
}

// Finds partitions that are new. False when something is still missing.
bool GroupFeed::discover() {
  const std::uint64_t restarts = board_.restarts();
  std::vector<kafka::TopicPartition> fresh;
  std::set<std::uint32_t> incomplete;
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (stopping_) return true;
    if (!watch_->list_partitions(topic, fresh)) incomplete.insert(topic);
  }
  watch_->learn_cleanups(fresh, incomplete);
  learn_schemas();
  const bool ids_known = look_at_logs();
  if (stopping_) return true;
  if (!fresh.empty() && !(ids_known && add(fresh))) {
    for (const kafka::TopicPartition at : fresh) {
      if (watch_->find(at) == nullptr) incomplete.insert(at.topic);
    }
  }
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    if (incomplete.contains(topic)) continue;
    watch_->set_problem(topic, "");
    if (!board_.topic_complete(topic, restarts)) incomplete.insert(topic);
  }
  return incomplete.empty();
}

bool GroupFeed::add(std::span<const kafka::TopicPartition> fresh) {
  bool complete = true;
  const auto found = consumer_->watermarks(fresh, options_.metadata_timeout);
  const auto kept = store_watch_->positions(fresh);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const kafka::TopicPartition at = fresh[i];
    const Status known = !found[i].marks.ok() ? Status(found[i].marks.error())
                         : !kept.ok()         ? Status(kept.error())
                                              : Status();
    if (!known.ok()) {
      complete = false;
      if (known.error().code == ErrorCode::kConflict) continue;  // the store itself says it
      watch_->set_problem(at.topic, known.error().public_text);
      continue;
    }
    const kafka::Watermarks& marks = *found[i].marks;
    log("ingest").info("{}: offsets {} to {}", consumer_->name_of(at), marks.low.value,
                       marks.high.value);
    watch_->add(group_.found(at, marks, (*kept)[i]));
  }
  return complete;
}

// Whether topics were deleted and made again under their names, or have become compacted or are no
// longer. False when no broker says the ids.
bool GroupFeed::look_at_logs() {
  const auto remade = watch_->remade();
  watch_->ask_cleanups();
  for (std::uint32_t topic = 0; topic < options_.consumer.topics.size(); ++topic) {
    const std::optional<bool> compacted = watch_->compacted(topic);
    if (!compacted) continue;  // nothing of it is read before that is known
    std::string id = watch_->topic_id(topic);
    if (remade) {
      for (const auto& [other, now] : *remade) {
        if (other == topic) id = now;
      }
    } else if (id.empty()) {
      continue;
    }
    look_at_log(topic, id, *compacted);
  }
  return remade.has_value();
}

void GroupFeed::look_at_log(std::uint32_t topic, const std::string& id, bool compacted) {
  const std::lock_guard lock(hand_over_mutex_);
  const std::string before = group_.topic_id(topic);
  const std::string now = log_name(id, compacted);
  const bool other_policy = compacted != around_->applier.compacted(topic);
  if (now == before && !other_policy) return;
  const bool is_unnamed = !group_.has_begun(topic);
  const bool id_is_new = before == log_name("", compacted) && !other_policy;
  if (is_unnamed || id_is_new) {
    watch_->set_topic_id(topic, id);
    return name_topic(topic, id);
  }
  if (other_policy) watch_->say_cleanup_changed(topic, compacted);
  // A write that is under way may get the new name: the load of another log begins with taking all
  // out. Of another policy each record takes the place of what is there, and the load's end takes
  // out the rest, so that members that do not know of it yet miss no record.
  const bool replaced = log_name(id, !compacted) != before;
  around_->applier.set_compacted(topic, compacted);
  for (store::SharedStore* store : stores_) store->set_topic_id(topic, now);
  for (const auto& [at, generation] : group_.remade(topic, now)) {
    lanes_[lane_of(at)]->restart(at, generation, kafka::GroupStart::kBeginning, replaced);
  }
  watch_->set_topic_id(topic, id);
}

// Gets new watermarks for partitions that begin anew. False when one is still missing.
bool GroupFeed::answer_reloads() {
  std::vector<kafka::TopicPartition> wanted = group_.reloading();
  std::erase_if(wanted, [this](kafka::TopicPartition at) {
    if (watch_->is_present(at)) return false;
    group_.remove(at);  // the topic was made again with fewer of them
    return true;
  });
  bool complete = true;
  for (const auto& [at, marks] : consumer_->watermarks(wanted, options_.metadata_timeout)) {
    complete = complete && marks.ok();
    if (!marks.ok()) continue;
    group_.begin_anew(at, *marks);
    watch_->add(*watch_->known(at));
  }
  return complete;
}

// --- who asks the stores ---

Result<std::string> GroupFeed::cluster_id() { return consumer_->cluster_id(); }

void GroupFeed::on_answers(std::span<const GroupBoard::Question> questions,
                           std::span<const GroupBoard::Answer> answers) {
  const std::lock_guard lock(hand_over_mutex_);
  for (const GroupBoard::Loss& loss : group_.take(questions, answers)) {
    log("ingest").warn(
        "{}: a store has lost records that it had acknowledged; it is read again, from {}",
        consumer_->name_of(loss.at),
        loss.from ? "offset " + std::to_string(loss.from->value) : std::string("its beginning"));
    lanes_[lane_of(loss.at)]->restart(loss.at, loss.generation,
                                      loss.from.value_or(kafka::GroupStart::kBeginning), false);
    look_again();
  }
  const bool any_went_back = std::any_of(answers.begin(), answers.end(),
                                         [](const auto& answer) { return answer.went_back; });
  if (!any_went_back) return;
  // Another member may have found a topic to be compacted, and loads it anew.
  watch_->ask_cleanups_again();
  look_again();
}

void GroupFeed::on_load_ended(kafka::TopicPartition at, std::uint64_t generation) {
  const std::lock_guard lock(hand_over_mutex_);
  lanes_[lane_of(at)]->load_ended(at, generation);
}

// --- any thread ---

FeedStatus GroupFeed::status() const {
  FeedStatus out;
  if (dead_letters_) out.dead_letters = dead_letters_->status();
  GroupStatus group{.group_id = options_.consumer.group_id, .commits = consumer_->commit_counts()};
  group_.fill(group);
  std::vector<std::string> more;
  if (!group.store_error.empty()) more.push_back("a store takes no writes: " + group.store_error);
  watch_->fill(out, more);
  out.ready = out.ready && store_watch_->claimed();
  for (PartitionStatus& one : out.partitions) {
    const auto& topics = options_.consumer.topics;
    const auto topic = std::find(topics.begin(), topics.end(), one.topic) - topics.begin();
    group_.fill(one, static_cast<std::uint32_t>(topic));
  }
  out.group = std::move(group);
  return out;
}

}  // namespace push_cache::ingest
