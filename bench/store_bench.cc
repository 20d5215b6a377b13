// The store in memory against a sharded std::unordered_map, and against what memory itself allows.
#include <sys/mman.h>

#include <array>

#include "bench/store_subjects.h"

namespace push_cache::bench {
namespace {

constexpr double kSeconds = 0.25;
constexpr std::size_t kBatch = 16;

// Memory of the size of a store, on huge pages where there are any, as one cycle through all of its
// cache lines in random order.
class Chase {
 public:
  explicit Chase(std::uint64_t bytes) : lines_(bytes / 64), bytes_((bytes | 0x1FFFFF) + 1) {
    void* place =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) fail("no memory for the pointer chase");
    (void)::madvise(place, bytes_, MADV_HUGEPAGE);
    line_ = static_cast<Line*>(place);
    for (std::uint64_t i = 0; i < lines_; ++i) line_[i].next = i;
    std::mt19937_64 random(11);
    for (std::uint64_t i = lines_ - 1; i > 0; --i) {  // Sattolo: one cycle
      std::swap(line_[i].next, line_[random() % i].next);
    }
  }
  ~Chase() { ::munmap(line_, bytes_); }
  Chase(const Chase&) = delete;
  Chase& operator=(const Chase&) = delete;

  void step() { at_ = line_[at_].next; }
  std::uint64_t at() const { return at_; }

 private:
  struct alignas(64) Line {
    std::uint64_t next;
  };
  std::uint64_t lines_;
  std::uint64_t bytes_;
  Line* line_;
  std::uint64_t at_ = 0;
};

double single(store::Store& store, const Order& order, bool hit) {
  Touch touch;
  std::uint64_t calls = 0;
  const double ns = ns_per_call(kSeconds, [&](std::uint64_t i) {
    store.get(order.at(i), touch);
    ++calls;
  });
  if (touch.hits != (hit ? calls : 0)) fail("a lookup was wrong");
  keep(touch.sum);
  return ns;
}

// The next key is not known before the last record was read.
double dependent(store::Store& store, const Order& order) {
  Touch touch;
  return ns_per_call(kSeconds, [&](std::uint64_t i) {
    store.get(order.at(i + (touch.sum >> 63)), touch);
    keep(touch.sum);
  });
}

double single(Map& map, const Order& order) {
  std::uint64_t sum = 0;
  const double ns = ns_per_call(kSeconds, [&](std::uint64_t i) {
    map.get(order.at(i), [&sum](const ReferenceRecord& record) {
      sum += static_cast<std::uint8_t>(record.datum.front()) +
             static_cast<std::uint8_t>(record.datum.back());
    });
  });
  keep(sum);
  return ns;
}

double batched(store::Store& store, const Order& order) {
  Touch touch;
  std::array<store::GetSink*, kBatch> sinks;
  sinks.fill(&touch);
  std::array<std::string_view, kBatch> keys;
  const double ns = ns_per_call(
      kSeconds,
      [&](std::uint64_t i) {
        for (std::size_t k = 0; k < kBatch; ++k) keys[k] = order.at(i * kBatch + k);
        store.get_batch(keys, sinks);
      },
      16);
  keep(touch.sum);
  return ns / kBatch;
}

double chase_two(Chase& chase) {
  const double ns = ns_per_call(kSeconds, [&](std::uint64_t) {
    chase.step();
    chase.step();
  });
  keep(chase.at());
  return ns;
}

}  // namespace

void bench_lookups(Suite& suite, Subjects& subjects) {
  const std::uint64_t records = subjects.records();
  const std::string map_words = "sharded unordered_map + shared_mutex";
  const double goal = records >= 1'000'000 ? 2.5 : 1.0;
  for (const bool hit : {true, false}) {
    const std::string what = hit ? "hit" : "miss";
    const auto& order = [&]() -> const Order& { return hit ? subjects.hits() : subjects.misses(); };
    Row row{sized("lookup/" + what + "/single", records), "ns", true, map_words, goal};
    if (suite.wants(row.name)) {
      suite.pair(
          row, [&] { return single(subjects.store(), order(), hit); },
          [&] { return single(subjects.map(), order()); });
    }
    row.name = sized("lookup/" + what + "/batch16", records);
    if (suite.wants(row.name)) {
      suite.pair(
          row, [&] { return batched(subjects.store(), order()); },
          [&] { return single(subjects.map(), order()); });
    }
  }
  if (records < 1'000'000) return;
  std::unique_ptr<Chase> chase;
  const auto reference = [&] {
    if (chase == nullptr) chase = std::make_unique<Chase>(subjects.store().memory().total());
    return chase_two(*chase);
  };
  const std::string words = "two dependent random reads";
  Row row{sized("lookup/chase/single", records), "ns", true, words, 1.0};
  if (suite.wants(row.name)) {
    suite.pair(
        row, [&] { return single(subjects.store(), subjects.hits(), true); }, reference);
  }
  row = {sized("lookup/chase/dependent", records), "ns", true, words, {}};
  if (suite.wants(row.name)) {
    suite.pair(
        row, [&] { return dependent(subjects.store(), subjects.hits()); }, reference);
  }
  row = {sized("lookup/chase/batch16", records), "ns", true, words, 1 / 0.6};
  if (suite.wants(row.name)) {
    suite.pair(
        row, [&] { return batched(subjects.store(), subjects.hits()); }, reference);
  }
}

namespace {

int run(int argc, char** argv) {
  Suite suite("store", argc, argv);
  const Datums datums;
  std::vector<std::uint64_t> sizes = {100, 1'000, 10'000, 100'000, 1'000'000};
  if (!suite.quick()) sizes.insert(sizes.end(), {5'000'000, 16'000'000});
  for (const std::uint64_t records : sizes) {
    if (available_memory_bytes() < subjects_bytes(records)) {
      suite.skip({sized("lookup", records), "ns"}, "not enough memory");
      continue;
    }
    Subjects subjects(records, datums);
    bench_lookups(suite, subjects);
    if (records == 1'000'000) {
      bench_concurrent(suite, subjects);
      bench_json(suite, subjects);
      bench_readers_under_writer(suite, subjects);
    }
    if (records == 10'000 || records >= 1'000'000) bench_writes(suite, subjects);
  }
  for (const std::uint64_t records : {1'000'000, 16'000'000}) {
    if (suite.quick() && records > 1'000'000) continue;
    if (available_memory_bytes() < subjects_bytes(records)) {
      suite.skip({sized("bytes", records), "bytes"}, "not enough memory");
      continue;
    }
    bench_bytes(suite, records, datums);
    if (records == 1'000'000) bench_order(suite, records, datums);
  }
  return suite.finish();
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) { return push_cache::bench::run(argc, argv); }
