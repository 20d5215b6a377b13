// A schema registry inside this process, for the demo and the tests: Confluent's REST paths over a
// map in memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "http/http.h"
#include "http/server.h"

namespace push_cache::embedded {

struct RegistryServerOptions {
  std::string address = "127.0.0.1:0";
  // Ids count up from here. Not 1, so that nobody gets away with taking that for granted.
  std::int32_t first_id = 101;
};

// GET /schemas/types, /schemas/ids/{id}[/schema], /subjects, /subjects/{s}/versions,
// /subjects/{s}/versions/{v or latest}; POST /subjects/{s}/versions (register), /subjects/{s} (look
// up). Avro only. A schema of another record than its subject's first one is not compatible (409);
// any other change is. Schemas that differ only in white space are the same one. Errors have
// Confluent's bodies and codes: 40401 subject, 40402 version, 40403 schema, 42201 invalid schema,
// 42202 invalid version.
class RegistryServer : private http::Handler {
 public:
  static Result<std::unique_ptr<RegistryServer>> start(const RegistryServerOptions& options = {});
  ~RegistryServer() override;

  // "http://127.0.0.1:34567"
  std::string url() const;

  // Registers as POST /subjects/{subject}/versions does.
  Result<SchemaId> add(std::string_view subject, std::string_view schema);

  // For tests: answers everything with this status, 0 = as usual.
  void fail_with(unsigned status) { failing_ = status; }
  // Requests received, for tests.
  std::uint64_t requests() const { return requests_; }

 private:
  struct Reference {
    std::string name;
    std::string subject;
    int version = 0;
  };
  struct Stored {
    std::string schema;     // as first registered
    std::string canonical;  // without white space, with its references
    std::string full_name;
    std::vector<Reference> references;
  };
  struct Fault {
    unsigned status = 0;
    int code = 0;
    std::string message;
  };
  struct Answer;  // a body or a Fault

  explicit RegistryServer(const RegistryServerOptions& options) : next_id_(options.first_id) {}
  void handle(http::Exchange& exchange) override;
  Answer route(const http::Request& request);
  Answer get(const std::vector<std::string>& parts) const;
  Answer post(const std::vector<std::string>& parts, std::string_view body);
  Answer describe(const std::string& subject, std::size_t version) const;
  // Checks a body and finds the schema's id, registering it under `subject` when told to.
  Answer put(const std::string& subject, std::string_view body, bool do_register);
  // The texts a schema with these references needs, each before its users.
  bool resolve(const std::vector<Reference>& references, std::vector<std::string>& texts,
               int depth) const;

  std::atomic<unsigned> failing_{0};
  std::atomic<std::uint64_t> requests_{0};
  mutable std::mutex mutex_;
  std::int32_t next_id_;
  std::map<std::int32_t, Stored> schemas_;
  std::map<std::string, std::vector<std::int32_t>> subjects_;  // ids by version - 1
  std::unique_ptr<http::Server> server_;                       // last: it goes first
};

}  // namespace push_cache::embedded
