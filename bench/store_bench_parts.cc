// Threads, writes, memory and JSON of the store; see store_bench.cc.
#include <malloc.h>

#include <array>
#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "avro/plan.h"
#include "avro/schema.h"
#include "avro/wire.h"
#include "bench/store_subjects.h"

namespace push_cache::bench {
namespace {

constexpr double kSeconds = 0.3;
const char* const kMapWords = "sharded unordered_map + shared_mutex";

unsigned cores() { return std::max(1u, std::thread::hardware_concurrency()); }

// ns a lookup when `threads` threads work off `tasks` tasks of equal size, all lookups together.
template <typename Lookup>
double concurrent(unsigned threads, unsigned tasks, const Lookup& lookup) {
  constexpr std::uint64_t kLookups = 1'500'000;
  const std::uint64_t each = kLookups / tasks;
  std::atomic<unsigned> next = 0;
  std::atomic<unsigned> ready = 0;
  std::atomic<bool> go = false;
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t) {
    pool.emplace_back([&] {
      ++ready;
      while (!go) std::this_thread::yield();
      for (unsigned task = next++; task < tasks; task = next++) lookup(task * each, each);
    });
  }
  while (ready < threads) std::this_thread::yield();
  const double start = now_seconds();
  go = true;
  for (std::thread& thread : pool) thread.join();
  return (now_seconds() - start) * 1e9 / static_cast<double>(each * tasks);
}

double concurrent_store(Subjects& subjects, unsigned threads, unsigned tasks) {
  store::Store& store = subjects.store();
  const Order& order = subjects.hits();
  return concurrent(threads, tasks, [&](std::uint64_t from, std::uint64_t count) {
    Touch touch;
    for (std::uint64_t i = from; i < from + count; ++i) store.get(order.at(i), touch);
    keep(touch.sum);
  });
}

double concurrent_map(Subjects& subjects, unsigned threads, unsigned tasks) {
  Map& map = subjects.map();
  const Order& order = subjects.hits();
  return concurrent(threads, tasks, [&](std::uint64_t from, std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = from; i < from + count; ++i) {
      map.get(order.at(i), [&sum](const ReferenceRecord& record) {
        sum += static_cast<std::uint8_t>(record.datum.front());
      });
    }
    keep(sum);
  });
}

// What a service written by hand keeps: parsed structs, cloned under the lock and rendered by a
// JSON library.
struct Customer {
  std::string account_id, name, address, phone;
  std::int64_t created_at = 0;
  std::int64_t updated_at = 0;
};

Customer parse_customer(std::string_view datum) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(datum.data());
  const std::uint8_t* end = at + datum.size();
  const auto number = [&] {
    const avro::Varint varint = avro::read_varint(at, end);
    at = varint.next;
    return avro::unzigzag(varint.raw);
  };
  const auto text = [&] {
    const auto size = static_cast<std::size_t>(number());
    std::string out(reinterpret_cast<const char*>(at), size);
    at += size;
    return out;
  };
  Customer out;
  out.account_id = text();
  out.name = text();
  out.address = text();
  out.phone = text();
  out.created_at = number();
  out.updated_at = number();
  return out;
}

struct Render final : store::GetSink {
  const avro::Plan& plan;
  Buffer out{64 * 1024};

  explicit Render(const avro::Plan& of) : plan(of) {}
  void found(const store::RecordView& record) override {
    out.clear();
    if (!plan.to_json(record.datum, out).ok()) fail("a customer was not rendered");
    keep(out.data());
  }
  void absent() override { fail("a customer was not found"); }
  void failed(const Error& error) override { fail(error.describe()); }
};

