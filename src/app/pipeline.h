// The way from Kafka to the stores: every part of it, wired together.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/intake.h"
#include "app/readers.h"
#include "app/snapshots.h"
#include "base/error.h"
#include "config/config.h"
#include "redis/stats.h"
#include "registry/client.h"
#include "registry/schema_cache.h"
#include "store/local_writes.h"
#include "store/log_identities.h"
#include "store/shared_store.h"
#include "store/store.h"

namespace push_cache::app {

// Reads the topics of a configuration into its stores, from `start` until it is destroyed. Who
// reads the stores, the schemas or the feed must be gone by then. Its parts say what is safe from
// which thread.
class Pipeline {
 public:
  struct StoreRow {
    std::string name;
    std::unique_ptr<store::Store> store;
    store::SharedStore* shared = nullptr;                 // the same, of one that is shared
    std::shared_ptr<const redis::Stats> redis = nullptr;  // of its calls; null: not in Redis
    // What POST and DELETE have changed in it.
    std::unique_ptr<store::LocalWrites> local_writes = std::make_unique<store::LocalWrites>();
  };

  // Makes everything but the feeds: nothing is read yet. Fails for TLS files of a store that can't
  // be read, a registry's URL that is none, and a folder for snapshots that can't be had.
  static Result<std::unique_ptr<Pipeline>> create(const config::Config& config);
  ~Pipeline();

  // Begins to read. Fails for properties that librdkafka refuses; never for Kafka or the registry
  // being away.
  Status start();

  // In the order of cache.stores.
  const std::vector<StoreRow>& stores() const { return stores_; }
  // Index of the store with this name, which the configuration has.
  std::size_t store_index(const std::string& name) const;
  const store::LogIdentities& logs() const { return logs_; }
  registry::SchemaCache& schemas() const { return *schemas_; }
  const registry::Client& registry() const { return *client_; }
  const Readers& readers() const { return readers_; }
  // One or two: that of the stores in memory first. They stay where they are.
  const std::vector<Intake>& intakes() const { return intakes_; }
  // The one that fills a store.
  const Intake& intake_of(std::size_t store) const;
  // Whether the store takes records of this type.
  bool takes(std::size_t store, std::string_view full_name) const;
  // The store's place in its intake.
  std::size_t target_of(std::size_t store) const;
  // Whether POST or DELETE have changed any of its stores that take the topic (LocalWrites::any).
  bool local_writes_of(const Intake& intake, const std::string& topic) const;
  // The schemas of records that a store holds, as Applier::schemas_of.
  std::vector<SchemaId> schemas_of(std::size_t store) const;
  std::vector<SchemaId> writers_of(std::size_t store) const;  // as Applier's
  avro::LogicalTypes logical_types() const;
  // How the registry and the brokers are asked; hold secrets.
  registry::ClientOptions registry_options() const;
  kafka::ConsumerOptions consumer_options() const;
  // Null when the configuration has none.
  Snapshots* snapshots() const { return snapshots_.get(); }

 private:
  explicit Pipeline(const config::Config& config) : config_(config), logs_(config.kafka.topics) {}
  Status make_stores();
  void say_what_is_shown() const;
  Status make_schemas();
  Result<StoreRow> make_redis_store(const config::Store& store) const;
  void make_intake(bool shared);
  void learn_of_schemas();
  Status make_snapshots();
  std::vector<store::Store*> store_pointers(const Intake& intake) const;
  Status start_feed(Intake& intake);
  Status start_group(Intake& intake);

  const config::Config config_;
  // In the order of use: what is further down uses what is above, and goes first.
  store::LogIdentities logs_;  // of the stores in memory
  std::vector<StoreRow> stores_;
  std::unique_ptr<registry::Client> client_;
  std::unique_ptr<registry::SchemaCache> schemas_;
  Readers readers_;
  std::vector<Intake> intakes_;
  std::unique_ptr<Snapshots> snapshots_;
};

}  // namespace push_cache::app
