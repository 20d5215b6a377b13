// The rules of names ("Names" and "Aliases" of the specification).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "avro/node.h"

namespace push_cache::avro {

// The primitive type of this word, or nothing.
std::optional<Type> primitive_type(std::string_view word);

// Letters, digits and _, no digit first; letters and digits of any script, as Avro for Java has it.
// `text` is well-formed UTF-8.
bool is_name(std::string_view text);

// The full name of `name` where `space` is the namespace, which a dot in the name overrides: "a.R"
// is in "a", ".R" in none. A namespace may be any text.
std::string qualify(std::string_view name, std::string_view space);

// All before the last dot; empty when there is none.
std::string_view namespace_of(std::string_view full_name);

// All after the last dot.
std::string_view short_name_of(std::string_view full_name);

}  // namespace push_cache::avro
