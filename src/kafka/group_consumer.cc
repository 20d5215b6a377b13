#include "kafka/group_consumer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "kafka/handles.h"

namespace push_cache::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSeekTimeout{2'000};
constexpr milliseconds kCloseLook{100};

Properties defaults(const ConsumerOptions& options) {
  const auto protocol = options.properties.find("group.protocol");
  // There the brokers decide, and librdkafka refuses both.
  if (protocol != options.properties.end() && protocol->second == "consumer") return {};
  return {
      {"partition.assignment.strategy", "cooperative-sticky"},
      // How long a member that has died keeps its partitions; librdkafka's 45 s are long for what
      // is served meanwhile.
      {"session.timeout.ms", "15000"},
  };
}

Error unavailable(rd_kafka_resp_err_t code) {
  return {ErrorCode::kUnavailable, rd_kafka_err2str(code)};
}

}  // namespace

Result<std::unique_ptr<GroupConsumer>> GroupConsumer::create(const ConsumerOptions& options,
                                                             GroupOwner& owner) {
  auto conf = conf_of(options, defaults(options), {{"auto.offset.reset", "earliest"}});
  if (!conf) return std::move(conf).error();
  rd_kafka_conf_set_rebalance_cb(
      conf->get(),
      [](rd_kafka_t* handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t* list,
         void* self) { on_rebalance(handle, code, list, self); });
  std::unique_ptr<GroupConsumer> consumer(new GroupConsumer(options, owner));
  if (Status done = consumer->open(*std::move(conf), options.queues, Take::kOneByOne); !done) {
    return std::move(done).error();
  }
  consumer->commits_ = rd_kafka_queue_new(consumer->handle_);
  return consumer;
}

GroupConsumer::~GroupConsumer() {
  close();
  if (commits_ != nullptr) rd_kafka_queue_destroy(commits_);
}

Status GroupConsumer::join() {
  const ListPtr topics = make_list(topics_.size());
  for (const std::string& topic : topics_) {
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  const auto code = rd_kafka_subscribe(handle_, topics.get());
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return Error{ErrorCode::kInvalidArgument,
               std::string("the topics cannot be subscribed to: ") + rd_kafka_err2str(code)};
}

Status GroupConsumer::leave() {
  const auto code = rd_kafka_unsubscribe(handle_);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Status() : Status(unavailable(code));
}

void GroupConsumer::close() {
  if (closed_ || handle_ == nullptr) return;
  closed_ = true;
  // rd_kafka_consumer_close() ends at a `wake`, with the group not left, and then the handle's end
  // waits for ever.
  const QueuePtr events(rd_kafka_queue_new(handle_));
  if (!from_kafka(rd_kafka_consumer_close_queue(handle_, events.get())).ok()) return;
  while (rd_kafka_consumer_closed(handle_) == 0) {
    const std::unique_ptr<rd_kafka_message_t, RawMessageDelete> dropped(
        rd_kafka_consume_queue(events.get(), static_cast<int>(kCloseLook.count())));
  }
}

// --- rebalances ---

std::vector<TopicPartition> GroupConsumer::places(
    const rd_kafka_topic_partition_list_s* list) const {
  std::vector<TopicPartition> out;
  for (int i = 0; i < list->cnt; ++i) {
    out.push_back({topic_index(list->elems[i].topic), Partition(list->elems[i].partition)});
  }
  return out;
}

void GroupConsumer::on_rebalance(rd_kafka_s*, int code, rd_kafka_topic_partition_list_s* list,
                                 void* self) {
  // What was set as the opaque is a Client.
  auto& consumer = static_cast<GroupConsumer&>(*static_cast<Client*>(self));
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    consumer.take(list);
    return;
  }
  if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    log("kafka").warn("group: {}", rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code)));
  }
  consumer.give(list);
}

void GroupConsumer::take(rd_kafka_topic_partition_list_s* list) {
  std::vector<GroupStart> starts;
  if (list->cnt > 0) starts = owner_.assigned(places(list));
  for (const GroupStart& start : starts) {
    auto* const entry = rd_kafka_topic_partition_list_find(list, topics_[start.at.topic].c_str(),
                                                           start.at.partition.value);
    if (entry != nullptr) entry->offset = start.from.value;
    forward(start.queue, start.at);
  }
  if (std::string_view(rd_kafka_rebalance_protocol(handle_)) == "COOPERATIVE") {
    (void)from_kafka(rd_kafka_incremental_assign(handle_, list));  // it logs why not
  } else {
    rd_kafka_assign(handle_, list);
  }
  for (const GroupStart& start : starts) forward(start.queue, start.at);
}

void GroupConsumer::give(rd_kafka_topic_partition_list_s* list) {
  const std::vector<TopicPartition> gone = places(list);
  if (rd_kafka_assignment_lost(handle_) != 0) {
    if (!gone.empty()) owner_.lost(gone);
  } else if (!gone.empty()) {
    owner_.revoked(gone);
  }
  for (const TopicPartition at : gone) wanted_.erase(at);
  if (std::string_view(rd_kafka_rebalance_protocol(handle_)) == "COOPERATIVE") {
    (void)from_kafka(rd_kafka_incremental_unassign(handle_, list));
  } else {
    rd_kafka_assign(handle_, nullptr);
  }
}

