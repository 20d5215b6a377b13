#include "kafka/producer.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "kafka/handles.h"

namespace push_cache::kafka {
namespace {

using Clock = std::chrono::steady_clock;
using Done = std::function<void(const Delivery&)>;
using std::chrono::milliseconds;

Properties defaults() {
  return {
      {"client.id", "push-cache"},
      {"enable.idempotence", "true"},
      {"compression.type", "lz4"},
      {"partitioner", "murmur2_random"},  // as Java's: a key's records meet in one partition
      {"linger.ms", "20"},
      {"batch.num.messages", "50000"},
      {"queue.buffering.max.messages", "500000"},
      {"queue.buffering.max.kbytes", "262144"},
      {"message.timeout.ms", "60000"},
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "2000"},
      {"socket.keepalive.enable", "true"},
      {"log.connection.close", "false"},
  };
}

void forward_log(const rd_kafka_t*, int level, const char* facility, const char* text) {
  const std::string_view words(text);
  // The operator's properties are for consumers as well.
  if (words.find("is a consumer property") != std::string_view::npos) return;
  log_line(level, facility, words);
}

int left_ms(Clock::time_point end) {
  const auto left = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

Error not_taken(rd_kafka_resp_err_t why) {
  return {
      why == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? ErrorCode::kTooLarge : ErrorCode::kUnavailable,
      "Kafka does not take the record", rd_kafka_err2str(why)};
}

rd_kafka_resp_err_t take(rd_kafka_error_t* error) {
  const Owned<rd_kafka_error_t, rd_kafka_error_destroy> owner(error);
  return error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
}

struct MetadataDelete {
  void operator()(const rd_kafka_metadata_t* metadata) const {
    rd_kafka_metadata_destroy(metadata);
  }
};

}  // namespace

Result<std::unique_ptr<Producer>> Producer::create(const ProducerOptions& options) {
  Result<ConfPtr> conf =
      make_conf(defaults(), options.properties, {{"bootstrap.servers", options.brokers}});
  if (!conf.ok()) return std::move(conf).error();
  std::unique_ptr<Producer> producer(new Producer());
  rd_kafka_conf_set_opaque(conf->get(), producer.get());
  rd_kafka_conf_set_log_cb(conf->get(), &forward_log);
  rd_kafka_conf_set_dr_msg_cb(conf->get(), &Producer::on_delivery);
  rd_kafka_conf_set_error_cb(conf->get(), &Producer::on_error);
  std::array<char, 512> why{};
  producer->handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf->get(), why.data(), why.size());
  if (producer->handle_ == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "kafka.properties: " + std::string(why.data())};
  }
  static_cast<void>(conf->release());  // taken over
  producer->poller_ = std::jthread([handle = producer->handle_](std::stop_token stop) {
    while (!stop.stop_requested()) rd_kafka_poll(handle, 100);
  });
  return producer;
}

Producer::~Producer() {
  if (handle_ == nullptr) return;
  rd_kafka_purge(handle_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(handle_, 1000);  // calls what is left of `done`
  poller_.request_stop();
  poller_.join();
  for (const auto& [name, topic] : topics_) rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(handle_);
}

void Producer::on_delivery(rd_kafka_s*, const rd_kafka_message_s* message, void* self) {
  Producer& producer = *static_cast<Producer*>(self);
  const bool ok = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
  std::optional<Error> error;
  if (ok) {
    producer.delivered_.fetch_add(1, std::memory_order_relaxed);
  } else {
    error = Error{ErrorCode::kUnavailable, "Kafka did not take the record",
                  rd_kafka_err2str(message->err)};
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) error->code = ErrorCode::kTooLarge;
    std::lock_guard lock(producer.error_mutex_);
    if (producer.failed_.fetch_add(1, std::memory_order_relaxed) == 0) {
      producer.first_failure_ = error->detail;
    }
  }
  if (message->_private == nullptr) return;
  const std::unique_ptr<Done> done(static_cast<Done*>(message->_private));
  (*done)({.partition = Partition(message->partition),
           .offset = Offset(ok ? message->offset : -1),
           .error = std::move(error)});
}

void Producer::on_error(rd_kafka_s*, int code, const char* reason, void* self) {
  Producer& producer = *static_cast<Producer*>(self);
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) producer.refused_ = true;
  // That all brokers are down follows from causes that were told before and say more.
  std::lock_guard lock(producer.error_mutex_);
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !producer.last_error_.empty()) return;
  producer.last_error_ = reason;
}

