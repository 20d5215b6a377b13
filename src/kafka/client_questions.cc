// What a consumer asks brokers beside records: topics, partitions, offsets, settings.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>

#include "kafka/client.h"
#include "kafka/handles.h"

namespace push_cache::kafka {
namespace {

using Clock = std::chrono::steady_clock;

Error no_offsets(const std::vector<std::string>& topics, TopicPartition at, const char* why) {
  return {ErrorCode::kUnavailable, "the offsets of " + topics[at.topic] + "/" +
                                       std::to_string(at.partition.value) +
                                       " cannot be had: " + why};
}

// What an answer to ListOffsets says: offsets into the vector that is the question's opaque,
// errors into `out`, both in the order of `partitions`.
void take_offsets(rd_kafka_event_t* event, std::span<const TopicPartition> partitions,
                  const std::vector<std::string>& topics, std::vector<PartitionWatermarks>& out) {
  if (const auto code = rd_kafka_event_error(event); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    for (std::size_t i = 0; i < partitions.size(); ++i) {
      out[i].marks = no_offsets(topics, partitions[i], rd_kafka_err2str(code));
    }
    return;
  }
  const rd_kafka_ListOffsets_result_t* result = rd_kafka_event_ListOffsets_result(event);
  if (result == nullptr) return;
  auto& offsets = *static_cast<std::vector<std::int64_t>*>(rd_kafka_event_opaque(event));
  std::map<std::pair<std::string_view, std::int32_t>, std::size_t> places;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    places[{topics[partitions[i].topic], partitions[i].partition.value}] = i;
  }
  std::size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos =
      rd_kafka_ListOffsets_result_infos(result, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto* found = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    const auto place = places.find({found->topic, found->partition});
    if (place == places.end()) continue;
    if (found->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      offsets[place->second] = found->offset;
    } else {
      out[place->second].marks =
          no_offsets(topics, partitions[place->second], rd_kafka_err2str(found->err));
    }
  }
}

// Any broker can answer what is asked here; librdkafka would wait for the controller, which may be
// the one that is away. `broker`: below 0 for the controller.
AdminOptionsPtr options_for(rd_kafka_t* handle, rd_kafka_admin_op_t operation,
                            std::chrono::milliseconds timeout, std::int32_t broker = -1) {
  AdminOptionsPtr options(rd_kafka_AdminOptions_new(handle, operation));
  std::array<char, 256> why{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), static_cast<int>(timeout.count()),
                                            why.data(), why.size());
  if (broker >= 0) {
    rd_kafka_AdminOptions_set_broker(options.get(), broker, why.data(), why.size());
  }
  return options;
}

// librdkafka answers each question by its own timeout; the deadline is in case it does not.
EventPtr answer(rd_kafka_queue_t* answers, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now() +
                                                                          std::chrono::seconds(1));
  return EventPtr(rd_kafka_queue_poll(answers, std::max(static_cast<int>(left.count()), 0)));
}

rd_kafka_resp_err_t code_of(const EventPtr& event) {
  return event ? rd_kafka_event_error(event.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
}

Error no_answer(const EventPtr& event) {
  return {ErrorCode::kUnavailable,
          std::string("Kafka does not answer: ") + rd_kafka_err2str(code_of(event))};
}

EventPtr describe_topics(rd_kafka_t* handle, const std::vector<std::string>& topics,
                         const rd_kafka_AdminOptions_t* options, Clock::time_point deadline) {
  using CollectionPtr = Owned<rd_kafka_TopicCollection_t, rd_kafka_TopicCollection_destroy>;
  std::vector<const char*> names;
  for (const std::string& topic : topics) names.push_back(topic.c_str());
  const CollectionPtr collection(
      rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const QueuePtr answers(rd_kafka_queue_new(handle));
  rd_kafka_DescribeTopics(handle, collection.get(), options, answers.get());
  return answer(answers.get(), deadline);
}

std::string text_of(const rd_kafka_Uuid_t* id) {
  if (id == nullptr || (rd_kafka_Uuid_most_significant_bits(id) == 0 &&
                        rd_kafka_Uuid_least_significant_bits(id) == 0)) {
    return {};
  }
  return rd_kafka_Uuid_base64str(id);
}

// Whether `word` is among the words of a list such as "compact, delete".
bool lists(std::string_view list, std::string_view word) {
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    std::string_view one = list.substr(at, end - at);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == word) return true;
    at = end + 1;
  }
  return false;
}

