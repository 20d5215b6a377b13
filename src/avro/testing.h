// Helpers of this folder's tests.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "avro/plan.h"
#include "avro/schema.h"
#include "base/buffer.h"

namespace push_cache::avro {

// Bytes from "04 61 ff"; blanks are free.
inline std::string unhex(std::string_view hex) {
  std::string out;
  std::string digits;
  for (const char c : hex) {
    if (c == ' ') continue;
    digits.push_back(c);
    if (digits.size() < 2) continue;
    out.push_back(static_cast<char>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  EXPECT_TRUE(digits.empty()) << "half a byte in " << hex;
  return out;
}

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The bytes in a heap block of exactly their size, so that a sanitizer sees every read beyond.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes)
      : block_(new std::uint8_t[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), block_.get());
  }
  operator Bytes() const { return {block_.get(), size_}; }  // NOLINT: implicit by design

 private:
  std::unique_ptr<std::uint8_t[]> block_;
  std::size_t size_;
};

inline Schema schema(std::string_view text) {
  auto parsed = Schema::parse(text);
  if (parsed.ok()) return *std::move(parsed);
  ADD_FAILURE() << parsed.error().public_text << "\n" << text;
  return *Schema::parse(R"("null")");
}

inline std::shared_ptr<const Plan> plan(std::string_view text, const PlanOptions& options = {}) {
  auto compiled = Plan::compile(schema(text), options);
  if (compiled.ok()) return *compiled;
  ADD_FAILURE() << compiled.error().public_text << "\n" << text;
  return *Plan::compile(schema(R"("null")"), options);
}

// The JSON of a datum, or "error: TEXT". Checks on the way that `validate` agrees and that an error
// leaves the output alone.
inline std::string render(const Plan& plan, std::string_view datum) {
  const ExactBytes bytes(datum);
  Buffer out;
  out.append(std::string_view("before"));
  const Status rendered = plan.to_json(bytes, out);
  const Status valid = plan.validate(bytes);
  EXPECT_EQ(rendered.ok(), valid.ok());
  if (!rendered.ok()) {
    EXPECT_EQ(out.view(), "before");
    EXPECT_EQ(rendered.error().public_text, valid.error().public_text);
    EXPECT_EQ(rendered.error().code, ErrorCode::kMalformed);
    return "error: " + rendered.error().public_text;
  }
  return std::string(out.view().substr(6));
}

}  // namespace push_cache::avro
