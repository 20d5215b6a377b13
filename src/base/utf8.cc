#include "base/utf8.h"

#include <array>
#include <cstring>

namespace push_cache {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kUpperHex = "0123456789ABCDEF";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// For each byte: 0 = as it is, 'u' = \u00XX, else the letter after the backslash.
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> table{};
  for (int i = 0; i < 0x20; ++i) table[static_cast<std::size_t>(i)] = 'u';
  table['\b'] = 'b';
  table['\t'] = 't';
  table['\n'] = 'n';
  table['\f'] = 'f';
  table['\r'] = 'r';
  table['"'] = '"';
  table['\\'] = '\\';
  return table;
}();

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;

std::uint64_t load8(const char* place) {
  std::uint64_t word;
  std::memcpy(&word, place, sizeof word);
  return word;
}

// Non-zero when one of the eight bytes needs an escape. May name a byte above 0x7f too (never
// misses one that needs an escape); the table then decides.
std::uint64_t may_need_escape(std::uint64_t word) {
  const std::uint64_t control = word - kOnes * 0x20;
  const std::uint64_t quote = (word ^ (kOnes * '"')) - kOnes;
  const std::uint64_t backslash = (word ^ (kOnes * '\\')) - kOnes;
  return (control | quote | backslash) & ~word & kHighs;
}

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// The longest escape takes six bytes: long texts go in steps, so that no more is set aside than
// most texts need.
constexpr std::size_t kEscapeStepBytes = 4096;

void append_escaped_step(Buffer& out, std::string_view text) {
  char* to = out.reserve(text.size() * 6);
  char* const start = to;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    if (end - at >= 8) {
      const std::uint64_t word = load8(at);
      if (may_need_escape(word) == 0) {
        std::memcpy(to, &word, sizeof word);
        to += 8;
        at += 8;
        continue;
      }
    }
    const auto byte = static_cast<unsigned char>(*at++);
    const char escape = kEscapes[byte];
    if (escape == 0) {
      *to++ = static_cast<char>(byte);
    } else {
      *to++ = '\\';
      *to++ = escape;
      if (escape == 'u') {
        *to++ = '0';
        *to++ = '0';
        *to++ = kHex[byte >> 4];
        *to++ = kHex[byte & 15];
      }
    }
  }
  out.commit(static_cast<std::size_t>(to - start));
}

}  // namespace

std::size_t utf8_prefix(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto here = [&] { return static_cast<std::size_t>(at - text.data()); };
  while (at != end) {
    while (end - at >= 8 && (load8(at) & kHighs) == 0) at += 8;
    if (at == end) break;
    const auto first = static_cast<unsigned char>(*at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const auto left = static_cast<std::size_t>(end - at);
    const auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
    if (first >= 0xC2 && first <= 0xDF) {
      if (left < 2 || !is_continuation(byte(1))) return here();
      at += 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
      if (left < 3 || !is_continuation(byte(1)) || !is_continuation(byte(2))) return here();
      if (first == 0xE0 && byte(1) < 0xA0) return here();  // overlong
      if (first == 0xED && byte(1) > 0x9F) return here();  // surrogates
      at += 3;
    } else if (first >= 0xF0 && first <= 0xF4) {
      if (left < 4 || !is_continuation(byte(1)) || !is_continuation(byte(2)) ||
          !is_continuation(byte(3))) {
        return here();
      }
      if (first == 0xF0 && byte(1) < 0x90) return here();  // overlong
      if (first == 0xF4 && byte(1) > 0x8F) return here();  // above U+10FFFF
      at += 4;
    } else {
      return here();
    }
  }
  return here();
}

bool is_utf8(std::string_view text) { return utf8_prefix(text) == text.size(); }

void append_json_string(Buffer& out, std::string_view text) {
  out.append('"');
  append_json_escaped(out, text);
  out.append('"');
}

void append_json_escaped(Buffer& out, std::string_view text) {
  while (text.size() > kEscapeStepBytes) {
    append_escaped_step(out, text.substr(0, kEscapeStepBytes));
    text.remove_prefix(kEscapeStepBytes);
  }
  append_escaped_step(out, text);
}

void append_base64(Buffer& out, Bytes bytes) {
  char* const start = out.reserve((bytes.size() + 2) / 3 * 4);
  out.commit(static_cast<std::size_t>(write_base64(start, bytes) - start));
}

char* write_base64(char* to, Bytes bytes) {
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    const std::uint32_t group = std::uint32_t{bytes[at]} << 16 | std::uint32_t{bytes[at + 1]} << 8 |
                                std::uint32_t{bytes[at + 2]};
    *to++ = kBase64[group >> 18];
    *to++ = kBase64[group >> 12 & 63];
    *to++ = kBase64[group >> 6 & 63];
    *to++ = kBase64[group & 63];
  }
  const std::size_t left = bytes.size() - at;
  if (left != 0) {
    std::uint32_t group = std::uint32_t{bytes[at]} << 16;
    if (left == 2) group |= std::uint32_t{bytes[at + 1]} << 8;
    *to++ = kBase64[group >> 18];
    *to++ = kBase64[group >> 12 & 63];
    *to++ = left == 2 ? kBase64[group >> 6 & 63] : '=';
    *to++ = '=';
  }
  return to;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    std::size_t padding = 0;
    if (last) padding = text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      std::size_t digit = 0;
      if (i < 4 - padding) {
        digit = kBase64.find(text[at + i]);
        if (digit == std::string_view::npos) return std::nullopt;
      }
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    const std::uint32_t unused = padding == 0 ? 0 : padding == 1 ? 0xFF : 0xFFFF;
    if ((group & unused) != 0) return std::nullopt;  // two texts must not mean the same bytes
    for (std::size_t i = 0; i < 3 - padding; ++i) {
      out.push_back(static_cast<char>(group >> (16 - 8 * i) & 0xFF));
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out.push_back(text[at]);
      continue;
    }
    if (text.size() - at < 3) return std::nullopt;
    const int high = hex_value(text[at + 1]);
    const int low = hex_value(text[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    at += 2;
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char letter : text) {
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') ||
                       std::string_view("-._~").find(letter) != std::string_view::npos;
    if (plain) {
      out.push_back(letter);
      continue;
    }
    const auto byte = static_cast<unsigned char>(letter);
    out.push_back('%');
    out.push_back(kUpperHex[byte >> 4]);
    out.push_back(kUpperHex[byte & 15]);
  }
  return out;
}

}  // namespace push_cache
