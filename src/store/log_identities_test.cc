#include "store/log_identities.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace push_cache::store {
namespace {

TEST(LogIdentities, AreOfTheIdWhateverTheOrderOfTheTopics) {
  LogIdentities one({"users", "orders"});
  LogIdentities other({"orders", "users"});
  EXPECT_EQ(one.of(0), other.of(1));
  EXPECT_NE(one.of(0), one.of(1));
  const std::uint64_t by_name = one.of(0);
  one.set(0, "0QT1mE2sQ0m1Q8tB5lTzKA");
  EXPECT_NE(one.of(0), by_name);
  EXPECT_EQ(one.replaced(), 0u) << "it names the log that is there";
  other.set(1, "0QT1mE2sQ0m1Q8tB5lTzKA");
  EXPECT_EQ(one.of(0), other.of(1));
  one.set(0, "0QT1mE2sQ0m1Q8tB5lTzKA");
  one.set(0, "");
  EXPECT_EQ(one.of(0), other.of(1));
  EXPECT_EQ(one.replaced(), 0u);
  one.set(0, "4L6g3nShT-eMCtK--X86sw");
  EXPECT_NE(one.of(0), other.of(1));
  EXPECT_EQ(one.replaced(), 1u);
  EXPECT_EQ(one.of(7), 0u) << "no such topic";
}

TEST(LogIdentities, AnIdIsNoName) {
  LogIdentities named({"0QT1mE2sQ0m1Q8tB5lTzKA"});
  LogIdentities known({"users"});
  known.set(0, "0QT1mE2sQ0m1Q8tB5lTzKA");
  EXPECT_NE(named.of(0), known.of(0));
}

// The protocol of the header, with numbers for logs and records.
TEST(LogIdentities, AnOpenGateAndTheSameNumberTwiceMeanTheRecordsOwnIdentity) {
  constexpr unsigned kLogs = 20'000;
  LogIdentities identities({"users"});
  identities.set(0, "0");
  const auto of_log = [](unsigned log) {
    LogIdentities one({"users"});
    one.set(0, std::to_string(log));
    return one.of(0);
  };
  std::atomic<bool> gate{true};
  std::atomic<unsigned> record{0};  // of which log it is
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (unsigned log = 1; log <= kLogs; ++log) {
      gate = false;
      identities.set(0, std::to_string(log));
      record.store(log, std::memory_order_release);
      gate = true;
    }
    done = true;
  });
  unsigned wrong = 0, seen = 0;
  do {
    const std::uint64_t before = identities.replaced();
    if (!gate) continue;
    const unsigned log = record.load(std::memory_order_acquire);
    const std::uint64_t identity = identities.of(0);
    if (identities.replaced() != before) continue;
    ++seen;
    wrong += identity == of_log(log) ? 0 : 1;
  } while (!done || seen == 0);
  writer.join();
  EXPECT_EQ(wrong, 0u) << "of " << seen;
}

}  // namespace
}  // namespace push_cache::store
