// The reader schemas that the configuration names (cache.routes[].schema).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/config.h"
#include "registry/reader_schemas.h"

namespace push_cache::app {

// Reads and parses each file that a route names. The error's public text is a report of every fault
// with its key, as that of config::load.
Status check_schema_files(const config::Config& config);

// What the service needs of them. Nothing runs when no route names one.
struct Readers {
  std::unique_ptr<registry::ReaderSchemas> schemas;  // null when no route names one
  // One a route, null = each record by its writer's schema.
  std::vector<std::unique_ptr<const registry::RouteReader>> routes;

  // Those of a store's routes, each once.
  std::vector<registry::RouteReader> of_store(const config::Config& config,
                                              const config::Store& store) const;
  // Adds, for people, which reader schemas records may have to wait for, and why.
  void add_reasons(std::vector<std::string>& reasons) const;
};

// `source` must outlive the result. The error is that of `check_schema_files`.
Result<Readers> make_readers(const config::Config& config, registry::SubjectSource& source,
                             const avro::PlanOptions& plan);

}  // namespace push_cache::app
