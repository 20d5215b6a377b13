#include "api/http_api.h"

#include <gtest/gtest.h>

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

TEST(HttpApi, APageWithoutMarkersStaysAsItIs) {
  EXPECT_EQ(with_reference_tables("# Page\n"), "# Page\n");
  const std::string page = committed_page();
  const std::string no_end = page.substr(0, page.find("<!-- The end"));
  EXPECT_EQ(with_reference_tables(no_end), no_end);
}

}  // namespace
}  // namespace push_cache::api
