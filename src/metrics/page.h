// The page of /metrics, made anew for each scrape.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/durations.h"

namespace push_cache::metrics {

// Collects values and renders them in Prometheus' text format 0.0.4. For one thread. Use:
//   Page page;
//   page.add("requests_total", {}, 12);
//   page.add("bad_records_total", {"null_key"}, 3);
//   add_process(page);
//   std::string text = page.text();
class Page {
 public:
  Page();

  // Adds a value of the metric `name` with the values of its labels in the table's order. Refused,
  // with false, when the table has no such metric, when the number of labels is not the table's, or
  // when there is a value for the same labels already; `refused` then holds the name: a test of the
  // program expects it to be empty.
  bool add(std::string_view name, std::initializer_list<std::string_view> labels, double value);

  struct Histogram {
    std::span<const double> bounds;         // of the buckets but the last, ascending
    std::span<const std::uint64_t> counts;  // of each bucket alone; one more than `bounds`
    double sum = 0;
  };
  // The same of a histogram.
  bool add_histogram(std::string_view name, std::initializer_list<std::string_view> labels,
                     const Histogram& values);

  template <const auto& kBoundsUs>
  bool add_durations(std::string_view name, std::initializer_list<std::string_view> labels,
                     const Durations<kBoundsUs>& durations) {
    static constexpr auto kBounds = [] {
      std::array<double, kBoundsUs.size()> bounds{};
      for (std::size_t i = 0; i < bounds.size(); ++i) {
        bounds[i] = static_cast<double>(kBoundsUs[i]) / 1e6;
      }
      return bounds;
    }();
    return add_histogram(name, labels,
                         {.bounds = kBounds,
                          .counts = durations.counts,
                          .sum = std::chrono::duration<double>(durations.sum).count()});
  }

  // Names that `add` refused, each once per call.
  const std::vector<std::string>& refused() const { return refused_; }

  // The metrics that have values, in the table's order.
  std::string text() const;

 private:
  // The place of a new value; null when it is refused.
  prometheus::ClientMetric* place(std::string_view name,
                                  std::initializer_list<std::string_view> labels, bool histogram);

  std::vector<prometheus::MetricFamily> families_;  // one a row of the table
  std::vector<std::string> refused_;
};

// Adds what the operating system knows of this process: process_*. A value that cannot be read is
// left out.
void add_process(Page& page);

}  // namespace push_cache::metrics