TopicCleanup read_cleanup(const rd_kafka_ConfigResource_t* resource) {
  TopicCleanup out;
  std::size_t count = 0;
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(resource, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view name = rd_kafka_ConfigEntry_name(entries[i]);
    const char* raw = rd_kafka_ConfigEntry_value(entries[i]);
    const std::string_view value = raw == nullptr ? "" : raw;
    if (name == "cleanup.policy") {
      out.policy = value;
      out.compacted = lists(value, "compact");
    }
    if (name != "delete.retention.ms") continue;
    std::int64_t ms = 0;
    std::from_chars(value.data(), value.data() + value.size(), ms);
    out.tombstones_kept = std::chrono::milliseconds(std::max<std::int64_t>(ms, 0));
  }
  return out;
}

struct MetadataDelete {
  void operator()(const rd_kafka_metadata_t* owned) const { rd_kafka_metadata_destroy(owned); }
};
using MetadataPtr = std::unique_ptr<const rd_kafka_metadata_t, MetadataDelete>;

// Whether Read is among what the brokers allow; also when they do not tell what they allow.
bool may_read_by(const rd_kafka_AclOperation_t* allowed, std::size_t count) {
  return allowed == nullptr || count == 0 ||
         std::find(allowed, allowed + count, RD_KAFKA_ACL_OPERATION_READ) != allowed + count;
}

void ask_for_rights(rd_kafka_AdminOptions_t* options) {
  if (rd_kafka_error_t* refused =
          rd_kafka_AdminOptions_set_include_authorized_operations(options, 1)) {
    rd_kafka_error_destroy(refused);
  }
}

// What rights end with; an answer that tells none, since the brokers are too old, is no failure.
std::optional<Status> no_rights(const EventPtr& event) {
  const auto code = code_of(event);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
  if (code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) return Status();
  return Status(no_answer(event));
}

}  // namespace

Error Client::no_broker(int code) const {
  const std::string cause = last_error();
  return {ErrorCode::kUnavailable,
          "Kafka does not answer: " +
              (cause.empty() ? rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code)) : cause)};
}

Status Client::reach(std::chrono::milliseconds timeout) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto error =
      rd_kafka_metadata(handle_, 0, nullptr, &metadata, static_cast<int>(timeout.count()));
  const MetadataPtr owner(metadata);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return no_broker(error);
  answered_ = true;
  return {};
}

Result<std::string> Client::cluster_id() const {
  if (!answered_) return Error{ErrorCode::kUnavailable, "no broker has told its cluster yet"};
  char* const id = rd_kafka_clusterid(handle_, 0);
  if (id == nullptr) return std::string();
  std::string out(id);
  rd_kafka_mem_free(handle_, id);
  return out;
}

Status Client::may_read(std::uint32_t topic, std::chrono::milliseconds timeout) {
  const std::string& name = topics_[topic];
  const AdminOptionsPtr options =
      options_for(handle_, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout, known_leader_);
  ask_for_rights(options.get());
  const EventPtr event = describe_topics(handle_, {name}, options.get(), Clock::now() + timeout);
  if (auto failed = no_rights(event)) return *std::move(failed);
  std::size_t count = 0;
  const rd_kafka_TopicDescription_t** found = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(event.get()), &count);
  if (count != 1) return no_answer(event);
  const rd_kafka_error_t* error = rd_kafka_TopicDescription_error(found[0]);
  if (error != nullptr && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Error{ErrorCode::kUnavailable, "topic '" + name + "': " + rd_kafka_error_string(error)};
  }
  std::size_t rights = 0;
  const auto* allowed = rd_kafka_TopicDescription_authorized_operations(found[0], &rights);
  if (may_read_by(allowed, rights)) return {};
  return Error{ErrorCode::kMethodNotAllowed,
               "topic '" + name + "' may not be read: this client needs Read on it"};
}

