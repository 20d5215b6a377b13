#include "app/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>

#include "base/utf8.h"

namespace push_cache::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kWait{50};           // between two questions whether something is so by now
constexpr milliseconds kBetweenLooks{200};  // at keys that differ
constexpr std::size_t kKeysAtOnce = 1024;   // of one thread
constexpr int kAttempts = 3;                // to reach a service
constexpr std::string_view kNoKey = "push-cache-verify-probe";

unsigned threads() { return std::clamp(std::thread::hardware_concurrency(), 2u, 4u); }

// Whether this answer may be the service's state and none of the key.
bool doubtful(const Told& told) { return told.status == 0 || told.status == 503; }

// The work of several threads at one route.
class Looks {
 public:
  Looks(std::string route, Comparison& comparison, Patience& patience)
      : route_(std::move(route)), comparison_(comparison), patience_(patience) {}

  // Looks at all keys of the comparison; `suspects` gets those that differ.
  Status at_all(std::vector<Suspect>& suspects) {
    const auto next = [this](std::vector<Suspect>& batch) { return next_batch(batch); };
    return run(next, [this, &suspects](std::vector<Suspect>& batch) {
      for (Suspect& one : batch) {
        if (one.last.verdict == Verdict::kEqual) {
          ++equal_;
        } else {
          suspects.push_back(std::move(one));
        }
      }
      done_ += batch.size();
    });
  }

  // Looks at `suspects` once more.
  Status again(std::vector<Suspect>& suspects) {
    std::vector<Suspect> asked = std::move(suspects);
    suspects.clear();
    std::size_t taken = 0;
    const auto next = [&asked, &taken](std::vector<Suspect>& batch) {
      const std::size_t end = std::min(taken + kKeysAtOnce, asked.size());
      std::move(asked.begin() + static_cast<std::ptrdiff_t>(taken),
                asked.begin() + static_cast<std::ptrdiff_t>(end), std::back_inserter(batch));
      taken = end;
      return Status();
    };
    return run(next, [&suspects](std::vector<Suspect>& batch) {
      std::move(batch.begin(), batch.end(), std::back_inserter(suspects));
    });
  }

  std::uint64_t equal() const { return equal_; }

 private:
  // With mutex_.
  Status next_batch(std::vector<Suspect>& batch) {
    std::vector<std::string> keys;
    Status got = comparison_.next_keys(keys);
    for (std::string& key : keys) batch.emplace_back().key = std::move(key);
    const double seconds = std::chrono::duration<double>(steady_clock::now() - started_).count();
    const std::uint64_t about = comparison_.keys_about();
    patience_.show(
        fmt::format("{}: comparing {}{:.0f} keys/s", route_,
                    about > 0 ? bar_text(done_, about) + "  " : std::to_string(done_) + " keys  ",
                    static_cast<double>(done_) / seconds));
    return got;
  }

  // `next` fills an empty batch, none = the end; `done` takes one that was looked at. Both are
  // called by one thread at a time.
  template <typename Next, typename Done>
  Status run(const Next& next, const Done& done) {
    Status failure;
    const auto work = [&] {
      Fetcher fetcher;
      std::vector<Suspect> batch;
      for (;;) {
        batch.clear();
        {
          const std::lock_guard lock(mutex_);
          if (!failure.ok()) return;
          if (patience_.over()) failure = patience_.wait("the comparison");
          if (failure.ok()) failure = next(batch);
          if (!failure.ok() || batch.empty()) return;
        }
        comparison_.look(fetcher, batch);
        const std::lock_guard lock(mutex_);
        const bool ask = std::any_of(batch.begin(), batch.end(), [](const Suspect& one) {
          return one.last.verdict == Verdict::kError &&
                 (doubtful(one.last.first) || doubtful(one.last.second));
        });
        if (ask && failure.ok()) failure = comparison_.check_services(fetcher);
        done(batch);
      }
    };
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads(); ++i) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
    return failure;
  }

  const std::string route_;
  Comparison& comparison_;
  Patience& patience_;
  const steady_clock::time_point started_ = steady_clock::now();
  std::mutex mutex_;  // guards what follows, and the comparison's keys
  std::uint64_t done_ = 0;
  std::uint64_t equal_ = 0;
};

