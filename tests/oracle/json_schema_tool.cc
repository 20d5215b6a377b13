// What test_json_schema.py drives. Only for the tests.
//
// Each line of stdin holds columns between tabs: "numbers" or "readable" (how logical types look)
// and an Avro schema; or "taken", an Avro schema and a JSON text. Each line of stdout answers one:
// for the first the JSON Schemas of what is shown and what is taken, {"shown":, "taken":,
// "components":}; for the second "taken" or "refused: TEXT", as the encoder has it.
#include <boost/json.hpp>

#include <iostream>
#include <string>

#include "api/json_schema.h"
#include "avro/encoder.h"

namespace push_cache::api {
namespace {

std::string next_column(std::string& line) {
  const std::size_t tab = line.find('\t');
  std::string column = line.substr(0, tab);
  line.erase(0, tab == std::string::npos ? tab : tab + 1);
  return column;
}

std::string answer(std::string line) {
  const std::string mode = next_column(line);
  const Result<avro::Schema> schema = avro::Schema::parse(next_column(line));
  if (!schema.ok()) return "error: " + schema.error().public_text;
  if (mode == "taken") {
    Buffer datum;
    const Status encoded = avro::Encoder(*schema).from_json(line, datum);
    return encoded.ok() ? "taken" : "refused: " + encoded.error().public_text;
  }
  JsonSchemas schemas(mode == "readable" ? avro::LogicalTypes::kReadable
                                         : avro::LogicalTypes::kNumbers);
  boost::json::object out;
  out["shown"] = schemas.add(*schema, JsonUse::kShown);
  out["taken"] = schemas.add(*schema, JsonUse::kTaken);
  out["components"] = {{"schemas", schemas.components()}};
  return boost::json::serialize(out);
}

}  // namespace
}  // namespace push_cache::api

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) std::cout << push_cache::api::answer(line) << '\n';
  return 0;
}
