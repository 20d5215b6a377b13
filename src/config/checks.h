// What the values of a configuration must be to each other.
#pragma once

#include <map>
#include <set>
#include <string>

#include "config/config.h"
#include "config/faults.h"

namespace push_cache::config {

// Which keys were given, by their paths ("cache.stores[1].name").
struct Given {
  std::string source = {};                         // the whole configuration's name
  std::map<std::string, std::string> places = {};  // where each was given
  std::set<std::string> good = {};                 // those whose value is right by itself

  const std::string& where(const std::string& path) const {
    const auto found = places.find(path);
    return found == places.end() ? source : found->second;
  }
};

// Adds a fault for each value that is right by itself and wrong beside the others: names and paths
// given twice, routes to no store, and the like. What does nothing is added to `config.notes`.
void check(Config& config, const Given& given, Faults& faults);

}  // namespace push_cache::config
