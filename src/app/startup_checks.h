// Whether what the service depends on is there and lets it in, asked at the start.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/check_board.h"
#include "app/pipeline.h"
#include "base/error.h"
#include "config/config.h"
#include "kafka/consumer.h"

namespace push_cache::app {

// Asks in the background, each kind of thing in a thread of its own, every second until all of that
// kind is well. Never ends a start: what is away may come later.
class StartupChecks {
 public:
  // Does nothing when they are not enabled. Both must outlive it; the pipeline has been started.
  StartupChecks(const config::Config& config, const Pipeline& pipeline);
  // Waits for the questions that are under way: two seconds at most.
  ~StartupChecks();
  StartupChecks(const StartupChecks&) = delete;
  StartupChecks& operator=(const StartupChecks&) = delete;

  // From any thread.
  std::vector<CheckStatus> status() const { return board_.all(); }
  // Of those that fail: what, where, why and what to do. A reason that is there already gets the
  // last of these only.
  void add_reasons(std::vector<std::string>& reasons) const;

 private:
  using Numbers = std::vector<std::size_t>;
  struct KafkaNumbers {
    std::size_t brokers = 0;
    Numbers topics;  // in the order of kafka.topics
    std::optional<std::size_t> group;
  };
  struct StoreNumber {
    std::size_t number;
    const Pipeline::StoreRow* row;
    const Intake* intake;
  };

  void add_kafka();
  void add_registry();
  void add_stores();
  // Whether all is well. `stop` ends it early.
  bool ask_kafka(kafka::Consumer& consumer, const KafkaNumbers& numbers,
                 const std::stop_token& stop);
  // `end`: until then a store may not have tried to connect.
  bool look_at_stores(const std::vector<StoreNumber>& stores,
                      std::chrono::steady_clock::time_point end);

  const config::Config& config_;
  const Pipeline& pipeline_;
  CheckBoard board_;
  std::vector<std::jthread> threads_;  // last: they end before the rest goes
};

}  // namespace push_cache::app
