#include "app/verify.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "app/pair_comparison.h"
#include "app/pipeline.h"
#include "app/startup_checks.h"
#include "app/topic_comparison.h"
#include "app/verify_report.h"
#include "config/url.h"

namespace push_cache::app {
namespace {

using std::chrono::steady_clock;

Error bad_url(std::string_view option, std::string_view why) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("{}: {}; give the service's address and webservice.prefix, such as "
                      "http://127.0.0.1:8080/api",
                      option, why)};
}

// Of a URL as it was given: without a slash at the end.
Result<std::string> base_url(std::string_view option, const std::string& text) {
  const auto url = config::parse_url(text);
  if (!url.ok()) return bad_url(option, url.error().public_text);
  if (url->scheme != "http" && url->scheme != "https") {
    return bad_url(option, "it begins neither with http:// nor with https://");
  }
  if (!url->username.empty() || !url->password.empty()) {
    return bad_url(option, "it has a user or a password, which this program does not send");
  }
  if (url->has_query) return bad_url(option, "it has a query or a fragment");
  std::string base = url->without_userinfo();
  while (base.ends_with('/')) base.pop_back();
  return base;
}

Result<std::string> own_url(const config::Webservice& webservice) {
  auto url = config::local_url(webservice.address, webservice.prefix);
  if (url) return *std::move(url);
  return bad_url("--url", "it is needed, since webservice.address has port 0 (any free one)");
}

std::vector<RouteAt> routes_at(const config::Config& config, const std::string& base) {
  std::vector<RouteAt> routes;
  for (const config::Route& route : config.cache.routes) {
    routes.push_back({route.path, base + route.path, route.list});
  }
  return routes;
}

// Every route, before anything that takes long.
Status all_answering(const std::vector<RouteAt>& routes, Patience& patience) {
  Fetcher fetcher;
  for (const RouteAt& route : routes) {
    if (Status there = wait_until_answering(fetcher, route, patience); !there.ok()) return there;
  }
  return {};
}

Status replay(const Pipeline& pipeline, Patience& patience) {
  Progress progress;
  for (;;) {
    const ingest::FeedStatus status = pipeline.intakes().front().status();
    progress.show(status, sum(pipeline.intakes()).records);
    if (status.ready) break;
    if (Status waited = patience.wait_quietly(why_not_ready(pipeline, status)); !waited.ok()) {
      return waited;
    }
  }
  return wait_until_replayed(pipeline, patience);
}

// After the comparison: those that came meanwhile are told too.
void add_local_writes(RouteOutcome& outcome, std::initializer_list<const RouteAt*> routes) {
  Fetcher fetcher;
  for (const RouteAt* const route : routes) {
    if (auto told = local_writes_at(fetcher, *route)) outcome.local_writes.push_back(*told);
  }
}

Result<std::vector<RouteOutcome>> with_topics(const config::Config& config,
                                              const std::vector<RouteAt>& routes,
                                              Patience& patience) {
  config::Config own = config;
  for (config::Route& route : own.cache.routes) route.list = true;  // each store is walked in order
  // What the service keeps in Redis is held here meanwhile: a replay of one's own.
  for (config::Store& store : own.cache.stores) store.type = config::StoreType::kInMemory;
  // A whole replay, and one that leaves no traces.
  own.snapshot = {};
  own.readiness = {};
  own.kafka.on_bad_record = config::OnBadRecord::kSkip;
  auto made = Pipeline::create(own);
  if (!made.ok()) return std::move(made).error();
  Pipeline& pipeline = **made;
  if (Status started = pipeline.start(); !started.ok()) return std::move(started).error();
  const StartupChecks checks(own, pipeline);
  if (Status there = all_answering(routes, patience); !there.ok()) return std::move(there).error();
  if (Status done = replay(pipeline, patience); !done.ok()) return std::move(done).error();

  std::vector<RouteOutcome> outcomes;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::size_t store = pipeline.store_index(config.cache.routes[i].store);
    TopicComparison comparison(routes[i], pipeline, *pipeline.stores()[store].store,
                               pipeline.readers().routes[i].get(), config.kafka.topics, patience);
    auto outcome = compare(routes[i].name, comparison, patience);
    if (!outcome.ok()) return std::move(outcome).error();
    outcome->notes = comparison.notes();
    add_local_writes(*outcome, {&routes[i]});
    outcomes.push_back(*std::move(outcome));
  }
  return outcomes;
}

