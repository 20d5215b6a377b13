// What tests of the client share. Not part of the programs.
#pragma once

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "redis/client.h"

namespace push_cache::redis {

// An answer as text, the parts of an array in brackets.
inline std::string show(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kString:
      return "\"" + std::string(reply.text) + "\"";
    case Reply::Type::kStatus:
      return "+" + std::string(reply.text);
    case Reply::Type::kError:
      return "-" + std::string(reply.text);
    case Reply::Type::kInteger:
      return std::to_string(reply.integer);
    case Reply::Type::kNil:
      return "nil";
    case Reply::Type::kArray:
      break;
  }
  std::string text = "[";
  for (const Reply& element : reply.elements) text += (text.size() > 1 ? " " : "") + show(element);
  return text + "]";
}

// Remembers its outcome.
struct TestSink final : ReplySink {
  void reply(const Reply& answer) override {
    ++calls;
    shown = show(answer);
    if (then) then();
  }
  void failed(const Error& why) override {
    ++calls;
    ++failures;
    error = why;
    if (then) then();
  }
  int calls = 0;
  int failures = 0;
  std::string shown;
  Error error;
  std::function<void()> then;
};

// Runs the loop until `holds`; false when that takes longer than any machine should need.
inline bool run_until(boost::asio::io_context& loop, const std::function<bool()>& holds,
                      std::chrono::seconds most = std::chrono::seconds(60)) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    if (loop.stopped()) loop.restart();
    loop.run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace push_cache::redis
