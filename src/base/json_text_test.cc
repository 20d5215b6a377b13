#include "base/json_text.h"

#include <gtest/gtest.h>

namespace push_cache {
namespace {

std::string mended(std::string_view text, JsonExtras extras = JsonExtras::kSurrogatesAndComments) {
  return strict_json(text, extras).value_or("unchanged");
}

TEST(JsonText, CommentsBecomeBlanks) {
  EXPECT_EQ(mended(R"({"a":"/* b */ // c\"//"})"), "unchanged");
  EXPECT_EQ(mended(R"(/* a */1)"), "       1");
  EXPECT_EQ(mended("/**/1/***/"), "    1     ");
  EXPECT_EQ(mended("1// a\n2//b\r3//"), "1    \n2   \r3  ");
  EXPECT_EQ(mended("1 /* a"), "unchanged");
  EXPECT_EQ(mended("1 /*/ 2"), "unchanged");
  EXPECT_EQ(mended("1 / 2"), "unchanged");
  EXPECT_EQ(mended("1 /* a */", JsonExtras::kSurrogates), "unchanged");
}

TEST(JsonText, HalvesOfSurrogatePairsAreReplaced) {
  EXPECT_EQ(mended(R"("\ud83d\ude00 \uD83D\uDE00")"), "unchanged");
  EXPECT_EQ(mended(R"("\ud800")"), R"("\uFFFD")");
  EXPECT_EQ(mended(R"("\ud800\ud83d\ude00")"), R"("\uFFFD\ud83d\ude00")");
  EXPECT_EQ(mended(R"("\ude00\ud83d")"), R"("\uFFFD\uFFFD")");
  EXPECT_EQ(mended(R"("\uD800\u0041\udfff")"), R"("\uFFFD\u0041\uFFFD")");
  EXPECT_EQ(mended(R"("\\ud800")"), "unchanged");
  EXPECT_EQ(mended(R"("\\\ud800")"), R"("\\\uFFFD")");
  EXPECT_EQ(mended("\"\xED\xA0\x80\xED\xBF\xBF\""), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(mended("\"\xED\x9F\xBF\""), "unchanged");
}

TEST(JsonText, AByteOrderMarkBecomesBlanks) {
  EXPECT_EQ(mended("\xEF\xBB\xBF[]", JsonExtras::kSurrogates), "   []");
  EXPECT_EQ(mended("[]\xEF\xBB\xBF"), "unchanged");
}

// Any text cut short: nothing is read beyond its end, and places stay what they were.
TEST(JsonText, TextsCutShort) {
  const std::string text =
      "\xEF\xBB\xBF{\"a\\ud800\\ud83d\\ude00\\\\\xED\xA0\x80\"/*b*/:/**c**/1}//d";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string cut(text, 0, size);
    EXPECT_EQ(strict_json(cut, JsonExtras::kSurrogatesAndComments).value_or(cut).size(), size);
  }
}

}  // namespace
}  // namespace push_cache
