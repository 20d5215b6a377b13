#include "api/http_api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

namespace push_cache::api {
namespace {

std::string committed_page() {
  std::ifstream in(PUSH_CACHE_SOURCE_DIR "/docs/reference/http-api.md");
  std::ostringstream page;
  page << in.rdbuf();
  return page.str();
}

TEST(HttpApi, TheTableIsWhole) {
  std::set<std::string_view> ids;
  for (const Operation& operation : operations()) {
    EXPECT_FALSE(operation.request.empty());
    EXPECT_EQ(operation.answers.empty(), operation.id.empty()) << operation.request;
    if (!operation.id.empty()) {
      EXPECT_TRUE(ids.insert(operation.id).second) << operation.id;
      EXPECT_FALSE(operation.summary.empty()) << operation.request;
    }
    std::set<unsigned> statuses;
    for (const Answer& answer : operation.answers) {
      EXPECT_TRUE(statuses.insert(answer.status).second) << operation.request << answer.status;
      EXPECT_EQ(answer.content == Content::kError, answer.status >= 400) << operation.request;
    }
  }
  unsigned last = 0;
  for (const Answer& answer : common_answers()) {
    EXPECT_LT(last, answer.status);
    last = answer.status;
  }
}

TEST(HttpApi, TheReferencePageHasTheTablesOfTheTable) {
  const std::string page = committed_page();
  EXPECT_EQ(page, with_reference_tables(page))
      << "write it anew: cmake --build --preset release --target reference";
  for (const Operation& operation : operations()) {
    EXPECT_NE(page.find("| `" + std::string(operation.request) + "` |"), std::string::npos)
        << operation.request;
  }
}

TEST(HttpApi, TheReferencePageHasEachErrorCodeWithItsStatus) {
  const std::string page = committed_page();
  for (const ErrorCodeRow& row : error_codes()) {
    const std::string line =
        "| `" + std::string(row.name) + "` | " + std::to_string(row.http_status) + " | ";
    EXPECT_NE(page.find(line + std::string(row.meaning)), std::string::npos) << line;
  }
}

TEST(HttpApi, EachStatusOfAnErrorHasACode) {
  const auto has_code = [](unsigned status) {
    return std::any_of(error_codes().begin(), error_codes().end(), [status](const auto& row) {
      return static_cast<unsigned>(row.http_status) == status;
    });
  };
  for (const Operation& operation : operations()) {
    for (const Answer& answer : operation.answers) {
      EXPECT_EQ(has_code(answer.status), answer.status >= 400) << answer.status;
    }
  }
  for (const Answer& answer : common_answers()) EXPECT_TRUE(has_code(answer.status));
}

TEST(HttpApi, APageWithoutMarkersStaysAsItIs) {
  EXPECT_EQ(with_reference_tables("# Page\n"), "# Page\n");
  const std::string page = committed_page();
  const std::string no_end = page.substr(0, page.find("<!-- The end"));
  EXPECT_EQ(with_reference_tables(no_end), no_end);
}

}  // namespace
}  // namespace push_cache::api
