#include "app/verify_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <span>

#include "base/buffer.h"
#include "base/utf8.h"

namespace push_cache::app {
namespace {

namespace json = boost::json;

constexpr std::array kOfTopics = {Verdict::kEqual, Verdict::kMissing, Verdict::kStale,
                                  Verdict::kExtra, Verdict::kError,   Verdict::kMoving};
constexpr std::array kOfPair = {Verdict::kEqual,     Verdict::kOnlyFirst, Verdict::kOnlySecond,
                                Verdict::kDifferent, Verdict::kError,     Verdict::kMoving};

std::span<const Verdict> columns(const VerifyReport& report) {
  return report.against.empty() ? std::span<const Verdict>(kOfTopics)
                                : std::span<const Verdict>(kOfPair);
}

std::uint64_t count(const RouteOutcome& route, Verdict verdict) {
  return route.counts[static_cast<std::size_t>(verdict)];
}

RouteOutcome sum(const VerifyReport& report) {
  RouteOutcome all{.route = "in all"};
  for (const RouteOutcome& route : report.routes) {
    for (std::size_t i = 0; i < kVerdicts; ++i) all.counts[i] += route.counts[i];
  }
  return all;
}

std::string in_quotes(std::string_view text) {
  Buffer out;
  append_json_string(out, text);
  return std::string(out.view());
}

std::string told_text(const Told& told) {
  if (told.status == 0) return "no answer: " + told.fault;
  std::string text = fmt::format("{}", told.status);
  if (told.status == 200) text += fmt::format(", {} bytes", told.bytes);
  if (!told.etag.empty()) text += ", ETag " + told.etag;
  if (!told.position.empty()) text += ", from " + told.position;
  return text;
}

std::string truth_text(const Truth& truth) {
  if (!truth.fault.empty()) return truth.fault;
  if (!truth.value) return "none";
  return fmt::format("{}/{}@{}", truth.topic, truth.partition.value, truth.offset.value);
}

std::string difference_text(const VerifyReport& report, const RouteOutcome& route,
                            const Suspect& one) {
  std::string text =
      fmt::format("{} {} {}: ", to_string(one.last.verdict), route.route, in_quotes(one.key));
  if (report.against.empty()) {
    text += fmt::format("topic: {}; service: {}", truth_text(one.last.truth),
                        told_text(one.last.first));
    if (one.last.verdict == Verdict::kExtra && one.last.first.status == 404) {
      text += ", but its list has the key";
    }
  } else {
    text +=
        fmt::format("first: {}; second: {}", told_text(one.last.first), told_text(one.last.second));
  }
  if (one.still_changing()) text += " (still changing)";
  return text + "\n";
}

// What the service has said is anybody's.
std::string local_writes_text(const RouteOutcome& route, const LocalWritesAt& one) {
  return fmt::format(
      "{}: POST and DELETE have changed the store at {} ({}): differences may come from that, and "
      "its digests in /status are not comparable\n",
      route.route, one.url, in_quotes(one.said));
}

json::object told_json(const Told& told) {
  json::object out = {{"status", told.status}};
  if (told.status == 200) out["bytes"] = told.bytes;
  if (!told.etag.empty()) out["etag"] = told.etag;
  if (!told.position.empty()) out["position"] = told.position;
  if (!told.fault.empty()) out["fault"] = told.fault;
  return out;
}

json::object difference_json(const VerifyReport& report, const Suspect& one) {
  json::object out = {{"key", one.key},
                      {"verdict", json::string(to_string(one.last.verdict))},
                      {"still_changing", one.still_changing()}};
  if (report.against.empty()) {
    out["topic"] = one.last.truth.value ? json::value(truth_text(one.last.truth)) : nullptr;
    if (!one.last.truth.fault.empty()) out["fault"] = one.last.truth.fault;
    out["service"] = told_json(one.last.first);
  } else {
    out["first"] = told_json(one.last.first);
    out["second"] = told_json(one.last.second);
  }
  return out;
}

json::object counts_json(const VerifyReport& report, const RouteOutcome& route) {
  json::object out = {{"keys", route.keys()}};
  for (const Verdict verdict : columns(report)) {
    out[json::string(to_string(verdict))] = count(route, verdict);
  }
  return out;
}

}  // namespace

bool VerifyReport::equal() const {
  return std::all_of(routes.begin(), routes.end(),
                     [](const RouteOutcome& route) { return route.equal(); });
}

std::string report_text(const VerifyReport& report, std::size_t show) {
  std::size_t width = std::string_view("in all").size();
  for (const RouteOutcome& route : report.routes) width = std::max(width, route.route.size());
  std::string text = fmt::format("{:<{}}  {:>11}", "route", width, "keys");
  for (const Verdict verdict : columns(report)) text += fmt::format("  {:>11}", to_string(verdict));
  text += '\n';
  const RouteOutcome all = sum(report);
  const auto add_row = [&](const RouteOutcome& route) {
    text += fmt::format("{:<{}}  {:>11}", route.route, width, route.keys());
    for (const Verdict verdict : columns(report)) {
      text += fmt::format("  {:>11}", count(route, verdict));
    }
    text += '\n';
  };
  for (const RouteOutcome& route : report.routes) add_row(route);
  if (report.routes.size() > 1) add_row(all);

  std::size_t differences = 0;
  for (const RouteOutcome& route : report.routes) {
    for (const Suspect& one : route.differences) {
      if (differences++ < show) text += difference_text(report, route, one);
    }
  }
  if (differences > show) text += fmt::format("... and {} more\n", differences - show);
  for (const RouteOutcome& route : report.routes) {
    if (!route.moving.empty()) {
      text += fmt::format("moving {} {}: written all the time, never seen equal\n", route.route,
                          in_quotes(route.moving.front()));
    }
    for (const std::string& note : route.notes) text += route.route + ": " + note + "\n";
    for (const LocalWritesAt& one : route.local_writes) text += local_writes_text(route, one);
  }
  text += fmt::format(
      "{}: {} and {}, {} keys in {:.1f} s", differences == 0 ? "equal" : "DIFFERENT", report.url,
      report.against.empty() ? "the topics" : report.against, all.keys(), report.took.count());
  if (report.compared.count() > 0) {
    text +=
        fmt::format(", {:.0f} keys/s", static_cast<double>(all.keys()) / report.compared.count());
  }
  return text + "\n";
}

std::string report_json(const VerifyReport& report, std::size_t show) {
  const RouteOutcome all = sum(report);
  json::array routes;
  for (const RouteOutcome& route : report.routes) {
    json::object out = counts_json(report, route);
    out["path"] = route.route;
    json::array differences;
    for (std::size_t i = 0; i < std::min(show, route.differences.size()); ++i) {
      differences.push_back(difference_json(report, route.differences[i]));
    }
    out["differences"] = std::move(differences);
    out["notes"] = json::array(route.notes.begin(), route.notes.end());
    json::array local_writes;
    for (const LocalWritesAt& one : route.local_writes) {
      local_writes.push_back({{"url", one.url}, {"said", one.said}});
    }
    out["local_writes"] = std::move(local_writes);
    routes.push_back(std::move(out));
  }
  json::object out = {
      {"equal", report.equal()},
      {"url", report.url},
      {"against", report.against.empty() ? json::value(nullptr) : json::value(report.against)},
      {"seconds", report.took.count()},
      {"compare_seconds", report.compared.count()},
      {"total", counts_json(report, all)},
      {"routes", std::move(routes)}};
  return json::serialize(out) + "\n";
}

}  // namespace push_cache::app
