// `push-cache verify`: whether a running service has what it should have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "config/config.h"

namespace push_cache::app {

struct VerifyOptions {
  std::string url;      // of the service, with webservice.prefix; "" = as the configuration has it
  std::string against;  // of another service; "" = the topics
  std::size_t show = 20;
  std::uint32_t timeout_seconds = 3600;
  bool json = false;
};

// Exit codes.
inline constexpr int kVerifyEqual = 0;
inline constexpr int kVerifyDifferent = 1;
inline constexpr int kVerifyFailed = 2;

// Writes the result to stdout, progress and what went wrong to stderr. The process's exit code.
int run_verify(const config::Config& config, const VerifyOptions& options);

// What --help says beyond the options.
std::string verify_help();

}  // namespace push_cache::app
