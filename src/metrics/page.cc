#include "metrics/page.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>

#include "metrics/table.h"

namespace push_cache::metrics {
namespace {

prometheus::MetricType type_of(Type type) {
  switch (type) {
    case Type::kCounter:
      return prometheus::MetricType::Counter;
    case Type::kGauge:
      return prometheus::MetricType::Gauge;
    case Type::kHistogram:
      return prometheus::MetricType::Histogram;
    case Type::kUntyped:
      return prometheus::MetricType::Untyped;
  }
  return prometheus::MetricType::Untyped;
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

prometheus::ClientMetric* Page::place(std::string_view name,
                                      std::initializer_list<std::string_view> labels,
                                      bool histogram) {
  const Metric* metric = find(name);
  if (metric == nullptr || metric->labels.size() != labels.size() ||
      (metric->type == Type::kHistogram) != histogram) {
    refused_.emplace_back(name);
    return nullptr;
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
    return nullptr;
  }
  return &family.metric.emplace_back(std::move(sample));
}

bool Page::add(std::string_view name, std::initializer_list<std::string_view> labels,
               double value) {
  prometheus::ClientMetric* const sample = place(name, labels, false);
  if (sample == nullptr) return false;
  // The serializer writes the one of the family's type.
  sample->counter.value = value;
  sample->gauge.value = value;
  sample->untyped.value = value;
  return true;
}

bool Page::add_histogram(std::string_view name, std::initializer_list<std::string_view> labels,
                         const Histogram& values) {
  prometheus::ClientMetric* const sample = place(name, labels, true);
  if (sample == nullptr) return false;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < values.counts.size(); ++i) {
    below += values.counts[i];
    const double bound =
        i < values.bounds.size() ? values.bounds[i] : std::numeric_limits<double>::infinity();
    sample->histogram.bucket.push_back({below, bound});
  }
  sample->histogram.sample_count = below;
  sample->histogram.sample_sum = values.sum;
  return true;
}

std::string Page::text() const {
  std::vector<prometheus::MetricFamily> filled;
  std::copy_if(families_.begin(), families_.end(), std::back_inserter(filled),
               [](const prometheus::MetricFamily& family) { return !family.metric.empty(); });
  return prometheus::TextSerializer().Serialize(filled);
}

}  // namespace push_cache::metrics
