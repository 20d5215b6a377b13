// Avro to JSON, for each of the sample types: the compiled plan against a copy of the datum's bytes
// (the least that serving it could cost) and against what a service written by hand does, a generic
// tree that a JSON library renders.
#include <benchmark/benchmark.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "avro/encoder.h"
#include "avro/node.h"
#include "avro/plan.h"
#include "avro/schema.h"
#include "avro/wire.h"
#include "embedded/samples.h"

namespace push_cache::avro {
namespace {

constexpr std::size_t kRecords =
    1024;  // of each type, in turn: no branch learns one record by heart

void require(bool holds) {
  if (!holds) std::abort();
}

struct Sample {
  Schema schema;
  std::shared_ptr<const Plan> plan;
  std::vector<std::string> data;
  std::size_t bytes = 0;
};

Bytes bytes_of(const std::string& datum) {
  return {reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()};
}

Sample make_sample(embedded::SampleType type) {
  Result<Schema> schema = Schema::parse(embedded::sample_info(type).schema);
  require(schema.ok());
  auto plan = Plan::compile(*schema, {});
  require(plan.ok());
  Sample sample{std::move(*schema), std::move(*plan), {}, 0};
  for (std::size_t i = 0; i < kRecords; ++i) {
    Buffer datum;
    embedded::append_sample(type, 1, i, datum);
    sample.data.emplace_back(datum.view());
    sample.bytes += datum.size();
  }
  return sample;
}

// The tree: a value of the schema, for well-formed data only.
class TreeReader {
 public:
  explicit TreeReader(Bytes datum) : at_(datum.data()), end_(at_ + datum.size()) {}

  boost::json::value read(const Node& node) {
    switch (node.type) {
      case Type::kBoolean:
        return *at_++ != 0;
      case Type::kInt:
      case Type::kLong:
        return number();
      case Type::kFloat:
        return static_cast<double>(fixed<float>());
      case Type::kDouble:
        return fixed<double>();
      case Type::kString:
        return boost::json::string(text());
      case Type::kUnion:
        return read(*node.branches[static_cast<std::size_t>(number())]);
      case Type::kArray: {
        boost::json::array items;
        for (std::int64_t count = number(); count != 0; count = number()) {
          for (; count > 0; --count) items.push_back(read(*node.items));
        }
        return items;
      }
      case Type::kRecord: {
        boost::json::object fields;
        for (const Field& field : node.fields) fields.emplace(field.name, read(*field.type));
        return fields;
      }
      default:
        return nullptr;
    }
  }

