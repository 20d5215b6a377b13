#include "app/key_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/limits.h"

namespace push_cache::app {
namespace {

Result<std::vector<std::string>> read(std::string_view text, std::size_t piece_bytes) {
  KeyStream stream;
  std::vector<std::string> keys;
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    const std::string piece(text.substr(at, piece_bytes));  // of its own: sanitizers see its ends
    if (Status fed = stream.feed(piece); !fed.ok()) return std::move(fed).error();
    while (!stream.empty()) keys.push_back(stream.take());
  }
  if (Status finished = stream.finish(); !finished.ok()) return std::move(finished).error();
  return keys;
}

TEST(KeyStream, GivesEveryKeyHoweverThePiecesFall) {
  const std::string text =
      " [\"a\", \"\",\n\"\\u00e9\\n\\\"\\\\/\", \"\\ud83c\\udf89\", \"漢,]\"] \n";
  const std::vector<std::string> expected = {"a", "", "é\n\"\\/", "🎉", "漢,]"};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const auto keys = read(text, piece);
    ASSERT_TRUE(keys.ok()) << piece << keys.error().describe();
    EXPECT_EQ(*keys, expected) << piece;
  }
  EXPECT_TRUE(read("[]", 1)->empty());
}

TEST(KeyStream, RefusesWhatIsNoListOfKeys) {
  for (const char* text :
       {"", "   ", "[", "[\"a\"", "[\"a\",", "[\"a", "[\"a\",]", "[\"a\"]x", "[\"a\"][]", "\"a\"",
        "{\"code\":\"internal\",\"message\":\"no\"}", "[1]", "[1.5]", "[true]", "[null]",
        "[[\"a\"]]", "[{\"a\":1}]", "[\"\\ud83c\"]", "[\"\xff\"]"}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
      EXPECT_FALSE(read(text, piece).ok()) << text;
    }
  }
}

TEST(KeyStream, RefusesAKeyThatNoStoreWouldTake) {
  const std::string longest(limits::kKeyBytesMax, 'k');
  EXPECT_EQ(read("[\"" + longest + "\"]", 1000)->front(), longest);
  const auto refused = read("[\"" + longest + "k\"]", 1000);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace push_cache::app
