// Avro to JSON for each of the sample types and a nested one: the compiled plan against what a
// service written by hand does, a generic tree that a JSON library renders, and against a copy of
// the datum's bytes, the least that serving it could cost.
//
// Rows: avro/TYPE/to_json|to_json_over_memcpy|validate|from_json and some for Customer alone.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "avro/encoder.h"
#include "avro/plan.h"
#include "avro/schema.h"
#include "bench/avro_nested.h"
#include "bench/avro_tree.h"
#include "bench/harness.h"
#include "embedded/samples.h"

namespace push_cache::bench {
namespace {

using avro::Plan;
using avro::Schema;

constexpr std::size_t kRecords = 1024;  // of each type, in turn: no branch learns one by heart
constexpr double kBarNs = 250;          // of a Customer

struct Sample {
  std::string name;
  Schema schema;
  std::shared_ptr<const Plan> plan;
  std::vector<std::string> data;
  std::vector<std::string> texts;  // the same as JSON
};

Bytes bytes_of(const std::string& datum) {
  return {reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size()};
}

void require(bool holds, std::string_view what) {
  if (!holds) fail(what);
}

template <typename T>
T take(Result<T> result) {
  if (!result.ok()) fail(result.error().describe());
  return *std::move(result);
}

// Makes the data, and sees that plan and tree say the same of them.
Sample make_sample(std::string name, std::string_view schema_text,
                   const std::function<void(std::uint64_t, Buffer&)>& append) {
  Schema schema = take(Schema::parse(schema_text));
  auto plan = take(Plan::compile(schema, {.logical_types = avro::LogicalTypes::kReadable}));
  Sample sample{std::move(name), std::move(schema), std::move(plan), {}, {}};
  for (std::size_t i = 0; i < kRecords; ++i) {
    Buffer datum;
    Buffer json;
    append(i, datum);
    require(sample.plan->to_json(datum.bytes(), json).ok(), "a datum was not rendered");
    require(boost::json::parse(json.view()) == read_tree(sample.schema.root(), datum.bytes()),
            "plan and tree differ");
    sample.data.emplace_back(datum.view());
    sample.texts.emplace_back(json.view());
  }
  return sample;
}

// Nanoseconds of body(record) over the sample's data, or another list as long.
template <typename Body>
std::function<double()> timed(const Suite& suite, const std::vector<std::string>& records,
                              Body body) {
  const double seconds = suite.quick() ? 0.05 : 0.15;
  return [seconds, &records, body] {
    return ns_per_call(seconds, [&](std::uint64_t i) { body(records[i % kRecords]); });
  };
}

std::function<double()> to_json(const Suite& suite, const Sample& sample,
                                std::shared_ptr<const Plan> plan) {
  const auto out = std::make_shared<Buffer>(64 * 1024);
  return timed(suite, sample.data, [plan = std::move(plan), out](const std::string& datum) {
    out->clear();
    require(plan->to_json(bytes_of(datum), *out).ok(), "a datum was not rendered");
    keep(out->data());
  });
}

std::function<double()> validate(const Suite& suite, const Sample& sample) {
  return timed(suite, sample.data, [plan = sample.plan](const std::string& datum) {
    require(plan->validate(bytes_of(datum)).ok(), "a datum was refused");
  });
}

void bench_type(Suite& suite, const Sample& sample) {
  const std::string name = "avro/" + sample.name;
  const bool customer = sample.name == "customer";
  const auto out = std::make_shared<Buffer>(64 * 1024);
  const auto tree = timed(suite, sample.data, [&sample, out](const std::string& datum) {
    out->clear();
    const boost::json::value value = read_tree(sample.schema.root(), bytes_of(datum));
    out->append(std::string_view(boost::json::serialize(value)));
    keep(out->data());
  });
  const auto decode = timed(suite, sample.data, [&sample](const std::string& datum) {
    keep(read_tree(sample.schema.root(), bytes_of(datum)));
  });
  const auto copy = timed(suite, sample.data, [out](const std::string& datum) {
    out->clear();
    out->append(bytes_of(datum));
    keep(out->data());
  });
  Row row{name + "/to_json", "ns", true, "tree of values, rendered by Boost.JSON", {}};
  if (customer) row.goal = 10.0;
  suite.pair(row, to_json(suite, sample, sample.plan), tree);
  suite.pair({name + "/to_json_over_memcpy", "ns", true, "memcpy of the datum", {}},
             to_json(suite, sample, sample.plan), copy);
  suite.pair({name + "/validate", "ns", true, "tree of values, not rendered", {}},
             validate(suite, sample), decode);
}

// The nested type is left out: an encoder takes JSON with plain numbers, not with readable dates.
void bench_from_json(Suite& suite, const Sample& sample) {
  const auto encoder = std::make_shared<avro::Encoder>(sample.schema);
  const auto out = std::make_shared<Buffer>(64 * 1024);
  const auto ours = timed(suite, sample.texts, [encoder, out](const std::string& text) {
    out->clear();
    require(encoder->from_json(text, *out).ok(), "a text was not encoded");
    keep(out->data());
  });
  const auto parse =
      timed(suite, sample.texts, [](const std::string& text) { keep(boost::json::parse(text)); });
  suite.pair({"avro/" + sample.name + "/from_json", "ns", true, "Boost.JSON's parse alone", {}},
             ours, parse);
}

// What is of interest for one type only: the bar, the entity tag that every answer has, and
// resolution to a reader's schema (one field gone, one added, two out of the writer's order).
void bench_customer(Suite& suite, const Sample& sample) {
  suite.pair({"avro/customer/to_json/bar", "ns", true, "the bar", 1.0},
             to_json(suite, sample, sample.plan), [] { return kBarNs; });
  suite.pair({"avro/customer/version", "ns", true, "validate", {}},
             timed(suite, sample.data,
                   [plan = sample.plan](const std::string& datum) {
                     keep(plan->version(bytes_of(datum)));
                   }),
             validate(suite, sample));
  const Schema reader = take(Schema::parse(R"({"type":"record","name":"Customer","fields":[
      {"name":"accountId","type":"string"},{"name":"updatedAt","type":"long"},
      {"name":"phone","type":"string"},{"name":"address","type":["null","string"]},
      {"name":"tier","type":"string","default":"none"},{"name":"createdAt","type":"long"}]})"));
  const auto resolving = take(Plan::compile(sample.schema, reader, {}));
  suite.pair({"avro/customer/to_json_resolved", "ns", true, "to_json unresolved", {}},
             to_json(suite, sample, resolving), to_json(suite, sample, sample.plan));
}

int run(int argc, char** argv) {
  Suite suite("avro", argc, argv);
  for (const embedded::SampleInfo& info : embedded::sample_infos()) {
    const Sample sample = make_sample(
        std::string(info.name), info.schema,
        [&info](std::uint64_t i, Buffer& out) { embedded::append_sample(info.type, 1, i, out); });
    bench_type(suite, sample);
    bench_from_json(suite, sample);
    if (info.type == embedded::SampleType::kCustomer) bench_customer(suite, sample);
  }
  bench_type(suite, make_sample("nested", nested_schema(), append_nested));
  return suite.finish();
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) { return push_cache::bench::run(argc, argv); }
