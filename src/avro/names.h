// The rules of names ("Names" and "Aliases" of the specification).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "avro/node.h"

namespace push_cache::avro {

// The primitive type of this word, or nothing.
std::optional<Type> primitive_type(std::string_view word);

// [A-Za-z_][A-Za-z0-9_]*
bool is_name(std::string_view text);

// Names joined by dots.
bool is_dotted_name(std::string_view text);

// The name with `space` before it, unless it has a namespace of its own or `space` is empty.
std::string qualify(std::string_view name, std::string_view space);

// All before the last dot; empty when there is none.
std::string_view namespace_of(std::string_view full_name);

}  // namespace push_cache::avro
