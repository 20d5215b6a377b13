// The table of every metric: docs/reference/metrics.md and the page of /metrics are made from it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace push_cache::metrics {

enum class Type {
  kCounter,  // only grows; from 0 at each start
  kGauge,
  kHistogram,  // with Page::add_histogram
  kUntyped,    // a counter or gauge whose name Prometheus' conventions keep for another type
};
std::string_view to_string(Type type);  // as in the text format: "counter", ...

struct Metric {
  std::string_view name;
  Type type = Type::kGauge;
  std::string_view help;
  // Names of the labels, in the order in which `Page::add` takes their values.
  std::span<const std::string_view> labels = {};
};

std::span<const Metric> table();
const Metric* find(std::string_view name);

// docs/reference/metrics.md.
std::string reference_page();

}  // namespace push_cache::metrics
