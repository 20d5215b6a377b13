#include "base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace push_cache {
namespace {

TEST(Error, EachCodeHasItsOwnNameAndAStatus) {
  EXPECT_EQ(to_string(ErrorCode::kNotFound), "not_found");
  EXPECT_EQ(http_status(ErrorCode::kNotFound), 404);
  EXPECT_EQ(to_string(ErrorCode::kSchemaUnknown), "schema_unknown");
  EXPECT_EQ(http_status(ErrorCode::kSchemaUnknown), 503);
  EXPECT_EQ(to_string(ErrorCode::kBadRecord), "bad_record");
  EXPECT_EQ(http_status(ErrorCode::kBadRecord), 500);
  std::set<std::string_view> names;
  for (const ErrorCodeRow& row : error_codes()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.http_status >= 400 && row.http_status < 600) << row.name;
    EXPECT_EQ(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), row.name.npos) << row.name;
    EXPECT_TRUE(row.meaning.ends_with('.')) << row.name;
  }
  EXPECT_EQ(http_status(ErrorCode::kUnavailable), 503);
  EXPECT_EQ(http_status(ErrorCode::kMalformed), 500);
}

TEST(Error, ResultHoldsOneSide) {
  Result<int> good = 3;
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 3);
  Result<int> bad = Error{ErrorCode::kConflict, "key exists", "shard 3"};
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().describe(), "key exists (shard 3)");
}

TEST(Error, StatusIsSuccessByDefault) {
  EXPECT_TRUE(Status().ok());
  Status failed = Error{ErrorCode::kTimeout, "late"};
  EXPECT_EQ(failed.error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace push_cache
