// Fills a topic with made-up records, as a producer of a billing system would.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "base/types.h"
#include "embedded/samples.h"
#include "kafka/producer.h"
#include "registry/client.h"

namespace push_cache::embedded {

struct PopulateOptions {
  SampleType type = SampleType::kCustomer;
  std::string topic;
  std::uint64_t count = 100;
  std::uint64_t seed = 1;
  std::uint64_t start_index = 0;  // of the first record's key
  bool tombstones = false;        // null values for the same keys, which remove them
  std::chrono::milliseconds broker_timeout{20'000};  // until a broker has told of the topic
  // Called now and then, on the caller's thread, with the number of records delivered so far.
  std::function<void(std::uint64_t delivered)> progress = {};
};

struct PopulateResult {
  std::uint64_t count = 0;  // delivered: all of them
  double seconds = 0;       // from the first record produced to the last one acknowledged
  // Of the values, with the 5 bytes of the wire format.
  std::size_t bytes_min = 0;
  std::size_t bytes_max = 0;
  double bytes_average = 0;
  int partitions = 0;
  std::string subject;  // "" for tombstones
  SchemaId id;

  double rate() const { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }
};

// Registers the schema under "TOPIC-value" or, when the registry says that the subject holds
// another record's schema, under "TOPIC-FULL.NAME" (the strategies TopicName and TopicRecordName of
// Confluent's serializers), and produces the records with the id that the registry gave. Returns
// when each of them is acknowledged; an error tells how many are not.
Result<PopulateResult> populate(registry::Client& registry, kafka::Producer& producer,
                                const PopulateOptions& options);

}  // namespace push_cache::embedded
