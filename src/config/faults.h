// What is wrong with a configuration: a list, so that one run shows all of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace push_cache::config {

struct Fault {
  std::string path;  // "cache.stores[1].name"; "" when it concerns the source as a whole
  std::string
      where;  // "config.yaml:3:7", "secrets file kafka.topic", "environment APP_KAFKA__TOPIC"
  std::string text;  // what is wrong and what to do; holds no secret
};

class Faults {
 public:
  void add(Fault fault) { list_.push_back(std::move(fault)); }
  bool empty() const { return list_.empty(); }
  const std::vector<Fault>& list() const { return list_; }

  // The report: a line with the number of faults, then one line each, "  where: path: text".
  std::string format() const;

 private:
  std::vector<Fault> list_;
};

}  // namespace push_cache::config