Status Client::may_join(const std::string& group, std::chrono::milliseconds timeout) {
  const QueuePtr answers(rd_kafka_queue_new(handle_));
  const AdminOptionsPtr options =
      options_for(handle_, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout);
  ask_for_rights(options.get());
  const char* groups[] = {group.c_str()};
  const auto deadline = Clock::now() + timeout;
  rd_kafka_DescribeConsumerGroups(handle_, groups, 1, options.get(), answers.get());
  const EventPtr event = answer(answers.get(), deadline);
  if (auto failed = no_rights(event)) return *std::move(failed);
  std::size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** found = rd_kafka_DescribeConsumerGroups_result_groups(
      rd_kafka_event_DescribeConsumerGroups_result(event.get()), &count);
  if (count != 1) return no_answer(event);
  const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(found[0]);
  const auto code = error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
  std::size_t rights = 0;
  const auto* allowed = rd_kafka_ConsumerGroupDescription_authorized_operations(found[0], &rights);
  if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED || !may_read_by(allowed, rights)) {
    return Error{ErrorCode::kMethodNotAllowed,
                 "group '" + group + "' may not be used: this client needs Read on it"};
  }
  // That there is no such group yet is no failure.
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) return {};
  return Error{ErrorCode::kUnavailable, "group '" + group + "': " + rd_kafka_error_string(error)};
}

Result<std::vector<PartitionInfo>> Client::partitions(std::uint32_t topic,
                                                      std::chrono::milliseconds timeout) {
  using TopicPtr = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
  const std::string& name = topics_[topic];
  const TopicPtr handle(rd_kafka_topic_new(handle_, name.c_str(), nullptr));
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto error =
      rd_kafka_metadata(handle_, 0, handle.get(), &metadata, static_cast<int>(timeout.count()));
  const MetadataPtr owner(metadata);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return no_broker(error);
  answered_ = true;
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& found = metadata->topics[i];
    if (name != found.topic) continue;
    if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        found.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) {
      break;
    }
    if (found.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
      return Error{
          ErrorCode::kMethodNotAllowed,
          "topic '" + name + "' may not be seen: this client needs Describe and Read on it"};
    }
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return Error{ErrorCode::kUnavailable, "topic '" + name + "': " + rd_kafka_err2str(found.err)};
    }
    std::vector<PartitionInfo> out;
    for (int p = 0; p < found.partition_cnt; ++p) {
      const rd_kafka_metadata_partition_t& one = found.partitions[p];
      out.push_back({Partition(one.id), one.leader >= 0});
      if (one.leader >= 0) known_leader_ = one.leader;
    }
    std::sort(out.begin(), out.end(),
              [](const PartitionInfo& a, const PartitionInfo& b) { return a.id < b.id; });
    if (!out.empty()) return out;
  }
  return Error{ErrorCode::kNotFound, "topic '" + name + "' does not exist"};
}

