#include "api/body_key.h"

#include <gtest/gtest.h>

namespace push_cache::api {
namespace {

TEST(BodyKey, StringsIntegersAndNestedFields) {
  EXPECT_EQ(*key_from_body(R"({"id":"a b"})", "id"), "a b");
  EXPECT_EQ(*key_from_body(R"({"id":-42})", "id"), "-42");
  EXPECT_EQ(*key_from_body(R"({"id":18446744073709551615})", "id"), "18446744073709551615");
  EXPECT_EQ(*key_from_body(R"({"a":{"b":"x"}})", "a.b"), "x");
}

TEST(BodyKey, FaultsNameTheField) {
  for (const char* body : {"", "{", "[]", "\"id\"", "{}", R"({"id":null})", R"({"id":1.5})",
                           R"({"id":{}})", R"({"ID":"x"})"}) {
    const auto key = key_from_body(body, "id");
    ASSERT_FALSE(key.ok()) << body;
    EXPECT_EQ(key.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_NE(key_from_body("{}", "customer.id").error().public_text.find("customer.id"),
            std::string::npos);
  EXPECT_FALSE(key_from_body(R"({"a":"x"})", "a.b").ok());
}

}  // namespace
}  // namespace push_cache::api
