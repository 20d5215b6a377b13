// What can be wrong at a start, how it is told from what else can, and what to do about it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace push_cache::app {

// What is looked at. Each has a target: the brokers, a topic, the group, the registry, a store.
enum class Check : std::uint8_t { kBrokers, kTopic, kGroup, kRegistry, kStore };
std::string_view to_string(Check check);

struct Failure {
  Check check;
  // Any of these in the error's text means this failure; none: whatever no other row means.
  std::array<std::string_view, 3> signs;
  std::string_view name;    // what is wrong, for docs/guides/troubleshooting.md
  std::string_view advice;  // what to do, with the keys of the configuration to look at
};

std::span<const Failure> failures();
// The first row that an error's text fits.
const Failure& failure_of(Check check, std::string_view error);

// docs/guides/troubleshooting.md.
std::string troubleshooting_page();

}  // namespace push_cache::app
