#include "avro/names.h"

#include <algorithm>
#include <array>

namespace push_cache::avro {
namespace {

constexpr std::array kPrimitives = {Type::kNull,  Type::kBoolean, Type::kInt,   Type::kLong,
                                    Type::kFloat, Type::kDouble,  Type::kBytes, Type::kString};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::optional<Type> primitive_type(std::string_view word) {
  for (const Type type : kPrimitives) {
    if (to_string(type) == word) return type;
  }
  return std::nullopt;
}

bool is_name(std::string_view text) {
  return !text.empty() && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_dotted_name(std::string_view text) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_name(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::string qualify(std::string_view name, std::string_view space) {
  if (space.empty() || name.find('.') != std::string_view::npos) return std::string(name);
  return std::string(space) + '.' + std::string(name);
}

std::string_view namespace_of(std::string_view full_name) {
  const std::size_t dot = full_name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : full_name.substr(0, dot);
}

}  // namespace push_cache::avro
