// The comparison of one route's keys, whatever they are compared with: many at once, and again
// those that differ.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/fetcher.h"
#include "app/progress.h"
#include "app/verdict.h"
#include "base/error.h"

namespace push_cache::app {

// What all waiting has in common: until when, and where it is said why. Safe from any thread.
class Patience {
 public:
  explicit Patience(std::chrono::seconds timeout);

  bool over() const { return std::chrono::steady_clock::now() >= deadline_; }
  // Says what is waited for and waits a little. The error when time is over.
  Status wait(const std::string& reason);
  // The same for a caller that shows it in its own way.
  Status wait_quietly(const std::string& reason);
  // Shows `text` as the line of what is going on; now and then it is written.
  void show(const std::string& text);
  void clear();

 private:
  const std::chrono::seconds timeout_;
  const std::chrono::steady_clock::time_point deadline_;
  std::mutex mutex_;
  StatusLine line_;
};

// One route of a running service, as it is asked over HTTP.
struct RouteAt {
  std::string name;  // "/users", as configured
  std::string url;   // that of its list, without a slash at the end
  bool list = true;  // whether its keys may be listed
};

// Waits while the service answers 503. kUnavailable when it does not answer at all or does not know
// the route, kTimeout when it is not ready in time.
Status wait_until_answering(Fetcher& fetcher, const RouteAt& route, Patience& patience);

// What is kept of an answer.
Told told_of(const Answer& answer);

// What the keys of a route are compared with.
class Comparison {
 public:
  virtual ~Comparison() = default;

  // Appends the next keys to look at; none = there are no more. From one thread at a time.
  virtual Status next_keys(std::vector<std::string>& keys) = 0;
  // One look at each of `suspects` (its key and `listed` are set), handed to `Suspect::see`. From
  // any thread.
  virtual void look(Fetcher& fetcher, std::span<Suspect> suspects) = 0;
  // After the keys of `next_keys`: appends those that only a list shows and were not looked at.
  virtual Status find_more(Fetcher& fetcher, std::vector<Suspect>& suspects) = 0;
  // Waits until another look at `suspects` can tell more than the one before.
  virtual Status before_another_look(Fetcher& fetcher, std::span<Suspect> suspects) = 0;
  // Waits while no service can be asked; the error when that is in vain.
  virtual Status check_services(Fetcher& fetcher) = 0;
  // How many keys there are about; 0 = not known.
  virtual std::uint64_t keys_about() const = 0;
};

// What a service says of POST and DELETE to the store of a route: Push-Cache-Local-Writes.
struct LocalWritesAt {
  std::string url;  // of the route
  std::string said;
};

// Asks for it. Nothing when there were none, when the route has no list, which would tell, and when
// the service does not answer.
std::optional<LocalWritesAt> local_writes_at(Fetcher& fetcher, const RouteAt& route);

struct RouteOutcome {
  std::string route;
  std::array<std::uint64_t, kVerdicts> counts = {};
  std::vector<Suspect> differences;            // in the order of their keys
  std::vector<std::string> moving;             // keys of Verdict::kMoving, which are no differences
  std::vector<std::string> notes;              // what was not compared, for people
  std::vector<LocalWritesAt> local_writes;     // of the services that have had any
  std::chrono::duration<double> first_look{};  // how long the look at every key took
  std::uint64_t keys() const;
  bool equal() const { return differences.empty(); }
};

// Looks at every key once and at those that differ until each is settled. The error says why it
// could not be done.
Result<RouteOutcome> compare(const std::string& route, Comparison& comparison, Patience& patience);

}  // namespace push_cache::app
