#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace push_cache {
namespace {

std::string json_string(std::string_view text) {
  Buffer out;
  append_json_string(out, text);
  return std::string(out.view());
}

std::string base64(std::string_view text) {
  Buffer out;
  append_base64(out, Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  return std::string(out.view());
}

TEST(Utf8, AcceptsWellFormedText) {
  for (const char* text : {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
                           "\xF4\x8F\xBF\xBF", "0123456789abcdef\xC3\xBC"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, RefusesEveryMalformedShape) {
  for (const char* text :
       {"\x80", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xE2\x82", "12345678\xFF", "\xF0\x9F\x98"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(JsonString, EscapesWhatRfc8259Asks) {
  EXPECT_EQ(json_string("a\"b\\c\n\t\r\b\f"), "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\"");
  EXPECT_EQ(json_string(std::string_view("\0\x1f", 2)), "\"\\u0000\\u001f\"");
  EXPECT_EQ(json_string("\xC3\xBC\x7f/"), "\"\xC3\xBC\x7f/\"");
}

TEST(JsonString, EscapesAtEveryPositionOfAWord) {
  for (std::size_t at = 0; at < 24; ++at) {
    for (const char special : {'"', '\\', '\x01'}) {
      std::string text(24, 'x');
      text[at] = special;
      const std::string escape = special == '\x01' ? "\\u0001" : std::string("\\") + special;
      EXPECT_EQ(json_string(text),
                "\"" + std::string(at, 'x') + escape + std::string(23 - at, 'x') + "\"");
    }
  }
}

TEST(Base64, Rfc4648Vectors) {
  const char* const pairs[][2] = {{"", ""},
                                  {"f", "Zg=="},
                                  {"fo", "Zm8="},
                                  {"foo", "Zm9v"},
                                  {"foob", "Zm9vYg=="},
                                  {"fooba", "Zm9vYmE="},
                                  {"foobar", "Zm9vYmFy"}};
  for (const auto& pair : pairs) {
    EXPECT_EQ(base64(pair[0]), pair[1]);
    EXPECT_EQ(decode_base64(pair[1]), pair[0]);
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const char* text :
       {"Z", "Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zm9v!A==", "Zg==Zg=="}) {
    EXPECT_FALSE(decode_base64(text).has_value()) << text;
  }
}

TEST(PercentDecode, DecodesAndRefuses) {
  EXPECT_EQ(percent_decode("a%20b+c%C3%BC%2f"), "a b+c\xC3\xBC/");
  EXPECT_EQ(percent_decode("%00"), std::string(1, '\0'));
  for (const char* text : {"%", "%2", "%zz", "a%2"}) {
    EXPECT_FALSE(percent_decode(text).has_value()) << text;
  }
}

TEST(PercentEncode, RoundTripsEveryByte) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("a b/\xC3\xBC~"), "a%20b%2F%C3%BC~");
}

}  // namespace
}  // namespace push_cache
