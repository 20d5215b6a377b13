// What the tests of api::Records share: a server with one route over a store of theirs.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/records.h"
#include "avro/encoder.h"
#include "http/router.h"
#include "http/server.h"
#include "http/test_client.h"
#include "net/loop.h"
#include "registry/test_sources.h"
#include "store/memory_store.h"

namespace push_cache::api {

using http::test::Client;
using http::test::Response;

inline constexpr SchemaId kUser{1};     // with updatedAt
inline constexpr SchemaId kReading{2};  // without
inline constexpr SchemaId kUnknown{99};

inline constexpr std::string_view kUserSchema = R"({"type":"record","name":"User","fields":[
  {"name":"accountId","type":"string"},{"name":"age","type":"int","default":0},
  {"name":"updatedAt","type":"long","default":7}]})";
inline constexpr std::string_view kReadingSchema = R"({"type":"record","name":"Reading","fields":[
  {"name":"sensor","type":"long"},{"name":"value","type":"double"}]})";

class TestGate final : public Gate {
 public:
  bool ready() const override { return open; }
  std::atomic<bool> open{true};
};

// A store that does what it is told to: an error for everything, or the memory store's answers, at
// once or, as a remote one does, later on the caller's loop.
class TestStore final : public store::Store {
 public:
  Result<store::PutOutcome> put(const store::RecordView& record) override {
    return inner->put(record);
  }
  void insert(const store::RecordView& record, store::InsertSink& sink) override {
    if (error) return sink.failed(*error);
    if (!later) return inner->insert(record, sink);
    auto& copy = kept.emplace_back(record);
    post([this, &copy, &sink] { inner->insert(copy.view(), sink); });
  }
  Result<bool> erase(const store::RecordView& tombstone) override {
    return inner->erase(tombstone);
  }
  using Store::erase;
  void take(std::string_view key, const store::TakeOnly& only, store::GetSink& sink) override {
    if (!later) {
      if (before_take) before_take();
      return error ? sink.failed(*error) : inner->take(key, only, sink);
    }
    post([this, copy = std::string(key), only, &sink] {
      if (before_take) before_take();
      error ? sink.failed(*error) : inner->take(copy, only, sink);
    });
  }
  void get(std::string_view key, store::GetSink& sink) override {
    if (!later) {
      if (before_get) before_get();
      return error ? sink.failed(*error) : inner->get(key, sink);
    }
    post([this, copy = std::string(key), &sink] {
      if (before_get) before_get();
      error ? sink.failed(*error) : inner->get(copy, sink);
    });
  }
  Result<bool> page(PageStart start, std::size_t keys_max, store::KeySink& sink) override {
    return inner->page(start, keys_max, sink);
  }
  Result<std::uint64_t> erase_partition(std::uint32_t topic, Partition partition,
                                        Offset below = kAllOffsets) override {
    return inner->erase_partition(topic, partition, below);
  }
  store::Counts counts() const override { return inner->counts(); }
  Status health() const override { return inner->health(); }

  std::unique_ptr<store::Store> inner = store::make_memory_store();
  std::optional<Error> error;  // set while nothing is under way
  bool later = false;
  std::function<void()> before_take, before_get;  // called by these, on the caller's loop
  std::vector<std::string> scanned;               // with `later`: the keys of a list
  std::size_t scan_fails_at = SIZE_MAX;           // the step that fails

  std::unique_ptr<store::KeyScan> scan_keys() override {
    return later ? std::make_unique<Scan>(*this) : nullptr;
  }

 private:
  struct Copy {
    explicit Copy(const store::RecordView& of)
        : record(of), key(of.key), datum(of.datum.begin(), of.datum.end()) {}
    store::RecordView view() const {
      store::RecordView out = record;
      out.key = key;
      out.datum = datum;
      return out;
    }
    store::RecordView record;
    std::string key;
    std::vector<std::uint8_t> datum;
  };
  static void post(std::function<void()> task) {
    boost::asio::post(*net::this_loop(), std::move(task));
  }

  // Three keys a step, each second step none.
  class Scan final : public store::KeyScan {
   public:
    explicit Scan(TestStore& owner) : store_(owner) {}
    void next(Sink& sink) override {
      post([this, &sink, lives = std::weak_ptr(life_)] {
        if (!lives.expired()) step(sink);
      });
    }

   private:
    void step(Sink& sink) {
      const std::size_t number = steps_++;
      if (number >= store_.scan_fails_at) {
        return sink.failed({ErrorCode::kUnavailable, "the store is away"});
      }
      for (int i = 0; number % 2 == 0 && i < 3 && at_ < store_.scanned.size(); ++i) {
        sink.key(store_.scanned[at_++]);
      }
      sink.end(at_ < store_.scanned.size());
    }
    TestStore& store_;
    std::size_t at_ = 0;
    std::size_t steps_ = 0;
    std::shared_ptr<int> life_ = std::make_shared<int>();
  };