// --- commits ---

void GroupConsumer::commit(std::span<const Commit> positions) {
  for (const Commit& one : positions) {
    Wanted& wanted = wanted_[one.at];
    if (wanted.offset != one.offset || wanted.note != one.note) wanted.done.reset();
    wanted.offset = one.offset;
    wanted.note = one.note;
  }
  rd_kafka_queue_poll_callback(commits_, 0);
  if (!under_way_) send_commits();
}

void GroupConsumer::send_commits() {
  const ListPtr list = make_list(wanted_.size());
  for (const auto& [at, wanted] : wanted_) {
    if (wanted.done == wanted.offset) continue;
    auto* const entry = rd_kafka_topic_partition_list_add(list.get(), topics_[at.topic].c_str(),
                                                          at.partition.value);
    entry->offset = wanted.offset.value;
    if (wanted.note.empty()) continue;
    entry->metadata = rd_kafka_mem_malloc(handle_, wanted.note.size());  // the list frees it
    std::memcpy(entry->metadata, wanted.note.data(), wanted.note.size());
    entry->metadata_size = wanted.note.size();
  }
  if (list->cnt == 0) return;
  const auto code = rd_kafka_commit_queue(
      handle_, list.get(), commits_,
      [](rd_kafka_t*, rd_kafka_resp_err_t answer, rd_kafka_topic_partition_list_t* offsets,
         void* self) { static_cast<GroupConsumer*>(self)->committed(answer, offsets); },
      this);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    committed(code, nullptr);
    return;
  }
  under_way_ = true;
  const std::lock_guard lock(counts_mutex_);
  ++counts_.sent;
}

void GroupConsumer::committed(int code, const rd_kafka_topic_partition_list_s* list) {
  under_way_ = false;
  auto first = static_cast<rd_kafka_resp_err_t>(code);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& one = list->elems[i];
    if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (first == RD_KAFKA_RESP_ERR_NO_ERROR) first = one.err;
      continue;
    }
    const auto found = wanted_.find({topic_index(one.topic), Partition(one.partition)});
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && found != wanted_.end()) {
      found->second.done = Offset(one.offset);
    }
  }
  const std::lock_guard lock(counts_mutex_);
  answer_ = {};
  counts_.last_error.clear();
  if (first == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  answer_ = unavailable(first);
  ++counts_.failed;
  counts_.last_error = rd_kafka_err2str(first);
}

Status GroupConsumer::commit_now(std::span<const Commit> positions, milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  const auto wait = [&] {
    while (under_way_) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()).count();
      if (left <= 0) return false;
      rd_kafka_queue_poll_callback(commits_, static_cast<int>(left));
    }
    return true;
  };
  // One that is under way is of older positions.
  commit(positions);
  if (!wait()) return Error{ErrorCode::kTimeout, "no answer to a commit of offsets"};
  send_commits();
  if (!wait()) return Error{ErrorCode::kTimeout, "no answer to a commit of offsets"};
  return answer_;
}

CommitCounts GroupConsumer::commit_counts() const {
  const std::lock_guard lock(counts_mutex_);
  return counts_;
}

Result<std::vector<std::optional<Commit>>> GroupConsumer::committed(
    std::span<const TopicPartition> partitions, milliseconds timeout) {
  const ListPtr list = make_list(partitions.size());
  for (const TopicPartition at : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), topics_[at.topic].c_str(), at.partition.value);
  }
  if (list->cnt > 0) {
    const auto code = rd_kafka_committed(handle_, list.get(), static_cast<int>(timeout.count()));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(code);
  }
  std::vector<std::optional<Commit>> out(partitions.size());
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const rd_kafka_topic_partition_t& one = list->elems[i];
    // A topic that is not there (any more) has nothing committed.
    const bool absent = one.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR && !absent) return unavailable(one.err);
    if (absent || one.offset < 0) continue;
    out[i] = {partitions[i], Offset(one.offset), {}};
    if (one.metadata != nullptr) {
      out[i]->note.assign(static_cast<const char*>(one.metadata), one.metadata_size);
    }
  }
  return out;
}

// --- partitions ---

Status GroupConsumer::pause(TopicPartition at) {
  const ListPtr list = make_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topics_[at.topic].c_str(), at.partition.value);
  const auto code = rd_kafka_pause_partitions(handle_, list.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(code);
  if (list->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(list->elems[0].err);
  return {};
}

// librdkafka's resume alone would go on behind what `poll` has handed out, whatever became of that.
Status GroupConsumer::go_on(TopicPartition at, Offset from) {
  const ListPtr list = make_list(1);
  auto* const entry =
      rd_kafka_topic_partition_list_add(list.get(), topics_[at.topic].c_str(), at.partition.value);
  entry->offset = from.value;
  if (Status done = from_kafka(
          rd_kafka_seek_partitions(handle_, list.get(), static_cast<int>(kSeekTimeout.count())));
      !done) {
    return done;
  }
  if (entry->err != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable(entry->err);
  rd_kafka_resume_partitions(handle_, list.get());
  return {};
}

}  // namespace push_cache::kafka
