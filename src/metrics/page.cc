#include "metrics/page.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

#include "metrics/table.h"

namespace push_cache::metrics {
namespace {

prometheus::MetricType type_of(Type type) {
  return type == Type::kCounter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
}

}  // namespace

Page::Page() {
  families_.reserve(table().size());
  for (const Metric& metric : table()) {
    prometheus::MetricFamily family;
    family.name = metric.name;
    family.help = metric.help;
    family.type = type_of(metric.type);
    families_.push_back(std::move(family));
  }
}

bool Page::add(std::string_view name, std::initializer_list<std::string_view> labels,
               double value) {
  const Metric* metric = find(name);
  if (metric == nullptr || metric->labels.size() != labels.size()) {
    refused_.emplace_back(name);
    return false;
  }
  prometheus::ClientMetric sample;
  std::size_t index = 0;
  for (std::string_view label : labels) {
    sample.label.push_back({std::string(metric->labels[index++]), std::string(label)});
  }
  prometheus::MetricFamily& family = families_[static_cast<std::size_t>(metric - table().data())];
  for (const prometheus::ClientMetric& other : family.metric) {
    if (other.label != sample.label) continue;
    refused_.emplace_back(name);
    return false;
  }
  if (metric->type == Type::kCounter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
  family.metric.push_back(std::move(sample));
  return true;
}

std::string Page::text() const {
  std::vector<prometheus::MetricFamily> filled;
  std::copy_if(families_.begin(), families_.end(), std::back_inserter(filled),
               [](const prometheus::MetricFamily& family) { return !family.metric.empty(); });
  return prometheus::TextSerializer().Serialize(filled);
}

}  // namespace push_cache::metrics
