// Fuzz body: any bytes as a datum under one of some pairs of schemas. The first byte chooses the
// pair.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "avro/encoder.h"
#include "avro/json_tree.h"
#include "avro/plan.h"
#include "avro/schema.h"

namespace {

using namespace push_cache;        // NOLINT: a program of its own
using namespace push_cache::avro;  // NOLINT

// Writer's and reader's schema; no reader's: as written.
constexpr std::array<std::array<std::string_view, 2>, 10> kPairs = {{
    {R"({"type":"record","name":"Customer","fields":[{"name":"accountId","type":"string"},
       {"name":"phone","type":"bytes"},{"name":"createdAt","type":"long"},
       {"name":"updatedAt","type":["null","long"]}]})",
     ""},
    {R"({"type":"array","items":{"type":"map","values":["null","int","string",
       {"type":"array","items":"double"}]}})",
     ""},
    {R"({"type":"record","name":"Tree","fields":[{"name":"v","type":"float"},
       {"name":"kids","type":{"type":"array","items":"Tree"}},{"name":"next","type":["null","Tree"]}]})",
     ""},
    {R"({"type":"record","name":"Tree","fields":[{"name":"v","type":"int"},
       {"name":"kids","type":{"type":"array","items":"Tree"}},{"name":"next","type":["Tree","null"]}]})",
     R"({"type":"record","name":"Tree","fields":[{"name":"next","type":["null","Tree"]},
       {"name":"n","type":"string","default":"x"},{"name":"kids","type":{"type":"array","items":"Tree"}},
       {"name":"v","type":"double"}]})"},
    {R"({"type":"array","items":["null",{"type":"enum","name":"E","symbols":["A","B","C"]}]})",
     R"({"type":"array","items":["null",{"type":"enum","name":"E","symbols":["B","D"],"default":"D"}]})"},
    {R"({"type":"array","items":"null"})", ""},
    {R"({"type":"array","items":{"type":"record","name":"Z","fields":[{"name":"a","type":"null"},
       {"name":"b","type":{"type":"fixed","name":"F","size":0}}]}})",
     ""},
    {R"({"type":"record","name":"L","fields":[
       {"name":"a","type":{"type":"int","logicalType":"date"}},
       {"name":"b","type":{"type":"long","logicalType":"timestamp-micros"}},
       {"name":"c","type":{"type":"long","logicalType":"timestamp-nanos"}},
       {"name":"d","type":{"type":"int","logicalType":"time-millis"}},
       {"name":"e","type":{"type":"bytes","logicalType":"decimal","precision":40,"scale":9}},
       {"name":"f","type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}},
       {"name":"g","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}}]})",
     ""},
    {R"({"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":"boolean"},
       {"name":"c","type":{"type":"map","values":"double"}},{"name":"d","type":"long"}]})",
     R"({"type":"record","name":"R","fields":[{"name":"d","type":"double"},{"name":"a","type":"bytes"}]})"},
    {R"(["string","bytes","boolean","float"])", R"(["null","bytes","double"])"},
}};

void check(bool holds) {
  if (!holds) std::abort();
}

struct Pair {
  Schema writer;
  bool resolved;
  std::vector<std::shared_ptr<const Plan>> plans;  // numbers, then readable
};

std::vector<Pair> compile_pairs() {
  std::vector<Pair> pairs;
  for (const auto& texts : kPairs) {
    Result<Schema> writer = Schema::parse(texts[0]);
    Result<Schema> reader = Schema::parse(texts[1].empty() ? texts[0] : texts[1]);
    check(writer.ok() && reader.ok());
    Pair pair{*writer, !texts[1].empty(), {}};
    for (const LogicalTypes types : {LogicalTypes::kNumbers, LogicalTypes::kReadable}) {
      PlanOptions options;
      options.logical_types = types;
      auto plan = pair.resolved ? Plan::compile(*writer, *reader, options)
                                : Plan::compile(*writer, options);
      check(plan.ok());
      pair.plans.push_back(*plan);
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Pair> pairs = compile_pairs();
  if (size == 0) return 0;
  const Pair& pair = pairs[data[0] % pairs.size()];
  // A copy without the first byte, so that the datum too ends with its block.
  const std::vector<std::uint8_t> datum(data + 1, data + size);
  bool first = true;
  for (const std::shared_ptr<const Plan>& plan : pair.plans) {
    Buffer json;
    const Status rendered = plan->to_json(datum, json);
    check(rendered.ok() == plan->validate(datum).ok());
    (void)plan->version(datum);
    if (!rendered.ok()) {
      check(json.empty() && rendered.error().public_text.starts_with("byte "));
      continue;
    }
    check(JsonTree::parse(json.view(), 1000, JsonTree::RepeatedKeys::kLastWins).ok());
    if (first && !pair.resolved) {
      Buffer again;
      if (Encoder(pair.writer).from_json(json.view(), again).ok()) {
        check(plan->validate(again.bytes()).ok());
      }
    }
    first = false;
  }
  return 0;
}
