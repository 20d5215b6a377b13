// What test_schema_texts.py drives. Only for the tests.
//
// Each line of stdin is a schema's text in base64. Each line of stdout answers one: "read NAME" or
// "refused TEXT".
#include <iostream>
#include <string>

#include "avro/plan.h"
#include "avro/schema.h"
#include "base/utf8.h"

namespace push_cache::avro {
namespace {

std::string answer(const std::string& line) {
  const std::optional<std::string> text = decode_base64(line);
  if (!text) return "no base64";
  const Result<Schema> schema = Schema::parse(*text);
  if (!schema.ok()) return "refused " + schema.error().public_text;
  const auto plan = Plan::compile(*schema, {});
  if (!plan.ok()) return "refused " + plan.error().public_text;
  return "read " + percent_encode(schema->full_name());
}

}  // namespace
}  // namespace push_cache::avro

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) std::cout << push_cache::avro::answer(line) << '\n';
  return 0;
}
