#include "app/startup_checks.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "config/url.h"
#include "registry/client.h"

namespace push_cache::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kInterval{1'000};
// librdkafka's questions cannot be given up: none may hold a stop up for longer.
constexpr milliseconds kQuestionMax{2'000};

// Asks every second until `ask` is content.
void repeat(const std::stop_token& stop, const std::function<bool()>& ask) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested() && !ask()) {
    stopped.wait_for(lock, stop, kInterval, [] { return false; });
  }
}

// The addresses of a store's Redis, without user and password.
std::string target_of(const config::Store& store) {
  return "'" + store.name + "' at " + config::redact_url(store.url);
}

}  // namespace

StartupChecks::StartupChecks(const config::Config& config, const Pipeline& pipeline)
    : config_(config), pipeline_(pipeline), board_(config.startup_checks.fails) {
  if (!config.startup_checks.enabled) return;
  add_kafka();
  add_registry();
  add_stores();
}

StartupChecks::~StartupChecks() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void StartupChecks::add_reasons(std::vector<std::string>& reasons) const {
  for (const CheckStatus& one : status()) {
    if (one.state != CheckState::kFailed) continue;
    const std::string advice = "; " + std::string(one.advice);
    const auto known = std::find(reasons.begin(), reasons.end(), one.error);
    if (known != reasons.end()) {  // the feed has met it too
      *known += advice;
      continue;
    }
    reasons.push_back(std::string(to_string(one.check)) + " " + one.target + ": " + one.error +
                      advice);
  }
}

// --- Kafka ---

void StartupChecks::add_kafka() {
  KafkaNumbers numbers{.brokers = board_.add(Check::kBrokers, config_.kafka.brokers)};
  for (const std::string& topic : config_.kafka.topics) {
    numbers.topics.push_back(board_.add(Check::kTopic, "'" + topic + "'"));
  }
  const auto& intakes = pipeline_.intakes();
  if (std::any_of(intakes.begin(), intakes.end(), [](const Intake& one) { return one.shared; })) {
    numbers.group = board_.add(Check::kGroup, "'" + config_.kafka.group_id + "'");
  }
  threads_.emplace_back([this, numbers = std::move(numbers)](const std::stop_token& stop) {
    // A client of its own, for as long as there is something to ask: what it is told is not mixed
    // with what befalls those that read.
    const auto consumer = kafka::Consumer::create(pipeline_.consumer_options());
    if (!consumer.ok()) return;  // the feeds have said it
    repeat(stop, [&] { return ask_kafka(**consumer, numbers, stop); });
  });
}

bool StartupChecks::ask_kafka(kafka::Consumer& consumer, const KafkaNumbers& numbers,
                              const std::stop_token& stop) {
  const milliseconds timeout = config_.startup_checks.timeout;
  const milliseconds question = std::min(timeout, kQuestionMax);
  Status reached;
  milliseconds left = timeout;
  do {
    reached = consumer.reach(std::min(left, question));
    if (stop.stop_requested()) return false;
    left -= question;
  } while (!reached.ok() && left.count() > 0);
  board_.took(numbers.brokers, reached);
  if (!reached.ok()) return false;
  consumer.clear_last_error();
  bool well = true;
  const auto took = [&](std::size_t number, const Status& outcome) {
    if (stop.stop_requested()) return;
    board_.took(number, outcome);
    well = well && outcome.ok();
  };
  for (std::uint32_t i = 0; i < numbers.topics.size() && !stop.stop_requested(); ++i) {
    const auto partitions = consumer.partitions(i, question);
    took(numbers.topics[i],
         partitions.ok() ? consumer.may_read(i, question) : Status(partitions.error()));
  }
  if (numbers.group && !stop.stop_requested()) {
    took(*numbers.group, consumer.may_join(config_.kafka.group_id, question));
  }
  return well;
}

// --- the registry ---

void StartupChecks::add_registry() {
  registry::ClientOptions options = pipeline_.registry_options();
  options.total_timeout = config_.startup_checks.timeout;
  const std::size_t number = board_.add(Check::kRegistry, config_.kafka.registry.url);
  threads_.emplace_back([this, number, options](const std::stop_token& stop) {
    const auto client = registry::Client::create(options);
    if (!client.ok()) return;  // the pipeline has said it
    repeat(stop, [&] {
      const Status answer = (*client)->check(stop);
      if (!stop.stop_requested()) board_.took(number, answer);
      return answer.ok();
    });
  });
}

// --- stores in Redis ---

void StartupChecks::add_stores() {
  std::vector<StoreNumber> stores;
  for (std::size_t i = 0; i < pipeline_.stores().size(); ++i) {
    const config::Store& store = config_.cache.stores[i];
    if (store.type != config::StoreType::kRedis) continue;
    stores.push_back({board_.add(Check::kStore, target_of(store)), &pipeline_.stores()[i],
                      &pipeline_.intake_of(i)});
  }
  if (stores.empty()) return;
  threads_.emplace_back([this, stores = std::move(stores)](const std::stop_token& stop) {
    const auto end = steady_clock::now() + config_.startup_checks.timeout;
    repeat(stop, [&] { return look_at_stores(stores, end); });
  });
}

// The store connects by itself; here it is only asked how it is. What an ACL forbids shows with the
// first commands, so it is looked at until all is loaded.
bool StartupChecks::look_at_stores(const std::vector<StoreNumber>& stores,
                                   steady_clock::time_point end) {
  bool well = true;
  const auto is_others = [](const Status& said) {
    return !said.ok() && said.error().code == ErrorCode::kConflict;
  };
  // What the feed says is of that one then, and not of the others.
  const bool any_is_others = std::any_of(
      stores.begin(), stores.end(),
      [&is_others](const StoreNumber& one) { return is_others(one.row->store->health()); });
  for (const StoreNumber& one : stores) {
    const Status said = one.row->store->health();
    // One that others fill can be reached; what is wrong it says itself.
    Status health = is_others(said) ? Status() : said;
    bool feed_says = false;
    if (said.ok() && !any_is_others) {
      const ingest::FeedStatus feed = one.intake->status();
      if (feed.group && !feed.group->store_error.empty()) {
        health = Error{ErrorCode::kUnavailable, feed.group->store_error};
        feed_says = true;
      }
    }
    if (!health.ok() && health.error().detail.empty() && !feed_says && steady_clock::now() < end) {
      well = false;  // no attempt of the store to connect has ended yet
      continue;
    }
    board_.took(one.number, health);
    well = well && health.ok() && one.intake->ready();
  }
  return well;
}

}  // namespace push_cache::app