  std::deque<Copy> kept;
};

class ByBody final : public http::Handler {
 public:
  explicit ByBody(Records& records) : records_(records) {}
  void handle(http::Exchange& exchange) override { records_.handle_by_body(exchange); }

 private:
  Records& records_;
};

class Inspection final : public http::Handler {
 public:
  explicit Inspection(Records& records) : records_(records) {}
  void handle(http::Exchange& exchange) override {
    records_.inspect(exchange, exchange.request().rest.substr(1));
  }

 private:
  Records& records_;
};

class RecordsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(schemas_.insert(kUser, {std::string(kUserSchema)}).ok());
    ASSERT_TRUE(schemas_.insert(kReading, {std::string(kReadingSchema)}).ok());
    options_.path = "/api/users";
    options_.store = &store_;
    options_.local_writes = &local_writes_;
    options_.schemas = &schemas_;
    options_.gate = &gate_;
    options_.logs = &logs_;
    options_.max_age_seconds = 60;
    options_.writable = [this] { return writable_; };
    options_.key_field = [this](SchemaId) { return key_field_; };
    options_.loops = 2;
  }

  void TearDown() override {
    server_.reset();  // before the handlers
  }

  Client& client() {
    if (!server_) {
      records_ = std::make_unique<Records>(options_);
      by_body_ = std::make_unique<ByBody>(*records_);
      router_.add("/api/users", *records_);
      router_.add("/api/users_by_body", *by_body_);
      inspection_ = std::make_unique<Inspection>(*records_);
      router_.add("/inspect", *inspection_);
      http::ServerOptions options;
      options.threads = options_.loops;
      auto started = http::Server::start(options, router_);
      if (!started.ok()) throw std::runtime_error(started.error().describe());
      server_ = std::move(*started);
    }
    if (!client_) client_ = std::make_unique<Client>(server_->port());
    return *client_;
  }

  // Whether the body has a code of this status, and a message.
  static bool is_error(unsigned status, const std::string& body) {
    const auto rows = error_codes();
    return std::any_of(rows.begin(), rows.end(), [&](const ErrorCodeRow& row) {
      return static_cast<unsigned>(row.http_status) == status &&
             body.starts_with("{\"code\":\"" + std::string(row.name) + "\",\"message\":\"");
    });
  }

  Response ask(const std::string& method, const std::string& target, const std::string& body = "",
               const std::string& headers = "") {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: h\r\n" + headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    const auto response = client().ask(text + "\r\n" + body, method == "HEAD");
    EXPECT_TRUE(response.has_value()) << method << " " << target;
    if (!response) return {};
    if (response->status >= 400 && method != "HEAD") {
      EXPECT_TRUE(is_error(response->status, response->body)) << response->body;
      EXPECT_EQ(response->header("Content-Type"), "application/json");
    }
    return *response;
  }
  Response get(const std::string& target, const std::string& headers = "") {
    return ask("GET", target, "", headers);
  }

  void put(std::string_view key, SchemaId schema, std::string_view json, int partition = 0,
           std::int64_t offset = 0) {
    Buffer datum;
    const registry::SchemaEntry* entry = schemas_.find(schema);
    ASSERT_NE(entry, nullptr);
    const Status encoded = avro::Encoder(entry->schema).from_json(json, datum);
    ASSERT_TRUE(encoded.ok()) << encoded.error().describe();
    put_bytes(key, schema, datum.bytes(), partition, offset);
  }
  void put_bytes(std::string_view key, SchemaId schema, Bytes datum, int partition = 0,
                 std::int64_t offset = 0) {
    ASSERT_TRUE(store_
                    .put({.key = key,
                          .datum = datum,
                          .schema = schema,
                          .partition = Partition(partition),
                          .offset = Offset(offset)})
                    .ok());
  }

  registry::NoSource source_;
  registry::SchemaCache schemas_{source_};
  TestGate gate_;
  TestStore store_;
  store::LocalWrites local_writes_;
  std::vector<SchemaId> writable_{kUser};
  std::optional<std::string> key_field_ = "accountId";
  store::LogIdentities logs_{{"users", "orders", "bills"}};
  RecordsOptions options_;
  std::unique_ptr<Records> records_;
  std::unique_ptr<ByBody> by_body_;
  std::unique_ptr<Inspection> inspection_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<Client> client_;
};

}  // namespace push_cache::api
