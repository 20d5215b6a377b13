// For tests of feeds: an embedded Kafka and registry, and records for them.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "embedded/mock_broker.h"
#include "embedded/registry_server.h"
#include "kafka/client.h"
#include "kafka/producer.h"
#include "registry/client.h"
#include "registry/schema_cache.h"
#include "store/store.h"

namespace push_cache::ingest {

inline constexpr const char* kSchema =
    R"({"type":"record","name":"User","fields":[{"name":"id","type":"string"}]})";
inline constexpr const char* kNewSchema =
    R"({"type":"record","name":"User","fields":[{"name":"id","type":"string"},)"
    R"({"name":"n","type":"int","default":0}]})";

// Of the size and shape of a User's first version.
inline constexpr const char* kOtherSchema =
    R"({"type":"record","name":"Pet","fields":[{"name":"id","type":"string"}]})";

inline bool wait_for(const std::function<bool()>& condition,
                     std::chrono::seconds limit = std::chrono::seconds(60)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// Topic "users", and schema "users-value" of the text `kSchema`.
class FeedTestBase : public ::testing::Test {
 protected:
  void SetUp() override {
    auto registry = embedded::RegistryServer::start();
    ASSERT_TRUE(registry.ok()) << registry.error().describe();
    registry_ = *std::move(registry);
    auto id = registry_->add("users-value", kSchema);
    ASSERT_TRUE(id.ok());
    schema_ = *id;
    auto client = registry::Client::create(
        {.url = registry_->url(), .total_timeout = std::chrono::seconds(2)});
    ASSERT_TRUE(client.ok());
    client_ = *std::move(client);
    schemas_ = std::make_unique<registry::SchemaCache>(
        *client_,
        registry::SchemaCacheOptions{.retry = {.first = std::chrono::milliseconds(5),
                                               .max = std::chrono::milliseconds(20),
                                               .not_found_first = std::chrono::milliseconds(5),
                                               .not_found_max = std::chrono::milliseconds(20)}});
  }

  void start_broker(int partitions, int brokers = 1) {
    auto broker =
        embedded::MockBroker::start({.brokers = brokers, .topics = {{"users", partitions}}});
    ASSERT_TRUE(broker.ok()) << broker.error().describe();
    broker_ = *std::move(broker);
    auto producer = kafka::Producer::create({.brokers = broker_->bootstrap(), .properties = {}});
    ASSERT_TRUE(producer.ok());
    producer_ = *std::move(producer);
  }

  std::string value(SchemaId id, const std::string& text, const std::string& more = "") const {
    std::string out(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8) {
      out.push_back(static_cast<char>(static_cast<std::uint32_t>(id.value) >> shift));
    }
    out.push_back(static_cast<char>(text.size() * 2));
    return out + text + more;
  }

  // For feeds: the mock broker knows no cleanup policies.
  std::function<Result<kafka::TopicCleanup>(std::uint32_t)> ask_cleanup() {
    return [this](std::uint32_t) -> Result<kafka::TopicCleanup> {
      const std::lock_guard lock(cleanup_mutex_);
      ++cleanup_questions_;
      return cleanup_;
    };
  }
  void set_cleanup(Result<kafka::TopicCleanup> answer) {
    const std::lock_guard lock(cleanup_mutex_);
    cleanup_ = std::move(answer);
  }
  void set_compacted(bool compacted) {
    set_cleanup(kafka::TopicCleanup{.policy = compacted ? "compact" : "delete",
                                    .compacted = compacted,
                                    .tombstones_kept = std::chrono::hours(24)});
  }
  int cleanup_questions() {
    const std::lock_guard lock(cleanup_mutex_);
    return cleanup_questions_;
  }

  void produce(const std::string& key, const std::optional<std::string>& text) {
    std::optional<Bytes> bytes;
    if (text) bytes = Bytes(reinterpret_cast<const std::uint8_t*>(text->data()), text->size());
    ASSERT_TRUE(producer_->produce("users", key, bytes).ok());
  }

  void flush() { ASSERT_TRUE(producer_->flush(std::chrono::seconds(30)).ok()); }

  // The text that was given to `value`, or nothing when the key is absent.
  static std::optional<std::string> text_of(store::Store& store, const std::string& key) {
    struct Sink final : store::GetSink {
      std::optional<std::string> text;
      void found(const store::RecordView& record) override {
        text.emplace(record.datum.begin() + 1, record.datum.end());
      }
      void absent() override {}
      void failed(const Error&) override {}
    } sink;
    store.get(key, sink);
    return sink.text;
  }

  std::unique_ptr<embedded::RegistryServer> registry_;
  SchemaId schema_;
  std::unique_ptr<registry::Client> client_;
  std::unique_ptr<registry::SchemaCache> schemas_;
  std::unique_ptr<embedded::MockBroker> broker_;
  std::unique_ptr<kafka::Producer> producer_;

 private:
  std::mutex cleanup_mutex_;
  Result<kafka::TopicCleanup> cleanup_ = kafka::TopicCleanup{};
  int cleanup_questions_ = 0;
};

}  // namespace push_cache::ingest
