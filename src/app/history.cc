#include "app/history.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "base/buffer.h"
#include "base/utf8.h"

namespace push_cache::app {
namespace {

// To a tenth: what a plot can show.
double rate(std::uint64_t now, std::uint64_t before, double seconds) {
  return std::round(static_cast<double>(now - before) / seconds * 10) / 10;
}

std::string number(std::int64_t value) { return fmt::format("{}", value); }
std::string number(double value) { return fmt::format("{}", value); }
std::string number(const std::optional<double>& us) {
  return us ? fmt::format("{:.0f}", *us) : "null";
}

}  // namespace

History::History(std::vector<std::string> paths) : paths_(std::move(paths)) {
  samples_.reserve(kSamplesMax);
}

void History::add(Clock::time_point now, std::int64_t now_ms, Counts counts) {
  // On the beat of the first one, whatever each is late; after a pause on a new beat.
  next_ = counts_ && now < next_ + kInterval ? next_ + kInterval : now + kInterval;
  const double seconds = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  const std::optional<Counts> before = std::exchange(counts_, std::move(counts));
  if (!before || seconds <= 0) return;
  Sample sample{.time_ms = now_ms,
                .records_per_second = rate(counts_->records, before->records, seconds),
                .lag_records = counts_->lag_records};
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const RouteCounts& is = counts_->routes[i];
    const RouteCounts& was = before->routes[i];
    const metrics::AnswerDurations durations = is.durations.since(was.durations);
    sample.routes.push_back({.requests_per_second = rate(is.requests, was.requests, seconds),
                             .misses_per_second = rate(is.misses, was.misses, seconds),
                             .errors_per_second = rate(is.errors, was.errors, seconds),
                             .p50_us = durations.quantile_us(0.5),
                             .p99_us = durations.quantile_us(0.99)});
  }
  const std::lock_guard lock(mutex_);
  if (samples_.size() < kSamplesMax) {
    samples_.push_back(std::move(sample));
  } else {
    samples_[std::exchange(oldest_, (oldest_ + 1) % kSamplesMax)] = std::move(sample);
  }
}

std::string History::json() const {
  Buffer out;
  const std::lock_guard lock(mutex_);
  const auto series = [&](std::string_view name, auto value_of) {
    out.append(R"(,")");
    out.append(name);
    out.append(R"(":[)");
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      if (i > 0) out.append(',');
      const Sample& sample = samples_[(oldest_ + i) % samples_.size()];
      out.append(number(value_of(sample)));
    }
    out.append(']');
  };
  out.append(fmt::format(R"({{"interval_seconds":{})", kInterval.count()));
  series("times_ms", [](const Sample& sample) { return sample.time_ms; });
  series("records_per_second", [](const Sample& sample) { return sample.records_per_second; });
  series("lag_records", [](const Sample& sample) { return sample.lag_records; });
  out.append(R"(,"routes":[)");
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    out.append(i > 0 ? R"(,{"path":)" : R"({"path":)");
    append_json_string(out, paths_[i]);
    const auto of_route = [&](std::string_view name, auto member) {
      series(name, [i, member](const Sample& sample) { return sample.routes[i].*member; });
    };
    of_route("requests_per_second", &RouteSample::requests_per_second);
    of_route("misses_per_second", &RouteSample::misses_per_second);
    of_route("errors_per_second", &RouteSample::errors_per_second);
    of_route("p50_us", &RouteSample::p50_us);
    of_route("p99_us", &RouteSample::p99_us);
    out.append('}');
  }
  out.append("]}");
  return std::string(out.view());
}

}  // namespace push_cache::app