std::string Producer::last_error() const {
  std::lock_guard lock(error_mutex_);
  return last_error_;
}

rd_kafka_topic_s* Producer::handle_of(std::string_view topic) {
  {
    std::shared_lock lock(topics_mutex_);
    if (const auto found = topics_.find(topic); found != topics_.end()) return found->second;
  }
  std::unique_lock lock(topics_mutex_);
  std::string name(topic);
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second;
  rd_kafka_topic_t* handle = rd_kafka_topic_new(handle_, name.c_str(), nullptr);
  if (handle != nullptr) topics_.emplace(std::move(name), handle);
  return handle;
}

Result<int> Producer::wait_for_topic(std::string_view topic, milliseconds timeout) {
  const std::string name(topic);
  rd_kafka_topic_t* handle = handle_of(topic);
  if (handle == nullptr) {
    return Error{ErrorCode::kInvalidArgument, "'" + name + "' cannot be the name of a topic"};
  }
  refused_ = false;
  const auto end = Clock::now() + timeout;
  // Brokers that create topics do so within seconds after the first question.
  auto end_of_unknown = end;
  std::string last = "no broker answered";
  for (bool answered = false;;) {
    const rd_kafka_metadata_t* raw = nullptr;
    const int slice = std::min(left_ms(end), 1000);
    const rd_kafka_resp_err_t code =
        rd_kafka_metadata(handle_, 0, handle, &raw, std::max(slice, 1));
    const std::unique_ptr<const rd_kafka_metadata_t, MetadataDelete> metadata(raw);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
      const rd_kafka_metadata_topic_t& about = metadata->topics[0];
      const bool led = std::all_of(about.partitions, about.partitions + about.partition_cnt,
                                   [](const auto& partition) { return partition.leader >= 0; });
      if (about.err == RD_KAFKA_RESP_ERR_NO_ERROR && about.partition_cnt > 0 && led) {
        return about.partition_cnt;
      }
      if (about.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        return Error{ErrorCode::kUnavailable, "topic '" + name + "': access is not allowed"};
      }
      if (about.err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        return Error{ErrorCode::kInvalidArgument, "'" + name + "' cannot be the name of a topic"};
      }
      if (!answered) end_of_unknown = std::min(end, Clock::now() + std::chrono::seconds(10));
      answered = true;
      last = about.err == RD_KAFKA_RESP_ERR_NO_ERROR ? "a partition has no leader"
                                                     : rd_kafka_err2str(about.err);
    } else if (std::string cause = last_error(); !cause.empty()) {
      last = std::move(cause);
    }
    if (refused_) {
      return Error{ErrorCode::kUnavailable, "Kafka refuses the credentials", last_error()};
    }
    if (Clock::now() < (answered ? end_of_unknown : end)) {
      std::this_thread::sleep_for(milliseconds(answered ? 100 : 20));
      continue;
    }
    if (answered) {
      return Error{ErrorCode::kNotFound,
                   "topic '" + name + "' is not there, and the brokers do not create it", last};
    }
    return Error{ErrorCode::kUnavailable,
                 "no Kafka broker answers within " + std::to_string(timeout.count()) + " ms", last};
  }
}

Status Producer::produce(std::string_view topic, std::string_view key, std::optional<Bytes> value,
                         std::function<void(const Delivery&)> done) {
  rd_kafka_topic_t* handle = handle_of(topic);
  if (handle == nullptr) {
    return Error{ErrorCode::kInvalidArgument,
                 "'" + std::string(topic) + "' cannot be the name of a topic"};
  }
  // A null pointer is a tombstone, so an empty value needs one that is not.
  static constexpr std::uint8_t kEmpty = 0;
  const std::uint8_t* data = nullptr;
  if (value) data = value->empty() ? &kEmpty : value->data();
  std::unique_ptr<Done> kept = done ? std::make_unique<Done>(std::move(done)) : nullptr;
  for (;;) {
    // Nothing is written through the pointer: with F_COPY librdkafka only reads it.
    const int code = rd_kafka_produce(handle, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                      const_cast<std::uint8_t*>(data), value ? value->size() : 0,
                                      key.data(), key.size(), kept.get());
    if (code == 0) {
      static_cast<void>(kept.release());  // `on_delivery` has it now
      accepted_.fetch_add(1, std::memory_order_relaxed);
      return {};
    }
    const rd_kafka_resp_err_t why = rd_kafka_last_error();
    if (why == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(handle_, 10);
      continue;
    }
    return not_taken(why);
  }
}

