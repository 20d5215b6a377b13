#include "embedded/populator.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/buffer.h"

namespace push_cache::embedded {
namespace {

using Clock = std::chrono::steady_clock;

Result<SchemaId> register_sample(registry::Client& registry, const PopulateOptions& options,
                                 std::string& subject) {
  const SampleInfo& info = sample_info(options.type);
  subject = options.topic + "-value";
  Result<SchemaId> id = registry.register_schema(subject, info.schema);
  if (id.ok() || id.error().code != ErrorCode::kConflict) return id;
  subject = options.topic + "-" + std::string(info.full_name);
  return registry.register_schema(subject, info.schema);
}

void append_header(SchemaId id, Buffer& out) {
  const auto raw = static_cast<std::uint32_t>(id.value);
  out.append('\0');
  for (int shift = 24; shift >= 0; shift -= 8) out.append(static_cast<char>(raw >> shift));
}

}  // namespace

Result<PopulateResult> populate(registry::Client& registry, kafka::Producer& producer,
                                const PopulateOptions& options) {
  PopulateResult result;
  Result<int> partitions = producer.wait_for_topic(options.topic, options.broker_timeout);
  if (!partitions.ok()) return std::move(partitions).error();
  result.partitions = *partitions;
  if (!options.tombstones) {
    Result<SchemaId> id = register_sample(registry, options, result.subject);
    if (!id.ok()) return std::move(id).error();
    result.id = *id;
  }

  const kafka::DeliveryCounts before = producer.counts();
  const auto report = [&] {
    if (options.progress) options.progress(producer.counts().delivered - before.delivered);
  };
  const auto start = Clock::now();
  std::uint64_t bytes = 0;
  result.bytes_min = options.count == 0 ? 0 : std::numeric_limits<std::size_t>::max();
  Buffer key(64);
  Buffer value(1024);
  for (std::uint64_t i = 0; i < options.count; ++i) {
    const std::uint64_t index = options.start_index + i;
    key.clear();
    append_sample_key(options.type, index, key);
    value.clear();
    if (!options.tombstones) {
      append_header(result.id, value);
      append_sample(options.type, options.seed, index, value);
    }
    result.bytes_min = std::min(result.bytes_min, value.size());
    result.bytes_max = std::max(result.bytes_max, value.size());
    bytes += value.size();
    const std::optional<Bytes> payload =
        options.tombstones ? std::nullopt : std::optional<Bytes>(value.bytes());
    if (Status done = producer.produce(options.topic, key.view(), payload); !done.ok()) {
      return std::move(done).error();
    }
    if (i % 4096 != 0) continue;
    report();
    if (producer.counts().failed > before.failed) break;  // the rest would fare no better
  }
  // Each record ends within message.timeout.ms, well or badly.
  Status done;
  do {
    done = producer.flush(std::chrono::milliseconds(200));
    report();
  } while (!done.ok() && done.error().code == ErrorCode::kTimeout);

  const kafka::DeliveryCounts after = producer.counts();
  result.count = after.delivered - before.delivered;
  result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (result.count != options.count) {
    return Error{ErrorCode::kUnavailable,
                 "only " + std::to_string(result.count) + " of " + std::to_string(options.count) +
                     " records were delivered, " + std::to_string(after.failed - before.failed) +
                     " failed",
                 after.first_error};
  }
  if (options.count > 0) {
    result.bytes_average = static_cast<double>(bytes) / static_cast<double>(options.count);
  }
  return result;
}

}  // namespace push_cache::embedded
