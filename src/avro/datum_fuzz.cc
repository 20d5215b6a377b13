// Fuzz body: any bytes as a datum under a pair of schemas, read by the compiled plan and by the
// plain decoder. The first byte chooses: up to 127 one of some pairs; above, a pair made from the
// next bytes (their number is the second), with a bit for how the datum comes from the rest: as it
// is, or a well-formed one made of it.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "avro/encoder.h"
#include "avro/json_tree.h"
#include "avro/plain_decoder.h"
#include "avro/plan.h"
#include "avro/random_schemas.h"
#include "avro/schema.h"
#include "base/fuzz.h"

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

struct Pair {
  Schema writer;
  Schema reader;
  bool resolved;
  std::shared_ptr<const Plan> numbers;
  std::shared_ptr<const Plan> readable;  // the same where there is no logical type
};

Result<std::shared_ptr<const Plan>> compile(const Schema& writer, const Schema& reader,
                                            bool resolved, LogicalTypes types) {
  PlanOptions options;
  options.logical_types = types;
  options.version_field = "a";
  return resolved ? Plan::compile(writer, reader, options) : Plan::compile(writer, options);
}

// Nothing when the reader's text is no schema, or nothing of the writer's can be read by it; then
// the plain rules say so too.
std::optional<Pair> compile_pair(std::string_view writer_text, std::string_view reader_text,
                                 bool has_logical_types) {
  Result<Schema> writer = Schema::parse(writer_text);
  fuzz_require(writer.ok());
  const bool resolved = !reader_text.empty();
  Result<Schema> reader = resolved ? Schema::parse(reader_text) : writer;
  if (!reader.ok()) return std::nullopt;
  auto numbers = compile(*writer, *reader, resolved, LogicalTypes::kNumbers);
  auto readable =
      has_logical_types ? compile(*writer, *reader, resolved, LogicalTypes::kReadable) : numbers;
  fuzz_require(numbers.ok() == readable.ok());
  fuzz_require(numbers.ok() == resolves_plain(writer->root(), reader->root()));
  if (!numbers.ok()) return std::nullopt;
  return Pair{*writer, *reader, resolved, *numbers, *readable};
}

std::vector<Pair> compile_pairs() {
  std::vector<Pair> pairs;
  for (const auto& [writer, reader] : kPairs) {
    std::optional<Pair> pair = compile_pair(writer, reader, true);
    fuzz_require(pair.has_value());
    pairs.push_back(*std::move(pair));
  }
  return pairs;
}

// Whether the plan took the datum. Its JSON comes to `json`.
bool render(const Plan& plan, Bytes datum, Buffer& json) {
  json.append("before");
  const Status rendered = plan.to_json(datum, json);
  const Status valid = plan.validate(datum);
  fuzz_require(rendered.ok() == valid.ok() && json.view().starts_with("before"));
  (void)plan.version(datum);
  if (!rendered.ok()) {
    fuzz_require(json.size() == 6 && rendered.error().code == ErrorCode::kMalformed);
    fuzz_require(rendered.error().public_text == valid.error().public_text);
    fuzz_require(rendered.error().public_text.starts_with("byte "));
  }
  return rendered.ok();
}

void require_json(std::string_view text) {
  fuzz_require(JsonTree::parse(text, 1000, JsonTree::Dialect::kStrict).ok());
}

void compare(const Pair& pair, Bytes datum) {
  Buffer json;
  Buffer readable;
  const bool taken = render(*pair.numbers, datum, json);
  if (pair.readable != pair.numbers) {
    fuzz_require(render(*pair.readable, datum, readable) == taken);
  }
  const PlainJson plain = decode_plain(pair.writer.root(), pair.reader.root(), datum);
  fuzz_require(plain.verdict == PlainVerdict::kAtLimit ||
               taken == (plain.verdict == PlainVerdict::kTaken));
  if (!taken) return;
  const std::string_view text = json.view().substr(6);
  fuzz_require(plain.verdict == PlainVerdict::kAtLimit || text == plain.json);
  require_json(text);
  if (pair.readable != pair.numbers) require_json(readable.view().substr(6));
  // What was rendered can be sent back, but for null in place of a number.
  Buffer again;
  if (!Encoder(pair.reader).from_json(text, again).ok()) return;
  const auto read = compile(pair.reader, pair.reader, false, LogicalTypes::kNumbers);
  fuzz_require(read.ok() && (*read)->validate(again.bytes()).ok());
}

void with_random_schemas(Bytes input) {
  FuzzChoices choices(input);
  const std::uint8_t mode = choices.byte();
  const std::size_t schema_bytes = choices.byte();
  FuzzChoices schema_choices(choices.take(schema_bytes));
  SchemaTexts texts = random_schemas(schema_choices);
  if ((mode & 1) != 0) texts.reader.clear();
  const std::optional<Pair> pair = compile_pair(texts.writer, texts.reader, false);
  if (!pair) return;
  if ((mode & 2) != 0) return compare(*pair, ExactBlock(choices.rest()).bytes());
  Buffer datum;
  if (!random_datum(pair->writer.root(), choices, datum)) return;
  if (!pair->resolved) {
    // Made by the schema, so a plan of it takes it.
    const PlainJson plain = decode_plain(pair->writer.root(), pair->writer.root(), datum.bytes());
    fuzz_require(plain.verdict != PlainVerdict::kRefused);
  }
  compare(*pair, ExactBlock(datum.bytes()).bytes());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Pair> pairs = compile_pairs();
  if (size == 0) return 0;
  if (data[0] >= 128) {
    with_random_schemas({data, size});
  } else {
    // A copy without the first byte, so that the datum too ends with its block.
    const ExactBlock datum(Bytes(data + 1, size - 1));
    compare(pairs[data[0] % pairs.size()], datum.bytes());
  }
  return 0;
}
