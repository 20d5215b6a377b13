#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

#include "api/records.h"
#include "bench/child.h"
#include "bench/harness.h"
#include "bench/http_servers.h"
#include "bench/open_route.h"
#include "embedded/samples.h"
#include "http/router.h"
#include "http/server.h"
#include "registry/schema_cache.h"
#include "store/memory_store.h"

namespace push_cache::bench {
namespace {

constexpr SchemaId kCustomer{1};

void fill(store::Store& store, std::uint64_t records) {
  Buffer key;
  Buffer datum;
  for (std::uint64_t i = 0; i < records; ++i) {
    key.clear();
    datum.clear();
    embedded::append_sample_key(embedded::SampleType::kCustomer, i, key);
    embedded::append_sample(embedded::SampleType::kCustomer, 1, i, datum);
    const auto done = store.put({.key = key.view(),
                                 .datum = datum.bytes(),
                                 .schema = kCustomer,
                                 .partition = Partition(0),
                                 .offset = Offset(static_cast<std::int64_t>(i))});
    if (!done.ok()) fail(done.error().describe());
  }
}

}  // namespace

int serve_records(std::uint64_t records) {
  const unsigned loops = std::max(std::thread::hardware_concurrency(), 1u);
  const auto store = store::make_memory_store();
  fill(*store, records);
  NoSource source;
  registry::SchemaCache schemas(source);
  const std::string_view schema = embedded::sample_info(embedded::SampleType::kCustomer).schema;
  if (const Status known = schemas.insert(kCustomer, {std::string(schema)}); !known.ok()) {
    fail(known.error().describe());
  }
  OpenGate gate;
  const store::LogIdentities logs({"customers"});
  api::Records customers({.path = kRecordsPath,
                          .store = store.get(),
                          .schemas = &schemas,
                          .gate = &gate,
                          .logs = &logs,
                          .writes = false,
                          .loops = loops});
  http::Router router;
  router.add(kRecordsPath, customers);
  const auto server = http::Server::start({.threads = loops, .name = "api"}, router);
  if (!server.ok()) fail(server.error().describe());
  std::printf("%u\n", static_cast<unsigned>((*server)->port()));
  std::fflush(stdout);
  wait_for_end_of_stdin();
  return 0;
}

}  // namespace push_cache::bench
