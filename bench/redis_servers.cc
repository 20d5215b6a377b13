#include "bench/redis_servers.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/records.h"
#include "bench/child.h"
#include "bench/harness.h"
#include "bench/open_route.h"
#include "embedded/samples.h"
#include "http/router.h"
#include "http/server.h"
#include "net/loop.h"
#include "redis/loop_clients.h"
#include "redis/redis_store.h"
#include "registry/schema_cache.h"

namespace push_cache::bench {
namespace {

redis::ClientOptions client_of(std::uint16_t port) {
  return {.seeds = {{"127.0.0.1", port}}, .timeout = std::chrono::seconds(10)};
}

unsigned loops() { return std::max(std::thread::hardware_concurrency(), 1u); }

int serve(http::Handler& handler) {
  http::Router router;
  router.add(kCustomersPath, handler);
  const auto server = http::Server::start({.threads = loops(), .name = "api"}, router);
  if (!server.ok()) fail(server.error().describe());
  std::printf("%u\n", static_cast<unsigned>((*server)->port()));
  std::fflush(stdout);
  wait_for_end_of_stdin();
  return 0;
}

class BareProxy final : public http::Handler {
 public:
  explicit BareProxy(std::uint16_t port) : options_(client_of(port)) {}

  void handle(http::Exchange& exchange) override {
    thread_local std::string key;
    key.assign(kCustomersPrefix).append(":").append(exchange.request().rest.substr(1));
    const std::string_view args[] = {"GET", key};
    redis::Client* client = redis::LoopClients::of(*net::this_loop(), 0, options_);
    if (client == nullptr) fail("no client");
    client->send(key, args, Value::take(exchange));
  }

 private:
  struct Value final : redis::ReplySink {
    static Value& take(http::Exchange& to) {
      Values& values = here();
      if (values.free.empty()) {
        values.free.push_back(values.all.emplace_back(std::make_unique<Value>()).get());
      }
      Value* value = values.free.back();
      values.free.pop_back();
      value->exchange = &to;
      return *value;
    }
    void reply(const redis::Reply& reply) override {
      http::Exchange& to = *exchange;
      here().free.push_back(this);
      if (reply.type != redis::Reply::Type::kString) {
        return http::send_error(to, {ErrorCode::kNotFound, "no record has this key"});
      }
      to.begin(200, {.content_type = "application/octet-stream"}).append(reply.text);
      to.finish();
    }
    void failed(const Error& error) override { fail(error.describe()); }

    http::Exchange* exchange = nullptr;
  };
  struct Values {
    std::vector<std::unique_ptr<Value>> all;
    std::vector<Value*> free;
  };
  static Values& here() {
    thread_local Values values;
    return values;
  }

  const redis::ClientOptions options_;
};

}  // namespace

int serve_from_redis(std::uint16_t redis_port) {
  const auto store = redis::RedisStore::create({.name = "bench",
                                                .client = client_of(redis_port),
                                                .prefix = kCustomersPrefix,
                                                .topics = {"customers"}});
  if (!store.ok()) fail(store.error().describe());
  if (const Status own = (*store)->claim(""); !own.ok()) fail(own.error().describe());
  NoSource source;
  registry::SchemaCache schemas(source);
  const std::string_view schema = embedded::sample_info(embedded::SampleType::kCustomer).schema;
  if (const Status known = schemas.insert(SchemaId(1), {std::string(schema)}); !known.ok()) {
    fail(known.error().describe());
  }
  OpenGate gate;
  const store::LogIdentities logs({"customers"});
  api::Records customers({.path = kCustomersPath,
                          .store = store->get(),
                          .schemas = &schemas,
                          .gate = &gate,
                          .logs = &logs,
                          .topics = {"customers"},
                          .shared = true,
                          .writes = false,
                          .loops = loops()});
  return serve(customers);
}

int serve_bare_proxy(std::uint16_t redis_port) {
  BareProxy proxy(redis_port);
  return serve(proxy);
}

}  // namespace push_cache::bench
