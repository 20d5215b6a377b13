// What tells the log of a topic from another one of its name.
#pragma once

#include <string>
#include <string_view>

#include "store/shared_store.h"

namespace push_cache::ingest {

// As stores that outlive the process and snapshots keep it: Kafka's topic id, and whether stores
// lost keys whose type changed (see Applier::set_compacted), since what they hold differs by that.
inline std::string log_name(std::string_view id, bool compacted) {
  if (!compacted) return std::string(id);
  return std::string(id.empty() ? "-" : id).append(store::SharedStore::kCompactedMark);
}

}  // namespace push_cache::ingest
