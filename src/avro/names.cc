#include "avro/names.h"

#include <array>

#include "avro/letters.h"

namespace push_cache::avro {
namespace {

constexpr std::array kPrimitives = {Type::kNull,  Type::kBoolean, Type::kInt,   Type::kLong,
                                    Type::kFloat, Type::kDouble,  Type::kBytes, Type::kString};

// Takes the first character off well-formed UTF-8.
char32_t take_character(std::string_view& text) {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  char32_t point = size == 1 ? byte(0) : byte(0) & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) point = point << 6 | (byte(i) & 0x3FU);
  text.remove_prefix(size);
  return point;
}

}  // namespace

std::optional<Type> primitive_type(std::string_view word) {
  for (const Type type : kPrimitives) {
    if (to_string(type) == word) return type;
  }
  return std::nullopt;
}

bool is_name(std::string_view text) {
  if (text.empty()) return false;
  for (bool first = true; !text.empty(); first = false) {
    const char32_t point = take_character(text);
    if (point != '_' && !is_letter(point) && (first || !is_digit(point))) return false;
  }
  return true;
}

std::string qualify(std::string_view name, std::string_view space) {
  if (name.rfind('.') == 0) return std::string(name.substr(1));
  if (space.empty() || name.find('.') != std::string_view::npos) return std::string(name);
  return std::string(space) + '.' + std::string(name);
}

std::string_view namespace_of(std::string_view full_name) {
  const std::size_t dot = full_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : full_name.substr(0, dot);
}

std::string_view short_name_of(std::string_view full_name) {
  return full_name.substr(full_name.rfind('.') + 1);  // npos + 1 = 0
}

}  // namespace push_cache::avro
