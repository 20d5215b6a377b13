// Texts of a configuration to values. Each error says what would be right and does not repeat the
// text.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace push_cache::config {

Result<bool> parse_bool(std::string_view text);
Result<std::int64_t> parse_whole(std::string_view text);

// A number of bytes ("1500"), or one with a unit: kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB,
// TiB (of 1024), and as Kubernetes writes them k, M, G, T, Ki, Mi, Gi, Ti.
Result<std::uint64_t> parse_bytes(std::string_view text);
// The shortest text that `parse_bytes` takes for it: "2GiB", "1500".
std::string bytes_text(std::uint64_t bytes);

// A number of seconds ("5", "0.5"), or numbers with units ("500ms", "5s", "1m 30s", "1 hour"; ns,
// us, ms, s, m, h, d and their longer names).
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
// The shortest text that `parse_duration` takes for it: "5s", "1500ms".
std::string duration_text(std::chrono::milliseconds duration);

// "host:port" of an IP address or localhost (which becomes 127.0.0.1): "127.0.0.1:80", "[::1]:80".
Result<std::string> parse_address(std::string_view text);

// A path of a URL with a slash in front and none at the end; "" for "" and "/".
Result<std::string> parse_path(std::string_view text);

// Brokers as librdkafka takes them: "host:port,host:port" without the scheme kafka:// or tcp://.
Result<std::string> parse_brokers(std::string_view text);

// A topic's name (Kafka: 1 to 249 of a-z A-Z 0-9 . _ -).
Result<std::string> parse_topic(std::string_view text);

// What a route shows its records by.
struct ReaderSchema {
  enum class Kind : std::uint8_t {
    kWriter,   // each by the schema that it was written with
    kLatest,   // the latest version of the subject of the record's topic
    kSubject,  // a version of `subject`
    kFile,     // the schema in the file `path`
  };
  Kind kind = Kind::kWriter;
  std::string subject = {};
  int version = 0;  // 0 = the latest
  std::string path = {};
};

// "writer", "latest", "SUBJECT:VERSION", "SUBJECT:latest" or "file:PATH". The file is not looked
// at.
Result<ReaderSchema> parse_reader_schema(std::string_view text);

}  // namespace push_cache::config
