#include "redis/key_error.h"

#include <algorithm>
#include <utility>

#include "redis/calls.h"

namespace push_cache::redis {
namespace {

constexpr std::size_t kShownBytesMax = 200;

bool has(const Reply& reply, std::string_view word) {
  return reply.text.find(word) != std::string_view::npos;
}

}  // namespace

std::string key_text(std::string_view key) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char byte : key.substr(0, kShownBytesMax)) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value > 0x7e) {
      out += "\\x";
      out += kHex[value >> 4];
      out += kHex[value & 15];
      continue;
    }
    if (byte == '"' || byte == '\\') out += '\\';
    out += byte;
  }
  return out + (key.size() > kShownBytesMax ? "...\"" : "\"");
}

Error with_key(Error error, std::string_view key) {
  if (!error.detail.empty()) error.detail += "; ";
  error.detail += "key " + key_text(key);
  return error;
}

bool is_of_one_key(const Reply& reply) {
  if (reply.type != Reply::Type::kError) return false;
  constexpr std::string_view kOfTheServer[] = {"OOM", "MISCONF", "NOREPLICAS", "NOAUTH", "BUSY"};
  return std::none_of(std::begin(kOfTheServer), std::end(kOfTheServer),
                      [&](std::string_view word) { return has(reply, word); });
}

Error foreign() {
  return {ErrorCode::kMalformed,
          "what Redis holds under this key was not written by Push Cache, or by one with another "
          "configuration or version"};
}

Error own_key_error(const Reply& reply, std::string_view key, std::string_view holds) {
  Error error = error_of(reply);
  if (reply.type != Reply::Type::kError) return with_key(std::move(error), key);
  if (has(reply, "WRONGTYPE")) {
    error.public_text = "Redis holds something else than " + std::string(holds) +
                        " under the key " + key_text(key) + ", which is the store's own: delete it";
  } else {
    error.public_text += ": key " + key_text(key);
  }
  return error;
}

}  // namespace push_cache::redis
