// What a Confluent registry names a schema by in all of its contexts.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

namespace push_cache::registry {

// 128 bits, in the order of their text.
struct Guid {
  std::array<std::uint8_t, 16> bytes = {};
  friend auto operator<=>(const Guid&, const Guid&) = default;
};

// "7ac2f1b0-0000-...", as a registry writes it.
inline std::string to_string(const Guid& guid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < guid.bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kDigits[guid.bytes[i] >> 4]);
    text.push_back(kDigits[guid.bytes[i] & 15]);
  }
  return text;
}

}  // namespace push_cache::registry