// Asks once: the error of what is no service with this route. `also`: what may be answered beside
// 200. `not_ready` gets what is said with a 503.
Status probe(Fetcher& fetcher, const RouteAt& route, const std::string& url, long also,
             std::string& not_ready) {
  Status outcome;
  fetcher.get(url, [&](const Answer& answer) {
    const std::string said(answer.body.substr(0, 200));
    if (answer.status == 0) {
      outcome = Error{ErrorCode::kUnavailable,
                      fmt::format("{} does not answer: {}", route.url, answer.fault)};
    } else if (answer.status == 503) {
      not_ready = fmt::format("{} answers 503: {}", route.url, said);
    } else if (answer.status != 200 && answer.status != also) {
      outcome = Error{
          ErrorCode::kUnavailable,
          fmt::format("{} answers {}: {}; is it a push-cache with this configuration, and does "
                      "the URL have its webservice.prefix?",
                      url, answer.status, said)};
    }
  });
  return outcome;
}

}  // namespace

Patience::Patience(std::chrono::seconds timeout)
    : timeout_(timeout), deadline_(steady_clock::now() + timeout) {}

Status Patience::wait(const std::string& reason) {
  if (!over()) show("waiting: " + reason);
  return wait_quietly(reason);
}

Status Patience::wait_quietly(const std::string& reason) {
  if (over()) {
    return Error{ErrorCode::kTimeout,
                 fmt::format("not done within {} s (--timeout): {}", timeout_.count(), reason)};
  }
  std::this_thread::sleep_for(kWait);
  return {};
}

void Patience::show(const std::string& text) {
  const std::lock_guard lock(mutex_);
  line_.show(text);
}

void Patience::clear() {
  const std::lock_guard lock(mutex_);
  line_.clear();
}

std::optional<LocalWritesAt> local_writes_at(Fetcher& fetcher, const RouteAt& route) {
  if (!route.list) return std::nullopt;
  std::optional<LocalWritesAt> out;
  fetcher.get(route.url + "?limit=0", [&](const Answer& answer) {
    if (!answer.local_writes.empty()) out = {route.url, answer.local_writes};
  });
  return out;
}

Told told_of(const Answer& answer) {
  return {.status = answer.status,
          .value = digest(answer.body),
          .bytes = answer.body.size(),
          .etag = answer.etag,
          .position = answer.position,
          .fault = answer.fault};
}

Status wait_until_answering(Fetcher& fetcher, const RouteAt& route, Patience& patience) {
  const std::string key = route.url + "/" + percent_encode(kNoKey);
  for (int failed = 0;;) {
    std::string not_ready;
    Status outcome = Status();
    // A list begins also while the Redis behind it is away; a key shows that.
    if (route.list) outcome = probe(fetcher, route, route.url + "?limit=0", 405, not_ready);
    if (outcome.ok() && not_ready.empty()) outcome = probe(fetcher, route, key, 404, not_ready);
    if (!outcome.ok() && ++failed >= kAttempts) return outcome;
    if (outcome.ok() && not_ready.empty()) return {};
    if (Status waited = patience.wait(outcome.ok() ? not_ready : outcome.error().public_text);
        !waited.ok()) {
      return waited;
    }
  }
}

std::uint64_t RouteOutcome::keys() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Result<RouteOutcome> compare(const std::string& route, Comparison& comparison, Patience& patience) {
  Looks looks(route, comparison, patience);
  Fetcher fetcher;
  std::vector<Suspect> open;
  const auto started = steady_clock::now();
  if (Status done = looks.at_all(open); !done.ok()) return std::move(done).error();
  const auto first_look = steady_clock::now() - started;
  if (Status done = comparison.find_more(fetcher, open); !done.ok()) return std::move(done).error();

  RouteOutcome outcome{.route = route, .first_look = first_look};
  outcome.counts[static_cast<std::size_t>(Verdict::kEqual)] = looks.equal();
  while (!open.empty()) {
    const auto begun = steady_clock::now();
    patience.show(fmt::format("{}: looking again at {} keys that differ", route, open.size()));
    if (Status done = comparison.before_another_look(fetcher, open); !done.ok()) {
      return std::move(done).error();
    }
    if (Status done = looks.again(open); !done.ok()) return std::move(done).error();
    const auto settled =
        std::partition(open.begin(), open.end(), [](const Suspect& one) { return !one.settled(); });
    for (auto one = settled; one != open.end(); ++one) {
      const Verdict verdict = one->outcome();
      ++outcome.counts[static_cast<std::size_t>(verdict)];
      if (verdict == Verdict::kMoving) {
        outcome.moving.push_back(std::move(one->key));
      } else if (verdict != Verdict::kEqual) {
        outcome.differences.push_back(std::move(*one));
      }
    }
    open.erase(settled, open.end());
    if (!open.empty()) std::this_thread::sleep_until(begun + kBetweenLooks);
  }
  std::sort(outcome.differences.begin(), outcome.differences.end(),
            [](const Suspect& a, const Suspect& b) { return a.key < b.key; });
  std::sort(outcome.moving.begin(), outcome.moving.end());
  return outcome;
}

}  // namespace push_cache::app