// ns of each `get` that was measured, sorted.
std::vector<double> latencies(store::Store& store, const Order& order) {
  using Clock = std::chrono::steady_clock;
  constexpr std::uint64_t kSamples = 400'000;
  std::vector<double> out;
  out.reserve(kSamples);
  Touch touch;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const auto before = Clock::now();
    store.get(order.at(i), touch);
    keep(touch.sum);
    out.push_back(std::chrono::duration<double, std::nano>(Clock::now() - before).count());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

void bench_concurrent(Suite& suite, Subjects& subjects) {
  for (const unsigned tasks : {1u, 10u, 100u, 1000u}) {
    const Row row{sized("concurrent/" + std::to_string(tasks), subjects.records()), "ns", true,
                  kMapWords, 2.5};
    if (!suite.wants(row.name)) continue;
    const unsigned threads = std::min(tasks, cores());
    suite.pair(
        row, [&] { return concurrent_store(subjects, threads, tasks); },
        [&] { return concurrent_map(subjects, threads, tasks); });
  }
  // A thread a core against one thread's share: 1 = linear.
  const Row row{sized("concurrent/linear", subjects.records()), "ns", true,
                "one thread's time divided by the cores", 0.9};
  if (!suite.wants(row.name)) return;
  suite.pair(
      row, [&] { return concurrent_store(subjects, cores(), cores()); },
      [&] { return concurrent_store(subjects, 1, 1) / cores(); });
}

void bench_json(Suite& suite, Subjects& subjects) {
  const Row row{sized("json", subjects.records()), "ns", true,
                "the map of parsed structs, cloned and rendered by Boost.JSON", 3.0};
  if (!suite.wants(row.name)) return;
  const auto schema =
      avro::Schema::parse(embedded::sample_info(embedded::SampleType::kCustomer).schema);
  if (!schema.ok()) fail(schema.error().describe());
  const auto plan = avro::Plan::compile(*schema, {});
  if (!plan.ok()) fail(plan.error().describe());
  ReferenceMap<Customer> structs;
  for (std::uint64_t i = 0; i < subjects.records(); ++i) {
    structs.put(Key(i).view(), parse_customer(subjects.datums().at(i)));
  }
  const Order& order = subjects.hits();
  suite.pair(
      row,
      [&] {
        Render render(**plan);
        return ns_per_call(kSeconds,
                           [&](std::uint64_t i) { subjects.store().get(order.at(i), render); });
      },
      [&] {
        return ns_per_call(kSeconds, [&](std::uint64_t i) {
          Customer clone;
          structs.get(order.at(i), [&clone](const Customer& customer) { clone = customer; });
          const boost::json::object fields = {
              {"accountId", clone.account_id}, {"name", clone.name},
              {"address", clone.address},      {"phone", clone.phone},
              {"createdAt", clone.created_at}, {"updatedAt", clone.updated_at}};
          keep(boost::json::serialize(fields).data());
        });
      });
}

void bench_writes(Suite& suite, Subjects& subjects) {
  const std::uint64_t records = subjects.records();
  const Order& order = subjects.hits();
  const auto number_of = [&order](std::uint64_t i) {
    std::uint64_t number = 0;
    const std::string_view key = order.at(i);
    std::from_chars(key.data() + 4, key.data() + key.size(), number);
    return number;
  };
  // Below a million, as for lookups: never slower.
  const double goal = records < 1'000'000 ? 1.0 : 2.0;
  Row row{sized("overwrite", records), "ns", true, kMapWords, goal};
  if (suite.wants(row.name)) {
    const auto overwrite = [&](auto& into) {
      return ns_per_call(
          kSeconds, [&](std::uint64_t i) { put(into, number_of(i), subjects.datums().at(i + 1)); });
    };
    suite.pair(
        row, [&] { return overwrite(subjects.store()); },
        [&] { return overwrite(subjects.map()); });
  }
  // As ingest does it: batches of keys are announced before they are written.
  row = {sized("overwrite_announced", records), "ns", true, kMapWords, goal};
  if (suite.wants(row.name)) {
    suite.pair(
        row,
        [&] {
          std::array<std::string_view, 16> keys;
          return ns_per_call(
                     kSeconds,
                     [&](std::uint64_t i) {
                       for (std::size_t k = 0; k < keys.size(); ++k) {
                         keys[k] = order.at(i * keys.size() + k);
                       }
                       subjects.store().prefetch(keys);
                       for (std::size_t k = 0; k < keys.size(); ++k) {
                         put(subjects.store(), number_of(i * keys.size() + k),
                             subjects.datums().at(i + k));
                       }
                     },
                     16) /
                 16;
        },
        [&] {
          return ns_per_call(kSeconds, [&](std::uint64_t i) {
            put(subjects.map(), number_of(i), subjects.datums().at(i + 1));
          });
        });
  }
  if (records > 5'000'000) return;  // a map of 16 million takes too long to fill again and again
  row = {sized("insert", records), "ns", true, kMapWords, goal};
  if (!suite.wants(row.name)) return;
  const auto fill = [&](auto& into) {
    const double start = now_seconds();
    for (std::uint64_t i = 0; i < records; ++i) put(into, number_of(i), subjects.datums().at(i));
    return (now_seconds() - start) * 1e9 / static_cast<double>(records);
  };
  suite.pair(
      row,
      [&] {
        const auto store = store::make_memory_store({.ordered = false});
        return fill(*store);
      },
      [&] {
        Map map;
        return fill(map);
      });
}

void bench_readers_under_writer(Suite& suite, Subjects& subjects) {
  for (const double quantile : {0.5, 0.99}) {
    const Row row{sized(quantile < 0.9 ? "readers_p50" : "readers_p99", subjects.records()), "ns",
                  true, "the same without a writer", 0.9};
    if (!suite.wants(row.name)) continue;
    const auto at_quantile = [quantile](const std::vector<double>& sorted) {
      return sorted[static_cast<std::size_t>(quantile * static_cast<double>(sorted.size()))];
    };
    suite.pair(
        row,
        [&] {
          std::atomic<bool> stop = false;
          std::thread writer([&] {
            for (std::uint64_t i = 0; !stop; ++i) {
              put(subjects.store(), (i * 7919) % subjects.records(), subjects.datums().at(i + 3));
            }
          });
          const double value = at_quantile(latencies(subjects.store(), subjects.hits()));
          stop = true;
          writer.join();
          return value;
        },
        [&] { return at_quantile(latencies(subjects.store(), subjects.hits())); });
  }
}

void bench_bytes(Suite& suite, std::uint64_t records, const Datums& datums) {
  const Row fresh{sized("bytes/fresh", records), "bytes", true, "the goal of 32 bytes", 1.0};
  const Row overwritten{sized("bytes/overwritten", records), "bytes", true, "the goal of 32 bytes",
                        1.0};
  const Row resident{
      sized("bytes/resident", records), "bytes", true, std::string(kMapWords) + ", resident", {}};
  if (!suite.wants(fresh.name) && !suite.wants(overwritten.name) && !suite.wants(resident.name)) {
    return;
  }
  const auto beyond = [records](const store::Store& store) {
    return static_cast<double>(store.memory().total() - store.counts().bytes) /
           static_cast<double>(records);
  };
  const auto store = store::make_memory_store({.ordered = false});
  for (std::uint64_t i = 0; i < records; ++i) put(*store, i, datums.at(i));
  suite.pair(
      fresh, [&] { return beyond(*store); }, [] { return 32.0; });
  if (suite.wants(overwritten.name)) {
    for (std::uint64_t round = 1; round <= 10; ++round) {
      for (std::uint64_t i = 0; i < records; ++i) put(*store, i, datums.at(i + round));
    }
    suite.pair(
        overwritten, [&] { return beyond(*store); }, [] { return 32.0; });
  }
  if (!suite.wants(resident.name) || records > 1'000'000) return;
  const auto grown = [&](auto& into) {
    ::malloc_trim(0);  // what the other side has freed must not serve this one
    const std::uint64_t before = resident_bytes_of();
    for (std::uint64_t i = 0; i < records; ++i) put(into, i, datums.at(i));
    return static_cast<double>(resident_bytes_of() - before) / static_cast<double>(records);
  };
  suite.pair(
      resident,
      [&] {
        const auto made = store::make_memory_store({.ordered = false});
        return grown(*made);
      },
      [&] {
        Map map;
        return grown(map);
      });
}

// The keys' order: what it adds to an insert and to the memory of a record, against one std::set of
// keys under a lock beside the store.
void bench_order(Suite& suite, std::uint64_t records, const Datums& datums) {
  for (const bool random : {true, false}) {
    const std::string how = random ? "random" : "ascending";
    const Order order(records, true);
    const auto number_of = [&](std::uint64_t i) {
      if (!random) return i;
      std::uint64_t number = 0;
      const std::string_view key = order.at(i);
      std::from_chars(key.data() + 4, key.data() + key.size(), number);
      return number;
    };
    std::unique_ptr<store::Store> kept;
    const Row row{sized("order/insert_" + how, records),
                  "ns",
                  true,
                  "the store without an order, and a std::set of its keys",
                  {}};
    if (suite.wants(row.name)) {
      suite.pair(
          row,
          [&] {
            kept = store::make_memory_store({.ordered = true});
            const double start = now_seconds();
            for (std::uint64_t i = 0; i < records; ++i) put(*kept, number_of(i), datums.at(i));
            return (now_seconds() - start) * 1e9 / static_cast<double>(records);
          },
          [&] {
            const auto bare = store::make_memory_store({.ordered = false});
            std::set<std::string, std::less<>> keys;
            std::mutex mutex;
            const double start = now_seconds();
            for (std::uint64_t i = 0; i < records; ++i) {
              put(*bare, number_of(i), datums.at(i));
              const std::lock_guard lock(mutex);
              keys.emplace(Key(number_of(i)).view());
            }
            return (now_seconds() - start) * 1e9 / static_cast<double>(records);
          });
    }
    if (kept == nullptr) continue;
    suite.single({sized("order/bytes_" + how, records), "bytes"}, [&] {
      return static_cast<double>(kept->memory().order) / static_cast<double>(records);
    });
    struct Count final : store::KeySink {
      std::uint64_t keys = 0;
      bool key(std::string_view) override { return ++keys > 0; }
    };
    suite.single({sized("order/list_all_" + how, records), "ns"}, [&] {
      Count count;
      const double start = now_seconds();
      if (!kept->page({}, SIZE_MAX, count).ok() || count.keys != records) fail("a list was wrong");
      return (now_seconds() - start) * 1e9 / static_cast<double>(records);
    });
    suite.single({sized("order/page_of_100_" + how, records), "ns"}, [&] {
      std::mt19937_64 seeks(3);
      return ns_per_call(
          0.2,
          [&](std::uint64_t) {
            Count count;
            (void)kept->page({.skip = seeks() % (records - 100)}, 100, count);
          },
          16);
    });
  }
}

}  // namespace push_cache::bench
