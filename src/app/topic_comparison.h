// A service against what a replay of its topics gives.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/comparison.h"
#include "app/pipeline.h"
#include "base/buffer.h"

namespace push_cache::app {

// The first reason why the replay is not ready, with what the registry says to it.
std::string why_not_ready(const Pipeline& pipeline, const ingest::FeedStatus& status);

// Waits until everything that is in the topics by now is in the stores of `pipeline`; says what it
// waits for. kTimeout when time is over, kFull when a store had to refuse keys.
Status wait_until_replayed(const Pipeline& pipeline, Patience& patience);

class TopicComparison final : public Comparison {
 public:
  // `store` of `pipeline` is what the route has; it must keep an order. `topics`: their names, as
  // configured. All must outlive this.
  // `reader`: the route's reader schema, null = each record is shown by its writer's.
  TopicComparison(const RouteAt& route, const Pipeline& pipeline, store::Store& store,
                  const registry::RouteReader* reader, const std::vector<std::string>& topics,
                  Patience& patience);

  Status next_keys(std::vector<std::string>& keys) override;
  void look(Fetcher& fetcher, std::span<Suspect> suspects) override;
  Status find_more(Fetcher& fetcher, std::vector<Suspect>& suspects) override;
  Status before_another_look(Fetcher& fetcher, std::span<Suspect> suspects) override;
  Status check_services(Fetcher& fetcher) override;
  std::uint64_t keys_about() const override { return store_.counts().records; }

  // What was not compared.
  std::vector<std::string> notes() const;

 private:
  // What the route would answer for `key`: `json` gets the body.
  Truth truth(std::string_view key, Buffer& json) const;
  // Calls `take` with each key of the service's list.
  template <typename Take>
  Status read_list(Fetcher& fetcher, const Take& take);

  const RouteAt& route_;
  const Pipeline& pipeline_;
  store::Store& store_;
  const registry::RouteReader* const reader_;
  const std::vector<std::string>& topics_;
  Patience& patience_;
  std::string after_;  // the last key that `next_keys` gave
  bool from_start_ = true;
  bool more_ = true;
  bool empty_key_ = false;  // the store has one, which no URL asks for
  bool list_read_ = true;
  std::string list_fault_;
};

}  // namespace push_cache::app
