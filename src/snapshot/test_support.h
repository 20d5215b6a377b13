// What tests of snapshots share.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "snapshot/snapshot.h"
#include "store/memory_store.h"
#include "store/store.h"

namespace push_cache::snapshot {

// A folder that ends with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "snapshot-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file() const { return path_ / kFileName; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      out.push_back(entry.path().filename());
    }
    return out;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// All numbers of a record, and its datum.
using Kept =
    std::tuple<std::string, std::int32_t, std::int32_t, std::int64_t, std::int64_t, std::uint32_t>;
using Content = std::map<std::string, Kept>;

inline Content content_of(store::Store& store) {
  struct Sink final : store::RecordSink {
    Content content;
    bool record(const store::RecordView& one) override {
      EXPECT_TRUE(
          content
              .emplace(one.key, Kept(std::string(reinterpret_cast<const char*>(one.datum.data()),
                                                 one.datum.size()),
                                     one.schema.value, one.partition.value, one.offset.value,
                                     one.timestamp_ms, one.topic))
              .second);
      return true;
    }
  } sink;
  EXPECT_TRUE(store.scan(sink).ok());
  return sink.content;
}

inline void put(store::Store& store, std::string_view key, std::string_view datum,
                std::int64_t offset, int partition = 0, std::uint32_t topic = 0, int schema = 1) {
  const auto done = store.put({.key = key,
                               .datum = as_bytes(datum),
                               .schema = SchemaId(schema),
                               .partition = Partition(partition),
                               .offset = Offset(offset),
                               .timestamp_ms = 1'700'000'000'000 + offset,
                               .topic = topic});
  ASSERT_TRUE(done.ok());
}

}  // namespace push_cache::snapshot