 private:
  std::int64_t number() {
    const Varint varint = read_varint(at_, end_);
    at_ = varint.next;
    return unzigzag(varint.raw);
  }
  template <typename T>
  T fixed() {
    const T value = load<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view text() {
    const auto size = static_cast<std::size_t>(number());
    const std::string_view text(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return text;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

void finish(benchmark::State& state, const Sample& sample) {
  const auto records = static_cast<double>(state.iterations());
  state.counters["datum_bytes"] = static_cast<double>(sample.bytes) / kRecords;
  state.counters["records/s"] = benchmark::Counter(records, benchmark::Counter::kIsRate);
}

template <embedded::SampleType kType>
void copy(benchmark::State& state) {
  const Sample sample = make_sample(kType);
  Buffer out(64 * 1024);
  std::size_t i = 0;
  for (auto _ : state) {
    out.clear();
    out.append(bytes_of(sample.data[i++ % kRecords]));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  finish(state, sample);
}

template <embedded::SampleType kType>
void to_json(benchmark::State& state) {
  const Sample sample = make_sample(kType);
  Buffer out(64 * 1024);
  std::size_t i = 0;
  for (auto _ : state) {
    out.clear();
    require(sample.plan->to_json(bytes_of(sample.data[i++ % kRecords]), out).ok());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  finish(state, sample);
}

template <embedded::SampleType kType>
void tree(benchmark::State& state) {
  const Sample sample = make_sample(kType);
  Buffer out(64 * 1024);
  std::size_t i = 0;
  for (auto _ : state) {
    out.clear();
    const boost::json::value value =
        TreeReader(bytes_of(sample.data[i++ % kRecords])).read(sample.schema.root());
    out.append(std::string_view(boost::json::serialize(value)));
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  finish(state, sample);
}

template <embedded::SampleType kType>
void validate(benchmark::State& state) {
  const Sample sample = make_sample(kType);
  std::size_t i = 0;
  for (auto _ : state) require(sample.plan->validate(bytes_of(sample.data[i++ % kRecords])).ok());
  finish(state, sample);
}

// What ingest pays for an entity tag.
void version(benchmark::State& state) {
  const Sample sample = make_sample(embedded::SampleType::kCustomer);
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sample.plan->version(bytes_of(sample.data[i++ % kRecords])));
  }
  finish(state, sample);
}

// Through a reader's schema: one field gone, one added, two out of the writer's order.
void to_json_resolved(benchmark::State& state) {
  const Sample sample = make_sample(embedded::SampleType::kCustomer);
  const Result<Schema> reader = Schema::parse(R"({"type":"record","name":"Customer","fields":[
      {"name":"accountId","type":"string"},{"name":"updatedAt","type":"long"},
      {"name":"phone","type":"string"},{"name":"address","type":["null","string"]},
      {"name":"tier","type":"string","default":"none"},{"name":"createdAt","type":"long"}]})");
  require(reader.ok());
  const auto plan = Plan::compile(sample.schema, *reader, {});
  require(plan.ok());
  Buffer out(64 * 1024);
  std::size_t i = 0;
  for (auto _ : state) {
    out.clear();
    require((*plan)->to_json(bytes_of(sample.data[i++ % kRecords]), out).ok());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  finish(state, sample);
}

void from_json(benchmark::State& state) {
  const Sample sample = make_sample(embedded::SampleType::kCustomer);
  std::vector<std::string> texts;
  for (const std::string& datum : sample.data) {
    Buffer json;
    require(sample.plan->to_json(bytes_of(datum), json).ok());
    texts.emplace_back(json.view());
  }
  const Encoder encoder(sample.schema);
  Buffer out(64 * 1024);
  std::size_t i = 0;
  for (auto _ : state) {
    out.clear();
    require(encoder.from_json(texts[i++ % kRecords], out).ok());
    benchmark::DoNotOptimize(out.data());
  }
  finish(state, sample);
}

using embedded::SampleType;
BENCHMARK(copy<SampleType::kCustomer>)->Name("customer/memcpy");
BENCHMARK(to_json<SampleType::kCustomer>)->Name("customer/to_json");
BENCHMARK(tree<SampleType::kCustomer>)->Name("customer/tree");
BENCHMARK(to_json_resolved)->Name("customer/to_json_resolved");
BENCHMARK(validate<SampleType::kCustomer>)->Name("customer/validate");
BENCHMARK(version)->Name("customer/version");
BENCHMARK(from_json)->Name("customer/from_json");
BENCHMARK(copy<SampleType::kBill>)->Name("bill/memcpy");
BENCHMARK(to_json<SampleType::kBill>)->Name("bill/to_json");
BENCHMARK(tree<SampleType::kBill>)->Name("bill/tree");
BENCHMARK(copy<SampleType::kUsage>)->Name("usage/memcpy");
BENCHMARK(to_json<SampleType::kUsage>)->Name("usage/to_json");
BENCHMARK(tree<SampleType::kUsage>)->Name("usage/tree");
BENCHMARK(copy<SampleType::kTicket>)->Name("ticket/memcpy");
BENCHMARK(to_json<SampleType::kTicket>)->Name("ticket/to_json");
BENCHMARK(tree<SampleType::kTicket>)->Name("ticket/tree");

}  // namespace
}  // namespace push_cache::avro

BENCHMARK_MAIN();
