// What the tests of this folder share.
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"

namespace push_cache::config {

// The smallest configuration that loads.
inline constexpr std::string_view kMinimal = R"(kafka:
  brokers: localhost:9092
  group_id: g
  topic: users
  schema_registry_url: http://localhost:8081
cache:
  stores:
    - name: s
      type: in_memory
  routes:
    - path: /users
      store: s
)";

inline Sources sources_of(std::string_view yaml) {
  Sources sources;
  sources.file = "config.yaml";
  sources.text = std::string(yaml);
  sources.hostname = "test-host";
  return sources;
}

// `text` with its first `from` replaced by `to`; empty, so that the test fails, when there is none.
inline std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == std::string_view::npos) return {};
  std::string result(text);
  result.replace(at, from.size(), to);
  return result;
}

}  // namespace push_cache::config
