#include "kafka/consumer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>

namespace push_cache::kafka {
namespace {

struct ListDelete {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDelete>;

ListPtr make_list(std::size_t size) {
  return ListPtr(rd_kafka_topic_partition_list_new(static_cast<int>(size)));
}

Status from_kafka(rd_kafka_error_t* error) {
  if (error == nullptr) return {};
  Status status = Error{ErrorCode::kUnavailable, rd_kafka_error_string(error)};
  rd_kafka_error_destroy(error);
  return status;
}

Properties defaults() {
  return {
      {"client.id", "push-cache"},
      // librdkafka holds at most this many KiB of fetched records for all partitions together, so a
      // replay of a full topic stays within a small memory limit.
      {"queued.max.messages.kbytes", "32768"},
      // When that is reached it looks again after so many ms (its default of 1 s would starve
      // ingest).
      {"fetch.queue.backoff.ms", "5"},
      // How long a broker may hold back an empty answer: the time to learn that a partition is at
      // its end.
      {"fetch.wait.max.ms", "100"},
      {"fetch.error.backoff.ms", "200"},
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "2000"},
      {"topic.metadata.refresh.interval.ms", "5000"},
      {"socket.keepalive.enable", "true"},
  };
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

MessageKind Message::kind() const {
  switch (raw_->err) {
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

TopicPartition Message::at() const { return {topic_, Partition(raw_->partition)}; }

Offset Message::offset() const { return Offset(raw_->offset); }

std::int64_t Message::timestamp_ms() const {
  rd_kafka_timestamp_type_t type;
  const std::int64_t timestamp = rd_kafka_message_timestamp(raw_.get(), &type);
  return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
}

std::optional<Bytes> Message::key() const {
  if (raw_->key == nullptr) return std::nullopt;
  return Bytes(static_cast<const std::uint8_t*>(raw_->key), raw_->key_len);
}

std::optional<Bytes> Message::value() const {
  if (raw_->payload == nullptr) return std::nullopt;
  return Bytes(static_cast<const std::uint8_t*>(raw_->payload), raw_->len);
}

std::string Message::error_text() const { return rd_kafka_message_errstr(raw_.get()); }

Result<std::unique_ptr<Consumer>> Consumer::create(const ConsumerOptions& options) {
  auto conf = make_conf(defaults(), options.properties, forced(options));
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
  consumer->queue_ = rd_kafka_queue_get_consumer(consumer->handle_);
  return consumer;
}

Consumer::~Consumer() {
  if (queue_ != nullptr) rd_kafka_queue_destroy(queue_);
  if (handle_ != nullptr) {
    rd_kafka_consumer_close(handle_);
    rd_kafka_destroy(handle_);
  }
}

Status Consumer::assign(std::span<const TopicPartitionOffset> partitions) {
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
  return from_kafka(rd_kafka_incremental_assign(handle_, list.get()));
}

Status Consumer::unassign(TopicPartition partition) {
  const ListPtr list = make_list(1);
  rd_kafka_topic_partition_list_add(list.get(), topics_[partition.topic].c_str(),
                                    partition.partition.value);
  return from_kafka(rd_kafka_incremental_unassign(handle_, list.get()));
}

void Consumer::poll(std::chrono::milliseconds timeout, std::size_t messages_max,
                    std::vector<Message>& batch) {
  raw_.resize(messages_max);
  const ssize_t count = rd_kafka_consume_batch_queue(queue_, static_cast<int>(timeout.count()),
                                                     raw_.data(), messages_max);
  for (ssize_t i = 0; i < count; ++i) {
    rd_kafka_message_t* raw = raw_[static_cast<std::size_t>(i)];
    batch.emplace_back(raw, topic_index(raw));
  }
}

std::uint32_t Consumer::topic_index(const rd_kafka_message_s* raw) const {
  if (topics_.size() == 1 || raw->rkt == nullptr) return 0;
  const char* name = rd_kafka_topic_name(raw->rkt);
  const auto found = std::find(topics_.begin(), topics_.end(), name);
  return found == topics_.end() ? 0 : static_cast<std::uint32_t>(found - topics_.begin());
}

Result<std::vector<Partition>> Consumer::partitions(std::uint32_t topic,
                                                    std::chrono::milliseconds timeout) {
  struct TopicDelete {
    void operator()(rd_kafka_topic_t* owned) const { rd_kafka_topic_destroy(owned); }
  };
  struct MetadataDelete {
    void operator()(const rd_kafka_metadata_t* owned) const { rd_kafka_metadata_destroy(owned); }
  };
  const std::string& name = topics_[topic];
  const std::unique_ptr<rd_kafka_topic_t, TopicDelete> handle(
      rd_kafka_topic_new(handle_, name.c_str(), nullptr));
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto error =
      rd_kafka_metadata(handle_, 0, handle.get(), &metadata, static_cast<int>(timeout.count()));
  const std::unique_ptr<const rd_kafka_metadata_t, MetadataDelete> owner(metadata);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    const std::string cause = last_error();
    return Error{ErrorCode::kUnavailable,
                 "Kafka does not answer: " + (cause.empty() ? rd_kafka_err2str(error) : cause)};
  }
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& found = metadata->topics[i];
    if (name != found.topic) continue;
    if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        found.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
      break;
    }
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return Error{ErrorCode::kUnavailable, "topic '" + name + "': " + rd_kafka_err2str(found.err)};
    }
    std::vector<Partition> out;
    for (int p = 0; p < found.partition_cnt; ++p) out.emplace_back(found.partitions[p].id);
    std::sort(out.begin(), out.end());
    if (!out.empty()) return out;
  }
  return Error{ErrorCode::kNotFound, "topic '" + name + "' does not exist"};
}

Result<Watermarks> Consumer::watermarks(TopicPartition partition,
                                        std::chrono::milliseconds timeout) {
  Watermarks out;
  const std::string& name = topics_[partition.topic];
  const auto error = rd_kafka_query_watermark_offsets(
      handle_, name.c_str(), partition.partition.value, &out.low.value, &out.high.value,
      static_cast<int>(timeout.count()));
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Error{ErrorCode::kUnavailable, "the offsets of " + name + "/" +
                                              std::to_string(partition.partition.value) +
                                              " cannot be had: " + rd_kafka_err2str(error)};
  }
  return out;
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