Result<RouteOutcome> compare_pair(const RouteAt& first, const RouteAt& second,
                                  PairComparison::Lists lists, Patience& patience) {
  PairComparison comparison(first, second, lists, patience);
  return compare(first.name, comparison, patience);
}

Result<std::vector<RouteOutcome>> with_service(const std::vector<RouteAt>& first,
                                               const std::vector<RouteAt>& second,
                                               Patience& patience) {
  if (Status there = all_answering(first, patience); !there.ok()) return std::move(there).error();
  if (Status there = all_answering(second, patience); !there.ok()) return std::move(there).error();
  std::vector<RouteOutcome> outcomes;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (!first[i].list) {
      RouteOutcome& skipped = outcomes.emplace_back();
      skipped.route = first[i].name;
      skipped.notes = {
          "not compared: two services are compared by their lists, and the route has "
          "none"};
      continue;
    }
    auto outcome = compare_pair(first[i], second[i], PairComparison::Lists::kOrdered, patience);
    if (!outcome.ok() && outcome.error().code == ErrorCode::kUnsupported) {
      outcome = compare_pair(first[i], second[i], PairComparison::Lists::kUnordered, patience);
    }
    if (!outcome.ok()) return std::move(outcome).error();
    add_local_writes(*outcome, {&first[i], &second[i]});
    outcomes.push_back(*std::move(outcome));
  }
  return outcomes;
}

Result<VerifyReport> verify(const config::Config& config, const VerifyOptions& options) {
  Patience patience{std::chrono::seconds(options.timeout_seconds)};
  VerifyReport report;
  auto url = options.url.empty() ? own_url(config.webservice) : base_url("--url", options.url);
  if (!url.ok()) return std::move(url).error();
  report.url = *std::move(url);
  const std::vector<RouteAt> routes = routes_at(config, report.url);
  const auto begun = steady_clock::now();
  Result<std::vector<RouteOutcome>> outcomes = std::vector<RouteOutcome>();
  if (options.against.empty()) {
    outcomes = with_topics(config, routes, patience);
  } else {
    auto against = base_url("--against", options.against);
    if (!against.ok()) return std::move(against).error();
    report.against = *std::move(against);
    outcomes = with_service(routes, routes_at(config, report.against), patience);
  }
  patience.clear();
  if (!outcomes.ok()) return std::move(outcomes).error();
  report.routes = *std::move(outcomes);
  for (const RouteOutcome& route : report.routes) report.compared += route.first_look;
  report.took = steady_clock::now() - begun;
  return report;
}

}  // namespace

int run_verify(const config::Config& config, const VerifyOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);  // a service may close while it is written to
  const auto report = verify(config, options);
  if (!report.ok()) {
    std::fprintf(stderr, "push-cache: verify: %s\n", report.error().describe().c_str());
    return kVerifyFailed;
  }
  const std::string text =
      options.json ? report_json(*report, options.show) : report_text(*report, options.show);
  std::fputs(text.c_str(), stdout);
  if (std::fflush(stdout) != 0) {
    std::fprintf(stderr, "push-cache: verify: the result cannot be written to stdout\n");
    return kVerifyFailed;
  }
  return report->equal() ? kVerifyEqual : kVerifyDifferent;
}

std::string verify_help() {
  return "Reads the topics from their beginning as a new replica would, asks the service for "
         "every\n"
         "key of every route, and compares the answers byte for byte with what the topics' last\n"
         "records render to:\n"
         "  missing  404 though the topic has the key\n"
         "  stale    another value than the topic's last\n"
         "  extra    in the service (seen by its list) but not in the topic\n"
         "  error    neither 200 nor 404, or no answer\n"
         "With --against no topic is read: the keys of both services' lists are asked for at "
         "both:\n"
         "  only_first, only_second   the other one answers 404\n"
         "  different                 body or ETag\n"
         "A key that differs is asked for again, after the replay has reached the topics' end, "
         "and\n"
         "counts once it has stayed the same for 5 s: the service may go on working meanwhile. "
         "One\n"
         "that goes on changing for 30 s counts, too, unless both sides change: then it is\n"
         "  moving   written all the time, never seen equal; no difference\n"
         "Kafka, the registry or a service that is not ready are waited\n"
         "for. Memory: the stores of the configuration, as in the service.\n"
         "Exit code: 0 all equal, 1 differences, 2 it could not be done.\n\n";
}

}  // namespace push_cache::app
