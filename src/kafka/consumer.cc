#include "kafka/consumer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>

#include "kafka/handles.h"

namespace push_cache::kafka {
namespace {

Status from_kafka(rd_kafka_error_t* error) {
  if (error == nullptr) return {};
  Status status = Error{ErrorCode::kUnavailable, rd_kafka_error_string(error)};
  rd_kafka_error_destroy(error);
  return status;
}

MessageKind kind_of(rd_kafka_resp_err_t code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return MessageKind::kRecord;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      return MessageKind::kEnd;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return MessageKind::kOutOfRange;
    default:
      return MessageKind::kError;
  }
}

Properties defaults(const ConsumerOptions& options) {
  const std::size_t queues = std::max<std::size_t>(options.queues, 1);
  Properties out = {
      {"client.id", "push-cache"},
      // librdkafka fetches on until a queue holds so many KiB or so many records (each takes some
      // 400 bytes beside its own), so a replay of a full topic stays within a small memory limit.
      {"queued.max.messages.kbytes", std::to_string(32768 / queues)},
      {"queued.min.messages", std::to_string(50'000 / queues)},
      // Then it looks again after so many ms (its default of 1 s would starve ingest).
      {"fetch.queue.backoff.ms", "5"},
      // How long a broker may hold back an empty answer: the time to learn that a partition is at
      // its end.
      {"fetch.wait.max.ms", "100"},
      {"fetch.error.backoff.ms", "200"},
      // Half of it is also how long librdkafka waits before it connects to one more broker, which
      // at the start is the leader of what is to be read.
      {"reconnect.backoff.ms", "20"},
      {"reconnect.backoff.max.ms", "2000"},
      {"topic.metadata.refresh.interval.ms", "5000"},
      {"socket.keepalive.enable", "true"},
  };
  // The last answer before it stops fetching comes on top of what a queue holds, decompressed.
  // librdkafka refuses this one when it is below an operator's message.max.bytes.
  if (!options.properties.contains("message.max.bytes")) out["fetch.max.bytes"] = "4194304";
  return out;
}

// What the correctness of this program rests on; an operator can't change it.
Properties forced(const ConsumerOptions& options) {
  return {
      {"bootstrap.servers", options.brokers}, {"group.id", options.group_id},
      {"enable.auto.commit", "false"},        {"enable.auto.offset.store", "false"},
      {"enable.partition.eof", "true"},       {"isolation.level", "read_committed"},
      {"allow.auto.create.topics", "false"},  {"auto.offset.reset", "error"},
  };
}

}  // namespace

void RawMessageDelete::operator()(rd_kafka_message_s* message) const {
  rd_kafka_message_destroy(message);
}

std::string Batch::error_text(std::size_t index) const {
  return raw_[index] == nullptr ? std::string() : rd_kafka_message_errstr(raw_[index]);
}

KeptMessage Batch::keep(std::size_t index) {
  KeptMessage kept{messages_[index], nullptr};
  kept.memory.reset(raw_[index]);
  raw_[index] = nullptr;
  return kept;
}

void Batch::clear() {
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    if (raw_[i] != nullptr) rd_kafka_message_destroy(raw_[i]);
  }
  messages_.clear();
}

Result<std::unique_ptr<Consumer>> Consumer::create(const ConsumerOptions& options) {
  auto conf = make_conf(defaults(options), options.properties, forced(options));
  if (!conf) return std::move(conf).error();
  std::unique_ptr<Consumer> consumer(new Consumer(options));
  rd_kafka_conf_set_opaque(conf->get(), consumer.get());
  rd_kafka_conf_set_error_cb(conf->get(),
                             [](rd_kafka_t*, int code, const char* text, void* opaque) {
                               static_cast<Consumer*>(opaque)->note_error(code, text);
                             });
  // Some failures, such as a connection that is closed at once, show in the log only.
  rd_kafka_conf_set_log_cb(conf->get(), [](const rd_kafka_t* handle, int level,
                                           const char* facility, const char* text) {
    log_line(level, facility, text);
    if (std::string_view(facility) != "FAIL") return;
    std::string cause(text);
    if (cause.starts_with("[thrd:")) cause.erase(0, cause.find("]: ") + 3);
    if (cause.find("APIVERSION_QUERY") != std::string::npos) {
      cause += "; does this listener want TLS or SASL? See security.protocol in kafka.properties";
    }
    static_cast<Consumer*>(rd_kafka_opaque(handle))->note_error(0, std::move(cause));
  });
  std::array<char, 512> why{};
  consumer->handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf->get(), why.data(), why.size());
  if (consumer->handle_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("kafka.properties: librdkafka refuses them: ") + why.data()};
  }
  (void)conf->release();  // the handle owns it now
  rd_kafka_poll_set_consumer(consumer->handle_);
  consumer->queues_.push_back(rd_kafka_queue_get_consumer(consumer->handle_));
  while (consumer->queues_.size() < options.queues) {
    consumer->queues_.push_back(rd_kafka_queue_new(consumer->handle_));
  }
  return consumer;
}

