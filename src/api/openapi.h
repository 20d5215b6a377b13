// openapi.json: what the configured routes answer, for people and for what makes clients.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "avro/plan.h"
#include "avro/schema.h"
#include "base/types.h"
#include "http/http.h"
#include "registry/reader_schemas.h"
#include "registry/schema_cache.h"

namespace push_cache::api {

struct OpenApiRoute {
  std::string path;  // below the prefix: "/users"
  bool list = true;
  bool by_body = false;
  const registry::RouteReader* reader = nullptr;  // null = each record by its writer's schema
  // The schemas that records of the route's store came with; of them those a POST may be of.
  std::function<std::vector<SchemaId>()> writers;
  std::function<std::vector<SchemaId>()> writable;
};

struct OpenApiOptions {
  std::string version;  // of the program
  std::string prefix;   // webservice.prefix: "/api"
  bool writes = true;   // cache.writes
  bool position_headers = true;
  avro::LogicalTypes logical_types = avro::LogicalTypes::kNumbers;
  std::vector<OpenApiRoute> routes;
  const registry::SchemaCache* schemas = nullptr;  // must outlive the handler
};

// The schemas of a route, the newest of each kind first.
struct RouteSchemas {
  std::vector<avro::Schema> shown;
  std::vector<avro::Schema> taken;
};

// The document (OpenAPI 3.1). `schemas`: one for each of the routes. A route none of whose schemas
// are known is shown without them.
std::string openapi_json(const OpenApiOptions& options, const std::vector<RouteSchemas>& schemas);

// The value of `Link` that leads to the document (RFC 8631).
std::string service_description(std::string_view prefix);

// Answers GET and HEAD, at any time: it needs no records. The document is made when it is asked for
// and the schemas are no longer those of the one before, which takes about a millisecond.
//
// Shown are: with a reader schema that one, of `latest` with several topics those that records of
// the store are shown by; without one every schema that records of the store came with. Not shown
// is a former version of a reader schema that stands in for one that cannot read older records.
class OpenApi final : public http::Handler {
 public:
  explicit OpenApi(OpenApiOptions options);
  void handle(http::Exchange& exchange) override;

 private:
  struct Document {
    std::vector<RouteSchemas> schemas;  // what it was made of
    std::string text;
    std::string etag;
  };
  std::vector<RouteSchemas> present() const;
  std::shared_ptr<const Document> document();

  const OpenApiOptions options_;
  std::mutex mutex_;  // guards `made_`; held over no work
  std::shared_ptr<const Document> made_;
};

}  // namespace push_cache::api
