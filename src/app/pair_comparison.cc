#include "app/pair_comparison.h"

#include <utility>

namespace push_cache::app {
namespace {

constexpr std::size_t kKeysAtOnce = 1024;

// With the list's URL in its error.
Result<std::optional<std::string>> next_of(ListReader& list, const std::string& url) {
  auto key = list.next();
  if (!key.ok()) key.error().public_text = url + ": " + key.error().public_text;
  return key;
}

}  // namespace

MergedLists::MergedLists(const std::string& first_url, const std::string& second_url)
    : first_(first_url), second_(second_url) {}

Status MergedLists::fill(Side& side) {
  if (side.ended) return {};
  auto key = next_of(side.list, side.url);
  if (!key.ok()) return std::move(key).error();
  if (*key && side.head && **key <= *side.head) {
    return Error{ErrorCode::kUnsupported, side.url + ": the list's keys are not in byte order"};
  }
  side.ended = !*key;
  side.head = *std::move(key);
  return {};
}

Result<std::optional<std::string>> MergedLists::next() {
  for (Side* side : {&first_, &second_}) {
    if (side->head) continue;
    if (Status filled = fill(*side); !filled.ok()) return std::move(filled).error();
  }
  if (!first_.head && !second_.head) return std::optional<std::string>();
  const bool from_first = first_.head && (!second_.head || *first_.head <= *second_.head);
  const bool from_second = second_.head && (!first_.head || *second_.head <= *first_.head);
  std::string key = from_first ? *first_.head : *second_.head;
  // Its place keeps the key until the next one has come, which must be greater.
  if (from_first) {
    if (Status filled = fill(first_); !filled.ok()) return std::move(filled).error();
  }
  if (from_second) {
    if (Status filled = fill(second_); !filled.ok()) return std::move(filled).error();
  }
  return std::optional<std::string>(std::move(key));
}

UnorderedLists::UnorderedLists(const std::string& first_url, const std::string& second_url)
    : urls_{first_url, second_url} {}

Result<std::optional<std::string>> UnorderedLists::next() {
  while (side_ < urls_.size()) {
    if (!list_) list_.emplace(urls_[side_]);
    auto key = next_of(*list_, urls_[side_]);
    if (!key.ok()) return std::move(key).error();
    if (!*key) {
      list_.reset();
      ++side_;
    } else if (seen_.insert(digest(**key)).second) {
      return key;
    }
  }
  return std::optional<std::string>();
}

PairComparison::PairComparison(const RouteAt& first, const RouteAt& second, Lists lists,
                               Patience& patience)
    : first_(first), second_(second), patience_(patience) {
  if (lists == Lists::kOrdered) {
    lists_ = std::make_unique<MergedLists>(first.url, second.url);
  } else {
    lists_ = std::make_unique<UnorderedLists>(first.url, second.url);
  }
}

Status PairComparison::next_keys(std::vector<std::string>& keys) {
  while (keys.size() < kKeysAtOnce) {
    auto key = lists_->next();
    if (!key.ok()) return std::move(key).error();
    if (!*key) break;
    if (!(*key)->empty()) keys.push_back(**std::move(key));
  }
  return {};
}

void PairComparison::look(Fetcher& fetcher, std::span<Suspect> suspects) {
  std::vector<std::string> keys;
  keys.reserve(suspects.size());
  for (const Suspect& one : suspects) keys.push_back(one.key);
  std::vector<Told> first(suspects.size());
  const auto nothing = [](std::size_t) {};
  fetcher.get_all(first_.url, keys, nothing,
                  [&first](std::size_t i, const Answer& answer) { first[i] = told_of(answer); });
  fetcher.get_all(second_.url, keys, nothing, [&](std::size_t i, const Answer& answer) {
    Told second = told_of(answer);
    const Verdict verdict = judge(first[i], second);
    suspects[i].see({.verdict = verdict, .first = std::move(first[i]), .second = std::move(second)},
                    Suspect::Clock::now());
  });
}

Status PairComparison::before_another_look(Fetcher& fetcher, std::span<Suspect>) {
  return check_services(fetcher);
}

Status PairComparison::check_services(Fetcher& fetcher) {
  if (Status there = wait_until_answering(fetcher, first_, patience_); !there.ok()) return there;
  return wait_until_answering(fetcher, second_, patience_);
}

}  // namespace push_cache::app
