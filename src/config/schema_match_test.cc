#include <gtest/gtest.h>

#include "config/config.h"

namespace push_cache::config {
namespace {

struct Case {
  std::string_view pattern;
  std::string_view full_name;
  bool matches;
};

TEST(SchemaMatches, ByFullNameLastPartAndShortForm) {
  const std::string_view customer = "com.polecatworks.billing.Customer";
  const std::string_view bill = "com.polecatworks.billing.CustomerBill";
  const std::string_view usage = "com.polecatworks.billing.UsageRecord";
  const std::string_view ticket = "com.polecatworks.billing.SupportTicket";
  const Case cases[] = {
      {"customer", customer, true},
      {"customer", bill, false},
      {"customer", usage, false},
      {"customer", ticket, false},
      {"bill", bill, true},
      {"Bill", bill, true},
      {"bill", customer, false},
      {"usage", usage, true},
      {"record", usage, false},
      {"ticket", ticket, true},
      {"support", ticket, false},
      {"customerbill", bill, true},
      {"CustomerBill", bill, true},
      {"USAGERECORD", usage, true},
      {"com.polecatworks.billing.Customer", customer, true},
      {"COM.POLECATWORKS.BILLING.CUSTOMER", customer, true},
      {"com.polecatworks.billing.Customer", bill, false},
      {"billing.Customer", customer, false},
      {"", customer, false},
      {"record", "Record", true},
      {"record", "com.x.Record", true},
      {"request", "x.HTTPRequest", true},
      {"http", "x.HTTPRequest", false},
      {"http", "x.HTTPEvent", true},
      {"order", "x.sales_order", true},
      {"order", "x.sales_order_event", true},
      {"v2", "x.CustomerV2", true},
      {"a", "a", true},
      {"a", "", false},
      {"x", "x.", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(schema_matches(c.pattern, c.full_name), c.matches)
        << "'" << c.pattern << "' and '" << c.full_name << "'";
  }
}

}  // namespace
}  // namespace push_cache::config