Consumer::~Consumer() {
  if (handle_ != nullptr) rd_kafka_consumer_close(handle_);
  for (rd_kafka_queue_t* queue : queues_) rd_kafka_queue_destroy(queue);
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

Status Consumer::assign(std::size_t queue, std::span<const TopicPartitionOffset> partitions) {
  const std::lock_guard lock(assignment_mutex_);
  const ListPtr list = make_list(partitions.size());
  const ListPtr again = make_list(partitions.size());
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  if (const auto error = rd_kafka_assignment(handle_, &assigned);
      error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Error{ErrorCode::kUnavailable, rd_kafka_err2str(error)};
  }
  const ListPtr current(assigned);
  for (const TopicPartitionOffset& entry : partitions) {
    const char* name = topics_[entry.at.topic].c_str();
    const std::int32_t partition = entry.at.partition.value;
    if (rd_kafka_topic_partition_list_find(current.get(), name, partition) != nullptr) {
      rd_kafka_topic_partition_list_add(again.get(), name, partition);
    }
    rd_kafka_topic_partition_list_add(list.get(), name, partition)->offset = entry.offset.value;
  }
  if (again->cnt > 0) {
    if (Status done = from_kafka(rd_kafka_incremental_unassign(handle_, again.get())); !done) {
      return done;
    }
  }
  // Before: so that nothing goes to the consumer's own queue. After: stopping a partition undoes
  // its forwarding, and has surely been done once the assignment answers; what has come meanwhile
  // waits in the partition's queue and moves along in its order.
  forward(queue, partitions);
  Status done = from_kafka(rd_kafka_incremental_assign(handle_, list.get()));
  forward(queue, partitions);
  return done;
}

void Consumer::forward(std::size_t queue, std::span<const TopicPartitionOffset> partitions) {
  if (queue == 0) return;  // by itself
  for (const TopicPartitionOffset& entry : partitions) {
    rd_kafka_queue_t* own = rd_kafka_queue_get_partition(handle_, topics_[entry.at.topic].c_str(),
                                                         entry.at.partition.value);
    if (own == nullptr) continue;
    rd_kafka_queue_forward(own, queues_[queue]);
    rd_kafka_queue_destroy(own);
  }
}

Status Consumer::unassign(TopicPartition partition) {
  const std::lock_guard lock(assignment_mutex_);
  const ListPtr list = make_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topics_[partition.topic].c_str(),
                                    partition.partition.value);
  return from_kafka(rd_kafka_incremental_unassign(handle_, list.get()));
}

void Consumer::poll(std::size_t queue, std::chrono::milliseconds timeout, std::size_t messages_max,
                    Batch& batch) {
  batch.clear();
  if (batch.raw_.size() < messages_max) batch.raw_.resize(messages_max);
  // A batch waits for its last message too. So it waits for one, and takes what else is there.
  rd_kafka_message_t** const raw = batch.raw_.data();
  ssize_t count =
      rd_kafka_consume_batch_queue(queues_[queue], static_cast<int>(timeout.count()), raw, 1);
  if (count > 0 && messages_max > 1) {
    count += std::max<ssize_t>(
        rd_kafka_consume_batch_queue(queues_[queue], 0, raw + 1, messages_max - 1), 0);
  }
  if (count > 0) read({raw, static_cast<std::size_t>(count)}, batch.messages_);
}

void Consumer::read(std::span<rd_kafka_message_s* const> raw, std::vector<Message>& out) const {
  constexpr std::size_t kAhead = 8;  // messages whose memory is asked for in advance
  out.resize(raw.size());
  const rd_kafka_topic_t* topic = nullptr;
  std::uint32_t index = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (i + kAhead < raw.size()) __builtin_prefetch(raw[i + kAhead]);
    const rd_kafka_message_t& from = *raw[i];
    // Two handles of a topic do not share an address while a message holds either.
    if (i == 0 || from.rkt != topic) {
      topic = from.rkt;
      index = topic_index(raw[i]);
    }
    Message& to = out[i];
    to.kind = kind_of(from.err);
    to.at = {index, Partition(from.partition)};
    to.offset = Offset(from.offset);
    to.key.reset();
    to.value.reset();
    to.timestamp_ms = -1;
    if (to.kind != MessageKind::kRecord) continue;
    if (from.key != nullptr)
      to.key.emplace(static_cast<const std::uint8_t*>(from.key), from.key_len);
    if (from.payload != nullptr) {
      to.value.emplace(static_cast<const std::uint8_t*>(from.payload), from.len);
    }
    rd_kafka_timestamp_type_t type;
    const std::int64_t timestamp = rd_kafka_message_timestamp(&from, &type);
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) to.timestamp_ms = timestamp;
  }
}

void Consumer::wake(std::size_t queue) { rd_kafka_queue_yield(queues_[queue]); }

std::uint32_t Consumer::topic_index(const rd_kafka_message_s* raw) const {
  if (topics_.size() == 1 || raw->rkt == nullptr) return 0;
  const char* name = rd_kafka_topic_name(raw->rkt);
  const auto found = std::find(topics_.begin(), topics_.end(), name);
  return found == topics_.end() ? 0 : static_cast<std::uint32_t>(found - topics_.begin());
}

std::optional<Offset> Consumer::cached_end(TopicPartition partition) const {
  Watermarks out;
  const auto error =
      rd_kafka_get_watermark_offsets(handle_, topics_[partition.topic].c_str(),
                                     partition.partition.value, &out.low.value, &out.high.value);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR || out.high.value < 0) return std::nullopt;
  return out.high;
}

std::string Consumer::last_error() const {
  const std::lock_guard lock(error_mutex_);
  return last_error_;
}

void Consumer::clear_last_error() {
  const std::lock_guard lock(error_mutex_);
  last_error_.clear();
}

// librdkafka logs each error by itself too, so nothing is logged here.
void Consumer::note_error(int code, std::string text) {
  const std::lock_guard lock(error_mutex_);
  // "All brokers are down" follows the error that says why, and says less.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !last_error_.empty()) return;
  last_error_ = std::move(text);
}

}  // namespace push_cache::kafka
