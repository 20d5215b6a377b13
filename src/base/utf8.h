// Text encodings that several layers need.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/types.h"

namespace push_cache {

// Whether `text` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF; Unicode
// 15, table 3-7).
bool is_utf8(std::string_view text);
// How many of the first bytes of `text` are whole well-formed characters: its size when all are.
std::size_t utf8_prefix(std::string_view text);

// Appends `text` as a JSON string with its quotes (RFC 8259, 7): quote, backslash and the controls
// below U+0020 escaped, all else as it is. `text` must be well-formed UTF-8.
void append_json_string(Buffer& out, std::string_view text);

// The same without the quotes; never asks `out` for much more room than is filled.
void append_json_escaped(Buffer& out, std::string_view text);

// Appends `bytes` in base64 with padding (RFC 4648, 4), without quotes.
void append_base64(Buffer& out, Bytes bytes);
// The same, written at `to`, where (size + 2) / 3 * 4 bytes are free; gives the place behind it.
char* write_base64(char* to, Bytes bytes);

// The bytes that base64 `text` stands for, or nothing when it is not base64 with right padding.
std::optional<std::string> decode_base64(std::string_view text);

// `text` with each %XX replaced by its byte (RFC 3986, 2.1), or nothing when a % is not followed by
// two hexadecimal digits. '+' stays as it is.
std::optional<std::string> percent_decode(std::string_view text);

// `text` with every byte but letters, digits and -._~ as %XX: safe as one segment of a path (RFC
// 3986, 2.3).
std::string percent_encode(std::string_view text);

}  // namespace push_cache
