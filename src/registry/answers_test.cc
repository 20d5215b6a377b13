#include "registry/answers.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/utf8.h"

namespace push_cache::registry {
namespace {

std::string repeated(std::string_view piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

// Errors go to pages and logs that need UTF-8: the cut must not fall within a character.
TEST(Excerpt, IsUtf8WhereverItIsCut) {
  for (const char* before : {"", "a", "aa", "aaa"}) {
    for (const char* piece : {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
      const std::string text = before + repeated(piece, 150);
      const std::string cut = excerpt(text);
      EXPECT_TRUE(is_utf8(cut)) << cut;
      EXPECT_TRUE(text.starts_with(cut));
      EXPECT_GT(cut.size(), 196u);
    }
  }
  EXPECT_EQ(excerpt("a\xff\nb\x7f"), "a? b ");
  EXPECT_TRUE(is_utf8(excerpt(repeated("\x80", 300))));
}

TEST(SchemaAnswer, OtherTypesAreNamedInUtf8) {
  const auto answer =
      parse_schema_answer(R"({"schema":"x","schemaType":"a)" + repeated("\xc3\xa9", 150) + R"("})");
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(is_utf8(answer.error().public_text));
}

// A schema's text with half of a surrogate pair, and one that says it with an escape: Java's
// registries keep both.
TEST(SchemaAnswer, HalvesOfSurrogatePairs) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"schema":"\"a\ud800\""})", "\"a\xEF\xBF\xBD\""},
      {"{\"schema\":\"\\\"a\xED\xA0\x80\\\"\"}", "\"a\xEF\xBF\xBD\""},
      {R"({"schema":"\"a\\ud800\"","subject":"\udc00"})", R"("a\ud800")"},
      {"\xEF\xBB\xBF{\"schema\":\"\\\"\\ud83d\\ude00\\\"\"}", "\"\xF0\x9F\x98\x80\""},
  };
  for (const auto& [body, text] : rows) {
    const auto answer = parse_schema_answer(body);
    ASSERT_TRUE(answer.ok()) << body;
    EXPECT_EQ(answer->schema, text);
    EXPECT_TRUE(is_utf8(answer->schema));
  }
  EXPECT_FALSE(parse_schema_answer(R"(/* no comments */{"schema":"x"})").ok());
}

TEST(VersionAnswer, NumbersThatDoNotFitMakeNoSense) {
  EXPECT_TRUE(parse_version_answer(R"({"id":1,"version":2147483647,"schema":"x"})").ok());
  for (const char* body :
       {R"({"id":1,"version":2147483648,"schema":"x"})", R"({"id":1,"version":-1,"schema":"x"})",
        R"({"id":4294967296,"version":1,"schema":"x"})", R"({"id":1.0,"version":1,"schema":"x"})",
        R"({"id":1,"schema":"x"})", "[]", "{", ""}) {
    const auto version = parse_version_answer(body);
    ASSERT_FALSE(version.ok()) << body;
    EXPECT_EQ(version.error().code, ErrorCode::kUnavailable);
  }
}

}  // namespace
}  // namespace push_cache::registry
