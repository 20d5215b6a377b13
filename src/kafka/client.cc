#include "kafka/client.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>

#include "kafka/handles.h"

namespace push_cache::kafka {
namespace {

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
      {"allow.auto.create.topics", "false"},
  };
}

// Whether a record surely has no headers. To look for them librdkafka takes memory from the heap,
// even where there are none: some 70 ns a record. But in a record batch (message format 2, KIP-98)
// the number of a record's headers follows its value, and up to the version below librdkafka leaves
// values in the batch that they came in, empty ones aside. Only of such a batch does it know a
// leader epoch.
bool has_no_headers(const rd_kafka_message_t& message) {
  constexpr int kValuesInPlaceUntil = 0x020cffff;
  static const bool in_place = rd_kafka_version() <= kValuesInPlaceUntil;
  return in_place && message.len > 0 && rd_kafka_message_leader_epoch(&message) >= 0 &&
         static_cast<const std::uint8_t*>(message.payload)[message.len] == 0;
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

RecordCopy Batch::copy(std::size_t index) const { return copy(messages_[index], raw_[index]); }

RecordCopy copy_of(const KeptMessage& record) {
  return Batch::copy(record.message, record.memory.get());
}

RecordCopy Batch::copy(const Message& message, const rd_kafka_message_s* raw) {
  const auto text = [](const std::optional<Bytes>& bytes) -> std::optional<std::string> {
    if (!bytes) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  };
  const auto header_text = [text](Bytes header) {
    return text(header.data() == nullptr ? std::nullopt : std::optional(header));
  };
  RecordCopy out{.at = message.at,
                 .offset = message.offset,
                 .timestamp_ms = message.timestamp_ms,
                 .key = text(message.key),
                 .value = text(message.value),
                 .key_header = header_text(message.key_header),
                 .value_header = header_text(message.value_header),
                 .headers = {}};
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(raw, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return out;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
       ++i) {
    Header& header = out.headers.emplace_back();
    header.name = name;
    if (value != nullptr) header.value.emplace(static_cast<const char*>(value), size);
  }
  return out;
}

Message RecordCopy::message() const {
  const auto bytes = [](const std::optional<std::string>& text) -> std::optional<Bytes> {
    if (!text) return std::nullopt;
    return Bytes(reinterpret_cast<const std::uint8_t*>(text->data()), text->size());
  };
  return {.at = at,
          .offset = offset,
          .timestamp_ms = timestamp_ms,
          .key = bytes(key),
          .value = bytes(value),
          .key_header = bytes(key_header).value_or(Bytes()),
          .value_header = bytes(value_header).value_or(Bytes())};
}

std::size_t RecordCopy::bytes() const {
  std::size_t sum = 0;
  for (const auto* text : {&key, &value, &key_header, &value_header}) {
    if (*text) sum += (*text)->size();
  }
  for (const Header& header : headers) {
    sum += header.name.size() + (header.value ? header.value->size() : 0);
  }
  return sum;
}

void Batch::clear() {
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    if (raw_[i] != nullptr) rd_kafka_message_destroy(raw_[i]);
  }
  messages_.clear();
}

Result<ConfPtr> Client::conf_of(const ConsumerOptions& options, const Properties& more,
                                const Properties& fixed) {
  Properties all = defaults(options);
  all.insert(more.begin(), more.end());
  Properties all_fixed = forced(options);
  all_fixed.insert(fixed.begin(), fixed.end());
  auto conf = make_conf(all, options.properties, all_fixed);
  if (!conf) return std::move(conf).error();
  rd_kafka_conf_set_error_cb(conf->get(),
                             [](rd_kafka_t*, int code, const char* text, void* opaque) {
                               static_cast<Client*>(opaque)->note_error(code, text);
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
    static_cast<Client*>(rd_kafka_opaque(handle))->note_error(0, std::move(cause));
  });
  return conf;
}

Status Client::open(ConfPtr conf, std::size_t queues, Take take) {
  take_ = take;
  rd_kafka_conf_set_opaque(conf.get(), this);
  std::array<char, 512> why{};
  handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why.data(), why.size());
  if (handle_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("kafka.properties: librdkafka refuses them: ") + why.data()};
  }
  (void)conf.release();  // the handle owns it now
  rd_kafka_poll_set_consumer(handle_);
  queues_.push_back(rd_kafka_queue_get_consumer(handle_));
  while (queues_.size() < queues) queues_.push_back(rd_kafka_queue_new(handle_));
  return {};
}

