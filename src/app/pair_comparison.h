// Two services against each other, without their topics.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/comparison.h"

namespace push_cache::app {

// The keys of two lists in byte order, as one list of them all, each once.
class MergedLists {
 public:
  MergedLists(const std::string& first_url, const std::string& second_url);
  // Nothing after the last one. An error when a list is not whole or not in order.
  Result<std::optional<std::string>> next();

 private:
  struct Side {
    explicit Side(const std::string& list_url) : url(list_url), list(list_url) {}
    std::string url;
    ListReader list;
    std::optional<std::string> head;
    bool ended = false;
  };
  static Status fill(Side& side);

  Side first_;
  Side second_;
};

class PairComparison final : public Comparison {
 public:
  // Both have lists. All must outlive this.
  PairComparison(const RouteAt& first, const RouteAt& second, Patience& patience);

  Status next_keys(std::vector<std::string>& keys) override;
  void look(Fetcher& fetcher, std::span<Suspect> suspects) override;
  Status find_more(Fetcher&, std::vector<Suspect>&) override { return {}; }
  Status before_another_look(Fetcher& fetcher, std::span<Suspect> suspects) override;
  Status check_services(Fetcher& fetcher) override;
  std::uint64_t keys_about() const override { return 0; }

 private:
  const RouteAt& first_;
  const RouteAt& second_;
  Patience& patience_;
  MergedLists lists_;
};

}  // namespace push_cache::app
