#include "store/log_identities.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace push_cache::store {
namespace {

// An id is 22 characters of base64, which a topic's name can be as well: the seed tells them apart.
constexpr XXH64_hash_t kOfName = 1;
constexpr XXH64_hash_t kOfId = 2;

std::uint64_t identity(std::string_view text, XXH64_hash_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace

std::uint64_t log_identity(std::string_view topic, std::string_view id) {
  return id.empty() ? identity(topic, kOfName) : identity(id, kOfId);
}

LogIdentities::LogIdentities(const std::vector<std::string>& topics)
    : topics_(topics.size()), rows_(std::make_unique<Row[]>(topics.size())) {
  for (std::size_t i = 0; i < topics_; ++i) rows_[i].identity = log_identity(topics[i], "");
}

void LogIdentities::set(std::uint32_t topic, std::string_view id) {
  if (id.empty() || topic >= topics_) return;
  Row& row = rows_[topic];
  const std::uint64_t now = log_identity("", id);
  if (row.identity.load(std::memory_order_relaxed) == now) return;
  if (row.known.exchange(true)) replaced_.fetch_add(1, std::memory_order_seq_cst);
  row.identity.store(now, std::memory_order_release);
}

}  // namespace push_cache::store
