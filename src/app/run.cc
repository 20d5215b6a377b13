#include "app/run.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "app/notify.h"
#include "app/progress.h"
#include "base/limits.h"
#include "base/log.h"

namespace push_cache::app {
namespace {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

// "ready", or how far the load is, or why it is not ready.
std::string state_text(const Service& service, const ingest::FeedStatus& feed) {
  if (!feed.ready) return progress_text(feed);
  const std::vector<std::string> reasons = service.not_ready_reasons(feed);
  return reasons.empty() ? "ready" : "not ready: " + reasons.front();
}

// Ends the process when it has not ended by itself in time, or at one more signal. Nothing depends
// on what it does not wait for: what a store holds is known by its own position.
void end_in_time(const sigset_t& signals) {
  std::thread([signals] {
    const timespec limit{.tv_sec = limits::kLeaveTimeout.count(), .tv_nsec = 0};
    sigtimedwait(&signals, nullptr, &limit);
    log("app").warn(
        "ended without leave of Kafka: it did not answer in time, or one more signal came");
    std::_Exit(0);
  }).detach();
}

}  // namespace

void block_stop_signals() {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int run_until_stopped(Service& service, const std::function<void()>& tick) {
  std::printf("api %s\nhealth %s\n", service.api_url().c_str(), service.health_url().c_str());
  std::fflush(stdout);
  Notifier::serving();
  Notifier notifier;
  Progress progress;
  const sigset_t signals = stop_signals();
  const timespec interval{.tv_sec = 0, .tv_nsec = 200'000'000};
  while (sigtimedwait(&signals, nullptr, &interval) < 0) {
    const ingest::FeedStatus feed = service.feed_status();
    progress.show(feed, service.records_applied());
    service.sample(feed);
    notifier.status(state_text(service, feed));
    if (tick) tick();
  }
  log("app").info("stopping");
  Notifier::stopping();
  const bool drained = service.drain(limits::kDrainTimeout);
  if (!drained) log("app").warn("some requests did not end in time and were cut off");
  const timespec at_once{};
  service.save([&] {  // a second signal: the operator does not want to wait
    return sigtimedwait(&signals, nullptr, &at_once) > 0;
  });
  end_in_time(signals);
  return 0;
}

}  // namespace push_cache::app
