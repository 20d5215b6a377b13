// Fuzz body: what a client can put in a target, a header or a body of the API, each by itself. The
// first byte chooses which.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/body_key.h"
#include "api/conditions.h"
#include "api/key_list.h"
#include "avro/encoder.h"
#include "avro/plan.h"
#include "base/fuzz.h"
#include "base/utf8.h"

namespace {

using namespace push_cache;       // NOLINT: a program of its own
using namespace push_cache::api;  // NOLINT

// Schemas of bodies: the first is that of the most usual kind of record, the others have each type.
constexpr std::array<std::string_view, 6> kSchemas = {
    R"({"type":"record","name":"CustomerBill","fields":[{"name":"accountId","type":"string"},
       {"name":"year","type":"int"},{"name":"totalAmount","type":"double","default":0.5},
       {"name":"payments","type":{"type":"array","items":{"type":"record","name":"Payment","fields":[
         {"name":"date","type":"string"},{"name":"amount","type":"double"}]}},"default":[]}]})",
    R"({"type":"record","name":"Tree","fields":[{"name":"v","type":["null","long"],"default":null},
       {"name":"kids","type":{"type":"array","items":"Tree"},"default":[]}]})",
    R"({"type":"map","values":["null","boolean","int","float","string",
       {"type":"array","items":["long","double"]}]})",
    R"({"type":"record","name":"B","fields":[{"name":"a","type":["bytes","string"]},
       {"name":"b","type":{"type":"fixed","name":"F","size":3},"default":"abc"},
       {"name":"c","type":{"type":"enum","name":"E","symbols":["X","Y"]},"default":"Y"},
       {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2},
        "default":""}]})",
    R"([{"type":"record","name":"L","fields":[{"name":"x","type":"int"}]},
       {"type":"record","name":"R","fields":[{"name":"x","type":"float"},
         {"name":"y","type":"L","default":{"x":7}}]},"string"])",
    R"({"type":"array","items":["int","long","double"]})",
};

struct Body {
  avro::Encoder encoder;
  std::shared_ptr<const avro::Plan> plan;
};

std::vector<Body> compile_bodies() {
  std::vector<Body> bodies;
  for (const std::string_view text : kSchemas) {
    const Result<avro::Schema> schema = avro::Schema::parse(text);
    fuzz_require(schema.ok());
    const auto plan = avro::Plan::compile(*schema, {});
    fuzz_require(plan.ok());
    bodies.push_back({avro::Encoder(*schema), *plan});
  }
  return bodies;
}

void check_client_error(const Error& error) {
  fuzz_require(error.code == ErrorCode::kInvalidArgument && !error.public_text.empty());
  fuzz_require(is_utf8(error.public_text));  // it goes into a JSON string
}

void check_body(const Body& body, std::string_view json) {
  Buffer datum;
  datum.append("before");
  const Status encoded = body.encoder.from_json(json, datum);
  if (!encoded.ok()) {
    fuzz_require(datum.view() == "before");
    return check_client_error(encoded.error());
  }
  const Bytes bytes = datum.bytes().subspan(6);
  Buffer shown;
  fuzz_require(body.plan->to_json(bytes, shown).ok());
  Buffer again;
  fuzz_require(body.encoder.from_json(shown.view(), again).ok());
  fuzz_require(std::equal(again.bytes().begin(), again.bytes().end(), bytes.begin(), bytes.end()));
}

void check_key(std::string_view input) {
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view path = input.substr(0, line);
  if (!is_utf8(path)) return;  // it comes from a checked configuration or a schema
  const Result<std::string> key =
      key_from_body(input.substr(std::min(line + 1, input.size())), path);
  if (!key.ok()) return check_client_error(key.error());
  fuzz_require(is_utf8(*key));
}

void check_query(std::string_view query) {
  const Result<ListQuery> parsed = ListQuery::parse(query);
  if (!parsed.ok()) return check_client_error(parsed.error());
  fuzz_require(is_utf8(parsed->filter));
  // Written plainly it says the same.
  const Result<ListQuery> again = ListQuery::parse("limit=" + std::to_string(parsed->limit) +
                                                   "&offset=" + std::to_string(parsed->offset) +
                                                   "&filter=" + percent_encode(parsed->filter));
  fuzz_require(again.ok() && again->limit == parsed->limit && again->offset == parsed->offset &&
               again->filter == parsed->filter);
}

void check_percent(std::string_view text) {
  fuzz_require(percent_decode(percent_encode(text)) == text);
  const std::optional<std::string> decoded = percent_decode(text);
  if (!decoded) {
    fuzz_require(text.find('%') != std::string_view::npos);
    return;
  }
  fuzz_require(decoded->size() <= text.size());
  fuzz_require(text.find('%') != std::string_view::npos || *decoded == text);
  const std::optional<std::string> raw = decode_base64(text);
  if (!raw) return;
  Buffer encoded;
  append_base64(encoded, {reinterpret_cast<const std::uint8_t*>(raw->data()), raw->size()});
  fuzz_require(encoded.size() == text.size() && decode_base64(encoded.view()) == raw);
}

void check_conditions(std::string_view header) {
  const EntityTag tag({}, 7);
  const auto weak = [&tag](std::string_view list) {
    return names(list, tag.view(), Comparison::kWeak);
  };
  // A list that names it and goes on names it still.
  fuzz_require(weak("\"7\", " + std::string(header)));
  // Empty members change nothing but for `*`, which is alone or no member.
  if (header.find('*') == std::string_view::npos) {
    fuzz_require(weak(", ," + std::string(header)) == weak(header));
  }
  fuzz_require(weak(header) || !names(header, tag.view(), Comparison::kStrong));
  const bool could =
      header.find("\"7\"") != std::string_view::npos || header.find('*') != std::string_view::npos;
  fuzz_require(!weak(header) || could);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Body> bodies = compile_bodies();
  if (size == 0) return 0;
  const ExactBlock block(Bytes(data + 1, size - 1));
  const std::string_view input = block.view();
  switch (const std::size_t choice = data[0] % (4 + bodies.size())) {
    case 0:
      check_key(input);
      break;
    case 1:
      check_query(input);
      break;
    case 2:
      check_percent(input);
      break;
    case 3:
      check_conditions(input);
      break;
    default:
      check_body(bodies[choice - 4], input);
  }
  return 0;
}