std::vector<PartitionWatermarks> Client::watermarks(std::span<const TopicPartition> partitions,
                                                    std::chrono::milliseconds timeout) {
  std::vector<PartitionWatermarks> out;
  for (const TopicPartition& at : partitions) {
    out.push_back({at, no_offsets(topics_, at, "no answer")});
  }
  if (out.empty()) return out;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const QueuePtr answers(rd_kafka_queue_new(handle_));
  const AdminOptionsPtr options = options_for(handle_, RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout);
  if (rd_kafka_error_t* refused = rd_kafka_AdminOptions_set_isolation_level(
          options.get(), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED)) {
    rd_kafka_error_destroy(refused);
  }
  std::array<std::vector<std::int64_t>, 2> found;  // low, high
  constexpr std::array<rd_kafka_OffsetSpec_t, 2> kSpecs = {RD_KAFKA_OFFSET_SPEC_EARLIEST,
                                                           RD_KAFKA_OFFSET_SPEC_LATEST};
  for (std::size_t side = 0; side < kSpecs.size(); ++side) {
    found[side].assign(partitions.size(), -1);
    const ListPtr list = make_list(partitions.size());
    for (const TopicPartition& at : partitions) {
      rd_kafka_topic_partition_list_add(list.get(), topics_[at.topic].c_str(), at.partition.value)
          ->offset = kSpecs[side];
    }
    rd_kafka_AdminOptions_set_opaque(options.get(), &found[side]);
    rd_kafka_ListOffsets(handle_, list.get(), options.get(), answers.get());
  }
  for (std::size_t side = 0; side < kSpecs.size(); ++side) {
    if (const EventPtr event = answer(answers.get(), deadline)) {
      take_offsets(event.get(), partitions, topics_, out);
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (found[0][i] >= 0 && found[1][i] >= 0) {
      out[i].marks = Watermarks{Offset(found[0][i]), Offset(found[1][i])};
    }
  }
  return out;
}

Result<std::vector<std::string>> Client::topic_ids(std::chrono::milliseconds timeout) {
  const std::int32_t broker = known_leader_;
  if (broker < 0) return Error{ErrorCode::kUnavailable, "no leader of any partition is known yet"};
  const AdminOptionsPtr options =
      options_for(handle_, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout, broker);
  const EventPtr event = describe_topics(handle_, topics_, options.get(), Clock::now() + timeout);
  if (code_of(event) != RD_KAFKA_RESP_ERR_NO_ERROR) return no_answer(event);
  std::vector<std::string> ids(topics_.size());
  std::size_t count = 0;
  const rd_kafka_TopicDescription_t** found = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* error = rd_kafka_TopicDescription_error(found[i]);
    if (error != nullptr && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const auto place =
        std::find(topics_.begin(), topics_.end(), rd_kafka_TopicDescription_name(found[i]));
    if (place == topics_.end()) continue;
    ids[static_cast<std::size_t>(place - topics_.begin())] =
        text_of(rd_kafka_TopicDescription_topic_id(found[i]));
  }
  return ids;
}

Result<TopicCleanup> Client::cleanup(std::uint32_t topic, std::chrono::milliseconds timeout) {
  using ResourcePtr = Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;
  const std::string& name = topics_[topic];
  const ResourcePtr resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  const QueuePtr answers(rd_kafka_queue_new(handle_));
  const AdminOptionsPtr options =
      options_for(handle_, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout, known_leader_);
  const auto deadline = Clock::now() + timeout;
  rd_kafka_ConfigResource_t* one = resource.get();
  rd_kafka_DescribeConfigs(handle_, &one, 1, options.get(), answers.get());
  const EventPtr event = answer(answers.get(), deadline);
  if (code_of(event) == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE) {
    return Error{ErrorCode::kUnsupported,
                 "the configuration of topic '" + name +
                     "' cannot be seen: the brokers know no DescribeConfigs"};
  }
  if (code_of(event) != RD_KAFKA_RESP_ERR_NO_ERROR) return no_answer(event);
  std::size_t count = 0;
  const rd_kafka_ConfigResource_t** found = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1) return no_answer(event);
  switch (const auto code = rd_kafka_ConfigResource_error(found[0])) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return read_cleanup(found[0]);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return Error{ErrorCode::kMethodNotAllowed,
                   "the configuration of topic '" + name +
                       "' may not be seen: this client needs DescribeConfigs on it"};
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
      return Error{ErrorCode::kUnsupported, "the configuration of topic '" + name +
                                                "' cannot be seen: " + rd_kafka_err2str(code)};
    default:
      return Error{ErrorCode::kUnavailable,
                   "the configuration of topic '" + name + "': " + rd_kafka_err2str(code)};
  }
}

}  // namespace push_cache::kafka
