// What test_avro_oracle.py drives: data in, JSON out. Only for the tests.
//
// Each line of stdin holds four columns between tabs: "numbers" or "readable" (how logical types
// look), the writer's schema, the reader's (empty: none) and the datum in hexadecimal digits. Each
// line of stdout answers one, in two columns: the JSON or "error: TEXT"; and, for "numbers" without
// a reader's schema, what became of the JSON when it was encoded and rendered again: "same",
// "differs: JSON" or "refused: TEXT".
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "avro/encoder.h"
#include "avro/plan.h"
#include "avro/schema.h"

namespace push_cache::avro {
namespace {

std::vector<std::string> columns_of(const std::string& line) {
  std::vector<std::string> columns(1);
  for (const char c : line) {
    if (c == '\t') {
      columns.emplace_back();
    } else {
      columns.back().push_back(c);
    }
  }
  return columns;
}

std::string bytes_of(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return bytes;
}

std::string sent_back(const Schema& schema, const Plan& plan, std::string_view json) {
  Buffer datum;
  const Status encoded = Encoder(schema).from_json(json, datum);
  if (!encoded.ok()) return "refused: " + encoded.error().public_text;
  Buffer again;
  const Status rendered = plan.to_json(datum.bytes(), again);
  if (!rendered.ok()) return "differs: " + rendered.error().public_text;
  return again.view() == json ? "same" : "differs: " + std::string(again.view());
}

std::string answer(const std::vector<std::string>& columns) {
  if (columns.size() != 4) return "error: four columns are needed";
  const Result<Schema> writer = Schema::parse(columns[1]);
  if (!writer.ok()) return "error: writer: " + writer.error().public_text;
  PlanOptions options;
  const bool readable = columns[0] == "readable";
  options.logical_types = readable ? LogicalTypes::kReadable : LogicalTypes::kNumbers;
  Result<std::shared_ptr<const Plan>> plan = Plan::compile(*writer, options);
  if (!columns[2].empty()) {
    const Result<Schema> reader = Schema::parse(columns[2]);
    if (!reader.ok()) return "error: reader: " + reader.error().public_text;
    plan = Plan::compile(*writer, *reader, options);
  }
  if (!plan.ok()) return "error: plan: " + plan.error().public_text;
  const std::string datum = bytes_of(columns[3]);
  const Bytes bytes(reinterpret_cast<const std::uint8_t*>(datum.data()), datum.size());
  Buffer json;
  const Status rendered = (*plan)->to_json(bytes, json);
  const Status valid = (*plan)->validate(bytes);
  if (rendered.ok() != valid.ok()) return "error: validate() does not agree with to_json()";
  if (!rendered.ok()) return "error: " + rendered.error().public_text;
  std::string line(json.view());
  if (!readable && columns[2].empty()) line += '\t' + sent_back(*writer, **plan, json.view());
  return line;
}

}  // namespace
}  // namespace push_cache::avro

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << push_cache::avro::answer(push_cache::avro::columns_of(line)) << '\n';
  }
  return 0;
}
