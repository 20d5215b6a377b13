#include "config/faults.h"

#include <fmt/format.h>

namespace push_cache::config {

std::string Faults::format() const {
  std::string report =
      fmt::format("{} fault{} in the configuration:", list_.size(), list_.size() == 1 ? "" : "s");
  for (const Fault& fault : list_) {
    report += "\n  ";
    for (const std::string* part : {&fault.where, &fault.path}) {
      if (!part->empty()) report += *part + ": ";
    }
    report += fault.text;
  }
  return report;
}

}  // namespace push_cache::config
