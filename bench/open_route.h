// What a route needs beside its store, for servers of benchmarks: it is always ready, and all of
// its schemas were given to it.
#pragma once

#include <stop_token>

#include "api/records.h"
#include "registry/schema_cache.h"

namespace push_cache::bench {

class NoSource final : public registry::SchemaSource {
 public:
  Result<registry::SchemaText> fetch(SchemaId, std::stop_token) override {
    return Error{ErrorCode::kNotFound, "no schema"};
  }
};

class OpenGate final : public api::Gate {
 public:
  bool ready() const override { return true; }
};

}  // namespace push_cache::bench
