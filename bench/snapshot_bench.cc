// Snapshots of a million customers: how long one takes to write, what it costs the ingest beside
// it, and a start from it against putting the same records one by one.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "bench/store_subjects.h"
#include "snapshot/snapshot.h"

namespace push_cache::bench {
namespace {

constexpr std::uint64_t kRecords = 1'000'000;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "snapshot-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail("no temporary folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

double ns_a_record(double seconds) { return seconds * 1e9 / static_cast<double>(kRecords); }

struct CountRecords final : store::RecordSink {
  std::uint64_t records = 0;
  std::uint64_t sum = 0;
  bool record(const store::RecordView& record) override {
    ++records;
    sum += record.key.back() + record.datum.back();
    return true;
  }
};

// Every record put once more, each core its part; ns a record of the whole.
double put_on_all_cores(store::Store& store, const Datums& datums) {
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 1U);
  const double start = now_seconds();
  {
    std::vector<std::jthread> writers;
    for (unsigned core = 0; core < cores; ++core) {
      writers.emplace_back([&, core] {
        for (std::uint64_t i = core; i < kRecords; i += cores) put(store, i, datums.at(i + 1));
      });
    }
  }
  return ns_a_record(now_seconds() - start);
}

// The same while snapshots are taken, one behind the other.
double put_beside_snapshots(store::Store& store, const Datums& datums,
                            const snapshot::Description& description,
                            const std::filesystem::path& folder) {
  std::atomic<bool> ended = false;
  const std::jthread taker([&] {
    store::Store* const stores[] = {&store};
    while (!ended) {
      const auto written = snapshot::write(description, stores,
                                           {.dir = folder, .stop = [&] { return ended.load(); }});
      if (!written.ok() && !ended) fail(written.error().describe());
    }
  });
  const double ns = put_on_all_cores(store, datums);
  ended = true;
  return ns;
}

int run(int argc, char** argv) {
  Suite suite("snapshot", argc, argv);
  const Datums datums;
  const Folder folder;
  const snapshot::Description description{.topics = {{"customers", ""}}, .stores = {"customers"}};

  for (const bool ordered : {true, false}) {
    const std::string how = ordered ? "ordered" : "unordered";
    const Row scan{sized("scan/" + how, kRecords), "ns"};
    const Row write{sized("write/" + how, kRecords), "ns"};
    const Row load_1{sized("load_1_thread/" + how, kRecords), "ns", true,
                     "the same records put one by one by one thread", 2.0};
    const Row beside{sized("ingest_beside_a_snapshot/" + how, kRecords), "ns", true,
                     "the same without a snapshot", 0.9};
    Row load_2 = load_1;
    load_2.name = sized("load_2_threads/" + how, kRecords);
    load_2.goal = 3.0;
    if (!suite.wants(scan.name) && !suite.wants(write.name) && !suite.wants(load_1.name) &&
        !suite.wants(load_2.name) && !suite.wants(beside.name)) {
      continue;
    }
    const store::MemoryStoreOptions options{.ordered = ordered};
    const auto store = store::make_memory_store(options);
    for (std::uint64_t i = 0; i < kRecords; ++i) put(*store, i, datums.at(i));
    suite.single(scan, [&] {
      CountRecords count;
      const double start = now_seconds();
      if (!store->scan(count).ok() || count.records != kRecords) fail("a scan was wrong");
      keep(count.sum);
      return ns_a_record(now_seconds() - start);
    });
    store::Store* const stores[] = {store.get()};
    const auto write_one = [&] {
      const auto written = snapshot::write(description, stores, {.dir = folder.path()});
      if (!written.ok() || written->records != kRecords) fail("a snapshot was not written");
      return ns_a_record(written->seconds);
    };
    (void)write_one();  // for the loads, whatever rows are wanted
    suite.single(write, write_one);
    suite.single({sized("file/" + how, kRecords), "bytes"}, [&] {
      return static_cast<double>(std::filesystem::file_size(folder.path() / snapshot::kFileName)) /
             static_cast<double>(kRecords);
    });
    const Folder aside;  // the loads below have the file of every record's first value
    suite.pair(
        beside, [&] { return put_beside_snapshots(*store, datums, description, aside.path()); },
        [&] { return put_on_all_cores(*store, datums); });
    // With the check of every byte that goes before.
    const auto load = [&](unsigned threads) {
      const auto into = store::make_memory_store(options);
      store::Store* const loaded[] = {into.get()};
      const double start = now_seconds();
      const auto opened = snapshot::Snapshot::open(folder.path(), threads);
      if (!opened.ok()) fail(opened.error().describe());
      if (!(*opened)->load(loaded, threads).ok()) fail("a snapshot was not loaded");
      const double seconds = now_seconds() - start;
      if (into->counts().records != kRecords) fail("records are missing");
      return ns_a_record(seconds);
    };
    const auto put_all = [&] {
      const auto into = store::make_memory_store(options);
      const double start = now_seconds();
      for (std::uint64_t i = 0; i < kRecords; ++i) put(*into, i, datums.at(i));
      return ns_a_record(now_seconds() - start);
    };
    suite.pair(
        load_1, [&] { return load(1); }, put_all);
    suite.pair(
        load_2, [&] { return load(2); }, put_all);
  }
  return suite.finish();
}

}  // namespace
}  // namespace push_cache::bench

int main(int argc, char** argv) { return push_cache::bench::run(argc, argv); }
