// Fuzz body: any bytes as a configuration. The parts between NULs: the YAML text, then variables of
// the environment as NAME=VALUE.
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/fuzz.h"
#include "base/utf8.h"
#include "config/config.h"

namespace {

using namespace push_cache;          // NOLINT: a program of its own
using namespace push_cache::config;  // NOLINT

// What is logged and printed: one line each, UTF-8.
void check_line(std::string_view text) {
  fuzz_require(is_utf8(text));
  for (const char c : text) fuzz_require(static_cast<unsigned char>(c) >= 0x20);
}

Sources sources_of(std::string_view input) {
  Sources sources;
  sources.file = "config.yaml";
  sources.hostname = "test-host";
  const std::size_t end = input.find('\0');
  sources.text = std::string(input.substr(0, end));
  while (input.find('\0') != std::string_view::npos) {
    input.remove_prefix(input.find('\0') + 1);
    const std::string_view variable = input.substr(0, input.find('\0'));
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    sources.environment.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return sources;
}

// As a description of it loads again: it shows secrets as "***".
Config without_secrets(Config config) {
  SchemaRegistry& registry = config.kafka.registry;
  for (std::string* secret : {&registry.username, &registry.password, &registry.token}) {
    if (!secret->empty()) *secret = "***";
  }
  for (auto& [name, value] : config.kafka.properties) value = "";
  for (Store& store : config.cache.stores) store.url = "";
  config.notes.clear();
  return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Sources sources = sources_of({reinterpret_cast<const char*>(data), size});
  Faults faults;
  const std::optional<Config> config = load(sources, faults);
  fuzz_require(config.has_value() == faults.empty());
  for (const Fault& fault : faults.list()) {
    // A fault without a path is one of the source as a whole, which is named.
    fuzz_require(!fault.text.empty() && !(fault.path.empty() && fault.where.empty()));
    check_line(fault.path);
    check_line(fault.where);
    check_line(fault.text);
  }
  if (!config) return 0;
  for (const std::string& note : config->notes) check_line(note);

  Sources described;
  described.file = "described.yaml";
  described.text = describe(*config);
  fuzz_require(is_utf8(*described.text));
  Faults none;
  const std::optional<Config> again = load(described, none);
  if (!again) std::fprintf(stderr, "%s\n%s\n", described.text->c_str(), none.format().c_str());
  fuzz_require(again.has_value());
  fuzz_require(describe(*again) == *described.text);
  fuzz_require(without_secrets(*again) == without_secrets(*config));
  return 0;
}