Client::~Client() {
  for (rd_kafka_queue_t* queue : queues_) rd_kafka_queue_destroy(queue);
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

Status Client::from_kafka(rd_kafka_error_s* error) {
  if (error == nullptr) return {};
  Status status = Error{ErrorCode::kUnavailable, rd_kafka_error_string(error)};
  rd_kafka_error_destroy(error);
  return status;
}

void Client::forward(std::size_t queue, TopicPartition at) {
  if (queue == 0) return;  // by itself
  const QueuePtr own(
      rd_kafka_queue_get_partition(handle_, topics_[at.topic].c_str(), at.partition.value));
  if (own) rd_kafka_queue_forward(own.get(), queues_[queue]);
}

void Client::poll(std::size_t queue, std::chrono::milliseconds timeout, std::size_t messages_max,
                  Batch& batch) {
  batch.clear();
  if (batch.raw_.size() < messages_max) batch.raw_.resize(messages_max);
  const std::span<rd_kafka_message_t*> raw(batch.raw_.data(), messages_max);
  const std::size_t count =
      take_ == Take::kBatches ? take_batch(queue, timeout, raw) : take_each(queue, timeout, raw);
  if (count > 0) read(raw.first(count), batch.messages_);
}

std::size_t Client::take_batch(std::size_t queue, std::chrono::milliseconds timeout,
                               std::span<rd_kafka_message_s*> raw) {
  // A batch waits for its last message too. So it waits for one, and takes what else is there.
  const ssize_t first = rd_kafka_consume_batch_queue(
      queues_[queue], static_cast<int>(timeout.count()), raw.data(), 1);
  if (first <= 0) return 0;
  if (raw.size() == 1) return 1;
  const ssize_t more =
      rd_kafka_consume_batch_queue(queues_[queue], 0, raw.data() + 1, raw.size() - 1);
  return 1 + static_cast<std::size_t>(std::max<ssize_t>(more, 0));
}

std::size_t Client::take_each(std::size_t queue, std::chrono::milliseconds timeout,
                              std::span<rd_kafka_message_s*> raw) {
  std::size_t count = 0;
  while (count < raw.size()) {
    raw[count] =
        rd_kafka_consume_queue(queues_[queue], count == 0 ? static_cast<int>(timeout.count()) : 0);
    if (raw[count] == nullptr) break;
    ++count;
  }
  return count;
}

void Client::read(std::span<rd_kafka_message_s* const> raw, std::vector<Message>& out) const {
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
      index = topics_.size() == 1 || topic == nullptr ? 0 : topic_index(rd_kafka_topic_name(topic));
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
    to.key_header = {};
    to.value_header = {};
    if (!value_header_.empty()) read_headers(from, to);
    rd_kafka_timestamp_type_t type;
    const std::int64_t timestamp = rd_kafka_message_timestamp(&from, &type);
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) to.timestamp_ms = timestamp;
  }
}

void Client::read_headers(const rd_kafka_message_t& from, Message& to) const {
  if (has_no_headers(from)) return;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  const auto last = [headers](const std::string& name) -> Bytes {
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_header_get_last(headers, name.c_str(), &value, &size) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      return {};
    }
    return {static_cast<const std::uint8_t*>(value), size};
  };
  to.key_header = last(key_header_);
  to.value_header = last(value_header_);
}

void Client::wake(std::size_t queue) { rd_kafka_queue_yield(queues_[queue]); }

std::uint32_t Client::topic_index(std::string_view name) const {
  const auto found = std::find(topics_.begin(), topics_.end(), name);
  return found == topics_.end() ? 0 : static_cast<std::uint32_t>(found - topics_.begin());
}

Watermarks Client::cached(TopicPartition partition) const {
  Watermarks out{Offset(-1), Offset(-1)};
  rd_kafka_get_watermark_offsets(handle_, topics_[partition.topic].c_str(),
                                 partition.partition.value, &out.low.value, &out.high.value);
  return out;
}

std::optional<Offset> Client::cached_end(TopicPartition partition) const {
  const Offset end = cached(partition).high;
  return end.value < 0 ? std::nullopt : std::optional(end);
}

std::optional<Offset> Client::cached_start(TopicPartition partition) const {
  const Offset start = cached(partition).low;
  return start.value < 0 ? std::nullopt : std::optional(start);
}

std::string Client::last_error() const {
  const std::lock_guard lock(error_mutex_);
  return last_error_;
}

void Client::clear_last_error() {
  const std::lock_guard lock(error_mutex_);
  last_error_.clear();
}

// librdkafka logs each error by itself too, so nothing is logged here.
void Client::note_error(int code, std::string text) {
  const std::lock_guard lock(error_mutex_);
  // "All brokers are down" follows the error that says why, and says less.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !last_error_.empty()) return;
  last_error_ = std::move(text);
}

}  // namespace push_cache::kafka
