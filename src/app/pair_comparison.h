// Two services against each other, without their topics.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "app/comparison.h"

namespace push_cache::app {

// The keys of two lists as one list of them all, each once.
class JoinedLists {
 public:
  virtual ~JoinedLists() = default;
  // Nothing after the last one. An error when a list is not whole.
  virtual Result<std::optional<std::string>> next() = 0;
};

// Of lists in byte order. kUnsupported for one that is not, such as that of a store in Redis; its
// first keys may have been given out by then.
class MergedLists final : public JoinedLists {
 public:
  MergedLists(const std::string& first_url, const std::string& second_url);
  Result<std::optional<std::string>> next() override;

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

// Of lists in any order, in which a key may come again: one after the other. Keeps a digest of each
// key, some 50 bytes in all.
class UnorderedLists final : public JoinedLists {
 public:
  UnorderedLists(const std::string& first_url, const std::string& second_url);
  Result<std::optional<std::string>> next() override;

 private:
  struct Hash {
    std::size_t operator()(const Digest& digest) const { return digest[0]; }
  };

  const std::array<std::string, 2> urls_;
  std::size_t side_ = 0;
  std::optional<ListReader> list_;  // of this side, once it is read
  std::unordered_set<Digest, Hash> seen_;
};

class PairComparison final : public Comparison {
 public:
  enum class Lists { kOrdered, kUnordered };
  // Both have lists; kOrdered: in byte order, or `next_keys` fails with kUnsupported. All must
  // outlive this.
  PairComparison(const RouteAt& first, const RouteAt& second, Lists lists, Patience& patience);

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
  std::unique_ptr<JoinedLists> lists_;
};

}  // namespace push_cache::app