Status Producer::forward(std::string_view topic, const RecordCopy& record,
                         std::span<const Header> more, std::function<void(const Delivery&)> done) {
  using HeadersPtr = Owned<rd_kafka_headers_t, rd_kafka_headers_destroy>;
  const std::string name(topic);
  const Message message = record.message();
  HeadersPtr headers(rd_kafka_headers_new(record.headers.size() + more.size()));
  const auto add = [&headers](const Header& header) {
    const std::string* const value = header.value ? &*header.value : nullptr;
    (void)rd_kafka_header_add(headers.get(), header.name.data(),
                              static_cast<ssize_t>(header.name.size()),
                              value == nullptr ? nullptr : value->data(),
                              value == nullptr ? 0 : static_cast<ssize_t>(value->size()));
  };
  std::for_each(record.headers.begin(), record.headers.end(), add);
  std::for_each(more.begin(), more.end(), add);
  // A null pointer is a null key or a tombstone, so an empty one needs a pointer that is not.
  static constexpr std::uint8_t kEmpty = 0;
  const auto data = [](const std::optional<Bytes>& bytes) -> void* {
    if (!bytes) return nullptr;
    return const_cast<std::uint8_t*>(bytes->empty() ? &kEmpty : bytes->data());
  };
  auto kept = std::make_unique<Done>(std::move(done));
  std::array<rd_kafka_vu_t, 7> args = {};
  args[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  args[0].u.cstr = name.c_str();
  args[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  args[1].u.i = RD_KAFKA_MSG_F_COPY;  // so that it only reads through the pointers
  args[2].vtype = RD_KAFKA_VTYPE_KEY;
  args[2].u.mem = {data(message.key), message.key ? message.key->size() : 0};
  args[3].vtype = RD_KAFKA_VTYPE_VALUE;
  args[3].u.mem = {data(message.value), message.value ? message.value->size() : 0};
  args[4].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  args[4].u.i64 = std::max<std::int64_t>(message.timestamp_ms, 0);
  args[5].vtype = RD_KAFKA_VTYPE_HEADERS;
  args[5].u.headers = headers.get();
  args[6].vtype = RD_KAFKA_VTYPE_OPAQUE;
  args[6].u.ptr = kept.get();
  for (;;) {
    const rd_kafka_resp_err_t why = take(rd_kafka_produceva(handle_, args.data(), args.size()));
    if (why == RD_KAFKA_RESP_ERR_NO_ERROR) {
      static_cast<void>(headers.release());
      static_cast<void>(kept.release());  // `on_delivery` has it now
      accepted_.fetch_add(1, std::memory_order_relaxed);
      return {};
    }
    if (why == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(handle_, 10);
      continue;
    }
    return not_taken(why);
  }
}

Status Producer::flush(milliseconds timeout) {
  const auto end = Clock::now() + timeout;
  rd_kafka_flush(handle_, left_ms(end));
  DeliveryCounts so_far = counts();
  // The poller may be about to count the last ones.
  while (so_far.delivered + so_far.failed < so_far.accepted && Clock::now() < end) {
    std::this_thread::sleep_for(milliseconds(1));
    so_far = counts();
  }
  if (so_far.failed > 0) {
    return Error{ErrorCode::kUnavailable,
                 std::to_string(so_far.failed) + " of " + std::to_string(so_far.accepted) +
                     " records were not delivered",
                 so_far.first_error};
  }
  if (so_far.delivered < so_far.accepted) {
    return Error{ErrorCode::kTimeout,
                 std::to_string(so_far.accepted - so_far.delivered) + " of " +
                     std::to_string(so_far.accepted) + " records are not delivered yet",
                 last_error()};
  }
  return {};
}

DeliveryCounts Producer::counts() const {
  DeliveryCounts counts{.accepted = accepted_.load(std::memory_order_relaxed),
                        .delivered = delivered_.load(std::memory_order_relaxed),
                        .failed = failed_.load(std::memory_order_relaxed)};
  std::lock_guard lock(error_mutex_);
  counts.first_error = first_failure_;
  return counts;
}

}  // namespace push_cache::kafka
