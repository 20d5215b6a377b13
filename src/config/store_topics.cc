// Which topics go where.
#include <algorithm>

#include "config/config.h"

namespace push_cache::config {

bool takes_topic(const Store& store, const std::string& topic) {
  return store.topics.empty() ||
         std::find(store.topics.begin(), store.topics.end(), topic) != store.topics.end();
}

std::vector<bool> topics_of(const Config& config, const Store& store) {
  std::vector<bool> out;
  for (const std::string& topic : config.kafka.topics) {
    out.push_back(takes_topic(store, topic));
  }
  return out;
}

std::uint32_t topic_of(const Config& config, const Route& route) {
  const auto& topics = config.kafka.topics;
  if (!route.topic.empty()) {
    const auto named = std::find(topics.begin(), topics.end(), route.topic);
    return static_cast<std::uint32_t>(named - topics.begin());
  }
  const auto store = std::find_if(config.cache.stores.begin(), config.cache.stores.end(),
                                  [&route](const Store& one) { return one.name == route.store; });
  const std::vector<bool> takes = topics_of(config, *store);
  return static_cast<std::uint32_t>(std::find(takes.begin(), takes.end(), true) - takes.begin());
}

}  // namespace push_cache::config
